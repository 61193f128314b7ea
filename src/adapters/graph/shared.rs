//! What replicas share of group memberships: one of them asks Graph for all.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::api::GraphError;
use super::{Asked, FRESH, LAST_GOOD};
use crate::adapters::redis::Store;
use crate::protocol::time::UnixTime;

/// How long one replica may take to ask for all.
const LEASE: Duration = Duration::from_secs(6);

/// Groups, and when they were asked for.
pub(super) type Dated = (Arc<[String]>, UnixTime);

/// The same, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    groups: Vec<String>,
    at: UnixTime,
}

/// What replicas share of memberships.
#[derive(Clone, Debug)]
pub(super) struct Shelf(pub(super) Arc<Store>);

impl Shelf {
    /// The last good answer that any replica had.
    pub(super) async fn last_good(&self, asked: Asked) -> Option<Dated> {
        let kept = self.0.read(&self.names(asked)).await;
        let Kept { groups, at } = kept.into_iter().max_by_key(|kept: &Kept| kept.at)?;
        Some((groups.into(), at))
    }

    /// A fresh answer: another replica's, or what `ask` gives, which one replica does for all.
    pub(super) async fn fresh(
        &self,
        asked: Asked,
        now: UnixTime,
        ask: impl Future<Output = Result<Arc<[String]>, GraphError>>,
    ) -> Result<Dated, GraphError> {
        let names = self.names(asked);
        let Some(name) = names.first() else { return Ok((ask.await?, now)) };
        let known = || async {
            let found = self.last_good(asked).await;
            found.filter(|(_, at)| now < at.plus(FRESH)).map(Ok)
        };
        let find = async {
            let groups = ask.await?;
            let kept = serde_json::to_vec(&Kept { groups: groups.to_vec(), at: now });
            if let Ok(text) = kept {
                // Without it, the others ask for themselves.
                drop(self.0.put(name, &text, LAST_GOOD).await);
            }
            Ok((groups, now))
        };
        self.0.once(name, LEASE, known, find).await
    }

    /// Forgets what was answered about whoever is gone.
    pub(super) async fn forget(&self, asked: Asked) {
        self.0.remove(&self.names(asked)).await;
    }

    fn names(&self, (principal, kind): Asked) -> Vec<String> {
        let hidden = self.0.seals.hidden(&format!("groups {principal} {}", kind.as_str()));
        hidden.iter().map(|hidden| self.0.names.groups(hidden)).collect()
    }
}
