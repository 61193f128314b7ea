//! What is measured about the store that replicas share; there only where one is configured.

use std::sync::Arc;

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use strum::VariantArray as _;

use super::maker::{Maker, raise, whole};
use super::timings::Timings;
use crate::ports::{Calls, StoreMeasures, StoreState, StoreStatus};

/// Read at the scrape.
#[derive(Debug)]
pub(super) struct StoreMetrics {
    connected: IntGauge,
    state: IntGaugeVec,
    proof_age: Gauge,
    waiting: IntGauge,
    synchronisations: IntCounter,
    commands: IntCounterVec,
    asked: Arc<Calls>,
}

impl StoreMetrics {
    /// Registers them.
    pub(super) fn new(make: &Maker, store: &StoreMeasures) -> Result<Self, prometheus::Error> {
        let StoreMeasures { commands, propagation } = store;
        make.read(Timings::one(
            "tessera_store_command_seconds",
            "From a command to Redis to its answer, or until it failed.",
            Arc::clone(commands),
        )?)?;
        make.read(Timings::one(
            "tessera_revocation_propagation_seconds",
            "From a revocation on another replica to the moment when it holds here.",
            Arc::clone(propagation),
        )?)?;
        Ok(Self {
            connected: make.gauge(
                "tessera_store_connected",
                "1 when there is a connection to Redis, else 0.",
            )?,
            state: make.gauges(
                "tessera_store_state",
                "1 for the state this replica is in, as it stands to the others.",
                &["state"],
            )?,
            proof_age: make.fraction(
                "tessera_store_proof_age_seconds",
                "How long ago it was proved that no revocation of another replica was missed.",
            )?,
            waiting: make.gauge(
                "tessera_store_revocations_waiting",
                "Revocations that the other replicas were not told yet.",
            )?,
            synchronisations: make.counter(
                "tessera_store_synchronisations_total",
                "How often everything was read: at start, and whenever something may be missing.",
            )?,
            commands: make.counters(
                "tessera_store_commands_total",
                "Commands to Redis, by result.",
                &["result"],
            )?,
            asked: Arc::clone(commands),
        })
    }

    pub(super) fn set(&self, status: &StoreStatus) {
        self.connected.set(i64::from(status.connected));
        for state in StoreState::VARIANTS {
            let name: &str = state.into();
            self.state.with_label_values(&[name]).set(i64::from(*state == status.state));
        }
        self.proof_age.set(status.proof_age.map_or(f64::INFINITY, |age| age.as_secs_f64()));
        self.waiting.set(whole(status.waiting));
        raise(&self.synchronisations, status.synchronisations);
        let (answered, failed) = self.asked.ended();
        raise(&self.commands.with_label_values(&["answered"]), answered);
        raise(&self.commands.with_label_values(&["failed"]), failed);
    }
}
