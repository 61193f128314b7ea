//! Whether this replica may be asked.

use prometheus::{Error, IntGauge};

use super::maker::Maker;

/// Those of start and stop.
#[derive(Debug)]
pub struct LifecycleMetrics {
    ready: IntGauge,
}

impl LifecycleMetrics {
    pub(super) fn new(make: &Maker) -> Result<Self, Error> {
        let ready = make.gauge("tessera_ready", "1 when /readyz says so, else 0.")?;
        Ok(Self { ready })
    }

    /// What `/readyz` says now.
    pub fn ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }
}
