//! What is measured about the audit trail.

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge};
use strum::VariantArray as _;

use super::maker::{Maker, raise, whole};
use crate::domain::audit::record::Event;
use crate::ports::AuditStatus;

/// Read at the scrape.
#[derive(Debug)]
pub(super) struct AuditMetrics {
    records: IntCounterVec,
    lost: IntCounterVec,
    queued: IntGauge,
    failures: IntCounter,
    stalled: Gauge,
}

impl AuditMetrics {
    /// Registers them.
    pub(super) fn new(make: &Maker) -> Result<Self, prometheus::Error> {
        let records = make.counters(
            "tessera_audit_records_total",
            "Audit records that were written.",
            &["event"],
        )?;
        let lost = make.counters(
            "tessera_audit_lost_total",
            "Audit records that could not be kept.",
            &["event"],
        )?;
        for event in Event::VARIANTS {
            records.with_label_values(&[event.as_str()]);
            lost.with_label_values(&[event.as_str()]);
        }
        Ok(Self {
            records,
            lost,
            queued: make.gauge("tessera_audit_queued", "Audit records that wait.")?,
            failures: make.counter(
                "tessera_audit_write_failures_total",
                "Attempts to write audit records that failed.",
            )?,
            stalled: make.fraction(
                "tessera_audit_stalled_seconds",
                "For how long what is being written has been waiting for its sink.",
            )?,
        })
    }

    /// Takes over what was counted elsewhere.
    pub(super) fn set(&self, status: &AuditStatus) {
        for (event, written, lost) in &status.events {
            raise(&self.records.with_label_values(&[event.as_str()]), *written);
            raise(&self.lost.with_label_values(&[event.as_str()]), *lost);
        }
        self.queued.set(whole(status.queued));
        raise(&self.failures, status.failures);
        self.stalled.set(status.stalled.as_secs_f64());
    }
}
