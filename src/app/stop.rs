//! How the service stops, step by step. Each step is bounded, and so is the whole.
//!
//! 1. [`leave`](Stopping::leave): `/readyz` says `stopping`, connections are asked to close, and
//!    everything is answered, for as long as `shutdown.drain`: balancers and gateways turn away.
//! 2. [`close`](Stopping::close): no connection is accepted any more, and requests under way are
//!    finished within `shutdown.grace`. First what clients and gateways call; probes and scrapers
//!    are answered to the end.
//! 3. [`end`](Stopping::end): what runs in the background finishes what it is at; then the audit
//!    trail is closed, since nothing happens any more.

use std::future::Future;
use std::io;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::adapters::audit::Trail;
use crate::config::Shutdown;
use crate::edge::Leaving;

/// How long the admin listener finishes what it began: it waits for nobody.
pub(super) const ADMIN_GRACE: Duration = Duration::from_secs(2);
/// How long background work may go on. A fetch under way ends by its own deadline; nobody needs
/// its result any more.
const BACKGROUND_GRACE: Duration = Duration::from_secs(5);

/// How long the audit trail may take to write what is in its queue.
const AUDIT_GRACE: Duration = Duration::from_secs(5);

/// The listeners, as far as stopping is concerned.
pub(super) struct Listeners {
    /// What clients call.
    pub(super) public: ServerHandle,
    /// What operators call.
    pub(super) admin: ServerHandle,
    /// Tells those of gateways to close.
    pub(super) close_gateways: CancellationToken,
    /// Told when they are.
    pub(super) gateways_closed: CancellationToken,
}

/// The way out.
pub(super) struct Stopping {
    /// Who is told.
    pub(super) leaving: Leaving,
    /// How long it may take.
    pub(super) rules: Shutdown,
}

impl Stopping {
    /// Turns others away, and answers all the same; `hurry` cuts that short.
    pub(super) async fn leave(&self, hurry: impl Future<Output = ()>) {
        self.leaving.begin();
        let drain = seconds(self.rules.drain);
        tracing::info!(?drain, "stopping: not ready any more, and everything is still answered");
        // Zero is over at once, whatever the resolution of the timer.
        if !drain.is_zero() && tokio::time::timeout(drain, hurry).await.is_ok() {
            tracing::info!("told to stop again: the rest of the drain is left out");
        }
    }

    /// Closes the listeners; returns when all that was under way is answered, or its time is over.
    pub(super) async fn close(&self, listeners: Listeners) {
        let Listeners { public, admin, close_gateways, gateways_closed } = listeners;
        let grace = seconds(self.rules.grace);
        tracing::info!(?grace, "stopping: requests under way are finished");
        close_gateways.cancel();
        tokio::join!(public.stop(true), gateways_closed.cancelled());
        admin.stop(true).await;
    }

    /// Ends what runs in the background, and the audit trail. Fails when that is not whole.
    pub(super) async fn end(
        self,
        (tasks, stopped): (&TaskTracker, &CancellationToken),
        trail: &Trail,
    ) -> io::Result<()> {
        stopped.cancel();
        tasks.close();
        if tokio::time::timeout(BACKGROUND_GRACE, tasks.wait()).await.is_err() {
            tracing::warn!(tasks = tasks.len(), "background work is left unfinished");
        }
        let closed = trail.close(AUDIT_GRACE).await;
        if let Err(unwritten) = closed {
            tracing::error!(%unwritten, "the audit trail is not whole");
        }
        tracing::info!("stopped");
        closed.map_err(io::Error::other)
    }
}

/// As the runtime counts.
pub(super) fn seconds(of: crate::protocol::time::Seconds) -> Duration {
    Duration::from_secs(of.count().try_into().unwrap_or_default())
}
