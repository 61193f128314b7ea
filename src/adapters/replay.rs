//! What was used already, in the memory of this replica (A209).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::ports::{Clock, ReplayGuard, Unavailable};
use crate::protocol::ids::{ClientId, Fingerprint};
use crate::protocol::time::UnixTime;

/// The bounds of the memory; an entry takes about 150 bytes.
const BOUNDS: Bounds = Bounds { total: 200_000, per_client: 50_000 };

/// Remembers what each client used, until it has expired anyway.
#[derive(Debug)]
pub struct MemoryReplayGuard {
    clock: Arc<dyn Clock>,
    bounds: Bounds,
    memory: Mutex<Memory>,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Most uses that are remembered.
    total: usize,
    /// Most uses of one client, so that a busy one cannot take the room of the others.
    per_client: usize,
}

#[derive(Debug, Default)]
struct Memory {
    uses: HashSet<Fingerprint>,
    by_expiry: BTreeMap<UnixTime, Vec<Use>>,
    per_client: HashMap<Fingerprint, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    name: Fingerprint,
    client: Fingerprint,
}

impl MemoryReplayGuard {
    /// A guard that remembers nothing yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_bounds(clock, BOUNDS)
    }

    fn with_bounds(clock: Arc<dyn Clock>, bounds: Bounds) -> Self {
        Self { clock, bounds, memory: Mutex::default() }
    }
}

#[async_trait]
impl ReplayGuard for MemoryReplayGuard {
    async fn first_use(
        &self,
        client: &ClientId,
        id: &str,
        expires: UnixTime,
    ) -> Result<bool, Unavailable> {
        let now = self.clock.now();
        let used = Use::new(client, id);
        // A panic could at worst leave an entry that is never forgotten.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.forget_before(now);
        // What has expired could not be remembered, and would be new for ever.
        let fits = expires >= now && memory.has_room(self.bounds, used);
        Ok(fits && memory.remember(used, expires))
    }
}

impl Use {
    /// A client's name has no NUL, so no two pairs share a fingerprint.
    fn new(client: &ClientId, id: &str) -> Self {
        let name = [client.as_str(), id].join("\0");
        Self {
            name: Fingerprint::of(name.as_bytes()),
            client: Fingerprint::of(client.as_str().as_bytes()),
        }
    }
}

impl Memory {
    /// Forgets what expired before `now`; in its last second it is still remembered.
    fn forget_before(&mut self, now: UnixTime) {
        while let Some(oldest) = self.by_expiry.first_entry().filter(|entry| *entry.key() < now) {
            for expired in oldest.remove() {
                self.uses.remove(&expired.name);
                let left = self.per_client.remove(&expired.client).unwrap_or(0).saturating_sub(1);
                if left > 0 {
                    self.per_client.insert(expired.client, left);
                }
            }
        }
    }

    fn has_room(&self, bounds: Bounds, used: Use) -> bool {
        let of_client = self.per_client.get(&used.client).copied().unwrap_or(0);
        self.uses.len() < bounds.total && of_client < bounds.per_client
    }

    /// Whether it was new.
    fn remember(&mut self, used: Use, expires: UnixTime) -> bool {
        if !self.uses.insert(used.name) {
            return false;
        }
        self.by_expiry.entry(expires).or_default().push(used);
        let count = self.per_client.entry(used.client).or_default();
        *count = count.saturating_add(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::clock::ManualClock;

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(seconds)
    }

    fn guard(total: usize, per_client: usize) -> (Arc<ManualClock>, MemoryReplayGuard) {
        let clock = Arc::new(ManualClock::new(at(100)));
        let bounds = Bounds { total, per_client };
        (Arc::clone(&clock), MemoryReplayGuard::with_bounds(clock, bounds))
    }

    fn client(name: &str) -> ClientId {
        name.parse().unwrap()
    }

    #[tokio::test]
    async fn what_was_used_is_refused_until_it_has_expired() {
        let (clock, guard) = guard(10, 10);
        let (a, b) = (client("a"), client("b"));
        assert!(guard.first_use(&a, "1", at(160)).await.unwrap());
        assert!(!guard.first_use(&a, "1", at(160)).await.unwrap(), "A209");
        assert!(
            !guard.first_use(&a, "1", at(999)).await.unwrap(),
            "A209: another expiry is no other use"
        );
        assert!(guard.first_use(&b, "1", at(160)).await.unwrap(), "each client has its own names");
        clock.set(at(160));
        assert!(!guard.first_use(&a, "1", at(160)).await.unwrap(), "still in its last second");
        clock.set(at(161));
        assert!(guard.first_use(&a, "1", at(200)).await.unwrap());
        assert!(!guard.first_use(&a, "old", at(160)).await.unwrap(), "expired before it was shown");
    }

    #[tokio::test]
    async fn a_full_memory_is_sure_of_nothing() {
        let (clock, guard) = guard(3, 2);
        let (a, b) = (client("a"), client("b"));
        assert!(guard.first_use(&a, "1", at(110)).await.unwrap());
        assert!(guard.first_use(&a, "2", at(120)).await.unwrap());
        assert!(!guard.first_use(&a, "3", at(120)).await.unwrap(), "the share of one client");
        assert!(guard.first_use(&b, "1", at(120)).await.unwrap());
        assert!(!guard.first_use(&b, "2", at(120)).await.unwrap(), "the whole");
        clock.set(at(111));
        assert!(guard.first_use(&a, "3", at(120)).await.unwrap(), "room is made by time alone");
        clock.set(at(121));
        guard.first_use(&b, "9", at(130)).await.unwrap();
        let memory = guard.memory.lock().unwrap();
        assert_eq!(memory.uses.len(), 1);
        assert_eq!((memory.by_expiry.len(), memory.per_client.len()), (1, 1));
    }
}
