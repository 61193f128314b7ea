//! Whether this replica may be asked, what its clock says, and until when its certificates are good.

use std::time::Duration;

use prometheus::{Error, Gauge, IntGauge, IntGaugeVec};

use super::maker::Maker;
use crate::protocol::time::UnixTime;

/// Those of start and stop.
#[derive(Debug)]
pub struct LifecycleMetrics {
    ready: IntGauge,
    certificates: IntGaugeVec,
    clock_ahead: Gauge,
}

impl LifecycleMetrics {
    pub(super) fn new(make: &Maker) -> Result<Self, Error> {
        let ready = make.gauge("tessera_ready", "1 when /readyz says so, else 0.")?;
        let certificates = make.gauges(
            "tessera_certificate_expiry_timestamp_seconds",
            "The last second of the certificate that the listener shows.",
            &["listener"],
        )?;
        let clock_ahead = make.fraction(
            "tessera_clock_ahead_seconds",
            "How far the time that is decided by is ahead of the clock of this host.",
        )?;
        Ok(Self { ready, certificates, clock_ahead })
    }

    /// The listener shows a certificate that is good until then.
    pub fn certificate(&self, listener: &'static str, until: UnixTime) {
        self.certificates.with_label_values(&[listener]).set(until.seconds());
    }

    /// What `/readyz` says now.
    pub fn ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }

    /// How far our time is ahead of the clock of this host, which was set back.
    pub fn clock_ahead(&self, by: Duration) {
        self.clock_ahead.set(by.as_secs_f64());
    }
}
