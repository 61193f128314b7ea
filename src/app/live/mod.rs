//! Takes up a changed configuration while the service runs.
//!
//! One task looks at the files and puts what it finds in force, one change after the other. Requests
//! never wait for it: each takes the snapshot that is in force when it comes.

mod apply;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

pub(super) use apply::Applier;
pub use apply::{Commit, LivePart};
use watch::Reading;
pub use watch::Watched;

use crate::config::{Config, Plan, Stated};
use crate::domain::audit::record::{Event, Record};
use crate::ports::{AuditTrail, Clock};
use crate::service::configuration::{Change, Configuration, Outcome, State};
use crate::telemetry::metrics::Metrics;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How often they are read again when they change meanwhile, at an order to read them at once.
const ATTEMPTS: usize = 5;
/// How long requests under way may still need what an earlier configuration named.
const UNDER_WAY: Duration = Duration::from_secs(30);
/// Why a configuration is refused, for auditors.
const INVALID: &str = "configuration_invalid";
/// Most mistakes and keys that are told of one change.
const MOST: usize = 50;

/// How a service learns that its configuration has changed.
#[derive(Debug)]
pub struct Following {
    /// The files.
    pub watched: Watched,
    /// Notified when they are to be read at once.
    pub at_once: Arc<Notify>,
}

/// Who is told what becomes of a change, beside the log.
#[derive(Debug)]
pub(super) struct Told {
    configuration: Arc<Configuration>,
    metrics: Arc<Metrics>,
    audit: Arc<dyn AuditTrail>,
}

impl Told {
    pub(super) fn new(
        configuration: &Arc<Configuration>,
        metrics: &Arc<Metrics>,
        audit: &Arc<dyn AuditTrail>,
    ) -> Self {
        let (configuration, metrics) = (Arc::clone(configuration), Arc::clone(metrics));
        Self { configuration, metrics, audit: Arc::clone(audit) }
    }
}

/// Everything that another configuration goes through.
#[derive(Debug)]
pub(super) struct Live {
    applier: Applier,
    told: Told,
    clock: Arc<dyn Clock>,
    /// What the keys of the configuration in force say.
    running: Stated,
}

impl Live {
    /// Beside a service that was started with `config`.
    pub(super) fn new(
        config: &Config,
        applier: Applier,
        told: Told,
        clock: Arc<dyn Clock>,
    ) -> Self {
        told.metrics.config.started(clock.now());
        Self { applier, told, clock, running: config.stated.clone() }
    }

    /// Another configuration goes to `part` as well.
    pub(super) fn add(&mut self, part: Box<dyn LivePart>) {
        self.applier.parts.push(part);
    }

    /// Follows the files until the task is dropped. A change that is being put in force when that
    /// happens is of no use to anybody.
    pub(super) async fn follow(mut self, following: Following) {
        let Following { mut watched, at_once } = following;
        let state = self.told.configuration.state();
        let file = Some(watched.path().display().to_string());
        self.told.configuration.tell(State { file, ..State::clone(&state) });
        let started = self.running.clone();
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut former_until: Option<Instant> = None;
        loop {
            let ordered = tokio::select! {
                _ = ticks.tick() => false,
                () = at_once.notified() => true,
            };
            if former_until.is_some_and(|until| until <= Instant::now()) {
                self.applier.keys.forget_former();
                former_until = None;
            }
            // A panic in there is told by its own message; the next look is made all the same.
            if ordered || watched.look().await.unwrap_or_default() {
                let attempts = if ordered { ATTEMPTS } else { 1 };
                if self.read(&started, &mut watched, attempts).await {
                    former_until =
                        Some(Instant::now().checked_add(UNDER_WAY).unwrap_or_else(Instant::now));
                }
            }
        }
    }

    /// Reads the files and acts on what they hold, unless they change at this very moment: then
    /// they are read again, now or when they have been seen twice alike. Whether something else is
    /// in force now.
    async fn read(&mut self, started: &Stated, watched: &mut Watched, attempts: usize) -> bool {
        for _ in 0..attempts {
            let Ok(reading) = watched.read().await else { return false };
            if reading.settled {
                return self.act(started, watched, reading).await;
            }
        }
        tracing::debug!("the configuration is being written");
        false
    }

    async fn act(&mut self, started: &Stated, watched: &mut Watched, reading: Reading) -> bool {
        let outcome = match &reading.outcome {
            Err(report) => {
                let origin = &report.origin;
                let line = |problem: &crate::config::Problem| match problem.line {
                    0 => format!("{origin}: {problem}"),
                    line => format!("{origin}:{line}: {problem}"),
                };
                self.refused(report.problems.iter().map(line).collect()).await
            }
            Ok(config) => self.changed(started, config).await,
        };
        watched.acted_on(reading, outcome != Outcome::Refused);
        outcome == Outcome::Applied
    }

    /// Takes up `config`, which is valid.
    async fn changed(&mut self, started: &Stated, config: &Config) -> Outcome {
        if self.applier.is_in_force(config) {
            self.tell(Outcome::Unchanged, Vec::new(), None);
            tracing::info!("the configuration says what is in force already");
            return Outcome::Unchanged;
        }
        if let Err(mistakes) = self.applier.apply(config).await {
            return self.refused(mistakes).await;
        }
        let Plan { live, mut restart } = Plan::of(started, &self.running, &config.stated);
        self.running.clone_from(&config.stated);
        restart.truncate(MOST);
        let generation = self.tell(Outcome::Applied, Vec::new(), Some(restart.clone()));
        let (changes, keys) = (live.len(), one_line(live));
        tracing::info!(generation, changes, keys, "configuration applied");
        let detail = format!("generation {generation}: {keys}");
        self.record(Record::new(Event::ConfigurationChanged), detail).await;
        if !restart.is_empty() {
            let keys = restart.join(", ");
            tracing::warn!(keys, "these keys are read at the start alone: restart to take them up");
        }
        Outcome::Applied
    }

    async fn refused(&self, mut mistakes: Vec<String>) -> Outcome {
        let count = mistakes.len();
        mistakes.truncate(MOST);
        for mistake in &mistakes {
            tracing::error!(mistake, "configuration refused");
        }
        tracing::error!(mistakes = count, "configuration refused: what was in force still is");
        let record = Record::new(Event::ConfigurationRefused).refused(INVALID);
        self.record(record, mistakes.join("; ")).await;
        self.tell(Outcome::Refused, mistakes, None);
        Outcome::Refused
    }

    /// For auditors. Keys and mistakes are our own words, or made safe already. What cannot be
    /// recorded is counted; a configuration is not held up by that.
    async fn record(&self, record: Record, detail: String) {
        drop(self.told.audit.accept(Record { detail: Some(detail), ..record }).await);
    }

    /// Tells operators what became of a change, and gives the generation that is in force.
    fn tell(&self, outcome: Outcome, mistakes: Vec<String>, restart: Option<Vec<String>>) -> u64 {
        let at = self.clock.now();
        let before = State::clone(&self.told.configuration.state());
        let applied = outcome == Outcome::Applied;
        let state = State {
            generation: before.generation.saturating_add(u64::from(applied)),
            loaded_at: if applied { at } else { before.loaded_at },
            restart_needed: restart.unwrap_or(before.restart_needed),
            last: Some(Change { at, outcome, mistakes }),
            file: before.file,
        };
        let generation = state.generation;
        let metrics = &self.told.metrics.config;
        match outcome {
            Outcome::Applied => metrics.applied(at, generation, !state.restart_needed.is_empty()),
            Outcome::Refused => metrics.refused(),
            Outcome::Unchanged => metrics.unchanged(at),
        }
        self.told.configuration.tell(state);
        generation
    }
}

/// The keys in one line, as far as anybody reads them.
fn one_line(mut keys: Vec<String>) -> String {
    let more = keys.len().saturating_sub(MOST);
    keys.truncate(MOST);
    let keys = keys.join(", ");
    if more == 0 { keys } else { format!("{keys} and {more} more") }
}
