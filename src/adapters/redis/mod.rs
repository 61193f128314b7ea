//! What replicas share, through a Redis that is not trusted: everything in it is sealed.
//!
//! Each replica knows every revocation in its own memory and follows a log of them ([`Keeper`]), so
//! that no decision waits for Redis. What cannot be known without it is an outage, never a guess.

mod answers;
mod check;
mod connect;
mod failures;
mod generation;
mod keeper;
mod lease;
mod link;
mod listeners;
mod log;
mod names;
mod news;
mod opaque_tokens;
mod position;
mod pulse;
mod replay;
mod revocations;
mod ring;
mod seal;
mod status;
mod store;
mod synchronise;
#[cfg(test)]
mod test_config;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::adapters::throttle::FailureThrottle;
use crate::config::Redis;
use crate::ports::Clock;

pub use answers::RedisAnswers;
pub use failures::{Messenger, SharedThrottle};
pub use keeper::Keeper;
pub use listeners::Listeners;
pub(in crate::adapters) use news::News;
pub use opaque_tokens::SharedOpaqueTokens;
pub use replay::SharedReplayGuard;
pub use revocations::SharedRevocations;
pub(in crate::adapters) use ring::RingEntry;
pub use seal::Seals;
pub use status::SharedStatus;
pub use store::Store;

/// The library refuses to seal.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the cryptographic library refused the keys that seal what is kept in Redis")]
pub struct NotSealable;

/// The parts of a replica that share.
#[derive(Debug)]
pub struct Replica {
    /// What all parts work with.
    pub store: Arc<Store>,
    /// What was revoked.
    pub revocations: Arc<SharedRevocations>,
    /// What is behind opaque tokens.
    pub opaque: Arc<SharedOpaqueTokens>,
    /// What was used already.
    pub replay: SharedReplayGuard,
    /// Keeps all of it in step.
    pub keeper: Keeper,
}

impl Replica {
    /// A replica at `redis`, not connected yet.
    pub fn new(redis: &Redis, clock: &Arc<dyn Clock>) -> Result<Self, NotSealable> {
        let store = Arc::new(Store::new(redis, Arc::clone(clock)).ok_or(NotSealable)?);
        let share = || (Arc::clone(&store), Arc::clone(clock));
        let (its, time) = share();
        let revocations = Arc::new(SharedRevocations::new(its, time));
        let (its, time) = share();
        let opaque = Arc::new(SharedOpaqueTokens::new(its, time));
        let (its, time) = share();
        let replay = SharedReplayGuard::new(its, time);
        let keeper = Keeper {
            redis: redis.clone(),
            store: Arc::clone(&store),
            revocations: Arc::clone(&revocations),
            attempts: AtomicUsize::new(0),
        };
        Ok(Self { store, revocations, opaque, replay, keeper })
    }

    /// `here`, counted over all replicas.
    pub fn throttle(&self, here: Arc<FailureThrottle>) -> (SharedThrottle, Messenger) {
        failures::throttle(Arc::clone(&self.store), here)
    }
}
