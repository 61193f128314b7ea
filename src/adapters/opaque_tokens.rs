//! What is behind opaque tokens, in the memory of this replica.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use crate::ports::{Clock, Dependency, OpaqueTokens, Unavailable};
use crate::protocol::ids::Fingerprint;
use crate::protocol::time::UnixTime;

/// Most tokens that are kept; about 300 MB. One more is refused, and none is forgotten early.
const MAX_TOKENS: usize = 200_000;

/// Keeps each token's claims under its digest until it ends.
#[derive(Debug)]
pub struct MemoryOpaqueTokens {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    claims: HashMap<Fingerprint, Bytes>,
    by_end: BTreeMap<UnixTime, Vec<Fingerprint>>,
}

impl MemoryOpaqueTokens {
    /// Nothing is kept yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: Mutex::default() }
    }
}

#[async_trait]
impl OpaqueTokens for MemoryOpaqueTokens {
    async fn keep(
        &self,
        id: Fingerprint,
        claims: Bytes,
        expires: UnixTime,
    ) -> Result<(), Unavailable> {
        // Every change leaves both maps whole enough: a poisoned lock is still good.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.forget_before(self.clock.now());
        if kept.claims.len() >= MAX_TOKENS {
            let detail = format!("there are {MAX_TOKENS} opaque tokens already");
            return Err(Unavailable { dependency: Dependency::Store, detail });
        }
        kept.claims.insert(id, claims);
        kept.by_end.entry(expires).or_default().push(id);
        Ok(())
    }

    async fn find(&self, id: Fingerprint) -> Result<Option<Bytes>, Unavailable> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.claims.get(&id).cloned())
    }
}

impl Kept {
    fn forget_before(&mut self, now: UnixTime) {
        while let Some(oldest) = self.by_end.first_entry().filter(|entry| *entry.key() < now) {
            for id in oldest.remove() {
                self.claims.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::clock::ManualClock;
    use crate::protocol::time::Seconds;

    #[tokio::test]
    async fn a_token_is_kept_until_it_ends() {
        let now = UnixTime::from_seconds(1_795_435_200);
        let clock = Arc::new(ManualClock::new(now));
        let tokens = MemoryOpaqueTokens::new(Arc::<ManualClock>::clone(&clock));
        let (one, other) = (Fingerprint::of(b"one"), Fingerprint::of(b"other"));
        tokens.keep(one, Bytes::from_static(b"{}"), now.plus(Seconds::new(10))).await.unwrap();
        assert_eq!(tokens.find(one).await.unwrap(), Some(Bytes::from_static(b"{}")));
        assert_eq!(tokens.find(other).await.unwrap(), None);
        clock.advance(Seconds::new(11));
        tokens.keep(other, Bytes::new(), now.plus(Seconds::minutes(1))).await.unwrap();
        assert_eq!(tokens.find(one).await.unwrap(), None, "memory is given back");
    }
}
