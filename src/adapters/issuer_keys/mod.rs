//! The key sets of the configured issuers, Entra's and those of clusters, fetched and kept.
//!
//! Readers take the present set from an atomic pointer and never wait. A fetch runs beside them,
//! one at a time for each issuer, when `domain::freshness` says so; only a good answer replaces a
//! set. What happens is told by log lines and by [`KeySets::status`].

mod cluster;
mod discovery;
mod live;
mod shared;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::timeout;

use super::background::Background;
use super::http_client::HttpClient;
use super::redis::Store;
use super::single_flight::{Flights, Start, Ticket};
use crate::config::KeySetRules;
use crate::domain::cluster::{Cluster, KeySource};
use crate::domain::freshness::{Decision, History, Rules, Want};
use crate::domain::rejection::safe;
use crate::domain::tenant::Tenant;
use crate::ports::{
    Clock, Dependency, FetchReason, IssuerKeySet, IssuerKeys, IssuerStatus, Unavailable,
};
use crate::protocol::jwk::KeySet;
use crate::protocol::time::UnixTime;
use discovery::Discovered;
pub use discovery::{Discovery, DiscoveryError};
use live::{Issuers, Origin};
use shared::Shelf;
use source::Source;

/// How long somebody waits for a fetch, which goes on for those who come later. What asks for us gives
/// up itself, some seconds later.
const PATIENCE: Duration = Duration::from_secs(4);

type Outcome = Result<Arc<IssuerKeySet>, Unavailable>;

/// The key sets of all configured tenants, each for both versions of its tokens, and of all
/// configured clusters.
pub struct KeySets {
    issuers: ArcSwap<Issuers>,
    clock: Arc<dyn Clock>,
    http: HttpClient,
    flights: Flights<(KeySource, u64), Outcome>,
    others: Option<Shelf>,
}

/// One issuer.
struct Issuer {
    source: Source,
    /// No two have the same, so that nobody joins a fetch from where an issuer was before.
    number: u64,
    origin: Origin,
    rules: ArcSwap<Rules>,
    current: ArcSwapOption<IssuerKeySet>,
    /// What the present set was read from.
    document: ArcSwapOption<Bytes>,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    history: History,
    /// How many attempts were good, and how many were not.
    attempts: (u64, u64),
    /// How often a key was asked for that the set did not have.
    unknown_keys: u64,
    last_error: Option<String>,
}

impl std::fmt::Debug for KeySets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let issuers: Vec<_> = self.issuers().collect();
        f.debug_struct("KeySets").field("issuers", &issuers).finish_non_exhaustive()
    }
}

impl KeySets {
    /// Nothing is fetched yet: see [`Self::refresh_due`].
    pub fn new(
        (tenants, clusters): (&[Tenant], &[Cluster]),
        rules: KeySetRules,
        http: HttpClient,
        clock: Arc<dyn Clock>,
        background: Background,
    ) -> Self {
        let rules = live::rules(rules);
        let issuer = |source: Source| Arc::new(Issuer::new(source, rules, Origin::Start));
        let issuers = live::sources(tenants, clusters).map(issuer).map(|one| (one.id(), one));
        let issuers = Issuers { configured: issuers.collect(), former: BTreeMap::new() };
        Self {
            issuers: ArcSwap::from_pointee(issuers),
            clock,
            http,
            flights: Flights::new("fetch keys", background),
            others: None,
        }
    }

    /// The same, with what replicas share.
    #[must_use]
    pub fn shared(self, store: &Arc<Store>) -> Self {
        Self { others: Some(Shelf(Arc::clone(store))), ..self }
    }

    /// Takes up the sets that other replicas fetched later than ours.
    pub async fn take_up(&self) {
        let Some(others) = &self.others else { return };
        for issuer in self.issuers.load_full().configured.values() {
            let ours = issuer.current.load().as_ref().map(|set| set.fetched_at);
            if let Some((found, fetched_at)) = others.newer(issuer, ours).await {
                let (set, _) = issuer.keep(found, fetched_at);
                issuer.record().succeed(set.fetched_at, self.clock.now());
            }
        }
    }

    /// Gives the others our sets again: what they are kept in may have lost them.
    pub async fn give(&self) {
        let Some(others) = &self.others else { return };
        for issuer in self.issuers.load_full().configured.values() {
            others.give(issuer).await;
        }
    }

    /// The configured issuers, in order.
    pub fn issuers(&self) -> impl Iterator<Item = KeySource> {
        self.issuers.load().configured.keys().copied().collect::<Vec<_>>().into_iter()
    }

    /// Starts the fetches that are due, all at once, and returns without waiting for them. To be
    /// called at start and every second or so; a call that finds nothing due costs nothing.
    pub fn refresh_due(&self) {
        for issuer in self.issuers.load().configured.values() {
            drop(self.ask(issuer, Want::Younger));
        }
    }

    /// Decides, and starts or joins a fetch.
    fn ask(&self, issuer: &Arc<Issuer>, want: Want) -> Ticket<Outcome> {
        self.flights.join((issuer.id(), issuer.number), || {
            let now = self.clock.now();
            let decision = issuer.record().history.decide(want, &issuer.rules(), now);
            match (decision, issuer.current(now)) {
                (Decision::UsePresent, Some(present)) => Start::Answer(Ok(present)),
                (Decision::UsePresent | Decision::Unavailable, _) => {
                    Start::Answer(Err(issuer.unavailable()))
                }
                (Decision::Fetch, _) => {
                    issuer.record().begin(want, now);
                    let (issuer, http) = (Arc::clone(issuer), self.http.clone());
                    let (clock, others) = (Arc::clone(&self.clock), self.others.clone());
                    Start::Work(async move {
                        issuer.fetch(&http, others.as_ref(), &*clock, (want, now)).await
                    })
                }
            }
        })
    }
}

#[async_trait]
impl IssuerKeys for KeySets {
    fn current(&self, issuer: KeySource, now: UnixTime) -> Option<Arc<IssuerKeySet>> {
        self.issuers.load().get(issuer)?.current(now)
    }

    async fn fetch(&self, issuer: KeySource, reason: FetchReason) -> Outcome {
        let want = match reason {
            FetchReason::Missing => Want::Any,
            FetchReason::UnknownKid => Want::NewKey,
            FetchReason::Age => Want::Younger,
        };
        let found = self.issuers.load().get(issuer).map(Arc::clone);
        let found = found.ok_or_else(|| not_configured(issuer))?;
        if reason == FetchReason::UnknownKid {
            let mut record = found.record();
            record.unknown_keys = record.unknown_keys.saturating_add(1);
        }
        match timeout(PATIENCE, self.ask(&found, want).answer()).await {
            Ok(answer) => answer.unwrap_or_else(|| Err(found.unavailable())),
            Err(_elapsed) => Err(found.not_yet()),
        }
    }

    fn status(&self, now: UnixTime) -> Vec<IssuerStatus> {
        self.issuers.load().configured.values().map(|issuer| issuer.status(now)).collect()
    }
}

impl Issuer {
    fn new(source: Source, rules: Rules, origin: Origin) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            source,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            origin,
            rules: ArcSwap::from_pointee(rules),
            current: ArcSwapOption::empty(),
            document: ArcSwapOption::empty(),
            record: Mutex::default(),
        }
    }

    fn rules(&self) -> Rules {
        **self.rules.load()
    }

    const fn id(&self) -> KeySource {
        self.source.id()
    }

    /// Every change is a few assignments, so a poisoned lock is still good.
    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self, now: UnixTime) -> Option<Arc<IssuerKeySet>> {
        let max_stale = self.rules().max_stale;
        let trusted = |set: &Arc<IssuerKeySet>| now < set.fetched_at.plus(max_stale);
        self.current.load_full().filter(trusted)
    }

    /// One attempt. `asked` is when it began: a set is as old as the question, not as the answer.
    async fn fetch(
        &self,
        http: &HttpClient,
        others: Option<&Shelf>,
        clock: &dyn Clock,
        (want, asked): (Want, UnixTime),
    ) -> Outcome {
        let fetched = match others.filter(|_| self.source.is_remote()) {
            Some(others) => others.fetch(self, http, (want, asked)).await,
            None => self.source.fetch(http).await.map(|found| (found, asked)),
        };
        match fetched {
            Ok((found, fetched_at)) => {
                let (set, changed) = self.keep(found, fetched_at);
                // Another replica may have asked for all: the cooldown began when it did.
                self.record().succeed_for(want, fetched_at, (set.fetched_at, clock.now()));
                if let Some(others) = others.filter(|_| changed) {
                    others.tell().await;
                }
                Ok(set)
            }
            Err(error) => {
                let error = error.to_string();
                let failures = self.record().fail(clock.now(), error.clone());
                let kept = self.current.load().is_some();
                tracing::warn!(issuer = %self.id(), error, failures, kept, "key set not fetched");
                Err(self.unavailable())
            }
        }
    }

    /// Puts the new set in place of the present one, unless that is younger, and tells whether they
    /// differ.
    fn keep(&self, found: Discovered, fetched_at: UnixTime) -> (Arc<IssuerKeySet>, bool) {
        let Discovered { issuer, mut keys, document } = found;
        // Held, so that a set which another replica fetched and one of our own come in order.
        let record = self.record();
        let previous = self.current.load_full();
        if let Some(younger) = previous.as_ref().filter(|set| set.fetched_at > fetched_at) {
            return (Arc::clone(younger), false);
        }
        let before = previous.as_ref().map(|set| &set.keys);
        keys.replace(before, fetched_at.plus(self.rules().max_stale));
        let added = names(&keys, before);
        let removed = before.map(|before| names(before, Some(&keys))).unwrap_or_default();
        let changed = !added.is_empty() || !removed.is_empty();
        let issuer_id = self.id();
        if changed {
            let (usable, skipped) = (keys.keys().len(), keys.skipped());
            tracing::info!(issuer = %issuer_id, usable, skipped, ?added, ?removed, "key set changed");
        } else {
            tracing::debug!(issuer = %issuer_id, keys = keys.keys().len(), "key set unchanged");
        }
        let set = Arc::new(IssuerKeySet { issuer, keys, fetched_at });
        self.document.store(document.map(Arc::new));
        self.current.store(Some(Arc::clone(&set)));
        drop(record);
        (set, changed)
    }

    fn unavailable(&self) -> Unavailable {
        let record = self.record();
        let why = record.last_error.as_deref().unwrap_or("no key set was fetched yet");
        let detail = format!("the keys of {}: {why}", self.id());
        Unavailable { dependency: Dependency::IssuerKeys, detail }
    }

    fn not_yet(&self) -> Unavailable {
        let detail = format!("the keys of {}: no answer within {PATIENCE:?}", self.id());
        Unavailable { dependency: Dependency::IssuerKeys, detail }
    }

    fn status(&self, now: UnixTime) -> IssuerStatus {
        let set = self.current.load_full();
        let record = self.record();
        IssuerStatus {
            issuer: self.id(),
            document: self.source.place(),
            keys: set.as_ref().map_or(0, |set| set.keys.keys().len()),
            skipped: set.as_ref().map_or(0, |set| set.keys.skipped()),
            fetched_at: record.history.fetched_at(),
            trusted: record.history.is_trusted(&self.rules(), now),
            expected: self.origin == Origin::Start || set.is_some(),
            attempts: record.attempts,
            unknown_keys: record.unknown_keys,
            failures: record.history.failures(),
            last_error: record.last_error.clone(),
        }
    }
}

impl Record {
    fn begin(&mut self, want: Want, now: UnixTime) {
        self.history.begin(want, now);
    }

    fn succeed_for(&mut self, want: Want, asked: UnixTime, (fetched, now): (UnixTime, UnixTime)) {
        self.attempts.0 = self.attempts.0.saturating_add(1);
        self.history.begin(want, asked);
        self.succeed(fetched, now);
    }

    fn succeed(&mut self, asked: UnixTime, now: UnixTime) {
        self.history.succeed(asked, now);
        self.last_error = None;
    }

    fn fail(&mut self, now: UnixTime, error: String) -> u32 {
        self.attempts.1 = self.attempts.1.saturating_add(1);
        self.history.fail(now);
        self.last_error = Some(error);
        self.history.failures()
    }
}

/// The names of the keys in `set` that `other` does not have.
fn names(set: &KeySet, other: Option<&KeySet>) -> Vec<String> {
    let known = |key| other.is_some_and(|set| set.keys().iter().any(|old| Arc::ptr_eq(old, key)));
    let left = set.keys().iter().filter(|key| !known(key));
    left.map(|key| safe(key.kid().unwrap_or("(none)"))).collect()
}

fn not_configured(issuer: KeySource) -> Unavailable {
    let detail = format!("{issuer} is not configured");
    Unavailable { dependency: Dependency::IssuerKeys, detail }
}
