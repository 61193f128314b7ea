//! What was used already, on any replica (A209).

use std::sync::Arc;

use async_trait::async_trait;
use redis::cmd;

use super::store::Store;
use crate::adapters::replay::MemoryReplayGuard;
use crate::config::WhenUnreachable;
use crate::ports::{Clock, ReplayGuard, Unavailable};
use crate::protocol::ids::{ClientId, Fingerprint};
use crate::protocol::time::UnixTime;

/// Remembers in memory and in Redis.
#[derive(Debug)]
pub struct SharedReplayGuard {
    store: Arc<Store>,
    here: MemoryReplayGuard,
    clock: Arc<dyn Clock>,
}

impl SharedReplayGuard {
    pub(super) fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, here: MemoryReplayGuard::new(Arc::clone(&clock)), clock }
    }
}

#[async_trait]
impl ReplayGuard for SharedReplayGuard {
    /// While Redis cannot be asked, a replica knows what was used on itself; whether that is enough
    /// is for the operator to say.
    async fn first_use(
        &self,
        client: &ClientId,
        id: &str,
        expires: UnixTime,
    ) -> Result<bool, Unavailable> {
        // A client's name has no NUL, so no two pairs are one.
        let used = Fingerprint::of([client.as_str(), id].join("\0").as_bytes());
        // In its last second it is still remembered.
        let life = expires.since(self.clock.now()).count().saturating_add(1).max(1);
        let mut command = cmd("SET");
        command.arg(self.store.names.used(&used)).arg("1").arg("NX").arg("EX").arg(life);
        match self.store.link.ask::<Option<String>>(&command).await {
            Ok(Some(_)) => self.here.first_use(client, id, expires).await,
            Ok(None) => Ok(false),
            Err(outage) => match self.store.policy {
                WhenUnreachable::Degrade => self.here.first_use(client, id, expires).await,
                WhenUnreachable::Deny => Err(outage),
            },
        }
    }
}
