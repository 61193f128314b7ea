//! The ring in one file of a folder, sealed: it survives a restart, and commands beside the service
//! can change it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::zeroize::{Zeroize as _, Zeroizing};
use serde::{Deserialize, Serialize};

use super::key::PrivateKey;
use super::ring::{Held, RingError};
use crate::adapters::sealed::{self, SealedError};
use crate::config::KeyFolder;
use crate::domain::keyring::{Entry, Ring};
use crate::protocol::time::UnixTime;

/// The name of the file.
const FILE: &str = "signing-keys.sealed";
/// Held by whoever changes the file.
const LOCK: &str = "signing-keys.lock";
/// What the file begins with, and what its seal is bound to: a sealed file of another kind does not
/// open as this one.
const PURPOSE: &[u8] = b"tessera signing keys 1\n";
/// The folder.
#[derive(Debug)]
pub(super) struct Folder(KeyFolder);

/// Nobody else changes the file while this lives.
pub(super) struct Locked(
    #[expect(dead_code, reason = "closing the file gives the lock back")] File,
);

#[derive(Serialize, Deserialize)]
struct Kept {
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

impl Folder {
    pub(super) const fn new(folder: KeyFolder) -> Self {
        Self(folder)
    }

    /// Waits until nobody else changes the file.
    pub(super) fn lock(&self) -> Result<Locked, RingError> {
        let path = self.0.path.join(LOCK);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(&path).map_err(|error| SealedError::io(&path, &error))?;
        file.lock().map_err(|error| SealedError::io(&path, &error))?;
        Ok(Locked(file))
    }

    /// The bytes of the file, which change with every change of the ring; `None`: there is no file.
    pub(super) fn sealed(&self) -> Result<Option<Vec<u8>>, RingError> {
        Ok(sealed::read(&self.file())?)
    }

    /// Opens what [`Self::sealed`] gave.
    pub(super) fn open(&self, sealed: &[u8]) -> Result<Held, RingError> {
        let path = || self.file();
        let text = sealed::open(&self.0.sealing, PURPOSE, sealed);
        let text = text.ok_or_else(|| SealedError::NotOpened { path: path() })?;
        let damaged = || RingError::Damaged { path: path() };
        let kept: Kept = serde_json::from_slice(&text).map_err(|_unreadable| damaged())?;
        kept.into_held().ok_or_else(damaged)
    }

    /// Puts a sealed ring in place of the one that is there, whole or not at all. Gives its bytes.
    pub(super) fn keep(&self, held: &Held) -> Result<Vec<u8>, RingError> {
        let path = self.file();
        let text = serde_json::to_vec(&Kept::of(held)).map(Zeroizing::new);
        let text = text.map_err(|_impossible| RingError::Damaged { path: path.clone() })?;
        let sealed = sealed::seal(&self.0.sealing.current, PURPOSE, &text)
            .ok_or_else(|| SealedError::NotOpened { path: path.clone() })?;
        sealed::replace(&path, &sealed)?;
        Ok(sealed)
    }

    fn file(&self) -> PathBuf {
        self.0.path.join(FILE)
    }
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
            ordered: ordered.collect(),
            keys: held.ring.entries().iter().filter_map(key).collect(),
        }
    }

    /// The ring and its keys; `None` when the two do not belong together.
    fn into_held(self) -> Option<Held> {
        let (mut entries, mut keys) = (Vec::new(), Vec::new());
        for kept in self.keys {
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
        Some(Held::new(Ring::restore(entries, ordered?).ok()?, keys))
    }
}
