//! The listeners for gateways that ask by gRPC: Tyk's plugin and Envoy's external authorization.

mod budget;
mod envoy;
mod server;
mod tyk;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;

use budget::Budget;
pub use envoy::check;
pub use server::{Answering, serve};
pub use tyk::dispatch;

use crate::domain::audit::record::{Door, Event, Origin, Record};
use crate::domain::rejection::safe;
use crate::ports::{AuditTrail, Clock};
use crate::service::gate::{Entrance, Gate, Shut};
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
    /// Records.
    audit: Arc<dyn AuditTrail>,
    budget: Budget,
    /// When it was last told that a gateway is not set up, in seconds since 1970.
    misuse_told: AtomicI64,
    /// The same of one that did not prove itself: no other misuse must hide that.
    unproved_told: AtomicI64,
}

impl Doors {
    /// What these share with the handlers of other listeners.
    pub fn new(
        snapshot: &Arc<ArcSwap<Snapshot>>,
        gate: &Arc<Gate>,
        clock: &Arc<dyn Clock>,
        (metrics, audit): (&Arc<Metrics>, &Arc<dyn AuditTrail>),
    ) -> Self {
        Self {
            snapshot: Arc::clone(snapshot),
            gate: Arc::clone(gate),
            clock: Arc::clone(clock),
            metrics: Arc::clone(metrics),
            audit: Arc::clone(audit),
            budget: Budget::whole(),
            misuse_told: AtomicI64::new(0),
            unproved_told: AtomicI64::new(0),
        }
    }

    /// Tells the operator that a gateway is not set up for what it asks. Everything is counted, but
    /// logged and recorded once a second at most: who reaches the listener must not fill the log.
    ///
    /// Gives status and text of the answer: 403 to whoever is not the gateway, 500 where its
    /// definition is wrong, so that nobody looks for the fault in the token.
    fn misused(&self, gateway: Gateway, misuse: Misuse, api: Option<&str>) -> (u16, &'static str) {
        self.metrics.gateways.misused(gateway, misuse);
        let now = self.clock.now().seconds();
        let told = if misuse == Misuse::Unproved { &self.unproved_told } else { &self.misuse_told };
        if told.swap(now, Ordering::Relaxed) != now {
            if misuse == Misuse::Unproved {
                let door = if gateway == Gateway::Envoy { Door::Envoy } else { Door::Tyk };
                let record = Record::new(Event::AuthenticationFailed).from(Origin::by(door));
                self.audit.note(record.refused("gateway_unproved"));
            }
            let (gateway, problem, api) = (gateway.as_str(), misuse.as_str(), api.map(safe));
            tracing::warn!(gateway, problem, api, "{}", misuse.remedy());
        }
        match misuse {
            Misuse::Unproved => (403, "access denied"),
            Misuse::ConfigData | Misuse::Hook | Misuse::Message | Misuse::NoSuchApi => {
                (500, "the gateway is not set up for this API")
            }
        }
    }
}

/// The API that a gateway asks about, if it may.
fn recognised(snapshot: &Snapshot, api: &str, secret: Option<&str>) -> Result<Entrance, Misuse> {
    Gate::recognise(snapshot, api, secret).map_err(|shut| match shut {
        Shut::NoSuchApi => Misuse::NoSuchApi,
        Shut::Unproved => Misuse::Unproved,
    })
}
