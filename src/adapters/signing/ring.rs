//! The ring of keys that sign what we issue.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use strum::VariantArray as _;
use tokio::runtime::Handle;

use super::folder::Folder;
use super::held::Held;
use super::key::KeyError;
use super::place::Place;
use crate::adapters::redis::{Replica, RingEntry};
use crate::adapters::sealed::SealedError;
use crate::config::Signing;
use crate::domain::keyring::{
    Change, KeyState, KeyStatus, Ring, Rotation, Rules, SigningAlgorithm, UnknownKey, changes,
};
use crate::ports::{Clock, Dependency, PublicKeys, Unavailable};

/// How often a change is tried again after another replica was faster.
const ATTEMPTS: usize = 5;
/// How long what a former sealing key sealed is left alone.
const RENEWAL: Duration = Duration::from_mins(1);
/// How long a name that is not known here makes us look only once.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Why the keys cannot be had, kept or changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RingError {
    /// The file can be opened with the sealing key, and does not hold a ring.
    #[error("{}: it holds no ring of keys; restore it from a copy, or remove it to start anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// What all replicas share cannot be reached, or not be read.
    #[error(transparent)]
    Shared(#[from] Unavailable),
    /// Other replicas changed the ring all the time.
    #[error("other replicas are changing the keys; try again")]
    Raced,
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
    place: Place,
    /// Held while a change is made, and what was kept after the last one, sealed.
    last_sealed: Mutex<Option<Vec<u8>>>,
    /// Since when what is kept is sealed with a former key.
    outdated_since: Mutex<Option<Instant>>,
    /// When a name that is not known here made us look the last time.
    looked: tokio::sync::Mutex<Option<Instant>>,
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
        let place =
            signing.folder.clone().map_or(Place::Memory, |at| Place::Folder(Folder::new(at)));
        let locked = place.lock()?;
        let found = place.sealed()?;
        let mut held = match &found {
            Some(sealed) => place.open(sealed)?,
            None => Held::new(Ring::default(), Vec::new()),
        };
        let lacks = !held.ring.lacking(KeyState::Active).is_empty();
        held.complete(KeyState::Active, clock.now())?;
        let sealed = if lacks { place.keep(&held, None)?.or(found) } else { found };
        drop(locked);
        Self::showing(held, place, sealed, (signing.rules, clock))
    }

    /// The ring that all replicas share; nothing of it is known before [`Self::join`].
    pub fn shared(
        signing: &Signing,
        replica: &Replica,
        runtime: Handle,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RingError> {
        let place = Place::Shared(RingEntry::new(Arc::clone(&replica.store), runtime));
        let held = Held::new(Ring::default(), Vec::new());
        Self::showing(held, place, None, (signing.rules, clock))
    }

    fn showing(
        held: Held,
        place: Place,
        sealed: Option<Vec<u8>>,
        (rules, clock): (Rules, Arc<dyn Clock>),
    ) -> Result<Self, RingError> {
        let public = Arc::new(held.publish(None)?);
        Ok(Self {
            shown: ArcSwap::from_pointee(Shown { held, public }),
            rules,
            clock,
            place,
            last_sealed: Mutex::new(sealed),
            outdated_since: Mutex::default(),
            looked: tokio::sync::Mutex::default(),
        })
    }

    /// Takes up the ring of the other replicas; where there is none, makes one. What a former sealing
    /// key sealed is sealed anew.
    pub fn join(&self) -> Result<(), Unavailable> {
        let joined = self.take_up().and_then(|()| {
            if !self.is_outdated()
                && self.shown.load().held.ring.lacking(KeyState::Active).is_empty()
            {
                return Ok(());
            }
            self.change(|_| Ok(()))
        });
        joined.map_err(|error| unavailable(&error.to_string()))
    }

    /// Does what time asks for, and takes up what somebody else changed. To be called every second
    /// or so, where waiting does no harm.
    pub fn tend(&self) {
        if !self.place.is_known() {
            return;
        }
        self.look_again();
        self.renew_seal();
        let now = self.clock.now();
        if !self.shown.load().held.ring.is_due(&self.rules, now) {
            return;
        }
        let changed = self.place.lead(|| {
            self.change(|held| {
                held.ring.advance(&self.rules, now);
                Ok(held.complete(KeyState::Next, now)?)
            })
        });
        if let Some(Err(error)) = changed {
            tracing::error!(%error, "the signing keys cannot be rotated");
        }
    }

    /// Seals anew what a former sealing key sealed, once replicas that have only that key have had
    /// time to go.
    fn renew_seal(&self) {
        let outdated = self.is_outdated();
        let mut since = self.outdated_since.lock().unwrap_or_else(PoisonError::into_inner);
        if !outdated {
            *since = None;
            return;
        }
        if since.get_or_insert_with(Instant::now).elapsed() > RENEWAL {
            *since = None;
            drop(since);
            if let Err(error) = self.change(|_| Ok(())) {
                tracing::warn!(%error, "the signing keys cannot be sealed anew");
            }
        }
    }

    /// Whether what is kept is sealed with a former key.
    fn is_outdated(&self) -> bool {
        let last = self.last_sealed.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().is_some_and(|sealed| self.place.is_outdated(sealed))
    }

    /// Takes up what somebody else changed.
    pub fn look_again(&self) {
        match self.take_up() {
            // An outage of what replicas share is told once, by whoever follows it.
            Ok(()) | Err(RingError::Shared(_)) => {}
            Err(error) => tracing::warn!(%error, "the signing keys cannot be read again"),
        }
    }

    /// Reads again what is kept, if it changed.
    pub fn take_up(&self) -> Result<(), RingError> {
        // A poisoned lock protects a copy that is whole.
        let mut last = self.last_sealed.lock().unwrap_or_else(PoisonError::into_inner);
        let sealed = self.place.sealed()?;
        let shown = self.shown.load_full();
        let ours_is_kept = self.place.may_lose() && shown.held.version > 0;
        let mut held = match &sealed {
            Some(sealed) if last.as_ref() == Some(sealed) => return Ok(()),
            Some(sealed) => match self.place.open(sealed) {
                Ok(held) => held,
                // Somebody put something else in its place; we know what belongs there.
                Err(_) if ours_is_kept => Held::default(),
                Err(error) => return Err(error),
            },
            None if ours_is_kept => Held::default(),
            None => return Ok(()),
        };
        if self.place.may_lose() && held.version < shown.held.version {
            // Redis lost the last change; we have not.
            if let Some(kept) = self.place.keep(&shown.held, sealed.as_deref())? {
                let version = shown.held.version;
                tracing::warn!(version, "the signing keys are kept again");
                *last = Some(kept);
            }
            return Ok(());
        }
        // Another replica may have changed a ring that had lost an order of ours.
        let undone = held.retire_what_is_gone_in(&shown.held, self.clock.now());
        self.show(held)?;
        *last = sealed;
        drop(last);
        if undone { self.change(|_| Ok(())) } else { Ok(()) }
    }

    /// Makes a change to what is kept now, keeps it, and shows it.
    fn change<T>(
        &self,
        mut act: impl FnMut(&mut Held) -> Result<T, RingError>,
    ) -> Result<T, RingError> {
        let mut last = self.last_sealed.lock().unwrap_or_else(PoisonError::into_inner);
        let locked = self.place.lock()?;
        for _ in 0..ATTEMPTS {
            let found = self.place.sealed()?;
            let shown = self.shown.load_full();
            let mut held = match &found {
                Some(sealed) => self.place.open(sealed)?,
                None => shown.held.clone(),
            };
            if self.place.may_lose() && held.version < shown.held.version {
                // Redis lost the last change.
                held = shown.held.clone();
            }
            held.retire_what_is_gone_in(&shown.held, self.clock.now());
            let done = act(&mut held)?;
            held.complete(KeyState::Active, self.clock.now())?;
            held.forget_what_left();
            held.version = held.version.saturating_add(1);
            let kept = self.place.keep(&held, found.as_deref())?;
            if kept.is_none() && self.place.may_lose() {
                // Another replica was faster: the change is made to what that one kept.
                continue;
            }
            *last = kept;
            drop(locked);
            self.show(held)?;
            return Ok(done);
        }
        Err(RingError::Raced)
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
        let wanted = |algorithm: &SigningAlgorithm| only.is_none_or(|only| only == *algorithm);
        self.change(|held| {
            held.complete(KeyState::Next, now)?;
            let rotate = |one| (one, held.ring.rotate(one, &self.rules, now));
            let every = SigningAlgorithm::VARIANTS.iter().copied();
            let done = every.filter(wanted).map(rotate).collect();
            held.complete(KeyState::Next, now)?;
            Ok(done)
        })
    }

    /// Takes a key out by order; see [`Ring::retire`].
    pub fn retire_now(&self, kid: &str) -> Result<(), RingError> {
        let now = self.clock.now();
        self.change(|held| Ok(held.retire(kid, now)?))
    }

    /// The keys now, as others see them; none while it is not known what they are.
    pub(super) fn public(&self) -> Arc<PublicKeys> {
        Arc::clone(&self.shown.load().public)
    }

    pub(super) const fn is_shared(&self) -> bool {
        self.place.may_lose()
    }

    /// One look serves all who wait for it; whoever invents names must not make us look for each.
    pub(super) async fn look_for_another(self: &Arc<Self>) {
        let mut looked = self.looked.lock().await;
        if looked.is_none_or(|at| at.elapsed() >= LOOK_AGAIN) {
            let keys = Arc::clone(self);
            drop(tokio::task::spawn_blocking(move || keys.look_again()).await);
            *looked = Some(Instant::now());
        }
    }

    pub(super) fn compact(
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

pub(super) fn unavailable(detail: &str) -> Unavailable {
    Unavailable { dependency: Dependency::SigningKey, detail: detail.to_owned() }
}
