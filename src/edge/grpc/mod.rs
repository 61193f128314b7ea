//! The listeners for gateways that ask by gRPC: Tyk's plugin and Envoy's external authorization.

mod envoy;
mod server;
mod tyk;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

pub use server::{Answering, serve};

use crate::ports::Clock;
use crate::service::gate::{Admitted, Entrance, Gate, Refused};
use crate::service::snapshot::Snapshot;
use crate::telemetry::gateway_metrics::Gateway;
use crate::telemetry::metrics::Metrics;

/// What the handlers of these listeners work with.
#[derive(Debug)]
pub struct Doors {
    /// The configuration now.
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// Decides.
    gate: Arc<Gate>,
    /// What time it is.
    clock: Arc<dyn Clock>,
    /// Counts.
    metrics: Arc<Metrics>,
}

impl Doors {
    /// What these share with the handlers of other listeners.
    pub fn new(
        snapshot: &Arc<ArcSwap<Snapshot>>,
        gate: &Arc<Gate>,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
    ) -> Self {
        Self {
            snapshot: Arc::clone(snapshot),
            gate: Arc::clone(gate),
            clock: Arc::clone(clock),
            metrics: Arc::clone(metrics),
        }
    }

    /// Tells the operator what became of a request.
    fn record(
        &self,
        (gateway, entrance): (Gateway, &Entrance),
        decided: &Result<Admitted, Refused>,
        snapshot: &Snapshot,
        took: Duration,
    ) {
        super::told::decided(&self.metrics, (gateway, &entrance.api), decided, snapshot, took);
    }
}
