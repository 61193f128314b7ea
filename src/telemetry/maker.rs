//! Makes metrics and registers them. Each group of metrics has a file of its own, and makes its
//! own with this.

use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

/// Upper bounds in seconds: from a cached answer (50 µs) to one that waited for Graph.
pub(super) const BUCKETS: [f64; 14] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0,
];

/// Makes metrics and registers them.
pub(super) struct Maker(Registry);

impl Maker {
    /// Nothing is registered yet.
    pub(super) fn new() -> Self {
        Self(Registry::new())
    }

    /// Everything that was made.
    pub(super) fn made(self) -> Registry {
        self.0
    }

    /// A counter without labels.
    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.kept(IntCounter::new(name, help)?)
    }

    /// A counter for each combination of labels.
    pub(super) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.kept(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    /// A gauge of whole numbers.
    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.kept(IntGauge::new(name, help)?)
    }

    /// A gauge of fractions.
    pub(super) fn fraction(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.kept(Gauge::new(name, help)?)
    }

    /// A gauge for each combination of labels.
    pub(super) fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.kept(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// A histogram of durations, in [`BUCKETS`].
    pub(super) fn seconds(&self, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
        self.kept(Histogram::with_opts(HistogramOpts::new(name, help).buckets(BUCKETS.into()))?)
    }

    /// The same for each combination of labels.
    pub(super) fn seconds_by(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(BUCKETS.into());
        self.kept(HistogramVec::new(options, labels)?)
    }

    /// Registers what reads others at the scrape.
    pub(super) fn read(&self, reader: impl Collector + 'static) -> Result<(), prometheus::Error> {
        self.0.register(Box::new(reader))
    }

    /// Registers what was made elsewhere.
    pub(super) fn kept<M>(&self, metric: M) -> Result<M, prometheus::Error>
    where
        M: Collector + Clone + 'static,
    {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

/// Raises a counter by what was counted elsewhere since it was `seen` last. Whoever counts there may
/// have begun anew.
pub(super) fn follow(counter: &IntCounter, seen: &mut u64, now: u64) {
    counter.inc_by(now.checked_sub(*seen).unwrap_or(now));
    *seen = now;
}

/// A gauge's value; one that it cannot hold is the largest it can.
pub(super) fn whole(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// Raises a counter to what was counted elsewhere. To be called by one scrape at a time, or two
/// would raise it twice.
pub(super) fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}
