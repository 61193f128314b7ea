//! Prepared answers, as replicas share them where the configuration says so.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::store::Store;
use crate::adapters::background::Background;
use crate::ports::SharedAnswers;
use crate::protocol::time::Seconds;

/// Sealed in Redis under hidden names.
pub struct RedisAnswers {
    /// Where they are.
    pub store: Arc<Store>,
    /// Where they are written from: nobody waits for that.
    pub background: Background,
}

impl std::fmt::Debug for RedisAnswers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisAnswers").finish_non_exhaustive()
    }
}

impl RedisAnswers {
    fn names(&self, name: &str) -> Vec<String> {
        let hidden = self.store.seals.hidden(name);
        hidden.iter().map(|hidden| self.store.names.answer(hidden)).collect()
    }
}

#[async_trait]
impl SharedAnswers for RedisAnswers {
    async fn find(&self, name: &str) -> Option<Bytes> {
        for name in self.names(name) {
            if let Ok(Some(record)) = self.store.get(&name).await {
                return Some(Bytes::copy_from_slice(&record));
            }
        }
        None
    }

    fn keep(&self, name: &str, record: Vec<u8>, life: Seconds) {
        let Some(name) = self.names(name).into_iter().next() else { return };
        let store = Arc::clone(&self.store);
        self.background.spawn(async move {
            // Without it, the other replicas decide for themselves.
            drop(store.put(&name, &record, life).await);
        });
    }
}
