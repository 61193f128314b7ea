//! The last good key set of each issuer, as replicas share it: one of them fetches for all, and a
//! replica that starts while the authority is down has what the others had.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Issuer;
use super::discovery::{Discovered, DiscoveryError};
use super::source::Source;
use crate::adapters::http_client::HttpClient;
use crate::adapters::redis::{News, Store};
use crate::domain::freshness::Want;
use crate::protocol::jwk::KeySet;
use crate::protocol::time::{Seconds, UnixTime};

/// How long one replica may take to fetch for all.
const LEASE: Duration = Duration::from_secs(6);

/// A key set as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    issuer: String,
    document: String,
    fetched_at: UnixTime,
    /// Whether a name asked for it that the set before did not have.
    for_new_key: bool,
}

/// What replicas share of key sets.
#[derive(Clone, Debug)]
pub(super) struct Shelf(pub(super) Arc<Store>);

/// A set, and when it was asked for.
pub(super) type Dated = (Discovered, UnixTime);

impl Shelf {
    /// The set of `issuer` that is kept, if it was fetched after `than`.
    pub(super) async fn newer(&self, issuer: &Issuer, than: Option<UnixTime>) -> Option<Dated> {
        let kept = self.youngest(&self.names(&issuer.source)).await?;
        than.is_none_or(|than| kept.fetched_at > than).then(|| kept.into_dated(&issuer.source))?
    }

    /// The set that `want` asks for at `asked`: fetched by one replica, used by all.
    pub(super) async fn fetch(
        &self,
        issuer: &Issuer,
        http: &HttpClient,
        (want, asked): (Want, UnixTime),
    ) -> Result<Dated, DiscoveryError> {
        let names = self.names(&issuer.source);
        let Some(name) = names.first() else {
            return Ok((issuer.source.fetch(http).await?, asked));
        };
        let known = || async {
            let kept = self.youngest(&names).await?;
            kept.serves(want, issuer, asked).then(|| kept.into_dated(&issuer.source))?.map(Ok)
        };
        let find = async {
            let found = issuer.source.fetch(http).await?;
            if let Some(document) = &found.document {
                let kept = Kept::of(&found.issuer, document, (want, asked));
                self.keep(name, &kept, issuer.rules().max_stale).await;
            }
            Ok((found, asked))
        };
        self.0.once(name, LEASE, known, find).await
    }

    /// Keeps our set, if there is none.
    pub(super) async fn give(&self, issuer: &Issuer) {
        let (set, document) = (issuer.current.load_full(), issuer.document.load_full());
        let (Some(set), Some(document)) = (set, document) else { return };
        let names = self.names(&issuer.source);
        let Some(name) = names.first() else { return };
        if self.youngest(&names).await.is_none() {
            let kept = Kept::of(&set.issuer, &document, (Want::Any, set.fetched_at));
            self.keep(name, &kept, issuer.rules().max_stale).await;
        }
    }

    /// Tells the others that a set has changed.
    pub(super) async fn tell(&self) {
        // Whoever does not hear it fetches by age.
        drop(self.0.tell(&[News::KeySets]).await);
    }

    /// The set that was fetched last.
    async fn youngest(&self, names: &[String]) -> Option<Kept> {
        self.0.read(names).await.into_iter().max_by_key(|kept: &Kept| kept.fetched_at)
    }

    /// Keeps a set, unless there is one that was fetched later.
    async fn keep(&self, name: &str, kept: &Kept, life: Seconds) {
        let present = self.youngest(&[name.to_owned()]).await;
        if present.is_some_and(|present| present.fetched_at > kept.fetched_at) {
            return;
        }
        if let Ok(text) = serde_json::to_vec(kept) {
            // Without it, the others fetch for themselves.
            drop(self.0.put(name, &text, life).await);
        }
    }

    /// By where the keys come from: replicas with different authorities do not mix.
    fn names(&self, source: &Source) -> Vec<String> {
        let hidden = self.0.seals.hidden(&format!("keys {} {}", source.id(), source.place()));
        hidden.iter().map(|hidden| self.0.names.key_set(hidden)).collect()
    }
}

impl Kept {
    /// The set that was read from `document`, fetched because of `want`.
    fn of(issuer: &str, document: &[u8], (want, fetched_at): (Want, UnixTime)) -> Self {
        Self {
            issuer: issuer.to_owned(),
            document: String::from_utf8_lossy(document).into_owned(),
            fetched_at,
            for_new_key: want == Want::NewKey,
        }
    }

    /// Whether this saves the fetch that `want` asks for. A name that is not known asks for a set
    /// that was fetched for such a name within the cooldown: the rule of one replica, for all.
    fn serves(&self, want: Want, issuer: &Issuer, asked: UnixTime) -> bool {
        let rules = issuer.rules();
        let ours = issuer.current.load().as_ref().map(|set| set.fetched_at);
        match want {
            Want::Any | Want::Younger => {
                asked < self.fetched_at.plus(rules.refresh)
                    && ours.is_none_or(|ours| ours < self.fetched_at)
            }
            Want::NewKey => {
                self.for_new_key
                    && asked < self.fetched_at.plus(rules.cooldown)
                    && ours.is_none_or(|ours| ours <= self.fetched_at)
            }
        }
    }

    fn into_dated(self, source: &Source) -> Option<Dated> {
        let Self { issuer, document, fetched_at, .. } = self;
        let keys = KeySet::parse(document.as_bytes(), source.purpose()).ok()?;
        Some((Discovered { issuer, keys, document: Some(document.into()) }, fetched_at))
    }
}
