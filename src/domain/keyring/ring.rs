//! The ring itself: what time does to it, and what orders do.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use strum::VariantArray as _;

use super::{Entry, KeyState, KeyStatus, Rotation, Rules, SigningAlgorithm};
use crate::protocol::time::UnixTime;

/// The keys of every algorithm at one moment.
///
/// INVARIANT: of each algorithm at most one key is active and at most one is next; while one is
/// next, one is active. Nothing here takes an active key away without putting another in its place,
/// but [`Ring::retire`] when there is no next one; then [`Ring::lacking`] says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    entries: Vec<Entry>,
    /// The algorithms whose next key is to sign as soon as it may.
    ordered: BTreeSet<SigningAlgorithm>,
}

/// No key of the ring has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key of the ring has this `kid`")]
pub struct UnknownKey;

/// These keys are no ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one key of each algorithm that signs, and at most one that follows it")]
pub struct DamagedRing;

impl Ring {
    /// The ring of these keys, as it was kept.
    pub fn restore(
        entries: Vec<Entry>,
        ordered: BTreeSet<SigningAlgorithm>,
    ) -> Result<Self, DamagedRing> {
        let ring = Self { entries, ordered };
        let mut names = HashSet::new();
        let mut places = HashSet::new();
        let whole = ring.lacking(KeyState::Active).is_empty()
            && ring.entries.iter().all(|entry| {
                let alone = entry.state == KeyState::Retired
                    || places.insert((entry.algorithm, entry.state as u8));
                names.insert(Arc::clone(&entry.kid)) && alone
            });
        if whole { Ok(ring) } else { Err(DamagedRing) }
    }

    /// Every key.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The algorithms with an order to rotate that waits for the next key.
    pub const fn ordered(&self) -> &BTreeSet<SigningAlgorithm> {
        &self.ordered
    }

    /// The key of this name.
    pub fn find(&self, kid: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| &*entry.kid == kid)
    }

    /// The one key of `algorithm` that is active, or next.
    pub fn only(&self, algorithm: SigningAlgorithm, state: KeyState) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.algorithm == algorithm && entry.state == state)
    }

    /// The algorithms without a key in `state`.
    pub fn lacking(&self, state: KeyState) -> Vec<SigningAlgorithm> {
        let lacks = |algorithm: &&SigningAlgorithm| self.only(**algorithm, state).is_none();
        SigningAlgorithm::VARIANTS.iter().filter(lacks).copied().collect()
    }

    /// Whether time, or a key that is lacking, asks for something to be done at `now`.
    pub fn is_due(&self, rules: &Rules, now: UnixTime) -> bool {
        let lacking = [KeyState::Active, KeyState::Next];
        let past = |entry: &Entry| entry.is_past(rules, now);
        lacking.into_iter().any(|state| !self.lacking(state).is_empty())
            || SigningAlgorithm::VARIANTS.iter().any(|one| self.rotates(*one, rules, now))
            || self.entries.iter().any(past)
    }

    /// What time does: a next key signs when the one before it has signed for long enough, and a
    /// retired one leaves when nothing it signed can be in use any more.
    pub fn advance(&mut self, rules: &Rules, now: UnixTime) {
        for algorithm in SigningAlgorithm::VARIANTS {
            if self.rotates(*algorithm, rules, now) {
                self.promote(*algorithm, now);
            }
        }
        self.entries.retain(|entry| !entry.is_past(rules, now));
    }

    /// Takes in a key that was just made. It signs at once when no other does: nobody can have a
    /// copy of the key set without it that is of any use. Otherwise it is next, or, when there is
    /// a next one already, not taken.
    pub fn add(&mut self, kid: Arc<str>, algorithm: SigningAlgorithm, now: UnixTime) {
        let state = if self.only(algorithm, KeyState::Active).is_none() {
            KeyState::Active
        } else if self.only(algorithm, KeyState::Next).is_none() {
            KeyState::Next
        } else {
            return;
        };
        self.entries.push(Entry { kid, algorithm, created: now, state, since: now });
    }

    /// Rotates by order: now, if the next key has been published for long enough, and otherwise as
    /// soon as it has.
    pub fn rotate(
        &mut self,
        algorithm: SigningAlgorithm,
        rules: &Rules,
        now: UnixTime,
    ) -> Rotation {
        self.ordered.insert(algorithm);
        let next = self.only(algorithm, KeyState::Next);
        let until = next.map_or(now, |entry| entry.created).plus(rules.announce);
        if next.is_some() && until <= now {
            self.promote(algorithm, now);
            return Rotation::Done;
        }
        Rotation::Waits { until }
    }

    /// Takes out a key that others may hold. What it signed is worth nothing from now on. If it was
    /// active, the next one signs at once, however short a time it has been published for.
    pub fn retire(&mut self, kid: &str, now: UnixTime) -> Result<(), UnknownKey> {
        let gone = self.find(kid).ok_or(UnknownKey)?.clone();
        self.entries.retain(|entry| entry.kid != gone.kid);
        if gone.state == KeyState::Active {
            self.promote(gone.algorithm, now);
        }
        Ok(())
    }

    /// How every key is doing: by algorithm, the active one first.
    pub fn statuses(&self, rules: &Rules) -> Vec<KeyStatus> {
        let status = |entry: &Entry| KeyStatus {
            until: match entry.state {
                KeyState::Active | KeyState::Next => self.rotation(entry.algorithm, rules),
                KeyState::Retired => entry.since.plus(rules.keep),
            },
            entry: entry.clone(),
        };
        let mut out: Vec<_> = self.entries.iter().map(status).collect();
        out.sort_by_key(|status| (status.entry.algorithm, status.entry.state, status.until));
        out
    }

    fn rotates(&self, algorithm: SigningAlgorithm, rules: &Rules, now: UnixTime) -> bool {
        self.only(algorithm, KeyState::Next).is_some() && self.rotation(algorithm, rules) <= now
    }

    /// When the next key of `algorithm` is to sign. While it is not even made, the earliest moment
    /// that the other rules allow.
    fn rotation(&self, algorithm: SigningAlgorithm, rules: &Rules) -> UnixTime {
        let published = |entry: &Entry| entry.created.plus(rules.announce);
        let ready = self.only(algorithm, KeyState::Next).map(published).unwrap_or_default();
        if self.ordered.contains(&algorithm) {
            return ready;
        }
        let signed = |entry: &Entry| entry.since.plus(rules.rotate);
        ready.max(self.only(algorithm, KeyState::Active).map(signed).unwrap_or_default())
    }

    /// Lets the next key sign; the one before it is retired. Whatever was ordered is done by that.
    fn promote(&mut self, algorithm: SigningAlgorithm, now: UnixTime) {
        self.ordered.remove(&algorithm);
        for entry in self.entries.iter_mut().filter(|entry| entry.algorithm == algorithm) {
            entry.state = match entry.state {
                KeyState::Active => KeyState::Retired,
                KeyState::Next => KeyState::Active,
                KeyState::Retired => continue,
            };
            entry.since = now;
        }
    }
}
