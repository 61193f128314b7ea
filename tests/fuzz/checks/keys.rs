//! Key sets: exactly those keys are taken that a slow reader of RFC 7517 and the policy would take,
//! each for its one algorithm; and certificates, whose end is read whatever stands behind them.

use tessera::protocol::jwk::{KeySet, KeyUse, MAX_KEYS};
use tessera::protocol::jws::algorithm_name;
use tessera::protocol::time::UnixTime;
use tessera::protocol::x509;

use super::strict::{self, Value};
use super::token::decoded;

/// Longest text of an error: it is logged, and shown to operators.
const MAX_SHOWN: usize = 400;

/// `data` is a key set, and a certificate.
pub(crate) fn check(data: &[u8]) -> bool {
    let mut taken = false;
    certificate(data);
    let document = strict::read(data);
    for purpose in [KeyUse::Entra, KeyUse::Client, KeyUse::Cluster] {
        let ours = KeySet::parse(data, purpose);
        if let Err(error) = &ours {
            let shown = error.to_string();
            assert!(shown.len() < MAX_SHOWN && !shown.contains(char::is_control), "{shown}");
        }
        if let Some(document) = &document {
            agree(ours.as_ref().ok(), document, purpose);
        }
        if let Ok(keys) = ours {
            taken = true;
            replaced(keys);
        }
    }
    taken
}

fn agree(ours: Option<&KeySet>, document: &Value, purpose: KeyUse) {
    let none = Vec::new();
    let entries = match document.only("keys") {
        Some(Value::List(entries)) => entries,
        _ => &none,
    };
    let expected: Vec<_> = entries.iter().filter_map(|entry| usable(entry, purpose)).collect();
    let ambiguous = (expected.iter().enumerate())
        .any(|(at, key)| expected.iter().take(at).any(|other| key.is_confused_with(other)));
    let Some(ours) = ours else {
        assert!(expected.is_empty() || entries.len() > MAX_KEYS || ambiguous, "refused");
        return;
    };
    assert!(!expected.is_empty() && entries.len() <= MAX_KEYS && !ambiguous, "taken");
    let found: Vec<_> =
        ours.keys().iter().map(|key| (key.kid(), algorithm_name(key.algorithm()))).collect();
    let expected: Vec<_> = expected.iter().map(|key| (key.kid, key.algorithm)).collect();
    assert_eq!(found, expected);
    assert_eq!(ours.skipped() + found.len(), entries.len());
}

/// A key that may verify.
struct Usable<'v> {
    kid: Option<&'v str>,
    issuer: Option<&'v str>,
    algorithm: &'static str,
    material: Vec<u8>,
}

impl Usable<'_> {
    /// Whether a token that names the one may mean the other (A251).
    fn is_confused_with(&self, other: &Self) -> bool {
        let named = self.kid.is_some() && self.kid == other.kid;
        let issued = [self.issuer, other.issuer].contains(&None) || self.issuer == other.issuer;
        let same = self.algorithm == other.algorithm && self.material == other.material;
        named && issued && !same
    }
}

/// The key that `entry` is, if it may verify for `purpose`.
fn usable(entry: &Value, purpose: KeyUse) -> Option<Usable<'_>> {
    let Value::Map(_) = entry else { return None };
    let texts = ["kty", "kid", "use", "alg", "crv", "n", "e", "x", "y", "issuer", "x5t#S256"];
    for name in texts {
        match *entry.all(name) {
            [] | [Value::Text(_) | Value::Null] => {}
            _ => return None,
        }
    }
    let text = |name: &str| entry.only(name).and_then(Value::text);
    let verifies = match *entry.all("key_ops") {
        [] | [Value::Null] => true,
        [Value::List(ops)] if ops.iter().all(|op| op.text().is_some()) => {
            ops.iter().any(|op| op.text() == Some("verify"))
        }
        _ => return None,
    };
    let named = text("kid").is_none_or(|kid| !kid.is_empty() && kid.len() <= 256);
    if !verifies || !named || text("use").is_some_and(|usage| usage != "sig") {
        return None;
    }
    let bytes = |name: &str| text(name).and_then(decoded);
    let algorithm = match (text("kty")?, text("alg")) {
        ("RSA", None | Some("RS256")) => "RS256",
        ("RSA", Some("PS256")) if purpose == KeyUse::Client => "PS256",
        ("EC", None | Some("ES256")) if purpose != KeyUse::Entra => "ES256",
        _ => return None,
    };
    let (kid, issuer) = (text("kid"), text("issuer"));
    let key = |material| Usable { kid, issuer, algorithm, material };
    if algorithm == "ES256" {
        let coordinates = [bytes("x")?, bytes("y")?];
        let good = text("crv") == Some("P-256") && coordinates.iter().all(|one| one.len() == 32);
        return good.then(|| key(coordinates.concat()));
    }
    let (modulus, exponent) = (bytes("n")?, bytes("e")?);
    let bits = modulus.len() * 8;
    let good = (2048..=4096).contains(&bits)
        && modulus[0] >= 0x80
        && modulus[modulus.len() - 1] % 2 == 1
        && exponent == [1, 0, 1];
    good.then(|| key(modulus))
}

/// A set in place of itself keeps its keys; one in place of another ends them (A250).
fn replaced(first: KeySet) {
    let (now, until) = (UnixTime::from_seconds(1000), UnixTime::from_seconds(2000));
    let mut second = first.clone();
    second.replace(None, until);
    assert!(second.keys().iter().all(|key| key.is_trusted(now) && !key.is_trusted(until)));
    let mut third = first;
    third.replace(Some(&second), until);
    assert!(third.keys().iter().all(|key| key.is_trusted(now)));
    let mut nothing = KeySet::default();
    nothing.replace(Some(&third), until);
    assert!(third.keys().iter().all(|key| !key.is_trusted(now)));
}

/// RFC 5280 §4.1.2.5: between 1950 and 9999, and what follows a certificate changes nothing.
fn certificate(data: &[u8]) {
    let end = x509::not_after(data);
    if let Some(end) = end {
        let years = UnixTime::from_seconds(-62_167_219_200)..=UnixTime::MAX;
        assert!(years.contains(&end), "{end}");
        assert_eq!(x509::not_after(&[data, data].concat()), Some(end));
    }
}
