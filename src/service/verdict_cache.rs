//! Answers that were decided before.
//!
//! An entry answers for the exact token (SHA-256 of all its bytes) and for one client's view. It
//! stands only while the token lives, while its key is trusted, and while its view exists; each
//! look-up checks the first two, and a new configuration has new views.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::snapshot::ViewId;
use crate::domain::rejection::Reason;
use crate::protocol::ids::Fingerprint;
use crate::protocol::jwk::VerificationKey;
use crate::protocol::time::UnixTime;

/// What is kept beside an answer's own bytes, roughly: key, entry, and the cache's own links.
const OVERHEAD_BYTES: u64 = 224;
/// A rough size of an entry, to size the tables at start.
const TYPICAL_BYTES: u64 = 1024;
/// How many refusals are remembered.
const REFUSALS: usize = 16 * 1024;

/// What an answer is kept under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The whole token.
    pub token: Fingerprint,
    /// Who asks.
    pub view: ViewId,
}

/// A kept answer about an active token.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The prepared answer.
    pub body: Bytes,
    /// From this moment on it is not used.
    pub until: UnixTime,
    /// The key that signed the token.
    pub key: Arc<VerificationKey>,
}

impl Entry {
    fn stands(&self, now: UnixTime) -> bool {
        now < self.until && self.key.is_trusted(now)
    }
}

/// A remembered refusal.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// From this moment on it is decided again.
    pub until: UnixTime,
}

/// The weight of an entry is its memory.
#[derive(Clone, Debug)]
struct Bytewise;

impl Weighter<Question, Entry> for Bytewise {
    fn weight(&self, _: &Question, entry: &Entry) -> u64 {
        u64::try_from(entry.body.len()).unwrap_or(u64::MAX).saturating_add(OVERHEAD_BYTES)
    }
}

/// The cache, bounded in bytes.
pub struct VerdictCache {
    active: Cache<Question, Entry, Bytewise>,
    refused: Cache<Question, Refused>,
}

impl std::fmt::Debug for VerdictCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerdictCache").field("entries", &self.len()).finish_non_exhaustive()
    }
}

impl VerdictCache {
    /// A cache that uses about `bytes` of memory.
    pub fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / TYPICAL_BYTES).unwrap_or(usize::MAX);
        Self { active: Cache::with_weighter(items, bytes, Bytewise), refused: Cache::new(REFUSALS) }
    }

    /// The answer about an active token, if one stands at `now`.
    pub fn active(&self, question: &Question, now: UnixTime) -> Option<Bytes> {
        let entry = self.active.get(question)?;
        if entry.stands(now) {
            return Some(entry.body);
        }
        self.active.remove_if(question, |entry| !entry.stands(now));
        None
    }

    /// The refusal remembered at `now`.
    pub fn refused(&self, question: &Question, now: UnixTime) -> Option<Reason> {
        self.refused.get(question).filter(|kept| now < kept.until).map(|kept| kept.reason)
    }

    /// Remembers a refusal.
    pub fn refuse(&self, question: Question, refused: Refused) {
        self.refused.insert(question, refused);
    }

    /// Decides `question` by `decide`, once for all who ask at the same time. An entry of `None`
    /// is not kept, and then the next who asks decides again.
    pub async fn decide<T, E, F>(&self, question: &Question, decide: F) -> Result<Decided<T>, E>
    where
        F: Future<Output = Result<(T, Option<Entry>), E>>,
    {
        match self.active.get_value_or_guard_async(question).await {
            Ok(entry) => Ok(Decided::ByAnother(entry.body)),
            Err(guard) => {
                let (answer, entry) = decide.await?;
                if let Some(entry) = entry {
                    // Fails only when the entry was removed meanwhile; then nothing is kept.
                    drop(guard.insert(entry));
                }
                Ok(Decided::Now(answer))
            }
        }
    }

    /// How many answers are kept.
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// About how many bytes are used.
    pub fn bytes(&self) -> u64 {
        self.active.weight()
    }
}

/// Who decided.
#[derive(Debug)]
pub enum Decided<T> {
    /// Another request that asked at the same time; this is its answer.
    ByAnother(Bytes),
    /// This one.
    Now(T),
}
