//! The keys that sign what we issue: which of them signs, and which are only published?
//!
//! The life of a key: published ahead (`next`), then it signs (`active`), then it only verifies
//! what it signed (`retired`), then it is gone. Whoever verifies keeps a copy of our key set for a
//! while. So a key is published long before it signs, and stays published until nothing it signed
//! can still be in use: no token becomes unverifiable because of a rotation. Only the order to
//! retire a key, for one that others may hold, takes it out at once.

mod ring;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

pub use ring::{DamagedRing, Ring, UnknownKey};

use crate::protocol::time::{Seconds, UnixTime};

/// How long a retired key stays published: the longest life of anything it signed (900 s), the
/// clock skew that is forgiven (60 s), and an hour in which gateways may hold on to a key set.
pub const KEEP: Seconds = Seconds::new(900 + 60 + 3600);

/// The algorithms we sign with. Every gateway can check RS256; ES256 signs ten times as fast.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    #[default]
    #[strum(serialize = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[strum(serialize = "RS256")]
    Rs256,
}

impl SigningAlgorithm {
    /// The registered name (RFC 7518 §3.1).
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The spans of one configuration.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// A key signs for this long.
    pub rotate: Seconds,
    /// A key signs only when it has been published for this long.
    pub announce: Seconds,
    /// A key stays published for this long after it last signed.
    pub keep: Seconds,
}

impl Default for Rules {
    fn default() -> Self {
        Self { rotate: Seconds::hours(720), announce: Seconds::hours(24), keep: KEEP }
    }
}

/// What a key of the ring is for.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum KeyState {
    /// It signs.
    Active,
    /// It will sign, and is published ahead.
    Next,
    /// It signed, and still verifies.
    Retired,
}

/// A key of the ring; the key itself is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in headers and in the key set.
    pub kid: Arc<str>,
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// When it was made, and published.
    pub created: UnixTime,
    /// What it is for now.
    pub state: KeyState,
    /// Since when.
    pub since: UnixTime,
}

impl Entry {
    /// Whether nothing it signed can be in use at `now` any more.
    fn is_past(&self, rules: &Rules, now: UnixTime) -> bool {
        self.state == KeyState::Retired && now >= self.since.plus(rules.keep)
    }
}

/// How a key is doing, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// The key.
    pub entry: Entry,
    /// When its state ends, as far as is known now: when it begins to sign, is due to be followed
    /// by the next, or leaves the ring.
    pub until: UnixTime,
}

/// One object, as operators read it.
impl Serialize for KeyStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { entry, until } = self;
        let mut members = serializer.serialize_struct("KeyStatus", 6)?;
        members.serialize_field("kid", &*entry.kid)?;
        members.serialize_field("algorithm", entry.algorithm.as_str())?;
        members.serialize_field("state", &entry.state.to_string())?;
        members.serialize_field("created", &entry.created)?;
        members.serialize_field("since", &entry.since)?;
        members.serialize_field("until", until)?;
        members.end()
    }
}

/// What became of an order to rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The next key signs now.
    Done,
    /// The next key has not been published for long enough; it signs by itself at this moment.
    Waits {
        /// When.
        until: UnixTime,
    },
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Change {
    /// It signs.
    Activated,
    /// It is published, to sign later.
    Announced,
    /// It left the ring: nothing it signed is in use any more.
    Expired,
    /// It left the ring by order: what it signed is worth nothing any more.
    Revoked,
    /// It signs no more, and still verifies.
    Retired,
}

/// What happened to each key between two rings, the later of which holds at `now`.
pub fn changes(before: &Ring, after: &Ring, rules: &Rules, now: UnixTime) -> Vec<(Entry, Change)> {
    let mut out = Vec::new();
    for entry in after.entries() {
        if before.find(&entry.kid).is_none_or(|old| old.state != entry.state) {
            let change = match entry.state {
                KeyState::Active => Change::Activated,
                KeyState::Next => Change::Announced,
                KeyState::Retired => Change::Retired,
            };
            out.push((entry.clone(), change));
        }
    }
    for entry in before.entries().iter().filter(|entry| after.find(&entry.kid).is_none()) {
        let expired = entry.is_past(rules, now);
        out.push((entry.clone(), if expired { Change::Expired } else { Change::Revoked }));
    }
    out
}
