//! The groups that Entra left out of a token, from Microsoft Graph (ENT-10).
//!
//! Asked for by the principal of a verified token, at an address from the configuration; the
//! address inside the token is never used. An answer is kept for minutes, and serves on for an
//! hour when Graph cannot be asked. What is not known is an error, never an empty list.

mod api;
mod live;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::background::Background;
use super::http_client::HttpClient;
use super::redis::Store;
use super::single_flight::{Flights, Start};
use crate::domain::principal::{PrincipalId, PrincipalType};
use crate::domain::tenant::Tenant;
use crate::ports::{Clock, Dependency, GroupDirectory, Membership, Unavailable};
use crate::protocol::ids::Guid;
use crate::protocol::time::{Seconds, UnixTime};
use api::{GraphApi, GraphError};
use shared::Shelf;

/// How long an answer is used without asking again.
const FRESH: Seconds = Seconds::minutes(5);
/// How long an answer is used when Graph cannot be asked.
const LAST_GOOD: Seconds = Seconds::hours(1);
/// How long such an old answer is used before looking again.
const LOOK_AGAIN: Seconds = Seconds::new(30);
/// How long nobody is asked after a failure that did not say how long to wait.
const AFTER_FAILURE: Seconds = Seconds::new(5);
/// The longest wait that Graph may ask for.
const LONGEST_WAIT: Seconds = Seconds::hours(1);
/// How long somebody waits for an answer, which is kept for those who come later.
const PATIENCE: Duration = Duration::from_secs(3);
/// Requests at the same time, for one tenant.
const AT_ONCE: usize = 32;
/// Group entries that are kept for one tenant; one takes about 60 bytes.
const MAX_ENTRIES: u64 = 400_000;
/// Parts of the cache; each must hold the longest list that Graph gives.
const SHARDS: usize = 4;

type Asked = (PrincipalId, PrincipalType);
type Outcome = Result<Membership, Unavailable>;

/// The group memberships of the tenants for which Graph access is configured.
pub struct GraphGroups {
    directories: ArcSwap<Directories>,
    clock: Arc<dyn Clock>,
    flights: Flights<(Asked, u64), Outcome>,
    http: HttpClient,
    store: Option<Arc<Store>>,
}

type Directories = BTreeMap<Guid, Arc<Directory>>;

/// The groups of one tenant's principals.
struct Directory {
    /// No two have the same, so that nobody joins a request to another Graph.
    number: u64,
    api: ArcSwap<GraphApi>,
    known: Cache<Asked, Known, ByGroups>,
    /// Nobody is asked before this moment, in seconds since the epoch.
    closed_until: AtomicI64,
    slots: Semaphore,
    others: Option<Shelf>,
}

/// What is known of one principal.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The last good answer, and when it was asked for.
    good: Option<(Arc<[String]>, UnixTime)>,
    /// Why the last attempt failed, and when.
    failed: Option<(Arc<str>, UnixTime)>,
}

/// A principal weighs as much as its groups, and one more.
#[derive(Clone)]
struct ByGroups;

impl Weighter<Asked, Known> for ByGroups {
    fn weight(&self, _: &Asked, known: &Known) -> u64 {
        let groups = known.good.as_ref().map_or(0, |(groups, _)| groups.len());
        u64::try_from(groups).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl std::fmt::Debug for GraphGroups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenants: Vec<_> = self.tenants().collect();
        f.debug_struct("GraphGroups").field("tenants", &tenants).finish_non_exhaustive()
    }
}

impl GraphGroups {
    /// Serves those of `tenants` that have Graph access, and shares what it learns in `store`; asks
    /// nothing yet.
    pub fn new(
        tenants: &[Tenant],
        http: &HttpClient,
        store: Option<&Arc<Store>>,
        clock: Arc<dyn Clock>,
        background: Background,
    ) -> Self {
        let groups = Self {
            directories: ArcSwap::default(),
            clock,
            flights: Flights::new("fetch groups", background),
            http: http.clone(),
            store: store.map(Arc::clone),
        };
        groups.configure(tenants);
        groups
    }

    /// The tenants it serves.
    pub fn tenants(&self) -> impl Iterator<Item = Guid> {
        self.directories.load().keys().copied().collect::<Vec<_>>().into_iter()
    }

    /// Whether a token for Graph is to be had for `tenant`; for `check --online`. Does not tell
    /// whether the application may read memberships.
    pub async fn check(&self, tenant: Guid) -> Result<(), Unavailable> {
        let token = self.directory(tenant)?.api.load_full().token(self.clock.as_ref()).await;
        token.map(drop).map_err(|error| unavailable(tenant, &error.to_string()))
    }
}

#[async_trait]
impl GroupDirectory for GraphGroups {
    async fn groups(&self, principal: PrincipalId, kind: PrincipalType) -> Outcome {
        let tenant = principal.tenant;
        let directory = self.directory(tenant)?;
        let asked = (principal, kind);
        let ticket = self.flights.join((asked, directory.number), || {
            if let Some(answer) = directory.without_asking(asked, self.clock.now()) {
                return Start::Answer(answer);
            }
            let (directory, clock) = (Arc::clone(&directory), Arc::clone(&self.clock));
            Start::Work(async move { directory.ask(asked, clock.as_ref()).await })
        });
        match timeout(PATIENCE, ticket.answer()).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(unavailable(tenant, "the request did not end")),
            Err(_elapsed) => {
                let known = directory.known.get(&asked).unwrap_or_default();
                known.make_do(asked, self.clock.now())
            }
        }
    }

    fn covers(&self, principal: PrincipalId) -> bool {
        self.directories.load().contains_key(&principal.tenant)
    }
}

impl Directory {
    fn new(api: GraphApi, others: Option<Shelf>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut options = OptionsBuilder::new();
        options.shards(SHARDS).weight_capacity(MAX_ENTRIES).estimated_items_capacity(10_000);
        let hasher = DefaultHashBuilder::default();
        let known = match options.build() {
            Ok(options) => {
                Cache::with_options(options, ByGroups, hasher, DefaultLifecycle::default())
            }
            Err(_incomplete) => Cache::with_weighter(10_000, MAX_ENTRIES, ByGroups),
        };
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            api: ArcSwap::from_pointee(api),
            known,
            closed_until: AtomicI64::new(0),
            slots: Semaphore::new(AT_ONCE),
            others,
        }
    }

    /// What can be said at `now` without asking Graph; `None` when it is to be asked.
    fn without_asking(&self, asked: Asked, now: UnixTime) -> Option<Outcome> {
        let known = self.known.get(&asked).unwrap_or_default();
        if let Some((groups, at)) = &known.good
            && now < at.plus(FRESH)
        {
            let valid_until = at.plus(FRESH);
            return Some(Ok(Membership { groups: Arc::clone(groups), valid_until }));
        }
        let failed_just_now =
            known.failed.as_ref().is_some_and(|(_, at)| now < at.plus(AFTER_FAILURE));
        (failed_just_now || self.is_closed(now)).then(|| known.make_do(asked, now))
    }

    /// Asks Graph, and remembers what came of it.
    async fn ask(&self, asked: Asked, clock: &dyn Clock) -> Outcome {
        let _slot = self.slots.acquire().await;
        let now = clock.now();
        if let Some(answer) = self.without_asking(asked, now) {
            // Somebody before us in the queue found out that there is no use.
            return answer;
        }
        let (principal, kind) = asked;
        let api = self.api.load_full();
        let ask = api.groups(principal.object, kind, clock);
        let found = match &self.others {
            Some(others) => others.fresh(asked, now, ask).await,
            None => ask.await.map(|groups| (groups, now)),
        };
        match found {
            Ok((groups, at)) => {
                let good = Some((Arc::clone(&groups), at));
                self.known.insert(asked, Known { good, failed: None });
                Ok(Membership { groups, valid_until: at.plus(FRESH) })
            }
            Err(error) => {
                self.learn_from_others(asked, &error).await;
                self.failed(asked, &error, clock.now())
            }
        }
    }

    /// Another replica may have had a good answer later than we; but whoever is gone has no groups,
    /// whatever was answered before.
    async fn learn_from_others(&self, asked: Asked, error: &GraphError) {
        let Some(others) = &self.others else { return };
        if matches!(error, GraphError::NoSuchPrincipal) {
            others.forget(asked).await;
            return;
        }
        let Some((groups, at)) = others.last_good(asked).await else { return };
        let known = self.known.get(&asked).unwrap_or_default();
        if known.good.as_ref().is_none_or(|(_, ours)| *ours < at) {
            self.known.insert(asked, Known { good: Some((groups, at)), ..known });
        }
    }

    fn failed(&self, asked: Asked, error: &GraphError, now: UnixTime) -> Outcome {
        let (principal, _) = asked;
        tracing::warn!(tenant = %principal.tenant, %error, "groups not read from Graph");
        let mut known = self.known.get(&asked).unwrap_or_default();
        match error {
            GraphError::Down { retry_after, .. } => self.close(*retry_after, now),
            // Whoever was deleted has no groups any more, so the last ones are no longer good.
            GraphError::NoSuchPrincipal => known.good = None,
            GraphError::Refused(_) => {}
        }
        known.failed = Some((error.to_string().into(), now));
        self.known.insert(asked, known.clone());
        known.make_do(asked, now)
    }

    fn is_closed(&self, now: UnixTime) -> bool {
        now.seconds() < self.closed_until.load(Ordering::Relaxed)
    }

    fn close(&self, wait: Option<Seconds>, now: UnixTime) {
        let wait = wait.unwrap_or(AFTER_FAILURE).clamp(Seconds::new(1), LONGEST_WAIT);
        self.closed_until.fetch_max(now.plus(wait).seconds(), Ordering::Relaxed);
    }
}

impl Known {
    /// The answer at `now` when Graph is not to be asked.
    fn make_do(&self, asked: Asked, now: UnixTime) -> Outcome {
        if let Some((groups, at)) = &self.good {
            let end = at.plus(LAST_GOOD);
            if now < end {
                let valid_until = now.plus(LOOK_AGAIN).min(end);
                return Ok(Membership { groups: Arc::clone(groups), valid_until });
            }
        }
        let why = self.failed.as_ref().map(|(why, _)| Arc::clone(why));
        let why =
            why.unwrap_or_else(|| "it is slow, asked us to wait, or just failed for others".into());
        Err(unavailable(asked.0.tenant, &why))
    }
}

fn unavailable(tenant: Guid, why: &str) -> Unavailable {
    Unavailable {
        dependency: Dependency::Graph,
        detail: format!("groups of tenant {tenant}: {why}"),
    }
}

fn not_configured(tenant: Guid) -> Unavailable {
    unavailable(tenant, "Graph access is not configured (`entra[].graph`)")
}
