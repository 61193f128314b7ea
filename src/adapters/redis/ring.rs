//! The keys that sign, as one sealed entry that all replicas share.

use std::sync::Arc;
use std::time::Duration;

use redis::cmd;
use secrecy::zeroize::Zeroizing;
use tokio::runtime::Handle;

use super::names::lease;
use super::news::News;
use super::seal::SealedBy;
use super::store::Store;
use crate::ports::Unavailable;

/// Puts an entry in place of another, if that is still there.
const REPLACE: &str = "if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1";

/// How long one replica may take to make keys for all.
const LEASE: Duration = Duration::from_secs(10);

/// The entry. To be used where waiting does no harm, and never in a task.
#[derive(Debug)]
pub(in crate::adapters) struct RingEntry {
    store: Arc<Store>,
    runtime: Handle,
}

impl RingEntry {
    pub(in crate::adapters) const fn new(store: Arc<Store>, runtime: Handle) -> Self {
        Self { store, runtime }
    }

    /// Whether it is known that no other replica has keys that we should have.
    pub(in crate::adapters) fn is_synchronised(&self) -> bool {
        self.store.is_synchronised()
    }

    /// What stands there, sealed.
    pub(in crate::adapters) fn sealed(&self) -> Result<Option<Vec<u8>>, Unavailable> {
        let name = self.store.names.ring();
        self.runtime.block_on(self.store.link.ask(cmd("GET").arg(name)))
    }

    /// Opens what [`Self::sealed`] gave.
    pub(in crate::adapters) fn open(
        &self,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unavailable> {
        self.store.opened(&self.store.names.ring(), sealed)
    }

    /// Whether it is to be sealed anew, with the present sealing key.
    pub(in crate::adapters) fn is_outdated(&self, sealed: &[u8]) -> bool {
        let opened = self.store.seals.open_dated(&self.store.names.ring(), sealed);
        opened.is_some_and(|(_, by)| by == SealedBy::Previous)
    }

    /// Seals `text` and puts it in place of `found`, and tells the others; `None` when something
    /// else stands there by now. Gives the sealed bytes.
    pub(in crate::adapters) fn replace(
        &self,
        found: Option<&[u8]>,
        text: &[u8],
    ) -> Result<Option<Vec<u8>>, Unavailable> {
        let name = self.store.names.ring();
        let sealed = self.store.sealed(&name, text)?;
        let mut command = cmd("EVAL");
        command.arg(REPLACE).arg(1).arg(&name).arg(found.unwrap_or_default()).arg(&sealed);
        self.runtime.block_on(async {
            let replaced: bool = self.store.link.ask(&command).await?;
            if replaced {
                // Whoever does not hear it looks by itself before long.
                drop(self.store.tell(&[News::Ring]).await);
            }
            Ok(replaced.then_some(sealed))
        })
    }

    /// Runs `work` unless another replica is at it.
    pub(in crate::adapters) fn lead<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        let right = lease(&self.store.names.ring());
        if !self.runtime.block_on(self.store.acquire(&right, LEASE)).ok()? {
            return None;
        }
        let done = work();
        self.runtime.block_on(self.store.release(&right));
        Some(done)
    }
}
