//! Work that outlives whoever asked for it.
//!
//! A fetch serves everybody who waits for it, so it must not end because the first of them hung
//! up; and shutdown must be able to wait for it. It also runs on the main runtime, not on the one
//! of the worker thread that happened to ask, so that pooled connections stay alive with it.

use std::future::Future;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

/// Where such work runs.
#[derive(Clone, Debug)]
pub struct Background {
    tracker: TaskTracker,
    runtime: Handle,
}

impl Background {
    /// Runs work on `runtime` and registers it with `tracker`.
    pub const fn new(tracker: TaskTracker, runtime: Handle) -> Self {
        Self { tracker, runtime }
    }

    /// Starts `work`; nobody needs to wait for it.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.tracker.spawn_on(work, &self.runtime));
    }
}
