//! Published vectors, run through what verifies tokens: key sets are read as those of issuers and
//! clients are, tokens as they come.

mod rfc;
mod wycheproof;

use std::sync::Arc;

use serde_json::{Value, json};
use tessera::protocol::jwk::{KeySet, KeyUse, VerificationKey};

/// The key that `jwk` gives to a client, if any.
fn key(jwk: &Value) -> Option<Arc<VerificationKey>> {
    let document = json!({ "keys": [jwk] }).to_string();
    let keys = KeySet::parse(document.as_bytes(), KeyUse::Client).ok()?;
    keys.keys().first().cloned()
}
