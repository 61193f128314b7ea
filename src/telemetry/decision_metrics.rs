//! What is measured about decisions: on tokens, exchanges and revocations.

use prometheus::{IntCounter, IntCounterVec};
use strum::VariantArray as _;

use super::maker::Maker;
use super::metrics::Answered;
use crate::domain::denial::DenialReason;
use crate::domain::rejection::Reason;

/// Decisions. The counters of the hot path are looked up once.
#[derive(Debug)]
pub(super) struct DecisionMetrics {
    active_cached: IntCounter,
    active_decided: IntCounter,
    inactive_cached: IntCounter,
    inactive_decided: IntCounter,
    refusals: IntCounterVec,
    exchanges: IntCounterVec,
    revocations: IntCounterVec,
}

impl DecisionMetrics {
    /// Registers them.
    pub(super) fn new(make: &Maker) -> Result<Self, prometheus::Error> {
        let results = make.counters(
            "tessera_introspections_total",
            "Introspections that were answered, by result and whether it had been decided before.",
            &["result", "source"],
        )?;
        let refusals = make.counters(
            "tessera_token_refusals_total",
            "Tokens answered as not active, by reason.",
            &["reason"],
        )?;
        for reason in Reason::VARIANTS {
            refusals.with_label_values(&[reason.as_str()]);
        }
        let exchanges = make.counters(
            "tessera_exchanges_total",
            "Exchanges that were decided: `issued`, or the reason of the refusal.",
            &["result"],
        )?;
        exchanges.with_label_values(&["issued"]);
        for reason in DenialReason::VARIANTS {
            exchanges.with_label_values(&[reason.as_str()]);
        }
        Ok(Self {
            active_cached: results.with_label_values(&["active", "cache"]),
            active_decided: results.with_label_values(&["active", "decided"]),
            inactive_cached: results.with_label_values(&["inactive", "cache"]),
            inactive_decided: results.with_label_values(&["inactive", "decided"]),
            refusals,
            exchanges,
            revocations: make.counters(
                "tessera_revocations_total",
                "Revocations, by what was named.",
                &["kind"],
            )?,
        })
    }

    pub(super) fn answered(&self, answered: Answered) {
        match answered {
            Answered::ActiveCached => self.active_cached.inc(),
            Answered::ActiveDecided => self.active_decided.inc(),
            Answered::Inactive { reason, cached } => {
                if cached { &self.inactive_cached } else { &self.inactive_decided }.inc();
                self.refusals.with_label_values(&[reason.as_str()]).inc();
            }
        }
    }

    pub(super) fn exchanged(&self, refused: Option<DenialReason>) {
        let result = refused.map_or("issued", DenialReason::as_str);
        self.exchanges.with_label_values(&[result]).inc();
    }

    pub(super) fn revoked(&self, kind: &'static str) {
        self.revocations.with_label_values(&[kind]).inc();
    }
}
