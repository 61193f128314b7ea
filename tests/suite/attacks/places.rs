//! Where a token can be presented, which one is good there, and what is told when it is not.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

use tessera::dev::apps::{INVOICE_AGENT, TESSERA};
use tessera::dev::cluster;
use tessera::dev::keys::SigningKey;
use tessera::dev::people::HOME_TENANT;
use tessera::dev::token::{TokenBuilder, raw_token};
use tessera::protocol::client_auth::JWT_BEARER;

use super::sightings;
use crate::exchange::{JWT, fields};
use crate::kubernetes::CLUSTER;
use crate::support::{
    Answer, ISSUER, ORDERS_API, Request, SIGNER, START, TYK, World, assertion_key, logs,
};

/// What a token is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The token that a client asks about.
    Introspected,
    /// `subject_token` of an exchange.
    Subject,
    /// `actor_token` of an exchange.
    Actor,
    /// `client_assertion` of a caller, which it signed itself.
    Assertion,
    /// The same, signed by the cluster that the caller runs in.
    Account,
    /// The caller's own token, as `Authorization: Bearer`.
    Bearer,
    /// The token of whoever calls an API behind a gateway (forward authentication).
    Gateway,
}

impl Place {
    /// All of them.
    pub(super) const ALL: [Self; 7] = [
        Self::Introspected,
        Self::Subject,
        Self::Actor,
        Self::Assertion,
        Self::Account,
        Self::Bearer,
        Self::Gateway,
    ];
    /// Where Entra's tokens are good.
    pub(super) const OF_ENTRA: [Self; 5] =
        [Self::Introspected, Self::Subject, Self::Actor, Self::Bearer, Self::Gateway];
    /// Where Alice's token is good.
    pub(super) const OF_USERS: [Self; 3] = [Self::Introspected, Self::Subject, Self::Gateway];

    /// What whoever presents a bad token is told: always the same, whatever is wrong (A241).
    const fn told(self) -> (u16, &'static str) {
        match self {
            Self::Introspected => (200, r#"{"active":false}"#),
            Self::Subject | Self::Actor => (
                400,
                r#"{"error":"invalid_request","error_description":"the subject token or the actor token is not acceptable"}"#,
            ),
            Self::Assertion | Self::Account => (
                401,
                r#"{"error":"invalid_client","error_description":"client authentication failed"}"#,
            ),
            Self::Bearer => (
                401,
                r#"{"error":"invalid_token","error_description":"the bearer token does not identify a client of this service"}"#,
            ),
            Self::Gateway => (
                401,
                r#"{"error":"invalid_token","error_description":"the token is not valid here"}"#,
            ),
        }
    }

    /// How the challenge begins that comes with it (RFC 6749 §5.2, RFC 6750 §3).
    const fn challenge(self) -> Option<&'static str> {
        match self {
            Self::Introspected | Self::Subject | Self::Actor => None,
            Self::Assertion | Self::Account => Some("Basic "),
            Self::Bearer => Some(r#"Bearer realm="tessera", error="invalid_token""#),
            Self::Gateway => Some(r#"Bearer realm="orders", error="invalid_token""#),
        }
    }

    /// Whether such a text can get here at all: a header holds visible ASCII of a moderate length,
    /// and at a gateway what is not `b64token` is refused as a malformed request (RFC 6750 §2.1).
    fn carries(self, token: &str) -> bool {
        let of = |extra: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || extra.contains(char::from(byte));
            token.len() < 16_000 && token.trim_end_matches('=').bytes().all(known)
        };
        match self {
            Self::Introspected | Self::Subject | Self::Actor | Self::Assertion | Self::Account => {
                !token.is_empty()
            }
            Self::Bearer => of("-._~+/=!\"#$%&'()*,:;<>?@[\\]^`{|}"),
            Self::Gateway => of("-._~+/") && !token.starts_with('='),
        }
    }
}

/// A place in a world.
pub(super) struct Stand<'w> {
    pub(super) world: &'w World,
    pub(super) place: Place,
    /// What the request is about, when the token in question is the caller's or the actor's.
    alice: String,
}

impl<'w> Stand<'w> {
    pub(super) fn new(world: &'w World, place: Place) -> Self {
        Self { world, place, alice: world.sign(&world.alice()) }
    }

    /// A good token for this place, another one each time.
    pub(super) fn good(&self) -> TokenBuilder {
        match self.place {
            Place::Introspected | Place::Subject | Place::Gateway => self.world.alice(),
            Place::Actor | Place::Bearer => {
                self.world.entra.issuer(HOME_TENANT).app_only(&INVOICE_AGENT, &TESSERA)
            }
            Place::Assertion => {
                let id = format!("assertion-{}", next());
                TokenBuilder::client_assertion(SIGNER, ISSUER, &id, START)
            }
            // With one text as audience, as everybody else writes it.
            Place::Account => {
                let token = cluster::token(CLUSTER, &cluster::ROBOT, ISSUER, START);
                token.claim("aud", ISSUER).claim("jti", next().to_string())
            }
        }
    }

    /// Who signs what is good here.
    pub(super) fn key(&self) -> SigningKey {
        match self.place {
            Place::Assertion => assertion_key(),
            Place::Introspected
            | Place::Subject
            | Place::Actor
            | Place::Account
            | Place::Bearer
            | Place::Gateway => self.world.entra.signing_key(),
        }
    }

    /// Signed by the right key.
    pub(super) fn sign(&self, token: &TokenBuilder) -> String {
        token.sign(&self.key()).unwrap()
    }

    /// The right signature over exactly these bytes.
    pub(super) fn signed_raw(&self, header: &[u8], payload: &[u8]) -> String {
        let key = self.key();
        raw_token(header, payload, |input| key.sign(input).unwrap())
    }

    /// A good token, its header written out by hand.
    pub(super) fn with_header(&self, header: &str) -> String {
        self.signed_raw(header.as_bytes(), &self.good().payload())
    }

    /// A good token, its payload changed as text.
    pub(super) fn with_payload(&self, change: impl FnOnce(String) -> String) -> String {
        let token = self.good();
        let payload = change(String::from_utf8(token.payload()).unwrap());
        self.signed_raw(&token.header_for(&self.key()), payload.as_bytes())
    }

    /// A claim that is a text in what is good here.
    pub(super) fn text(&self, claim: &str) -> String {
        self.good().claims()[claim].as_str().unwrap().to_owned()
    }

    /// Tokens that differ from a good one in one claim each, and are well signed.
    pub(super) fn with_claim<V: Into<serde_json::Value>>(
        &self,
        claim: &str,
        values: impl IntoIterator<Item = V>,
    ) -> Vec<(String, String)> {
        let values = values.into_iter().map(Into::into);
        let token = |value: serde_json::Value| {
            let what = format!("{claim}: {value}").chars().take(80).collect();
            (what, self.sign(&self.good().claim(claim, value)))
        };
        values.map(token).collect()
    }

    /// Each of `tokens`, well signed.
    pub(super) fn signed(
        &self,
        tokens: impl IntoIterator<Item = TokenBuilder>,
    ) -> Vec<(String, String)> {
        let named = |(number, token): (usize, TokenBuilder)| {
            (format!("{number} {:?}", token.claims()), self.sign(&token))
        };
        tokens.into_iter().enumerate().map(named).collect()
    }

    fn request(&self, token: &str) -> Request {
        let alice = self.alice.as_str();
        match self.place {
            Place::Introspected => Request::introspect(&[("token", token)]).basic(TYK),
            Place::Subject => Request::form("/token", &fields(token, ORDERS_API)).basic(TYK),
            Place::Actor => {
                let actor = vec![("actor_token", token), ("actor_token_type", JWT)];
                let asked = [fields(alice, ORDERS_API), actor].concat();
                Request::form("/token", &asked).basic(TYK)
            }
            Place::Assertion | Place::Account => Request::introspect(&[
                ("token", alice),
                ("client_assertion", token),
                ("client_assertion_type", JWT_BEARER),
            ]),
            Place::Bearer => Request::introspect(&[("token", alice)]).bearer(token),
            Place::Gateway => Request::get("/verify/orders").gateway(TYK).bearer(token),
        }
    }

    /// Presents `token` under a name.
    fn present(&self, token: &str, name: &str) -> Answer {
        let request = self.request(token).header("X-Request-Id", name);
        request.send_from(elsewhere(), self.world.public)
    }

    /// Asserts that `token` is good here.
    #[track_caller]
    pub(super) fn accepts(&self, token: &str) {
        let answer = self.present(token, "good");
        let good = match self.place {
            Place::Introspected | Place::Assertion | Place::Account | Place::Bearer => {
                answer.is_active()
            }
            Place::Subject | Place::Actor | Place::Gateway => answer.status == 200,
        };
        assert!(good, "{:?}: {answer:?}", self.place);
    }

    /// Asserts that a token is refused: with the one answer of this place, with one line of log that
    /// does not repeat it, and so that the next good one is still good.
    #[track_caller]
    fn refuses(&self, what: &str, token: &str, is_new: bool) {
        let (what, name) = (format!("{what} ({:?})", self.place), logs::watched());
        let answer = self.present(token, &name);
        answer.assert_clean();
        let (status, body) = self.place.told();
        assert_eq!((answer.status, answer.text()), (status, body.to_owned()), "{what}");
        let challenge = answer.header("www-authenticate");
        match self.place.challenge() {
            Some(begins) => assert!(challenge.unwrap().starts_with(begins), "{challenge:?}"),
            None => assert_eq!(challenge, None),
        }
        sightings::assert_told_once(&what, &logs::about(&name), token, is_new);
        self.accepts(&self.sign(&self.good()));
    }

    /// How many of `tokens` can be presented here; all of those are refused. A verdict that is
    /// remembered was told when it was decided: so with what is among `known`, where all are noted.
    #[track_caller]
    pub(super) fn refuses_all(
        &self,
        row: &str,
        tokens: &[(String, String)],
        known: &mut HashSet<String>,
    ) -> usize {
        let carried = || tokens.iter().filter(|(_, token)| self.place.carries(token));
        for (what, token) in carried() {
            let is_new = known.insert(token.clone()) || self.place != Place::Gateway;
            self.refuses(&format!("{row}: {what}"), token, is_new);
        }
        carried().count()
    }
}

/// An address of this host that nobody used before: whoever fails is slowed by its address.
pub(super) fn elsewhere() -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + next())
}

/// Another number each time, for this process.
fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
