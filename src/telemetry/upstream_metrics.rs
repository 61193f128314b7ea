//! What is measured about requests to what we depend on beyond our own network.

use std::sync::Arc;

use prometheus::IntCounterVec;

use super::maker::{Maker, raise};
use super::timings::Timings;
use crate::ports::{Calls, Upstream};

/// Requests to issuers and to Graph; read at the scrape.
#[derive(Debug)]
pub(super) struct UpstreamMetrics {
    requests: IntCounterVec,
    of: [(&'static str, Arc<Calls>); 2],
}

impl UpstreamMetrics {
    /// Registers them.
    pub(super) fn new(make: &Maker, upstream: &Upstream) -> Result<Self, prometheus::Error> {
        let Upstream { issuer_keys, graph } = upstream;
        let of = [("issuer_keys", Arc::clone(issuer_keys)), ("graph", Arc::clone(graph))];
        let about = (
            "tessera_upstream_seconds",
            "From a request to what we depend on to the end of its answer, or until it failed.",
        );
        make.read(Timings::by("dependency", about, of.clone().into())?)?;
        Ok(Self {
            requests: make.counters(
                "tessera_upstream_requests_total",
                "Requests to what we depend on, by whether they were served.",
                &["dependency", "result"],
            )?,
            of,
        })
    }

    /// To be called by one scrape at a time.
    pub(super) fn set(&self) {
        for (dependency, calls) in &self.of {
            let (good, failed) = calls.ended();
            raise(&self.requests.with_label_values(&[*dependency, "good"]), good);
            raise(&self.requests.with_label_values(&[*dependency, "failed"]), failed);
        }
    }
}
