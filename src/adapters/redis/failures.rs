//! Failures to authenticate, counted over all replicas: guessing is slowed down as if there were
//! one.

use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio_util::sync::CancellationToken;

use super::news::News;
use super::store::Store;
use crate::adapters::throttle::FailureThrottle;
use crate::ports::{Throttle, ThrottleKey};

/// Failures that wait to be told; further ones are only counted here.
const WAITING: usize = 4096;
/// How many are told at once.
const AT_ONCE: usize = 256;

/// Counts in memory, and tells the others: no request waits for Redis.
#[derive(Debug)]
pub struct SharedThrottle {
    here: Arc<FailureThrottle>,
    outbox: Sender<[u8; 32]>,
}

/// Tells the others what failed here.
#[derive(Debug)]
pub struct Messenger {
    store: Arc<Store>,
    outbox: Receiver<[u8; 32]>,
}

pub(super) fn throttle(
    store: Arc<Store>,
    here: Arc<FailureThrottle>,
) -> (SharedThrottle, Messenger) {
    let (sender, outbox) = channel(WAITING);
    (SharedThrottle { here, outbox: sender }, Messenger { store, outbox })
}

impl Throttle for SharedThrottle {
    fn is_idle(&self) -> bool {
        self.here.is_idle()
    }

    fn admit(&self, key: &ThrottleKey) -> Result<(), u64> {
        self.here.admit(key)
    }

    fn failed(&self, key: &ThrottleKey) {
        self.here.failed(key);
        // Full only while Redis is away or an army guesses: each replica then counts for itself.
        let _ = self.outbox.try_send(key.0.first());
    }
}

impl Messenger {
    /// Works until `stopped`.
    pub async fn deliver(mut self, stopped: CancellationToken) {
        let mut failures = Vec::with_capacity(AT_ONCE);
        loop {
            let some = stopped.run_until_cancelled(self.outbox.recv_many(&mut failures, AT_ONCE));
            if some.await.unwrap_or(0) == 0 {
                return;
            }
            let news: Vec<_> = failures.drain(..).map(News::Failed).collect();
            // What is lost here is only counted here.
            drop(self.store.tell(&news).await);
        }
    }
}
