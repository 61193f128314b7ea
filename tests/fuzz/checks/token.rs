//! Tokens: what is read of one is what a slow and strict reader reads of it; what that one refuses is
//! refused (P13); and a signature is good over the one spelling of a token that was signed (P6).

use std::sync::{Arc, LazyLock};

use tessera::protocol::json::{Json, Object};
use tessera::protocol::jwk::{KeySet, KeyUse, VerificationKey};
use tessera::protocol::jws::UnverifiedJwt;

use super::strict::{self, Value};

const REFUSED: [&str; 9] = ["crit", "b64", "zip", "enc", "p2c", "p2s", "epk", "cty", "apu"];
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Tokens that are good, with their keys: RFC 7515, A.2 and A.3.
static SIGNED: LazyLock<Vec<(String, Arc<VerificationKey>)>> = LazyLock::new(|| {
    let examples: serde_json::Value =
        serde_json::from_str(include_str!("../../suite/vectors/rfc.json")).unwrap();
    let good = |one: &&serde_json::Value| one["verdict"] == "good";
    let pair = |one: &serde_json::Value| {
        let document = serde_json::json!({ "keys": [one["key"]] }).to_string();
        let keys = KeySet::parse(document.as_bytes(), KeyUse::Client).unwrap();
        (one["token"].as_str().unwrap().to_owned(), Arc::clone(&keys.keys()[0]))
    };
    examples["signatures"].as_array().unwrap().iter().filter(good).map(pair).collect()
});

/// `data` is a token; or, with a line feed in it, header, payload and signature as they are before
/// base64, one below the other.
pub(crate) fn check(data: &[u8]) -> bool {
    let text = if data.contains(&b'\n') {
        let parts: Vec<_> = data.splitn(3, |byte| *byte == b'\n').map(encoded).collect();
        parts.join(".")
    } else {
        match std::str::from_utf8(data) {
            Ok(text) => text.to_owned(),
            Err(_) => return false,
        }
    };
    let ours = UnverifiedJwt::parse(&text);
    let Some(theirs) = judge(&text) else {
        assert!(ours.is_err(), "read, and should not be");
        return false;
    };
    let Some(read) = theirs.known() else { return false };
    let ours = ours.expect("refused, and should not be");
    let header = ours.header();
    assert_eq!(Some(&*header.alg), read.text("alg"));
    assert_eq!(header.kid.as_deref(), read.text("kid"));
    assert_eq!(header.typ.as_deref(), read.text("typ"));
    assert_eq!(header.x5t_s256.as_deref(), read.text("x5t#S256"));
    assert_eq!(header.has_nonce, read.header.only("nonce").is_some());
    assert!(same_object(ours.unverified_claims(), &read.payload), "other claims");
    for (signed, key) in &*SIGNED {
        let read = UnverifiedJwt::parse(&text).unwrap();
        if read.verify(Arc::clone(key)).is_ok() {
            let up_to = |token: &str| token.rsplit_once('.').map(|(input, _)| input.to_owned());
            assert_eq!(up_to(&text), up_to(signed), "another text under the same signature");
            // Of a signature by an elliptic curve there are two; one by RSA has no other (A16).
            assert!(text == *signed || text.len() == signed.len() && signed.len() < 300);
        }
    }
    true
}

/// A token that may be read.
struct Token {
    header: Value,
    payload: Value,
}

impl Token {
    fn text(&self, name: &str) -> Option<&str> {
        self.header.only(name).and_then(Value::text)
    }

    /// Where no number is at the edge of what a float can hold, where readers may differ.
    fn known(&self) -> Option<&Self> {
        let edge = |text: &&str| text.parse::<f64>().is_ok_and(|number| number.abs() > 1e308);
        let numbers = [self.header.numbers(), self.payload.numbers()].concat();
        (!numbers.iter().any(edge)).then_some(self)
    }
}

/// RFC 7515 §5.2 as the limits of this service have it; `None`: no token.
fn judge(text: &str) -> Option<Token> {
    if text.len() > 32 * 1024 {
        return None;
    }
    let parts: Vec<_> = text.split('.').collect();
    let [header, payload, signature] = *parts else { return None };
    decoded(signature)?;
    let (header, payload) = (decoded(header)?, decoded(payload)?);
    if header.len() > 4 * 1024 || payload.len() > 24 * 1024 {
        return None;
    }
    let token = Token { header: object(&header)?, payload: object(&payload)? };
    if REFUSED.iter().any(|name| token.header.only(name).is_some()) || token.text("alg").is_none() {
        return None;
    }
    for name in ["alg", "kid", "typ", "x5t#S256"] {
        let Some(value) = token.header.only(name) else { continue };
        let text = value.text()?;
        let printable = text.chars().all(|letter| (' '..='~').contains(&letter));
        if !printable || text.is_empty() || text.len() > 256 {
            return None;
        }
    }
    Some(token)
}

/// An object within the limits: unambiguous, no deeper than 16, no more than 512 members.
fn object(bytes: &[u8]) -> Option<Value> {
    let value = strict::read(bytes)?;
    let finite = |text: &&str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let good = matches!(value, Value::Map(_))
        && value.is_unambiguous()
        && value.depth() <= 16
        && value.members() <= 512
        && value.numbers().iter().all(finite);
    good.then_some(value)
}

fn same_object(ours: &Object, theirs: &Value) -> bool {
    let Value::Map(theirs) = theirs else { return false };
    let ours: Vec<_> = ours.members().collect();
    ours.len() == theirs.len()
        && ours
            .iter()
            .zip(theirs)
            .all(|((name, value), (other, theirs))| name == other && same(value, theirs))
}

fn same(ours: &Json, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(one), Value::Bool(other)) => one == other,
        (Json::String(one), Value::Text(other)) => one == other,
        (Json::Number(one), Value::Number(text)) => {
            match (text.parse::<u64>(), text.parse::<i64>()) {
                (Ok(number), _) => one.as_u64() == Some(number),
                (_, Ok(number)) if text != "-0" => one.as_i64() == Some(number),
                _ => {
                    let (one, other) = (one.as_f64().unwrap(), text.parse::<f64>().unwrap());
                    (one - other).abs() <= other.abs() * 1e-15
                }
            }
        }
        (Json::Array(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Json::Object(one), other) => same_object(one, other),
        _ => false,
    }
}

/// Base64url without padding (RFC 7515 §2), one bit after the other; `None`: it is none, or not the
/// one spelling of its bytes.
pub(crate) fn decoded(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = ALPHABET.iter().position(|one| *one == letter)?;
        bits = (bits << 6) | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
            bits &= (1 << count) - 1;
        }
    }
    // What is left are fewer than six bits, and none of them says anything.
    (count < 6 && bits == 0).then_some(bytes)
}

/// The same the other way.
fn encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= 6 {
            count -= 6;
            text.push(letter(bits >> count));
            bits &= (1 << count) - 1;
        }
    }
    if count > 0 {
        text.push(letter(bits << (6 - count)));
    }
    text
}

fn letter(bits: u32) -> char {
    char::from(ALPHABET[usize::try_from(bits & 0x3f).unwrap()])
}
