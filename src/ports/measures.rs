//! What adapters and services count about themselves, for whoever tells it: plain numbers. Nothing
//! here ever waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::answer::{Source, TokenIssuer};
use crate::domain::rejection::Reason;

/// Counts what one client is told about tokens.
pub trait Tally: Send + Sync + std::fmt::Debug {
    /// It was told, from `source`, about a token of `issuer`: that it is active, or, if `refused`,
    /// that it is not.
    fn told(&self, issuer: TokenIssuer, source: Source, refused: Option<Reason>);
}

/// Upper bounds, in seconds, for what comes from the same network.
pub const NEAR: &[f64] =
    &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25];
/// Upper bounds, in seconds, for what comes from the internet.
pub const FAR: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Upper bounds, in seconds, for what has to reach every replica within five.
pub const SPREAD: &[f64] =
    &[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 30.0];

/// How long something took, each time.
#[derive(Debug)]
pub struct Timing {
    bounds: &'static [f64],
    /// One for each bound, and one for what took longer than the last.
    counts: Box<[AtomicU64]>,
    micros: AtomicU64,
}

impl Timing {
    /// Nothing took any time yet.
    pub fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, micros: AtomicU64::new(0) }
    }

    /// It took so long this time.
    pub fn took(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// For each upper bound, how often it took no longer.
    pub fn up_to(&self) -> impl Iterator<Item = (f64, u64)> {
        let mut sum = 0_u64;
        self.bounds.iter().zip(&self.counts).map(move |(bound, count)| {
            sum = sum.saturating_add(count.load(Ordering::Relaxed));
            (*bound, sum)
        })
    }

    /// How often it took any time.
    pub fn times(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).fold(0, u64::saturating_add)
    }

    /// How long it took in all.
    pub fn in_all(&self) -> Duration {
        Duration::from_micros(self.micros.load(Ordering::Relaxed))
    }
}

impl AsRef<Self> for Timing {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// How long they took.
impl AsRef<Timing> for Calls {
    fn as_ref(&self) -> &Timing {
        &self.seconds
    }
}

/// Calls to something that may not answer.
#[derive(Debug)]
pub struct Calls {
    /// How long those took that were made.
    pub seconds: Timing,
    good: AtomicU64,
    failed: AtomicU64,
}

impl Calls {
    /// None yet.
    pub fn new(bounds: &'static [f64]) -> Self {
        let nothing = || AtomicU64::new(0);
        Self { seconds: Timing::new(bounds), good: nothing(), failed: nothing() }
    }

    /// One was answered.
    pub fn good(&self, took: Duration) {
        self.good.fetch_add(1, Ordering::Relaxed);
        self.seconds.took(took);
    }

    /// One was not, or not well; `None`: it was not even made.
    pub fn failed(&self, took: Option<Duration>) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        if let Some(took) = took {
            self.seconds.took(took);
        }
    }

    /// How many were answered, and how many were not.
    pub fn ended(&self) -> (u64, u64) {
        (self.good.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

/// Requests to what we depend on beyond our own network.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// To issuers and clusters, for discovery documents and keys.
    pub issuer_keys: Arc<Calls>,
    /// To Graph, for tokens and groups.
    pub graph: Arc<Calls>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self { issuer_keys: Arc::new(Calls::new(FAR)), graph: Arc::new(Calls::new(FAR)) }
    }
}

/// What the store counts that replicas share.
#[derive(Clone, Debug)]
pub struct StoreMeasures {
    /// Commands.
    pub commands: Arc<Calls>,
    /// From the moment when something is revoked on another replica to the moment when that holds
    /// here. By two clocks, so it is no better than they agree.
    pub propagation: Arc<Timing>,
}

/// How the cache of answers is doing.
#[derive(Clone, Copy, Debug)]
pub struct CacheStatus {
    /// How many answers are kept.
    pub entries: usize,
    /// About how many bytes they use.
    pub bytes: u64,
    /// How many they may use.
    pub capacity: u64,
    /// How often an answer was found.
    pub hits: u64,
    /// How often none was.
    pub misses: u64,
    /// How many answers made room for others before their end.
    pub evictions: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_up_to_its_bound_and_for_all_larger_ones() {
        let timing = Timing::new(&[0.005, 1.0]);
        for micros in [10, 5_000, 5_001, 2_000_000] {
            timing.took(Duration::from_micros(micros));
        }
        assert_eq!(timing.up_to().collect::<Vec<_>>(), [(0.005, 2), (1.0, 3)]);
        assert_eq!((timing.times(), timing.in_all().as_micros()), (4, 2_010_011));
    }

    #[test]
    fn a_call_that_was_not_made_took_no_time() {
        let calls = Calls::new(NEAR);
        calls.good(Duration::from_millis(1));
        calls.failed(Some(Duration::from_millis(1)));
        calls.failed(None);
        assert_eq!((calls.ended(), calls.seconds.times()), ((1, 2), 2));
    }
}
