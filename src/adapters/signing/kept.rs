//! The ring and its keys as text, to be sealed and kept.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::zeroize::{Zeroize as _, Zeroizing};
use serde::{Deserialize, Serialize};

use super::held::Held;
use super::key::PrivateKey;
use crate::domain::keyring::{Entry, Ring};
use crate::protocol::time::UnixTime;

#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(default)]
    version: u64,
    #[serde(default)]
    gone: Vec<String>,
    ordered: Vec<String>,
    keys: Vec<KeptKey>,
}

#[derive(Serialize, Deserialize)]
struct KeptKey {
    kid: String,
    algorithm: String,
    state: String,
    created: i64,
    since: i64,
    pkcs8: String,
}

impl Drop for KeptKey {
    fn drop(&mut self) {
        self.pkcs8.zeroize();
    }
}

/// `held` as text.
pub fn written(held: &Held) -> Option<Zeroizing<Vec<u8>>> {
    serde_json::to_vec(&Kept::of(held)).map(Zeroizing::new).ok()
}

/// What [`written`] wrote; `None` when the ring and its keys do not belong together.
pub fn read(text: &[u8]) -> Option<Held> {
    serde_json::from_slice::<Kept>(text).ok()?.into_held()
}

impl Kept {
    fn of(held: &Held) -> Self {
        let key = |entry: &Entry| {
            let key = held.keys.get(&entry.kid)?;
            Some(KeptKey {
                kid: entry.kid.to_string(),
                algorithm: entry.algorithm.as_str().to_owned(),
                state: entry.state.to_string(),
                created: entry.created.seconds(),
                since: entry.since.seconds(),
                pkcs8: BASE64_STANDARD.encode(key.pkcs8()),
            })
        };
        let ordered = held.ring.ordered().iter().map(|one| one.as_str().to_owned());
        Self {
            version: held.version,
            gone: held.gone.iter().map(ToString::to_string).collect(),
            ordered: ordered.collect(),
            keys: held.ring.entries().iter().filter_map(key).collect(),
        }
    }

    /// The ring and its keys; `None` when the two do not belong together.
    fn into_held(self) -> Option<Held> {
        let (mut entries, mut keys) = (Vec::new(), Vec::new());
        for kept in &self.keys {
            let algorithm = kept.algorithm.parse().ok()?;
            let pkcs8 = BASE64_STANDARD.decode(kept.pkcs8.as_bytes()).ok()?;
            let key = PrivateKey::from_pkcs8(algorithm, pkcs8).ok()?;
            if *key.kid != *kept.kid {
                return None;
            }
            entries.push(Entry {
                kid: Arc::clone(&key.kid),
                algorithm,
                created: UnixTime::from_seconds(kept.created),
                state: kept.state.parse().ok()?,
                since: UnixTime::from_seconds(kept.since),
            });
            keys.push(key);
        }
        let ordered: Option<_> = self.ordered.iter().map(|name| name.parse().ok()).collect();
        let ring = Ring::restore(entries, ordered?).ok()?;
        let gone = self.gone.into_iter().map(Arc::from).collect();
        Some(Held { version: self.version, gone, ..Held::new(ring, keys) })
    }
}
