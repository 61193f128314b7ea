//! Whether this replica may be asked, and until when its certificates are good.

use prometheus::{Error, IntGauge, IntGaugeVec};

use super::maker::Maker;
use crate::protocol::time::UnixTime;

/// Those of start and stop.
#[derive(Debug)]
pub struct LifecycleMetrics {
    ready: IntGauge,
    certificates: IntGaugeVec,
}

impl LifecycleMetrics {
    pub(super) fn new(make: &Maker) -> Result<Self, Error> {
        let ready = make.gauge("tessera_ready", "1 when /readyz says so, else 0.")?;
        let certificates = make.gauges(
            "tessera_certificate_expiry_timestamp_seconds",
            "The last second of the certificate that the listener shows.",
            &["listener"],
        )?;
        Ok(Self { ready, certificates })
    }

    /// The listener shows a certificate that is good until then.
    pub fn certificate(&self, listener: &'static str, until: UnixTime) {
        self.certificates.with_label_values(&[listener]).set(until.seconds());
    }

    /// What `/readyz` says now.
    pub fn ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }
}
