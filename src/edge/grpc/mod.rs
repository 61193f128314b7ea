//! The listeners for gateways that ask by gRPC: Tyk's plugin and Envoy's external authorization.

mod budget;
mod envoy;
mod server;
mod tyk;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use budget::Budget;
pub use server::{Answering, serve};

use crate::domain::rejection::safe;
use crate::ports::Clock;
use crate::service::gate::{Admitted, Entrance, Gate, Refused};
use crate::service::snapshot::Snapshot;
use crate::telemetry::gateway_metrics::{Gateway, Misuse};
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
    budget: Budget,
    /// When it was last told that a gateway is not set up, in seconds since 1970.
    misuse_told: AtomicI64,
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
            budget: Budget::whole(),
            misuse_told: AtomicI64::new(0),
        }
    }

    /// Tells the operator that a gateway is not set up for what it asks. Everything is counted, but
    /// logged once a second at most: who reaches the listener must not fill the log.
    fn misused(&self, gateway: Gateway, misuse: Misuse, api: Option<&str>) {
        self.metrics.gateways.misused(gateway, misuse);
        let now = self.clock.now().seconds();
        if self.misuse_told.swap(now, Ordering::Relaxed) != now {
            let (gateway, problem, api) = (gateway.as_str(), misuse.as_str(), api.map(safe));
            tracing::warn!(gateway, problem, api, "{}", misuse.remedy());
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
