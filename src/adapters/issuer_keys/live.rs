//! Issuers that come, change and go while the service runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use super::discovery::Discovery;
use super::source::Source;
use super::{Issuer, KeySets};
use crate::config::KeySetRules;
use crate::domain::cluster::{Cluster, KeySource};
use crate::domain::freshness::{Rules, Want};
use crate::domain::tenant::{Tenant, TokenVersion};

/// Since when an issuer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Since the start: a replica that has no keys of it leaves requests to those that have.
    Start,
    /// It came while the service ran. All replicas learn of it at once, and if nobody can have its
    /// keys, that must not take all of them away from the other tenants.
    Live,
}

/// All issuers at one moment.
pub(super) struct Issuers {
    /// Those that the configuration names.
    pub(super) configured: BTreeMap<KeySource, Arc<Issuer>>,
    /// Those that it named until lately: requests under way may still need them. No other request
    /// asks for them, since no configuration in force names them.
    pub(super) former: BTreeMap<KeySource, Arc<Issuer>>,
}

impl Issuers {
    pub(super) fn get(&self, id: KeySource) -> Option<&Arc<Issuer>> {
        self.configured.get(&id).or_else(|| self.former.get(&id))
    }
}

/// Who is asked for keys.
pub(super) fn sources(tenants: &[Tenant], clusters: &[Cluster]) -> impl Iterator<Item = Source> {
    let both = |tenant| TokenVersion::ALL.map(|version| Discovery::new(tenant, version));
    let entra = tenants.iter().flat_map(both).map(Source::Entra);
    entra.chain(clusters.iter().cloned().map(Source::Cluster))
}

/// The spans of a configuration.
pub(super) const fn rules(rules: KeySetRules) -> Rules {
    let KeySetRules { refresh, cooldown, max_stale } = rules;
    Rules { refresh, cooldown, max_stale }
}

impl KeySets {
    /// Takes up another configuration. What is known of an issuer that is asked at the same place
    /// as before stays, with the fetch that is under way; a new one is asked at once, and its keys
    /// are waited for, but not longer than `patience`.
    ///
    /// To be called before the configuration is in force, by one at a time. The issuers that it
    /// does not name are there until [`Self::forget_former`].
    pub async fn configure(
        &self,
        (tenants, clusters): (&[Tenant], &[Cluster]),
        rules: KeySetRules,
        patience: Duration,
    ) {
        let rules = self::rules(rules);
        let before = self.issuers.load_full();
        let mut added = Vec::new();
        let issuer = |source: Source| {
            let kept = before.configured.get(&source.id()).filter(|one| one.source.is(&source));
            let issuer = kept.map_or_else(
                || {
                    let new = Arc::new(Issuer::new(source, rules, Origin::Live));
                    added.push(Arc::clone(&new));
                    new
                },
                |kept| {
                    kept.follow(rules);
                    Arc::clone(kept)
                },
            );
            (issuer.id(), issuer)
        };
        let configured: BTreeMap<_, _> = sources(tenants, clusters).map(issuer).collect();
        let gone = |(id, _): &(&KeySource, &Arc<Issuer>)| !configured.contains_key(id);
        let former = before.configured.iter().filter(gone);
        let former = former.map(|(id, issuer)| (*id, Arc::clone(issuer))).collect();
        self.issuers.store(Arc::new(Issuers { configured, former }));
        let fetches: Vec<_> = added.iter().map(|issuer| self.ask(issuer, Want::Any)).collect();
        let all = join_all(fetches.into_iter().map(super::Ticket::answer));
        // Whoever is late is waited for by those that ask for its keys.
        drop(tokio::time::timeout(patience, all).await);
    }

    /// Forgets the issuers that the configuration does not name any more.
    pub fn forget_former(&self) {
        let present = self.issuers.load_full();
        if !present.former.is_empty() {
            let configured = present.configured.clone();
            self.issuers.store(Arc::new(Issuers { configured, former: BTreeMap::new() }));
        }
    }
}

impl Issuer {
    /// Keeps to other spans from now on, also for the keys that it has.
    fn follow(&self, rules: Rules) {
        // Held, so that a set which is fetched meanwhile is trusted by the same spans.
        let record = self.record();
        self.rules.store(Arc::new(rules));
        if let Some(set) = self.current.load_full() {
            let until = set.fetched_at.plus(rules.max_stale);
            set.keys.keys().iter().for_each(|key| key.trust_until(until));
        }
        drop(record);
    }
}
