//! What attackers send, and what they get: `{"active":false}`, at little cost to us.
//!
//! Each test carries the number of its row in the attack matrix. Rows that need what is not built
//! here: A17 and A20 (nobody has Edwards or small-exponent keys: such keys are refused when a key set
//! is read, see A24–A26), A84 and A142 (events). What is tried at the token endpoint stands in
//! `exchange`; A82 and A144 too. A132 stands beside `service/tokens.rs`.

mod algorithm;
mod audience;
mod confusion;
mod encoding;
mod header;
mod issuer;
mod own;
mod time;

use serde_json::Value;
use tessera::dev::token::{TokenBuilder, raw_token};

use crate::support::World;

/// Entra's signature over exactly these bytes.
fn signed_raw(world: &World, header: &[u8], payload: &[u8]) -> String {
    let key = world.entra.signing_key();
    raw_token(header, payload, |input| key.sign(input).unwrap())
}

/// Alice's token with Entra's signature, its header written out by hand.
fn with_header(world: &World, header: &str) -> String {
    signed_raw(world, header.as_bytes(), &world.alice().payload())
}

/// Alice's token with Entra's signature, its payload changed as text.
fn with_payload(world: &World, change: impl FnOnce(String) -> String) -> String {
    let (key, token) = (world.entra.signing_key(), world.alice());
    let payload = change(String::from_utf8(token.payload()).unwrap());
    signed_raw(world, &token.header_for(&key), payload.as_bytes())
}

/// Alice's token with one claim replaced, signed by Entra.
fn with_claim(world: &World, name: &str, value: impl Into<Value>) -> String {
    world.sign(&world.alice().claim(name, value))
}

/// The three parts of a compact token.
fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<_> = token.split('.').collect();
    parts.try_into().expect("three parts")
}

/// Asserts that nobody learns anything about any of these tokens, and that good ones still pass.
#[track_caller]
fn all_refused(world: &World, row: &str, tokens: impl IntoIterator<Item = (String, String)>) {
    let mut seen = 0;
    for (what, token) in tokens {
        let answer = world.introspect(&token);
        assert_eq!((answer.status, answer.text().as_str()), INACTIVE, "{row} {what}");
        answer.assert_inactive();
        seen += 1;
    }
    assert!(seen > 0, "{row} tries nothing");
    world.assert_active(&world.sign(&world.alice()));
}

const INACTIVE: (u16, &str) = (200, r#"{"active":false}"#);

/// Names for the constructions of a row.
fn named(tokens: &[TokenBuilder], world: &World) -> Vec<(String, String)> {
    let sign =
        |token: &TokenBuilder| (String::from_utf8(token.payload()).unwrap(), world.sign(token));
    tokens.iter().map(sign).collect()
}
