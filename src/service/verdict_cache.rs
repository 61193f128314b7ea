//! Answers that were decided before.
//!
//! An entry answers for the exact token (SHA-256 of all its bytes) and for one client's view. It
//! stands only while the token lives, while its key is trusted, and while its view exists; each
//! look-up checks the first two, and a configuration that decides otherwise has new views. What was
//! kept under others is found no more, and makes room when room is needed.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter};

use super::snapshot::Caller;
use super::standing::Standing;
use super::views::ViewId;
use crate::domain::answer::TokenIssuer;
use crate::domain::rejection::Reason;
use crate::ports::{CacheStatus, Revocations};
use crate::protocol::ids::Fingerprint;
use crate::protocol::time::UnixTime;

/// What is kept beside an answer's own bytes, roughly: key, entry, and the cache's own links.
const OVERHEAD_BYTES: u64 = 344;
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

impl Question {
    /// `caller` asks about `token`.
    pub fn of(caller: &Caller, token: &str) -> Self {
        Self { token: Fingerprint::of(token.as_bytes()), view: caller.view }
    }
}

/// A kept answer about an active token.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The prepared answer.
    pub body: Bytes,
    /// Who issued the token.
    pub issuer: TokenIssuer,
    /// For how long it is used.
    pub standing: Arc<Standing>,
}

/// A remembered refusal.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// Who the token says that issued it.
    pub issuer: TokenIssuer,
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

/// What happens to entries: as ever, and the evictions are counted.
#[derive(Clone, Debug)]
struct Counting {
    usual: DefaultLifecycle<Question, Entry>,
    evictions: Arc<AtomicU64>,
}

impl Lifecycle<Question, Entry> for Counting {
    type RequestState =
        <DefaultLifecycle<Question, Entry> as Lifecycle<Question, Entry>>::RequestState;

    fn on_evict(&self, state: &mut Self::RequestState, question: Question, entry: Entry) {
        self.evictions.fetch_add(1, Ordering::Relaxed);
        self.usual.on_evict(state, question, entry);
    }
}

/// What was counted. In a place of its own: every core writes here, and none may have to fetch again
/// for that what all of them only read.
#[derive(Debug, Default)]
struct Lookups {
    hits: AtomicU64,
    misses: AtomicU64,
}

/// The cache, bounded in bytes.
pub struct VerdictCache {
    active: Cache<Question, Entry, Bytewise, DefaultHashBuilder, Counting>,
    revocations: Arc<dyn Revocations>,
    refused: Cache<Question, Refused>,
    lookups: Arc<Lookups>,
    evictions: Arc<AtomicU64>,
}

impl std::fmt::Debug for VerdictCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerdictCache").field("entries", &self.len()).finish_non_exhaustive()
    }
}

impl VerdictCache {
    /// A cache that uses about `bytes` of memory, and forgets what is in `revocations`.
    pub fn new(bytes: u64, revocations: Arc<dyn Revocations>) -> Self {
        let items = usize::try_from(bytes / TYPICAL_BYTES).unwrap_or(usize::MAX);
        let evictions = Arc::<AtomicU64>::default();
        let counting =
            Counting { usual: DefaultLifecycle::default(), evictions: Arc::clone(&evictions) };
        let active = Cache::with(items, bytes, Bytewise, DefaultHashBuilder::default(), counting);
        let (refused, lookups) = (Cache::new(REFUSALS), Arc::default());
        Self { active, revocations, refused, lookups, evictions }
    }

    /// What stands about `question` at `now`: an answer, or, where `refusals` may be told, a refusal.
    /// Counted as a look-up.
    pub fn recall(
        &self,
        question: &Question,
        now: UnixTime,
        refusals: impl FnOnce() -> bool,
    ) -> Option<Recalled> {
        let found = self.active(question, now).map(Recalled::Active).or_else(|| {
            let refused = self.refused(question, now).filter(|_| refusals());
            refused.map(Recalled::Refused)
        });
        let count = if found.is_some() { &self.lookups.hits } else { &self.lookups.misses };
        count.fetch_add(1, Ordering::Relaxed);
        found
    }

    /// The answer about an active token, if one stands at `now`.
    fn active(&self, question: &Question, now: UnixTime) -> Option<Entry> {
        let entry = self.active.get(question)?;
        if entry.standing.stands(now, &*self.revocations) {
            return Some(entry);
        }
        // What stands again as soon as it is known what was revoked is kept.
        if self.revocations.known().is_ok() {
            let stands = |entry: &Entry| entry.standing.stands(now, &*self.revocations);
            self.active.remove_if(question, |entry| !stands(entry));
        }
        None
    }

    /// The refusal remembered at `now`.
    pub fn refused(&self, question: &Question, now: UnixTime) -> Option<Refused> {
        self.refused.get(question).filter(|kept| now < kept.until)
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
            // Who joined a decision that began before a revocation must not be told its outcome.
            Ok(entry) if entry.standing.is_unrevoked(&*self.revocations) => {
                Ok(Decided::ByAnother(entry))
            }
            Ok(_) => decide.await.map(|(answer, _)| Decided::Now(answer)),
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

    /// How it is doing.
    pub fn status(&self) -> CacheStatus {
        CacheStatus {
            entries: self.active.len(),
            bytes: self.active.weight(),
            capacity: self.active.capacity(),
            hits: self.lookups.hits.load(Ordering::Relaxed),
            misses: self.lookups.misses.load(Ordering::Relaxed),
            evictions: self.evictions.load(Ordering::Relaxed),
        }
    }
}

/// What was decided before.
#[derive(Debug)]
pub enum Recalled {
    /// The token is active.
    Active(Entry),
    /// It is not.
    Refused(Refused),
}

/// Who decided.
#[derive(Debug)]
pub enum Decided<T> {
    /// Another request that asked at the same time; this is its answer.
    ByAnother(Entry),
    /// This one.
    Now(T),
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::adapters::clock::ManualClock;
    use crate::adapters::revocations::MemoryRevocations;
    use crate::dev::keys::SigningKey;
    use crate::protocol::jwk::{KeySet, KeyUse, VerificationKey};
    use crate::protocol::time::Seconds;
    use crate::service::views::ViewId;

    const NOW: UnixTime = UnixTime::from_seconds(1_795_435_200);
    static VIEW: LazyLock<ViewId> = LazyLock::new(ViewId::next);

    fn key() -> Arc<VerificationKey> {
        let key = SigningKey::pooled("verdicts").unwrap().jwk();
        let document = serde_json::json!({ "keys": [key] }).to_string();
        let key =
            Arc::clone(&KeySet::parse(document.as_bytes(), KeyUse::Client).unwrap().keys()[0]);
        key.trust_until(NOW.plus(Seconds::hours(1)));
        key
    }

    fn question(token: usize) -> Question {
        Question { token: Fingerprint::of(&token.to_be_bytes()), view: *VIEW }
    }

    fn entry(bytes: usize) -> Entry {
        let body = Bytes::from(vec![b'x'; bytes]);
        resting_on(key(), body)
    }

    fn resting_on(key: Arc<VerificationKey>, body: Bytes) -> Entry {
        let standing = Standing::new(NOW.plus(Seconds::minutes(1)), Some(key), Box::default(), 0);
        Entry { body, issuer: TokenIssuer::Tessera, standing: Arc::new(standing) }
    }

    fn cache(bytes: u64) -> VerdictCache {
        let clock = Arc::new(ManualClock::new(NOW));
        VerdictCache::new(bytes, Arc::new(MemoryRevocations::new(clock)))
    }

    async fn keep(cache: &VerdictCache, token: usize, entry: Entry) {
        let decided = async { Ok::<_, ()>(((), Some(entry))) };
        cache.decide(&question(token), decided).await.unwrap();
    }

    #[tokio::test]
    async fn memory_is_bounded_in_bytes_whatever_is_asked() {
        let cache = cache(256 * 1024);
        for token in 0..5_000 {
            keep(&cache, token, entry(1024)).await;
        }
        let now = cache.status();
        assert!(now.bytes <= 256 * 1024 && now.capacity <= 256 * 1024, "{now:?}");
        assert!(now.entries > 100, "and it is used: {now:?}");
        assert_eq!(now.evictions, 5_000 - now.entries as u64, "what is not there was evicted");
    }

    #[tokio::test]
    async fn an_entry_ends_at_its_moment_and_with_its_view() {
        let cache = cache(1024 * 1024);
        keep(&cache, 1, entry(10)).await;
        assert!(cache.active(&question(1), NOW.plus(Seconds::new(59))).is_some());
        let other = Question { view: ViewId::next(), ..question(1) };
        assert!(cache.active(&other, NOW).is_none(), "A242, A249");
        let distrusted = key();
        keep(&cache, 2, resting_on(Arc::clone(&distrusted), Bytes::new())).await;
        assert!(cache.active(&question(2), NOW).is_some());
        distrusted.trust_until(NOW);
        assert!(cache.active(&question(2), NOW).is_none(), "A250");
        assert!(cache.active(&question(1), NOW.plus(Seconds::minutes(1))).is_none(), "A246");
        assert!(cache.is_empty(), "what has ended is not kept");
    }

    #[tokio::test]
    async fn a_refusal_is_remembered_until_its_moment() {
        let cache = cache(1024 * 1024);
        let until = NOW.plus(Seconds::new(5));
        let issuer = TokenIssuer::Unknown;
        cache.refuse(question(1), Refused { reason: Reason::Expired, issuer, until });
        let reason = |now| cache.refused(&question(1), now).map(|refused| refused.reason);
        assert_eq!(reason(NOW), Some(Reason::Expired));
        assert_eq!(reason(until), None, "A245");
        assert!(cache.recall(&question(1), NOW, || true).is_some());
        assert!(cache.recall(&question(1), NOW, || false).is_none(), "may not be told");
        assert_eq!((cache.status().hits, cache.status().misses), (1, 1));
    }

    #[tokio::test]
    async fn many_who_ask_at_once_cause_one_decision() {
        let cache = cache(1024 * 1024);
        let decisions = AtomicUsize::new(0);
        let asked = question(1);
        let ask = || {
            cache.decide(&asked, async {
                tokio::task::yield_now().await;
                decisions.fetch_add(1, Ordering::Relaxed);
                Ok::<_, ()>(((), Some(entry(10))))
            })
        };
        let answers = futures_util::future::join_all((0..100).map(|_| ask())).await;
        assert_eq!(decisions.load(Ordering::Relaxed), 1);
        let others = answers.iter().filter(|answer| matches!(answer, Ok(Decided::ByAnother(_))));
        assert_eq!(others.count(), 99);
    }

    #[tokio::test]
    async fn who_waited_for_a_failure_decides_alone() {
        let cache = cache(1024 * 1024);
        let asked = question(1);
        let failing = cache.decide(&asked, async {
            tokio::task::yield_now().await;
            Err::<((), Option<Entry>), _>("outage")
        });
        let working = cache.decide(&asked, async { Ok::<_, &str>(((), Some(entry(10)))) });
        let (failed, worked) = tokio::join!(failing, working);
        assert_eq!(failed.err(), Some("outage"));
        assert!(worked.is_ok(), "an outage is not shared as an answer");
    }
}
