//! What is measured about the configuration: which one is in force, and what became of changes.

use prometheus::{IntCounter, IntGauge};

use super::maker::{Maker, whole};
use crate::protocol::time::UnixTime;

/// Metrics about the configuration.
#[derive(Debug)]
pub struct ConfigMetrics {
    generation: IntGauge,
    applied: IntCounter,
    refused: IntCounter,
    unchanged: IntCounter,
    success: IntGauge,
    success_at: IntGauge,
    restart_needed: IntGauge,
}

impl ConfigMetrics {
    pub(super) fn new(make: &Maker) -> Result<Self, prometheus::Error> {
        let reloads = make.counters(
            "tessera_config_reloads_total",
            "Changes of the configuration, and orders to read it, by what became of them.",
            &["result"],
        )?;
        let metrics = Self {
            generation: make.gauge(
                "tessera_config_generation",
                "1 for the configuration of the start, and one more with each change applied.",
            )?,
            applied: reloads.with_label_values(&["applied"]),
            refused: reloads.with_label_values(&["refused"]),
            unchanged: reloads.with_label_values(&["unchanged"]),
            success: make.gauge(
                "tessera_config_last_reload_success",
                "1 while the configuration file says what is in force; 0 after it was refused.",
            )?,
            success_at: make.gauge(
                "tessera_config_last_success_timestamp_seconds",
                "When the configuration was last read without a mistake.",
            )?,
            restart_needed: make.gauge(
                "tessera_config_restart_needed",
                "1 while the file says something that is read at the start alone.",
            )?,
        };
        metrics.generation.set(1);
        metrics.success.set(1);
        Ok(metrics)
    }

    /// The service starts with a good configuration.
    pub fn started(&self, at: UnixTime) {
        self.success_at.set(at.seconds());
    }

    /// A change was taken up at `at`, and made the configuration of number `generation`.
    pub fn applied(&self, at: UnixTime, generation: u64, restart_needed: bool) {
        self.applied.inc();
        self.generation.set(whole(generation));
        self.restart_needed.set(restart_needed.into());
        self.good(at);
    }

    /// The file was read at `at` and says what is in force.
    pub fn unchanged(&self, at: UnixTime) {
        self.unchanged.inc();
        self.good(at);
    }

    /// The file was refused.
    pub fn refused(&self) {
        self.refused.inc();
        self.success.set(0);
    }

    fn good(&self, at: UnixTime) {
        self.success.set(1);
        self.success_at.set(at.seconds());
    }
}
