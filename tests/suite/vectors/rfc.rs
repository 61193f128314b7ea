//! The examples of RFC 7515 (appendix A), RFC 7517 (appendix A), RFC 7520 (section 4) and RFC 8037
//! (appendix A).

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tessera::protocol::jwk::{KeySet, KeyUse};
use tessera::protocol::jws::{JwsError, SignatureError, UnverifiedJwt};

use super::key;

/// Values of the documents, and what becomes of them here.
#[derive(Deserialize)]
struct Examples {
    signatures: Vec<Example>,
    #[serde(rename = "keySets")]
    key_sets: Vec<Published>,
    /// The JSON serialisations of RFC 7515, A.6 and A.7.
    json: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Example {
    name: String,
    key: Value,
    token: String,
    verdict: String,
}

#[derive(Deserialize)]
struct Published {
    name: String,
    document: Value,
    usable: Vec<String>,
}

fn examples() -> Examples {
    serde_json::from_str(include_str!("rfc.json")).unwrap()
}

/// What becomes of an example, in the words of the file.
fn verdict(Example { key: jwk, token, .. }: &Example) -> &'static str {
    let Some(key) = key(jwk) else { return "no key" };
    match UnverifiedJwt::parse(token).map(|read| read.verify(Arc::clone(&key))) {
        Ok(Ok(signed)) => {
            assert!(signed.claims().has("iss"));
            "good"
        }
        Ok(Err(SignatureError::Algorithm)) => "another algorithm",
        Ok(Err(SignatureError::Mismatch)) => "not its signature",
        Err(JwsError::Payload(_)) => {
            // No token, but perhaps a signature all the same.
            let (input, signature) = token.rsplit_once('.').unwrap();
            let good = key.signed(input.as_bytes(), signature);
            if good { "good signature" } else { "not its signature" }
        }
        Err(_) => "no token",
    }
}

#[test]
fn the_examples_of_the_rfcs_get_what_they_should() {
    let examples = examples();
    assert_eq!(examples.signatures.len(), 10);
    for example in &examples.signatures {
        assert_eq!(verdict(example), example.verdict, "{}", example.name);
    }
}

#[test]
fn no_bit_of_an_example_can_be_another() {
    let examples = examples();
    let good: Vec<_> = examples.signatures.iter().filter(|one| one.verdict == "good").collect();
    assert_eq!(good.len(), 2);
    for example in good {
        for at in 0..example.token.len() {
            for bit in 0..7 {
                let mut token = example.token.clone().into_bytes();
                token[at] ^= 1 << bit;
                let token = String::from_utf8(token).unwrap();
                let altered = Example { key: example.key.clone(), token, ..Example::default() };
                assert_ne!(verdict(&altered), "good", "{}: bit {bit} of {at}", example.name);
            }
        }
    }
}

#[test]
fn a_key_set_gives_the_keys_that_can_sign() {
    for Published { name, document, usable } in examples().key_sets {
        let keys = KeySet::parse(document.to_string().as_bytes(), KeyUse::Client).unwrap();
        let named: Vec<_> = keys.keys().iter().filter_map(|key| key.kid()).collect();
        assert_eq!(named, usable, "{name}");
        assert_eq!(keys.skipped(), 1, "{name}: one is for encryption");
    }
}

/// A52.
#[test]
fn tokens_in_json_are_none() {
    let examples = examples();
    assert_eq!(examples.json.len(), 2);
    for text in examples.json {
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
        assert!(UnverifiedJwt::parse(&text).is_err(), "{text}");
    }
}
