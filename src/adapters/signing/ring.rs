//! The ring of keys that sign what we issue, in memory or in a folder.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use serde_json::json;
use strum::VariantArray as _;

use super::folder::Folder;
use super::key::{KeyError, PrivateKey};
use crate::adapters::sealed::SealedError;
use crate::config::Signing;
use crate::domain::keyring::{
    Change, KeyState, KeyStatus, Ring, Rotation, Rules, SigningAlgorithm, UnknownKey, changes,
};
use crate::ports::{Clock, Dependency, KeyRing, PublicKeys, Signer, Unavailable};
use crate::protocol::jwk::{KeySet, KeyUse};
use crate::protocol::time::UnixTime;

/// Why the keys cannot be had, kept or changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RingError {
    /// The file can be opened with the sealing key, and does not hold a ring.
    #[error("{}: it holds no ring of keys; restore it from a copy, or remove it to start anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A key cannot be made or read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file cannot be read, opened or written.
    #[error(transparent)]
    Sealed(#[from] SealedError),
    /// No key of this name.
    #[error(transparent)]
    Unknown(#[from] UnknownKey),
}

/// The ring at one moment, with the keys themselves.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) ring: Ring,
    pub(super) keys: HashMap<Arc<str>, Arc<PrivateKey>>,
}

impl Held {
    pub(super) fn new(ring: Ring, keys: Vec<PrivateKey>) -> Self {
        let keyed = keys.into_iter().map(|key| (Arc::clone(&key.kid), Arc::new(key)));
        Self { ring, keys: keyed.collect() }
    }

    /// Makes a key for every algorithm that lacks one in `state`.
    fn complete(&mut self, state: KeyState, now: UnixTime) -> Result<(), KeyError> {
        for algorithm in self.ring.lacking(state) {
            let key = PrivateKey::generate(algorithm)?;
            self.ring.add(Arc::clone(&key.kid), algorithm, now);
            self.keys.insert(Arc::clone(&key.kid), Arc::new(key));
        }
        Ok(())
    }

    fn forget_what_left(&mut self) {
        let ring = &self.ring;
        self.keys.retain(|kid, _| ring.find(kid).is_some());
    }

    /// The public halves; those that were published before are carried over, so that what rests
    /// on them stands, and those that left are trusted no longer.
    fn publish(&self, before: Option<&KeySet>) -> Result<PublicKeys, KeyError> {
        let of = |status: &KeyStatus| Some(self.keys.get(&status.entry.kid)?.public.clone());
        let statuses = self.ring.statuses(&Rules::default());
        let public: Vec<_> = statuses.iter().filter_map(of).collect();
        let document = json!({ "keys": public }).to_string();
        let keys = KeySet::parse(document.as_bytes(), KeyUse::Client);
        let mut keys = keys.map_err(|_unusable| KeyError::unpublished())?;
        keys.replace(before, UnixTime::MAX);
        Ok(PublicKeys { document: document.into(), keys })
    }
}

/// What readers see.
#[derive(Debug)]
struct Shown {
    held: Held,
    public: Arc<PublicKeys>,
}

/// The ring. Readers never wait; changes are made one at a time.
pub struct SigningKeys {
    shown: ArcSwap<Shown>,
    rules: Rules,
    clock: Arc<dyn Clock>,
    folder: Option<Folder>,
    /// Held while a change is made, and what the folder's file was after the last one.
    last_sealed: Mutex<Option<Vec<u8>>>,
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeys")
            .field("ring", &self.shown.load().held.ring)
            .finish_non_exhaustive()
    }
}

impl SigningKeys {
    /// The ring of the folder, or a new one. Makes the keys that must sign now; those that come
    /// next are made by the first [`Self::tend`], since an RSA key takes a tenth of a second.
    pub fn start(signing: &Signing, clock: Arc<dyn Clock>) -> Result<Self, RingError> {
        let folder = signing.folder.clone().map(Folder::new);
        let locked = folder.as_ref().map(Folder::lock).transpose()?;
        let found = folder.as_ref().map(Folder::sealed).transpose()?.flatten();
        let mut held = match (&folder, &found) {
            (Some(folder), Some(sealed)) => folder.open(sealed)?,
            _ => Held::new(Ring::default(), Vec::new()),
        };
        let lacks = !held.ring.lacking(KeyState::Active).is_empty();
        held.complete(KeyState::Active, clock.now())?;
        let sealed = match &folder {
            Some(folder) if lacks => Some(folder.keep(&held)?),
            _ => found,
        };
        drop(locked);
        let public = Arc::new(held.publish(None)?);
        Ok(Self {
            shown: ArcSwap::from_pointee(Shown { held, public }),
            rules: signing.rules,
            clock,
            folder,
            last_sealed: Mutex::new(sealed),
        })
    }

    /// Does what time asks for, and takes up what somebody else changed in the folder. To be called
    /// every second or so, where waiting does no harm.
    pub fn tend(&self) {
        let now = self.clock.now();
        let due = |held: &Held| held.ring.is_due(&self.rules, now);
        if let Err(error) = self.take_up() {
            tracing::warn!(%error, "the signing keys cannot be read again");
            return;
        }
        if !due(&self.shown.load().held) {
            return;
        }
        let changed = self.change(|held| {
            held.ring.advance(&self.rules, now);
            Ok(held.complete(KeyState::Next, now)?)
        });
        if let Err(error) = changed {
            tracing::error!(%error, "the signing keys cannot be rotated");
        }
    }

    /// Reads the folder again if its file changed.
    fn take_up(&self) -> Result<(), RingError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let sealed = folder.sealed()?;
        // A poisoned lock protects a copy that is whole.
        let mut last = self.last_sealed.lock().unwrap_or_else(PoisonError::into_inner);
        match sealed {
            Some(sealed) if last.as_ref() != Some(&sealed) => {
                self.show(folder.open(&sealed)?)?;
                *last = Some(sealed);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Makes a change to what is kept now, keeps it, and shows it.
    fn change<T>(
        &self,
        act: impl FnOnce(&mut Held) -> Result<T, RingError>,
    ) -> Result<T, RingError> {
        let mut last = self.last_sealed.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = self.folder.as_ref().map(Folder::lock).transpose()?;
        let kept = self.folder.as_ref().map(Folder::sealed).transpose()?.flatten();
        let mut held = match (&self.folder, kept) {
            (Some(folder), Some(sealed)) => folder.open(&sealed)?,
            _ => self.shown.load().held.clone(),
        };
        let done = act(&mut held)?;
        held.complete(KeyState::Active, self.clock.now())?;
        held.forget_what_left();
        if let Some(folder) = &self.folder {
            *last = Some(folder.keep(&held)?);
        }
        drop(locked);
        self.show(held)?;
        Ok(done)
    }

    /// Shows a ring to readers, and says what happened to each key.
    fn show(&self, held: Held) -> Result<(), RingError> {
        let before = self.shown.load_full();
        let public = Arc::new(held.publish(Some(&before.public.keys))?);
        let now = self.clock.now();
        for (entry, change) in changes(&before.held.ring, &held.ring, &self.rules, now) {
            let (kid, algorithm) = (&*entry.kid, entry.algorithm.as_str());
            let what: &'static str = change.into();
            match change {
                Change::Revoked => tracing::warn!(kid, algorithm, change = what, "signing key"),
                Change::Activated | Change::Announced | Change::Expired | Change::Retired => {
                    tracing::info!(kid, algorithm, change = what, "signing key");
                }
            }
        }
        self.shown.store(Arc::new(Shown { held, public }));
        Ok(())
    }

    /// How every key is doing.
    pub fn statuses(&self) -> Vec<KeyStatus> {
        self.shown.load().held.ring.statuses(&self.rules)
    }

    /// Rotates by order; see [`Ring::rotate`].
    pub fn rotate_now(
        &self,
        only: Option<SigningAlgorithm>,
    ) -> Result<Vec<(SigningAlgorithm, Rotation)>, RingError> {
        let now = self.clock.now();
        let wanted = SigningAlgorithm::VARIANTS.iter().copied();
        let wanted = wanted.filter(|algorithm| only.is_none_or(|only| only == *algorithm));
        self.change(|held| {
            held.complete(KeyState::Next, now)?;
            let rotate = |one| (one, held.ring.rotate(one, &self.rules, now));
            let done = wanted.map(rotate).collect();
            held.complete(KeyState::Next, now)?;
            Ok(done)
        })
    }

    /// Takes a key out by order; see [`Ring::retire`].
    pub fn retire_now(&self, kid: &str) -> Result<(), RingError> {
        let now = self.clock.now();
        self.change(|held| Ok(held.ring.retire(kid, now)?))
    }

    fn compact(
        &self,
        algorithm: SigningAlgorithm,
        typ: &str,
        claims: &[u8],
    ) -> Result<String, Unavailable> {
        let shown = self.shown.load();
        let active = shown.held.ring.only(algorithm, KeyState::Active);
        let key = active.and_then(|entry| shown.held.keys.get(&entry.kid));
        let key = key.ok_or_else(|| unavailable("no key signs"))?;
        key.compact(typ, claims).map_err(|error| unavailable(&error.to_string()))
    }
}

/// Both halves of the ports on one shared ring.
#[derive(Clone, Debug)]
pub struct SharedKeys(pub Arc<SigningKeys>);

#[async_trait]
impl Signer for SharedKeys {
    /// RSA on the pool for blocking work: such a signature takes about a millisecond, in which a
    /// worker answers hundreds of others from the cache.
    async fn sign(
        &self,
        algorithm: SigningAlgorithm,
        typ: &'static str,
        claims: &[u8],
    ) -> Result<String, Unavailable> {
        if algorithm == SigningAlgorithm::Es256 {
            return self.0.compact(algorithm, typ, claims);
        }
        let (keys, claims) = (Arc::clone(&self.0), claims.to_vec());
        tokio::task::spawn_blocking(move || keys.compact(algorithm, typ, &claims))
            .await
            .map_err(|error| unavailable(&error.to_string()))?
    }

    fn public_keys(&self) -> Arc<PublicKeys> {
        Arc::clone(&self.0.shown.load().public)
    }
}

#[async_trait]
impl KeyRing for SharedKeys {
    fn statuses(&self) -> Vec<KeyStatus> {
        self.0.statuses()
    }

    async fn rotate(
        &self,
        only: Option<SigningAlgorithm>,
    ) -> Result<Vec<(SigningAlgorithm, Rotation)>, Unavailable> {
        let keys = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || keys.rotate_now(only)).await;
        let done = done.map_err(|error| unavailable(&error.to_string()))?;
        done.map_err(|error| unavailable(&error.to_string()))
    }

    async fn retire(&self, kid: &str) -> Result<Result<(), UnknownKey>, Unavailable> {
        let (keys, kid) = (Arc::clone(&self.0), kid.to_owned());
        let done = tokio::task::spawn_blocking(move || keys.retire_now(&kid)).await;
        match done.map_err(|error| unavailable(&error.to_string()))? {
            Ok(()) => Ok(Ok(())),
            Err(RingError::Unknown(unknown)) => Ok(Err(unknown)),
            Err(error) => Err(unavailable(&error.to_string())),
        }
    }
}

fn unavailable(detail: &str) -> Unavailable {
    Unavailable { dependency: Dependency::SigningKey, detail: detail.to_owned() }
}
