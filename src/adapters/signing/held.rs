//! The ring at one moment, with the keys themselves.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::key::{KeyError, PrivateKey};
use crate::domain::keyring::{KeyState, KeyStatus, Ring, Rules, UnknownKey};
use crate::ports::PublicKeys;
use crate::protocol::jwk::{KeySet, KeyUse};
use crate::protocol::time::UnixTime;

/// How many keys that were taken out are remembered.
const REMEMBERED: usize = 64;

/// The ring at one moment, with the keys themselves.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Counts the changes, so that a replica notices when it is shown an older ring.
    pub(super) version: u64,
    pub(super) ring: Ring,
    pub(super) keys: HashMap<Arc<str>, Arc<PrivateKey>>,
    /// The last keys that were taken out by order: they do not come back with an older ring.
    pub(super) gone: VecDeque<Arc<str>>,
}

impl Held {
    pub(super) fn new(ring: Ring, keys: Vec<PrivateKey>) -> Self {
        let keyed = keys.into_iter().map(|key| (Arc::clone(&key.kid), Arc::new(key)));
        Self { version: 0, ring, keys: keyed.collect(), gone: VecDeque::new() }
    }

    /// Makes a key for every algorithm that lacks one in `state`.
    pub(super) fn complete(&mut self, state: KeyState, now: UnixTime) -> Result<(), KeyError> {
        for algorithm in self.ring.lacking(state) {
            let key = PrivateKey::generate(algorithm)?;
            self.ring.add(Arc::clone(&key.kid), algorithm, now);
            self.keys.insert(Arc::clone(&key.kid), Arc::new(key));
        }
        Ok(())
    }

    /// Takes out the key of this name, for good.
    pub(super) fn retire(&mut self, kid: &str, now: UnixTime) -> Result<(), UnknownKey> {
        self.ring.retire(kid, now)?;
        self.remember(kid.into());
        Ok(())
    }

    fn remember(&mut self, kid: Arc<str>) {
        self.gone.push_back(kid);
        while self.gone.len() > REMEMBERED {
            self.gone.pop_front();
        }
    }

    /// Takes out what `other` says was taken out by order; tells whether there was any of it.
    pub(super) fn retire_what_is_gone_in(&mut self, other: &Self, now: UnixTime) -> bool {
        let mut any = false;
        for kid in
            other.gone.iter().filter(|kid| !self.gone.contains(kid)).cloned().collect::<Vec<_>>()
        {
            any |= self.ring.retire(&kid, now).is_ok();
            self.remember(kid);
        }
        any
    }

    pub(super) fn forget_what_left(&mut self) {
        let ring = &self.ring;
        self.keys.retain(|kid, _| ring.find(kid).is_some());
    }

    /// The public halves; those that were published before are carried over, so that what rests
    /// on them stands, and those that left are trusted no longer.
    pub(super) fn publish(&self, before: Option<&KeySet>) -> Result<PublicKeys, KeyError> {
        let of = |status: &KeyStatus| Some(self.keys.get(&status.entry.kid)?.public.clone());
        if self.keys.is_empty() {
            // Not yet known: nothing is published, and nothing verifies.
            return Ok(PublicKeys { document: Bytes::new(), keys: KeySet::default() });
        }
        let statuses = self.ring.statuses(&Rules::default());
        let public: Vec<_> = statuses.iter().filter_map(of).collect();
        let document = json!({ "keys": public }).to_string();
        let keys = KeySet::parse(document.as_bytes(), KeyUse::Client);
        let mut keys = keys.map_err(|_unusable| KeyError::unpublished())?;
        keys.replace(before, UnixTime::MAX);
        Ok(PublicKeys { document: document.into(), keys })
    }
}
