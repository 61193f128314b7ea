//! What was revoked, in the memory of this replica.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use crate::domain::lineage::{Exposure, MarkKey};
use crate::domain::revocation::Mark;
use crate::ports::{Clock, Dependency, Revocations, Unavailable};
use crate::protocol::time::UnixTime;

/// Most marks that are kept; about 100 MB. One more is refused, never forgotten.
const MAX_MARKS: usize = 1_000_000;

/// Marks in memory, each kept until nothing that it ends can live any more.
#[derive(Debug)]
pub struct MemoryRevocations {
    clock: Arc<dyn Clock>,
    marks: RwLock<Marks>,
    epoch: AtomicU64,
}

#[derive(Debug, Default)]
struct Marks {
    by_key: HashMap<MarkKey, Mark>,
    by_end: BTreeMap<UnixTime, Vec<MarkKey>>,
}

impl MemoryRevocations {
    /// Nothing is revoked yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, marks: RwLock::default(), epoch: AtomicU64::new(0) }
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

    async fn revoke(&self, mark: Mark) -> Result<(), Unavailable> {
        let mut marks = self.marks.write().unwrap_or_else(PoisonError::into_inner);
        marks.forget_before(self.clock.now());
        if marks.by_key.len() >= MAX_MARKS && !marks.by_key.contains_key(&mark.key) {
            let detail = format!("there are {MAX_MARKS} revocations already");
            return Err(Unavailable { dependency: Dependency::Store, detail });
        }
        marks.add(mark);
        drop(marks);
        // After the mark: whoever sees the new number sees the mark.
        self.epoch.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

impl Marks {
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
