//! What is measured about exchanges and revocations.

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use super::maker::Maker;
use crate::domain::denial::DenialReason;

/// What stands in the place of a resource that the configuration does not have.
const UNKNOWN: &str = "unknown";

/// Exchanges and revocations.
#[derive(Debug)]
pub(super) struct DecisionMetrics {
    exchanges: IntCounterVec,
    revocations: IntCounterVec,
    /// Revocations that hold on this replica.
    pub(super) applied_here: IntCounter,
    pub(super) applied_elsewhere: IntCounter,
    /// Revocations that would not outlive a restart.
    pub(super) unwritten: IntGauge,
}

impl DecisionMetrics {
    /// Registers them.
    pub(super) fn new(make: &Maker) -> Result<Self, prometheus::Error> {
        let applied = make.counters(
            "tessera_revocations_applied_total",
            "Revocations that came to hold on this replica, by where they were made.",
            &["origin"],
        )?;
        Ok(Self {
            exchanges: make.counters(
                "tessera_exchanges_total",
                "Exchanges that were decided: `issued`, or the reason of the refusal.",
                &["client", "resource", "result"],
            )?,
            revocations: make.counters(
                "tessera_revocations_total",
                "Revocations that were asked for here, by what was named.",
                &["kind"],
            )?,
            applied_here: applied.with_label_values(&["here"]),
            applied_elsewhere: applied.with_label_values(&["elsewhere"]),
            unwritten: make.gauge(
                "tessera_revocations_unwritten",
                "Revocations that hold, and that the folder they are kept in does not take.",
            )?,
        })
    }

    pub(super) fn exchanged(
        &self,
        client: &str,
        resource: Option<&str>,
        refused: Option<DenialReason>,
    ) {
        let result = refused.map_or("issued", DenialReason::as_str);
        self.exchanges.with_label_values(&[client, resource.unwrap_or(UNKNOWN), result]).inc();
    }

    pub(super) fn revoked(&self, kind: &'static str) {
        self.revocations.with_label_values(&[kind]).inc();
        self.applied_here.inc();
    }
}
