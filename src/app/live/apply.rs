//! Puts another configuration in force, whole or not at all.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::adapters::audit::Trail;
use crate::adapters::graph::GraphGroups;
use crate::adapters::issuer_keys::KeySets;
use crate::config::Config;
use crate::service::snapshot::Snapshot;
use crate::telemetry::logs::LogLevelHandle;

/// How long the keys of new tenants are waited for. Requests that need them wait too; this only
/// spares them that.
const FIRST_KEYS: Duration = Duration::from_secs(3);

/// What is left to do for one part when every part is ready. It cannot fail.
pub type Commit = Box<dyn FnOnce() + Send>;

/// A part of the process that takes up another configuration while it runs, beside everything that
/// decides about tokens (which is the snapshot).
///
/// To add one: implement this where the part lives, and give it to [`crate::app::App::with`].
pub trait LivePart: Send + Sync + std::fmt::Debug {
    /// Makes ready what `config` asks for, and changes nothing yet. Whatever does not work is told
    /// without a secret, with the key that it is about; then no part changes.
    fn prepare(&self, config: &Config) -> Result<Commit, String>;
}

impl LivePart for LogLevelHandle {
    fn prepare(&self, config: &Config) -> Result<Commit, String> {
        let (handle, level) = (self.clone(), config.log.level);
        Ok(Box::new(move || handle.set(level)))
    }
}

impl LivePart for Arc<Trail> {
    fn prepare(&self, config: &Config) -> Result<Commit, String> {
        let (trail, introspections) = (Self::clone(self), config.audit.introspections);
        Ok(Box::new(move || trail.set_introspections(introspections)))
    }
}

/// Every part that another configuration goes to.
#[derive(Debug)]
pub(in crate::app) struct Applier {
    /// What decides.
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// Where keys of issuers come from.
    pub(super) keys: Arc<KeySets>,
    /// Where groups come from.
    groups: Arc<GraphGroups>,
    /// Everything else.
    pub(in crate::app) parts: Vec<Box<dyn LivePart>>,
}

impl Applier {
    /// Without any part beside these.
    pub(in crate::app) const fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        keys: Arc<KeySets>,
        groups: Arc<GraphGroups>,
    ) -> Self {
        Self { snapshot, keys, groups, parts: Vec::new() }
    }

    /// Whether `config` says what is in force.
    pub(super) fn is_in_force(&self, config: &Config) -> bool {
        self.snapshot.load().digest == config.digest
    }

    /// Puts `config` in force; otherwise everything that is in the way.
    pub(super) async fn apply(&self, config: &Config) -> Result<(), Vec<String>> {
        let mut commits = Vec::new();
        let mut mistakes = Vec::new();
        for part in &self.parts {
            match part.prepare(config) {
                Ok(commit) => commits.push(commit),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        // Before the snapshot: a token of a new tenant is good or not known to be, never refused
        // for want of keys, and no answer that is kept under the new configuration rests on groups
        // that the old one allowed to ask for.
        let issuers = (&*config.tenants, &*config.clusters);
        self.keys.configure(issuers, config.key_sets, FIRST_KEYS).await;
        self.groups.configure(&config.tenants);
        let next = self.snapshot.load().then(config);
        self.snapshot.store(Arc::new(next));
        for commit in commits {
            commit();
        }
        Ok(())
    }
}
