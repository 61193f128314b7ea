//! What the benchmarks work on: tokens as Entra signs them, and rules about them.

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tessera::adapters::clock::SystemClock;
use tessera::config::{Config, Environment, PlainSecrets, load};
use tessera::dev::apps::ORDERS;
use tessera::dev::configuration::for_orders;
use tessera::dev::issue::Issuer;
use tessera::dev::keys::SigningKey;
use tessera::dev::people::{GOLD_CUSTOMERS, HOME_TENANT};
use tessera::dev::server::Running;
use tessera::dev::tenant::{FakeEntra, KeySupply, Options};
use tessera::domain::mapping::{Grant, Mapped, Mapping, Rule, When};
use tessera::domain::subject_token::SubjectToken;
use tessera::domain::tenant::{IssuerId, TokenVersion};
use tessera::domain::validate::{ValidToken, access_token};
use tessera::protocol::jwk::{KeySet, KeyUse, VerificationKey};
use tessera::protocol::jws::UnverifiedJwt;
use tessera::protocol::time::{Seconds, UnixTime};

use crate::mint::{SECRET, typical};

/// When everything happens that does not ask for the time itself.
pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_795_435_200);
/// What the one client asks tokens for.
pub(crate) const RESOURCE: &str = "https://orders.internal";

/// The look-alike, which signs tokens and gives out its keys.
pub(crate) fn look_alike() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Options { clock: Arc::new(SystemClock::new()), keys: KeySupply::Fresh };
    FakeEntra::start(listener, options).unwrap()
}

/// The configuration of the load test, which lets `tyk` introspect and exchange.
pub(crate) fn configuration(authority: &str) -> Config {
    let text = for_orders(authority);
    load(&text, "guard.yaml", &OneSecret, PlainSecrets::Refused).unwrap()
}

/// An environment with the one secret.
struct OneSecret;

impl Environment for OneSecret {
    fn variable(&self, _: &str) -> Result<String, String> {
        Ok(SECRET.to_owned())
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        Err(format!("no {}", path.display()))
    }
}

/// One token and the key that verifies it, without any server.
pub(crate) struct Signed {
    pub(crate) token: String,
    pub(crate) key: Arc<VerificationKey>,
}

impl Signed {
    pub(crate) fn new() -> Self {
        let private = SigningKey::rsa().unwrap();
        let issuer = Issuer::real(HOME_TENANT, NOW);
        let token = typical(&issuer).sign(&private).unwrap();
        let document = json!({ "keys": [private.entra_jwk(&issuer.name(TokenVersion::V2))] });
        let set = KeySet::parse(document.to_string().as_bytes(), KeyUse::Entra).unwrap();
        let key = Arc::clone(set.keys().first().unwrap());
        key.trust_until(NOW.plus(Seconds::hours(1)));
        Self { token, key }
    }

    pub(crate) fn parsed(&self) -> UnverifiedJwt<'_> {
        UnverifiedJwt::parse(&self.token).unwrap()
    }
}

/// The issuer of such a token.
pub(crate) fn issuer() -> IssuerId {
    IssuerId { tenant: HOME_TENANT.parse().unwrap(), version: TokenVersion::V2 }
}

/// A valid token, and the configuration that decides about it.
pub(crate) struct Valid {
    pub(crate) token: ValidToken,
    pub(crate) config: Config,
}

impl Valid {
    pub(crate) fn new() -> Self {
        let signed = Signed::new();
        let checked = signed.parsed().verify(Arc::clone(&signed.key)).unwrap();
        let audiences = [ORDERS.client_id.to_owned()];
        let token = access_token(checked, issuer(), &audiences, NOW).unwrap();
        Self { token, config: configuration("http://127.0.0.1:1") }
    }

    pub(crate) fn groups(&self) -> Option<&[String]> {
        self.token.subject.groups.as_deref()
    }

    /// What its client may exchange it for, and as what it is seen then.
    pub(crate) fn subject(&self) -> SubjectToken {
        let mapped = Mapped::default();
        SubjectToken::of_entra(&self.token, self.groups(), mapped, Vec::new()).unwrap()
    }
}

/// So many rules, each about a group of its own; one of them is about Alice's.
pub(crate) fn mapping(rules: usize) -> Mapping {
    let rule = |number: usize| {
        let group = match number {
            0 => GOLD_CUSTOMERS.to_owned(),
            other => format!("7a000000-0000-4000-8000-{other:012x}"),
        };
        let grant = Grant { policies: vec![format!("policy-{number}")], ..Grant::default() };
        let when = When { groups: vec![group], ..When::default() };
        Rule { name: format!("rule-{number}"), when, grant }
    };
    // The one that matches comes last, so that nobody finds it by luck.
    Mapping::new((0..rules).rev().map(rule).collect())
}
