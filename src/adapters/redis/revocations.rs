//! What was revoked, on every replica: known in memory, kept in a log that all follow.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::link::unavailable;
use super::log::{APPENDED_AT_ONCE, Appended, Extent, append};
use super::position::{Dated, Position};
use super::store::Store;
use crate::adapters::clock::milliseconds;
use crate::adapters::revocations::MemoryRevocations;
use crate::config::WhenUnreachable;
use crate::domain::lineage::{Exposure, MarkKey};
use crate::domain::revocation::Mark;
use crate::domain::validate::CLOCK_SKEW;
use crate::ports::{Clock, Reach, Revocations, SPREAD, Timing, Unavailable};
use crate::protocol::time::UnixTime;

/// How often it is tried again to append where another replica was faster.
const ATTEMPTS: usize = 20;
/// How long what was appended may take to be read back.
const READ_BACK: Duration = Duration::from_secs(2);

/// Marks in memory, and those that are still to be written to the log.
#[derive(Debug)]
pub struct SharedRevocations {
    store: Arc<Store>,
    known: MemoryRevocations,
    clock: Arc<dyn Clock>,
    pending: Mutex<HashMap<MarkKey, Dated>>,
    /// Held while something is appended.
    log: tokio::sync::Mutex<Option<Written>>,
    /// From a revocation elsewhere to the moment when it holds here.
    propagation: Arc<Timing>,
    /// How many came from elsewhere while we were in step.
    learnt: AtomicU64,
}

/// What a writer must know of the log.
#[derive(Debug)]
struct Written {
    extent: Extent,
    /// Up to where it was read here.
    read_to: u64,
    /// The entries that were read and may still be of use: numbers, and until when.
    living: VecDeque<(u64, UnixTime)>,
    /// What was appended here and not read back yet: a fail-over may have lost it.
    unread: BTreeMap<u64, Dated>,
    unread_since: Option<Instant>,
}

impl SharedRevocations {
    /// Nothing is known yet.
    pub(super) fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            known: MemoryRevocations::new(Arc::clone(&clock)),
            clock,
            pending: Mutex::default(),
            log: tokio::sync::Mutex::default(),
            propagation: Arc::new(Timing::new(SPREAD)),
            learnt: AtomicU64::new(0),
        }
    }

    /// How long revocations of other replicas took until they held here.
    pub(super) const fn propagation(&self) -> &Arc<Timing> {
        &self.propagation
    }

    /// How many of them there were, without those that were there before this replica.
    pub(super) fn learnt(&self) -> u64 {
        self.learnt.load(Ordering::Relaxed)
    }

    /// How many marks have not reached the others.
    pub(super) fn waiting(&self) -> usize {
        self.pending().len()
    }

    /// Every mark that can still end something.
    pub(super) fn living(&self) -> Vec<Mark> {
        self.known.living()
    }

    /// Takes in what the last `entries` of the log say, up to `position`.
    pub(super) async fn read(
        &self,
        entries: &[Option<Dated>],
        position: &Position,
    ) -> Result<(), Unavailable> {
        let marks: Vec<_> = entries.iter().flatten().map(|said| said.mark).collect();
        // What is revoked here is known before it is in the log.
        let elsewhere = |said: &&Dated| !self.known.says(&said.mark);
        let elsewhere: Vec<_> = entries.iter().flatten().filter(elsewhere).copied().collect();
        let absorbed = self.known.absorb(&marks);
        self.measure(&elsewhere);
        let mut log = self.log.lock().await;
        let known = log.take().filter(|log| log.extent.generation == position.generation);
        let mut known = known.unwrap_or_else(|| Written::new(position));
        self.queue(known.note(entries, position));
        *log = Some(known);
        drop(log);
        absorbed.map(drop)
    }

    /// Counts what came from elsewhere and holds here from now on. Whoever joins learns much that is
    /// old, and was never late with it.
    fn measure(&self, elsewhere: &[Dated]) {
        if elsewhere.is_empty() || !self.store.is_synchronised() {
            return;
        }
        let (now, count) = (milliseconds(), u64::try_from(elsewhere.len()).unwrap_or(u64::MAX));
        self.learnt.fetch_add(count, Ordering::Relaxed);
        for made in elsewhere.iter().filter_map(|said| said.made) {
            self.propagation.took(Duration::from_millis(now.saturating_sub(made)));
        }
    }

    /// Forgets where the log ended: it is to be read again.
    pub(super) async fn forget_log(&self) {
        *self.log.lock().await = None;
    }

    /// The first entry that must be in the log as far as we know, whatever the clocks of the others
    /// say; `None` when what was appended here does not come back.
    pub(super) async fn oldest(&self) -> Option<u64> {
        let mut log = self.log.lock().await;
        let log = log.as_mut()?;
        let overdue = log.unread_since.is_some_and(|since| since.elapsed() > READ_BACK);
        (!overdue).then(|| log.first_living(self.clock.now()))
    }

    /// What we know and `log` does not say.
    pub(super) fn missing_from(&self, log: &MemoryRevocations) -> Vec<Mark> {
        self.known.living().into_iter().filter(|mark| !log.says(mark)).collect()
    }

    /// What a log says that was not read yet: nothing.
    pub(super) fn nothing(&self) -> MemoryRevocations {
        MemoryRevocations::new(Arc::clone(&self.clock))
    }

    /// Queues `marks`, each key once.
    pub(super) fn queue(&self, marks: impl IntoIterator<Item = Dated>) {
        let mut pending = self.pending();
        for said in marks {
            let key = said.mark.key;
            // Made when the first of them was: nobody was told of that either.
            let both = pending.get(&key).map_or(said, |other| Dated {
                mark: other.mark.and(said.mark),
                made: other.made.or(said.made),
            });
            pending.insert(key, both);
        }
    }

    /// Writes what is pending to the log. When this succeeds, everything that was pending when it
    /// was called is there.
    pub(super) async fn flush(&self) -> Result<(), Unavailable> {
        let mut log = self.log.lock().await;
        loop {
            // Whoever held the lock before has written ours too, or put it back.
            let mut taken = Taken { from: self, marks: self.take_some() };
            if taken.marks.is_empty() {
                return Ok(());
            }
            self.write(&mut log, &taken.marks).await?;
            taken.marks.clear();
        }
    }

    fn take_some(&self) -> Vec<Dated> {
        let mut pending = self.pending();
        let some: Vec<_> = pending.values().take(APPENDED_AT_ONCE).copied().collect();
        for said in &some {
            pending.remove(&said.mark.key);
        }
        some
    }

    async fn write(&self, log: &mut Option<Written>, marks: &[Dated]) -> Result<(), Unavailable> {
        let log = log.as_mut().ok_or_else(|| unavailable("the log has not been read yet"))?;
        for _ in 0..ATTEMPTS {
            log.forget_before(self.clock.now());
            match append(&self.store, &log.extent, marks).await? {
                Appended::Done(tail) => {
                    log.appended(marks, tail);
                    return Ok(());
                }
                // Where it begins is what Redis says. An entry that may be of use must not be
                // missing: to append behind its loss would make that look right.
                Appended::Extends(found)
                    if found.last >= log.read_to
                        && found.first <= log.first_living(self.clock.now()) =>
                {
                    log.extent = Extent { first: log.extent.first.max(found.first), ..found };
                }
                Appended::Extends(_) | Appended::Replaced => {
                    return Err(unavailable("the log is not the one that was read"));
                }
            }
        }
        Err(unavailable("other replicas were always faster"))
    }

    /// Every change is a whole one, so a poisoned lock is still good.
    fn pending(&self) -> MutexGuard<'_, HashMap<MarkKey, Dated>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks on their way. They wait again unless they arrived, even if whoever wrote them went away.
struct Taken<'a> {
    from: &'a SharedRevocations,
    marks: Vec<Dated>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.from.queue(std::mem::take(&mut self.marks));
    }
}

impl Written {
    /// Nothing of the log of `position` was read yet.
    fn new(position: &Position) -> Self {
        let generation = position.generation.clone();
        let extent = Extent { generation, first: 0, last: 0, tail: Vec::new() };
        let (living, unread) = (VecDeque::new(), BTreeMap::new());
        Self { extent, read_to: 0, living, unread, unread_since: None }
    }

    /// Notes the last `entries`, up to `position`. Gives what was appended here and is not there.
    fn note(&mut self, entries: &[Option<Dated>], position: &Position) -> Vec<Dated> {
        let before = position.last.saturating_sub(u64::try_from(entries.len()).unwrap_or(0));
        let mut lost = Vec::new();
        for (number, entry) in (before.saturating_add(1)..).zip(entries) {
            self.living.extend(entry.map(|said| (number, said.mark.forget_at)));
            let ours = self.unread.remove(&number);
            let there = entry.map(|said| said.mark);
            lost.extend(ours.filter(|ours| there != Some(ours.mark)));
        }
        if self.unread.is_empty() {
            self.unread_since = None;
        }
        self.read_to = position.last;
        if position.last >= self.extent.last {
            self.extent.last = position.last;
            self.extent.tail.clone_from(&position.entry);
        }
        lost
    }

    fn appended(&mut self, marks: &[Dated], tail: Vec<u8>) {
        for (number, mark) in (self.extent.last.saturating_add(1)..).zip(marks) {
            self.unread.insert(number, *mark);
            self.extent.last = number;
        }
        self.extent.tail = tail;
        self.unread_since.get_or_insert_with(Instant::now);
    }

    /// The first entry that is of use at `now`, even by a clock that is behind; of those that were
    /// not read here all may be. The last one stays, for the sake of the numbers.
    fn first_living(&self, now: UnixTime) -> u64 {
        let lives = |(_, until): &&(u64, UnixTime)| *until >= now.plus(CLOCK_SKEW);
        self.living.iter().find(lives).map_or(self.read_to, |(number, _)| *number)
    }

    /// Lets the log begin with the first entry that may still be of use at `now`.
    fn forget_before(&mut self, now: UnixTime) {
        while self.living.front().is_some_and(|(_, until)| *until < now) {
            self.living.pop_front();
        }
        let first = self.living.front().map_or(self.read_to, |(number, _)| *number);
        self.extent.first = self.extent.first.max(first);
    }
}

#[async_trait]
impl Revocations for SharedRevocations {
    fn epoch(&self) -> u64 {
        self.known.epoch()
    }

    fn known(&self) -> Result<(), Unavailable> {
        self.store.known()
    }

    fn is_revoked(&self, exposures: &[Exposure]) -> bool {
        self.known.is_revoked(exposures)
    }

    /// Holds here at once, whatever becomes of the rest.
    async fn revoke(&self, mark: Mark) -> Result<Reach, Unavailable> {
        self.known.absorb(&[mark])?;
        self.queue([Dated { mark, made: Some(milliseconds()) }]);
        let Err(unavailable) = self.flush().await else { return Ok(Reach::Everywhere) };
        // Tried again as soon as Redis answers.
        match self.store.policy {
            WhenUnreachable::Degrade if self.store.is_synchronised() => {
                tracing::warn!(detail = %unavailable, "a revocation holds on this replica only, for now");
                Ok(Reach::HereForNow)
            }
            WhenUnreachable::Degrade | WhenUnreachable::Deny => Err(unavailable),
        }
    }
}
