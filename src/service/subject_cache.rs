//! Subject tokens that were verified before: a gateway exchanges the same one for many targets.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::snapshot::Caller;
use super::standing::Standing;
use super::views::ViewId;
use crate::domain::subject_token::SubjectToken;
use crate::ports::Revocations;
use crate::protocol::exchange::Declared;
use crate::protocol::ids::Fingerprint;
use crate::protocol::time::UnixTime;
use crate::protocol::token_type::TokenType;

/// Most subject tokens that are kept; about 20 MB.
const CAPACITY: usize = 10_000;

/// A verified subject token, as one client may present it.
#[derive(Debug)]
pub(super) struct SubjectEntry {
    pub(super) token: SubjectToken,
    pub(super) standing: Standing,
}

/// A subject token as it was presented, with the digest of its text: made once for all who need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Presented<'t> {
    pub(super) declared: Declared<'t>,
    pub(super) digest: Fingerprint,
}

impl<'t> From<Declared<'t>> for Presented<'t> {
    fn from(declared: Declared<'t>) -> Self {
        Self { declared, digest: Fingerprint::of(declared.token.as_bytes()) }
    }
}

/// The exact token, whose configuration it was held against, and what it was said to be.
type Key = (Fingerprint, ViewId, TokenType);

/// Entries stand as answers do: see [`Standing`].
pub(super) struct SubjectCache {
    kept: Cache<Key, Arc<SubjectEntry>>,
    revocations: Arc<dyn Revocations>,
}

impl std::fmt::Debug for SubjectCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SubjectCache").finish_non_exhaustive()
    }
}

impl SubjectCache {
    pub(super) fn new(revocations: Arc<dyn Revocations>) -> Self {
        Self { kept: Cache::new(CAPACITY), revocations }
    }

    pub(super) fn get(
        &self,
        caller: &Caller,
        presented: Presented<'_>,
        now: UnixTime,
    ) -> Option<Arc<SubjectEntry>> {
        let entry = self.kept.get(&key(caller, presented))?;
        entry.standing.stands(now, &*self.revocations).then_some(entry)
    }

    pub(super) fn keep(
        &self,
        caller: &Caller,
        presented: Presented<'_>,
        entry: &Arc<SubjectEntry>,
    ) {
        self.kept.insert(key(caller, presented), Arc::clone(entry));
    }

    /// Whether nothing that the entry rests on was revoked meanwhile.
    pub(super) fn is_unrevoked(&self, entry: &SubjectEntry) -> bool {
        entry.standing.is_unrevoked(&*self.revocations)
    }
}

const fn key(caller: &Caller, presented: Presented<'_>) -> Key {
    (presented.digest, caller.view, presented.declared.kind)
}
