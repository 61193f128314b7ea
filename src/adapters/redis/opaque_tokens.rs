//! What is behind opaque tokens, for every replica.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use redis::cmd;

use super::link::unavailable;
use super::store::Store;
use crate::ports::{Clock, OpaqueTokens, Unavailable};
use crate::protocol::ids::Fingerprint;
use crate::protocol::time::UnixTime;

/// Memory for what was issued here, in bytes: it is written again when Redis comes back empty.
const COPIES_BYTES: u64 = 32 * 1024 * 1024;
/// A rough size of one.
const TYPICAL_BYTES: u64 = 1024;

/// How many are written again at once.
const AT_ONCE: usize = 100;

/// An entry, and whether Redis has the record that we know.
const FIND: &str = "local same = redis.call('GET', KEYS[2]) == ARGV[1] and ARGV[1] ~= ''
return {redis.call('GET', KEYS[1]), same and 1 or 0}";

/// Writes entries where there are none.
const REWRITE: &str = "for i = 1, #KEYS do
  redis.call('SET', KEYS[i], ARGV[2 * i - 1], 'EX', ARGV[2 * i], 'NX')
end";

/// Sealed in Redis under the digest of each token, until it ends.
#[derive(Debug)]
pub struct SharedOpaqueTokens {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    copies: Cache<Fingerprint, Copied, Bytewise>,
}

/// What was issued here.
#[derive(Clone, Debug)]
struct Copied {
    claims: Bytes,
    expires: UnixTime,
}

#[derive(Clone, Debug)]
struct Bytewise;

impl Weighter<Fingerprint, Copied> for Bytewise {
    fn weight(&self, _: &Fingerprint, copy: &Copied) -> u64 {
        u64::try_from(copy.claims.len()).unwrap_or(u64::MAX).saturating_add(200)
    }
}

impl SharedOpaqueTokens {
    pub(super) fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        let items = usize::try_from(COPIES_BYTES / TYPICAL_BYTES).unwrap_or(usize::MAX);
        Self { store, clock, copies: Cache::with_weighter(items, COPIES_BYTES, Bytewise) }
    }

    /// Writes what was issued here once more, where it is missing: Redis may have lost it.
    pub(super) async fn rewrite(&self) -> Result<(), Unavailable> {
        let now = self.clock.now();
        let copies: Vec<_> = self.copies.iter().filter(|(_, copy)| now < copy.expires).collect();
        for some in copies.chunks(AT_ONCE) {
            let mut command = cmd("EVAL");
            command.arg(REWRITE).arg(some.len());
            for (id, _) in some {
                command.arg(self.store.names.opaque(id));
            }
            for (id, copy) in some {
                let sealed = self.store.sealed(&self.store.names.opaque(id), &copy.claims)?;
                command.arg(sealed).arg(copy.expires.since(now).count().max(1));
            }
            let () = self.store.link.ask(&command).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl OpaqueTokens for SharedOpaqueTokens {
    async fn keep(
        &self,
        id: Fingerprint,
        claims: Bytes,
        expires: UnixTime,
    ) -> Result<(), Unavailable> {
        let life = expires.since(self.clock.now());
        self.store.put(&self.store.names.opaque(&id), &claims, life).await?;
        self.copies.insert(id, Copied { claims, expires });
        Ok(())
    }

    /// What Redis has not may have been lost with it. It was not if Redis has the record that we
    /// know, and others have had time to write again what a fail-over lost.
    async fn find(&self, id: Fingerprint) -> Result<Option<Bytes>, Unavailable> {
        let (names, mut command) = (&self.store.names, cmd("EVAL"));
        let (name, record) = (names.opaque(&id), self.store.record.load_full());
        command.arg(FIND).arg(2).arg(&name).arg(names.generation()).arg(&*record);
        let (sealed, same): (Option<Vec<u8>>, bool) = self.store.link.ask(&command).await?;
        if let Some(sealed) = sealed {
            let claims = self.store.opened(&name, &sealed)?;
            return Ok(Some(Bytes::copy_from_slice(&claims)));
        }
        if let Some(copy) = self.copies.get(&id).filter(|copy| self.clock.now() < copy.expires) {
            return Ok(Some(copy.claims));
        }
        if same && !self.store.is_refilling() {
            return Ok(None);
        }
        Err(unavailable("what it had lost is being written again"))
    }
}
