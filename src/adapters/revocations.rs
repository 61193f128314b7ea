//! What was revoked, in the memory of this replica and, where there is a folder, in a sealed file: a
//! restart must not make a revoked token good again.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use async_trait::async_trait;

use super::sealed::{self, SealedError};
use crate::config::KeyFolder;
use crate::domain::lineage::{Exposure, MarkKey};
use crate::domain::revocation::Mark;
use crate::ports::{Clock, Dependency, Reach, Revocations, Unavailable};
use crate::protocol::time::UnixTime;

/// Most marks that are kept; about 100 MB. One more is refused, never forgotten.
const MAX_MARKS: usize = 1_000_000;

/// Marks in memory, each kept until nothing that it ends can live any more.
#[derive(Debug)]
pub struct MemoryRevocations {
    clock: Arc<dyn Clock>,
    marks: RwLock<Marks>,
    epoch: AtomicU64,
    file: Option<Arc<MarkFile>>,
}

#[derive(Debug, Default)]
struct Marks {
    by_key: HashMap<MarkKey, Mark>,
    by_end: BTreeMap<UnixTime, Vec<MarkKey>>,
}

impl MemoryRevocations {
    /// Nothing is revoked yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, marks: RwLock::default(), epoch: AtomicU64::new(0), file: None }
    }

    /// What `folder` remembers, and will; without a folder, nothing is revoked yet.
    pub fn kept_in(folder: Option<&KeyFolder>, clock: Arc<dyn Clock>) -> Result<Self, SealedError> {
        let Some(folder) = folder else { return Ok(Self::new(clock)) };
        let file = MarkFile::new(folder.clone());
        let now = clock.now();
        let living: Vec<_> =
            file.read()?.into_iter().filter(|mark| mark.forget_at >= now).collect();
        file.rewrite(&living)?;
        let mut marks = Marks::default();
        for mark in living {
            marks.add(mark);
        }
        let epoch = AtomicU64::new(u64::from(!marks.by_key.is_empty()));
        Ok(Self { clock, marks: RwLock::new(marks), epoch, file: Some(Arc::new(file)) })
    }

    /// Takes in marks that are kept elsewhere already; gives how many of them said anything new.
    pub(super) fn absorb(&self, found: &[Mark]) -> Result<usize, Unavailable> {
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        marks.forget_before(now);
        let (mut new, mut full) = (0_usize, Ok(()));
        for mark in found.iter().filter(|mark| mark.forget_at >= now) {
            if marks.has(mark) {
                continue;
            }
            match marks.make_room_for(mark) {
                Ok(()) => {
                    marks.add(*mark);
                    new = new.saturating_add(1);
                }
                Err(error) => full = Err(error),
            }
        }
        drop(marks);
        if new > 0 {
            // After the marks: whoever sees the new number sees them.
            self.epoch.fetch_add(1, Ordering::AcqRel);
        }
        full.map(|()| new)
    }

    /// Whether it is known that `mark` was revoked.
    pub(super) fn says(&self, mark: &Mark) -> bool {
        self.marks.read().unwrap_or_else(PoisonError::into_inner).has(mark)
    }

    /// Every mark that can still end something.
    pub(super) fn living(&self) -> Vec<Mark> {
        let now = self.clock.now();
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        marks.by_key.values().filter(|mark| mark.forget_at >= now).copied().collect()
    }

    /// Keeps the mark before anybody is told that it holds.
    async fn write(&self, mark: Mark) -> Result<(), Unavailable> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        blocking(move || file.add(mark)).await
    }

    /// Writes what could not be written so far. To be called every second or so.
    pub async fn write_what_waits(&self) -> Result<(), Unavailable> {
        match self.file.clone().filter(|file| file.unwritten() > 0) {
            Some(file) => blocking(move || file.catch_up()).await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Revocations for MemoryRevocations {
    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    fn is_revoked(&self, exposures: &[Exposure]) -> bool {
        if self.epoch() == 0 {
            return false;
        }
        // Every change leaves the marks whole, so a poisoned lock is still good.
        let marks = self.marks.read().unwrap_or_else(PoisonError::into_inner);
        let ends = |exposure: &Exposure| {
            marks.by_key.get(&exposure.key).is_some_and(|mark| mark.ends(exposure))
        };
        exposures.iter().any(ends)
    }

    fn known(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn revoke(&self, mark: Mark) -> Result<Reach, Unavailable> {
        // It holds here from now on, whatever is answered.
        self.absorb(&[mark])?;
        self.write(mark).await.map(|()| Reach::Everywhere)
    }

    fn unwritten(&self) -> usize {
        self.file.as_ref().map_or(0, |file| file.unwritten())
    }
}

/// What `work` comes to, which waits for a disk.
async fn blocking(
    work: impl FnOnce() -> Result<(), SealedError> + Send + 'static,
) -> Result<(), Unavailable> {
    let failed = |detail: String| Unavailable { dependency: Dependency::Store, detail };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
}

/// The file: one sealed mark after the other, each behind its length.
#[derive(Debug)]
struct MarkFile {
    folder: KeyFolder,
    /// What is to be added. Held while that is done.
    waiting: Mutex<Vec<Mark>>,
    /// How many those are.
    count: AtomicUsize,
}

/// The name of the file.
const FILE: &str = "revocations.sealed";
/// What each mark is sealed for.
const PURPOSE: &[u8] = b"tessera revocation 1\n";
/// Bytes of a length.
const LENGTH_BYTES: usize = 2;

impl MarkFile {
    fn new(folder: KeyFolder) -> Self {
        Self { folder, waiting: Mutex::default(), count: AtomicUsize::new(0) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path.join(FILE)
    }

    /// Every mark. What a crash left unfinished at the end was never confirmed to anybody.
    fn read(&self) -> Result<Vec<Mark>, SealedError> {
        let path = self.path();
        let bytes = sealed::read(&path)?.unwrap_or_default();
        let (mut rest, mut marks) = (bytes.as_slice(), Vec::new());
        while let Some((length, after)) = rest.split_first_chunk::<LENGTH_BYTES>() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((sealed, after)) = after.split_at_checked(length) else { break };
            let text = sealed::open(&self.folder.sealing, PURPOSE, sealed);
            let mark = text.and_then(|text| serde_json::from_slice(&text).ok());
            marks.push(mark.ok_or_else(|| SealedError::NotOpened { path: path.clone() })?);
            rest = after;
        }
        Ok(marks)
    }

    fn rewrite(&self, marks: &[Mark]) -> Result<(), SealedError> {
        let records: Result<Vec<_>, _> = marks.iter().map(|mark| self.record(*mark)).collect();
        sealed::replace(&self.path(), &records?.concat())
    }

    /// Adds `mark`, with all that could not be added before.
    fn add(&self, mark: Mark) -> Result<(), SealedError> {
        let mut waiting = self.waiting();
        let first = waiting.is_empty();
        if !waiting.contains(&mark) {
            waiting.push(mark);
        }
        self.flush(&mut waiting).inspect_err(|error| {
            if first {
                tracing::error!(%error, "a revocation holds, but would not outlive a restart");
            }
        })
    }

    fn unwritten(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn catch_up(&self) -> Result<(), SealedError> {
        let mut waiting = self.waiting();
        let count = waiting.len();
        self.flush(&mut waiting)?;
        tracing::info!(count, "revocations outlive a restart again");
        Ok(())
    }

    fn flush(&self, waiting: &mut Vec<Mark>) -> Result<(), SealedError> {
        let records: Result<Vec<_>, _> = waiting.iter().map(|mark| self.record(*mark)).collect();
        let added = records.and_then(|records| sealed::append(&self.path(), &records.concat()));
        if added.is_ok() {
            waiting.clear();
        }
        self.count.store(waiting.len(), Ordering::Relaxed);
        added
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Mark>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, mark: Mark) -> Result<Vec<u8>, SealedError> {
        let text = serde_json::to_vec(&mark).ok();
        let sealed = text.and_then(|text| {
            let sealed = sealed::seal(&self.folder.sealing.current, PURPOSE, &text)?;
            let length = u16::try_from(sealed.len()).ok()?;
            Some([length.to_be_bytes().as_slice(), &sealed].concat())
        });
        sealed.ok_or_else(|| SealedError::NotOpened { path: self.path() })
    }
}

impl Marks {
    /// Whether `mark` says nothing new.
    fn has(&self, mark: &Mark) -> bool {
        self.by_key.get(&mark.key).is_some_and(|known| known.and(*mark) == *known)
    }

    fn make_room_for(&self, mark: &Mark) -> Result<(), Unavailable> {
        if self.by_key.len() < MAX_MARKS || self.by_key.contains_key(&mark.key) {
            return Ok(());
        }
        let detail = format!("there are {MAX_MARKS} revocations already");
        Err(Unavailable { dependency: Dependency::Store, detail })
    }

    fn add(&mut self, mark: Mark) {
        let both = self.by_key.get(&mark.key).map_or(mark, |known| known.and(mark));
        self.by_key.insert(mark.key, both);
        self.by_end.entry(both.forget_at).or_default().push(mark.key);
    }

    fn forget_before(&mut self, now: UnixTime) {
        while let Some(oldest) = self.by_end.first_entry().filter(|entry| *entry.key() < now) {
            for key in oldest.remove() {
                // A later mark of the same key stands in the list at its own end.
                if self.by_key.get(&key).is_some_and(|mark| mark.forget_at < now) {
                    self.by_key.remove(&key);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::clock::ManualClock;
    use crate::domain::lineage::TokenId;
    use crate::protocol::time::Seconds;

    const NOW: UnixTime = UnixTime::from_seconds(1_795_435_200);

    #[tokio::test]
    async fn a_revocation_holds_until_nothing_it_ends_can_live() {
        let clock = Arc::new(ManualClock::new(NOW));
        let revocations = MemoryRevocations::new(Arc::<ManualClock>::clone(&clock));
        let token = |name: &str| TokenId::of("i", name);
        let exposed = |name: &str| [Exposure { key: MarkKey::token(token(name)), issued_at: NOW }];
        let end = NOW.plus(Seconds::minutes(5));
        assert!(!revocations.is_revoked(&exposed("a")));
        revocations.revoke(Mark::token(token("a"), end)).await.unwrap();
        assert!(revocations.is_revoked(&exposed("a")) && !revocations.is_revoked(&exposed("b")));
        clock.advance(Seconds::minutes(5));
        revocations.revoke(Mark::token(token("b"), end)).await.unwrap();
        assert!(
            revocations.is_revoked(&exposed("a")),
            "P14: not forgotten while skew may let it in"
        );
        clock.advance(Seconds::minutes(3));
        revocations.revoke(Mark::token(token("c"), NOW.plus(Seconds::hours(1)))).await.unwrap();
        assert_eq!(revocations.marks.read().unwrap().by_key.len(), 1, "memory is given back");
        assert_eq!(revocations.epoch(), 3);
    }
}
