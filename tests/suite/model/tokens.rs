//! Random tokens of Entra: good ones of every kind, and good ones with one thing spoilt.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use tessera::dev::apps::{
    Api, App, BILLING, GATEWAY, INVOICE_AGENT, ORDERS, PORTAL, REPORTING, TESSERA,
};
use tessera::dev::keys::{SigningKey, base64url};
use tessera::dev::people::{AGENT_USER, ALICE, BOB, CAROL, HOME_TENANT, PARTNER_TENANT, Person};
use tessera::dev::server::Running;
use tessera::dev::token::{TokenBuilder, raw_token};

use super::setup::{CANARY, ENTRA_ROLES, ENTRA_SCOPES, GROUPS};
use crate::support::{ISSUER, PLANNER};

/// A sign-in that is to be made.
#[derive(Clone, Debug)]
pub(super) struct SignIn {
    who: Who,
    api: Address,
    /// From when on, and for how long, from the present moment.
    starts: i64,
    ends: i64,
    scopes: Vec<&'static str>,
    roles: Vec<&'static str>,
    groups: Option<Vec<&'static str>>,
    acr: bool,
    department: Option<&'static str>,
    spoilt: Option<Spoil>,
}

#[derive(Clone, Copy, Debug)]
enum Who {
    Alice,
    Bob,
    Carol,
    AgentUser,
    AliceByAgent,
    Reporting,
    Gateway,
    AgentAlone,
    /// An ID token of Alice for the gateway.
    IdToken,
}

#[derive(Clone, Copy, Debug)]
enum Address {
    Orders,
    Billing,
    Ourselves,
}

/// What is wrong with a token, or only odd.
#[derive(Clone, Debug)]
enum Spoil {
    Claim(&'static str, Value),
    Without(&'static str),
    Header(&'static str, Value),
    WithoutHeader(&'static str),
    /// Signed by a key that nobody publishes, under its own name or under that of the good one.
    Forged {
        own_name: bool,
    },
    /// One byte is another one.
    Byte {
        at: usize,
        byte: u8,
    },
    /// The same signature, spelled in another way.
    Respelled(&'static str),
    /// A member that is there twice, the good one last.
    Twice(&'static str),
}

/// A token as it was signed: all that the reference looks at.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) text: String,
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    /// The name of the key that signed exactly these bytes; `None`: none that is published did.
    pub(super) signer: Option<String>,
}

fn any_who() -> impl Strategy<Value = Who> {
    use Who::{
        AgentAlone, AgentUser, Alice, AliceByAgent, Bob, Carol, Gateway, IdToken, Reporting,
    };
    prop_oneof![
        3 => Just(Alice), 1 => Just(Bob), 1 => Just(Carol), 1 => Just(AgentUser), 2 => Just(AliceByAgent),
        1 => Just(Reporting), 1 => Just(Gateway), 1 => Just(AgentAlone), 1 => Just(IdToken),
    ]
}

const CLAIMS: [&str; 29] = [
    "acr",
    "amr",
    "appid",
    "appidacr",
    "aud",
    "auth_time",
    "azp",
    "azpacr",
    "c_hash",
    "cnf",
    "events",
    "exp",
    "groups",
    "hasgroups",
    "iat",
    "idtyp",
    "iss",
    "may_act",
    "nbf",
    "nonce",
    "oid",
    "preferred_username",
    "roles",
    "scp",
    "sub",
    "tid",
    "uti",
    "ver",
    "xms_act_fct",
];

fn odd() -> impl Strategy<Value = Value> {
    select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(4_102_444_800_i64),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("true"),
        json!("app"),
        json!("user"),
        json!("p  q"),
        json!("/"),
        json!("11"),
        json!("13 11"),
        json!("p\"q"),
        json!("ü"),
        json!("1.0"),
        json!("2.0"),
        json!("x".repeat(300)),
        json!([]),
        json!([""]),
        json!(["A", 1]),
        json!(["A", "B"]),
        json!(ORDERS.client_id),
        json!([ORDERS.client_id, BILLING.uri]),
        json!([ORDERS.client_id, 1]),
        json!({}),
        json!({ "groups": "src1" }),
        json!({ "sub": PLANNER.0 }),
        json!({ "iss": ISSUER, "sub": "tyk" }),
        json!({ "sub": "tyk", "x": 1 }),
        json!(HOME_TENANT),
        json!(PARTNER_TENANT),
        json!(HOME_TENANT.to_uppercase()),
        json!("0"),
    ])
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let header = select(vec![
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS512")),
        ("alg", json!(null)),
        ("typ", json!("at+jwt")),
        ("typ", json!("jwt")),
        ("typ", json!(1)),
        ("typ", json!("JWT")),
        ("kid", json!("")),
        ("kid", json!("another")),
        ("crit", json!([])),
        ("b64", json!(true)),
        ("nonce", json!("x")),
        ("x5u", json!("https://attacker.example/")),
        ("zip", json!("DEF")),
    ]);
    prop_oneof![
        6 => (select(&CLAIMS), odd()).prop_map(|(name, value)| Spoil::Claim(name, value)),
        2 => select(&CLAIMS).prop_map(Spoil::Without),
        2 => header.prop_map(|(name, value)| Spoil::Header(name, value)),
        1 => select(vec!["alg", "typ", "kid"]).prop_map(Spoil::WithoutHeader),
        1 => any::<bool>().prop_map(|own_name| Spoil::Forged { own_name }),
        2 => (any::<usize>(), 0x20_u8..0x7f).prop_map(|(at, byte)| Spoil::Byte { at, byte }),
        1 => select(vec!["=", "==", "A", "\n", " ", ".", "%3D"]).prop_map(Spoil::Respelled),
        1 => select(vec!["aud", "exp", "x"]).prop_map(Spoil::Twice),
    ]
}

prop_compose! {
    /// Any sign-in; most of them are good.
    pub(super) fn sign_in()(
        who in any_who(),
        api in prop_oneof![4 => Just(Address::Orders), 2 => Just(Address::Billing), 1 => Just(Address::Ourselves)],
        starts in prop_oneof![4 => -600_i64..=0, 1 => 50_i64..70], ends in prop_oneof![4 => 300_i64..5000, 1 => -70_i64..300, 1 => 171_800_i64..173_400],
        scopes in prop_oneof![4 => subsequence(ENTRA_SCOPES.to_vec(), 1..=3), 1 => Just(Vec::new())],
        roles in subsequence(ENTRA_ROLES.to_vec(), 0..=2),
        groups in proptest::option::of(subsequence(GROUPS.to_vec(), 0..=2)), acr in any::<bool>(),
        department in proptest::option::of(select(vec!["d1", "d3"])),
        spoilt in proptest::option::weighted(0.25, spoil()),
    ) -> SignIn {
        SignIn { who, api, starts, ends, scopes, roles, groups, acr, department, spoilt }
    }
}

/// A good token of an application that proves a client to us.
pub(super) fn proof(entra: &Running, app: &'static str, ends: i64) -> Signed {
    let app = if app == GATEWAY.client_id { &GATEWAY } else { &INVOICE_AGENT };
    let token = entra.issuer(HOME_TENANT).app_only(app, &TESSERA);
    let now = token.claims()["iat"].as_i64().unwrap();
    signed(entra, &token.claim("exp", now + ends))
}

/// Whom canaries speak for, and nothing else.
const NOBODY: &str = "99999999-2222-3333-4444-555555555555";

/// A good token for [`CANARY`], of each version: Entra's two issuers have a key set each.
pub(super) fn canaries(entra: &Running) -> [String; 2] {
    [&ORDERS, &BILLING].map(|api| {
        let token = entra.issuer(HOME_TENANT).delegated(&PORTAL, &ALICE, api, &["p"]);
        signed(entra, &token.claim("aud", CANARY).claim("oid", NOBODY)).text
    })
}

impl SignIn {
    /// The token, signed now.
    pub(super) fn make(&self, entra: &Running) -> Signed {
        let mut token = self.good(entra);
        let Some(spoilt) = &self.spoilt else { return signed(entra, &token) };
        let bad_key = SigningKey::pooled("attacker").unwrap();
        match spoilt {
            Spoil::Claim(name, value) => token = token.claim(name, value.clone()),
            Spoil::Without(name) => token = token.without(name),
            Spoil::Header(name, value) => token = token.header(name, value.clone()),
            Spoil::WithoutHeader(name) => token = token.without_header(name),
            Spoil::Forged { own_name } => {
                let key = entra.signing_key();
                let key = if *own_name { bad_key } else { bad_key.named(key.kid()) };
                return Signed { signer: None, ..signed_by(&key, &token) };
            }
            Spoil::Byte { at, byte } => return changed(signed(entra, &token), *at, *byte),
            Spoil::Respelled(more) => {
                let good = signed(entra, &token);
                return Signed { text: good.text + more, signer: None, ..good };
            }
            Spoil::Twice(name) => return twice(entra, &token, name),
        }
        signed(entra, &token)
    }

    fn good(&self, entra: &Running) -> TokenBuilder {
        let issuer = entra.issuer(HOME_TENANT);
        let api: &Api = match self.api {
            Address::Orders => &ORDERS,
            Address::Billing => &BILLING,
            Address::Ourselves => &TESSERA,
        };
        let person = |app: &App, person: &Person| issuer.delegated(app, person, api, &self.scopes);
        let token = match self.who {
            Who::Alice => person(&PORTAL, &ALICE),
            Who::Bob => person(&PORTAL, &BOB),
            Who::Carol => person(&PORTAL, &CAROL),
            Who::AgentUser => person(&INVOICE_AGENT, &AGENT_USER),
            Who::AliceByAgent => person(&INVOICE_AGENT, &ALICE),
            Who::Reporting => issuer.app_only(&REPORTING, api),
            Who::Gateway => issuer.app_only(&GATEWAY, api),
            Who::AgentAlone => issuer.app_only(&INVOICE_AGENT, api),
            Who::IdToken => issuer.id_token(&GATEWAY, &ALICE),
        };
        let now = issuer.now.seconds();
        let mut token = token
            .claim("iat", now + self.starts)
            .claim("nbf", now + self.starts)
            .claim("exp", now + self.ends);
        token = if self.roles.is_empty() {
            token.without("roles")
        } else {
            token.claim("roles", &*self.roles)
        };
        if let (Some(groups), false) = (&self.groups, matches!(self.who, Who::Carol)) {
            token = token.claim("groups", &**groups);
        }
        if self.acr {
            token = token
                .claim("acr", "1")
                .claim("amr", ["pwd", "mfa"].as_slice())
                .claim("auth_time", now - 700);
        }
        match self.department {
            Some(name) => token.claim("department", name),
            None => token,
        }
    }
}

fn signed(entra: &Running, token: &TokenBuilder) -> Signed {
    signed_by(&entra.signing_key(), token)
}

fn signed_by(key: &SigningKey, token: &TokenBuilder) -> Signed {
    Signed {
        text: token.sign(key).unwrap(),
        header: serde_json::from_slice(&token.header_for(key)).unwrap(),
        claims: token.claims().clone(),
        signer: Some(key.kid().to_owned()),
    }
}

/// Another byte at one place, wherever that is.
fn changed(good: Signed, at: usize, byte: u8) -> Signed {
    let mut bytes = good.text.clone().into_bytes();
    let at = at % bytes.len();
    if bytes[at] == byte {
        return good;
    }
    bytes[at] = byte;
    Signed { text: String::from_utf8(bytes).unwrap(), signer: None, ..good }
}

/// Signed as it should be, with a member twice: whoever reads the first and whoever reads the last
/// would read two tokens.
fn twice(entra: &Running, token: &TokenBuilder, name: &str) -> Signed {
    let key = entra.signing_key();
    let good = signed(entra, token);
    let payload = String::from_utf8(token.payload()).unwrap();
    let payload = format!("{{\"{name}\":\"one\",\"{name}\":\"other\",{}", &payload[1..]);
    let text =
        raw_token(&token.header_for(&key), payload.as_bytes(), |input| key.sign(input).unwrap());
    Signed { text, signer: None, ..good }
}

/// The other signature of P-256 over the same bytes: `(r, n - s)` is good where `(r, s)` is. The same
/// token in another spelling.
pub(super) fn mirrored(text: &str) -> Option<String> {
    use base64::Engine as _;
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (input, signature) = text.rsplit_once('.')?;
    let mut signature = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    let s = signature.get_mut(32..64).filter(|_| input.contains('.'))?;
    let mut borrow = 0_i16;
    for (digit, order) in s.iter_mut().zip(ORDER).rev() {
        let rest = i16::from(order) - i16::from(*digit) - borrow;
        borrow = i16::from(rest < 0);
        *digit = u8::try_from(rest + 256 * borrow).unwrap();
    }
    (signature.len() == 64).then(|| format!("{input}.{}", base64url(&signature)))
}
