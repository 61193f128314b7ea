//! What one replica finds out for all.

use std::future::Future;
use std::time::Duration;

use redis::cmd;
use tokio::time::{Instant, timeout};

use super::names::lease;
use super::store::Store;
use crate::ports::Unavailable;

/// How often the holder of a lease is looked at.
const LOOK: Duration = Duration::from_millis(25);

/// Gives a lease back, unless it was lost and another replica has it.
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end";

impl Store {
    /// What `known` gives, as soon as it gives something; else what `find` finds, which one replica
    /// does for all while it holds the lease on `name`. Whatever goes wrong with Redis, or takes
    /// longer than `life`, everybody finds it out alone.
    pub(in crate::adapters) async fn once<T, K, F>(
        &self,
        name: &str,
        life: Duration,
        known: impl Fn() -> K,
        find: F,
    ) -> T
    where
        K: Future<Output = Option<T>>,
        F: Future<Output = T>,
    {
        self.link.meet().await;
        if !self.link.is_open() {
            return find.await;
        }
        if let Some(known) = known().await {
            return known;
        }
        let right = lease(name);
        let begun = Instant::now();
        while begun.elapsed() < life {
            match self.acquire(&right, life).await {
                Err(_) => break,
                Ok(true) => {
                    // Whoever had it before may have found it just now.
                    let found = match known().await {
                        Some(known) => known,
                        None => find.await,
                    };
                    self.release(&right).await;
                    return found;
                }
                Ok(false) => {
                    pause(LOOK).await;
                    if let Some(known) = known().await {
                        return known;
                    }
                }
            }
        }
        find.await
    }

    /// Takes the lease of this name for `life`, unless another replica has it.
    pub(super) async fn acquire(&self, right: &str, life: Duration) -> Result<bool, Unavailable> {
        let millis = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        let mut command = cmd("SET");
        command.arg(right).arg(&self.me).arg("NX").arg("PX").arg(millis);
        let answer: Option<String> = self.link.ask(&command).await?;
        Ok(answer.is_some())
    }

    /// Gives it back; when that fails, it ends by itself.
    pub(super) async fn release(&self, right: &str) {
        let mut command = cmd("EVAL");
        command.arg(RELEASE).arg(1).arg(right).arg(&self.me);
        let released: Result<(), _> = self.link.ask(&command).await;
        drop(released);
    }
}

/// Waits a moment.
pub(super) async fn pause(moment: Duration) {
    drop(timeout(moment, std::future::pending::<()>()).await);
}
