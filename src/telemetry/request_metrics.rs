//! What is measured about requests, before anything is decided about tokens.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec};

use super::maker::Maker;
use super::metrics::Authentication;
use crate::protocol::client_auth::Method;

/// Requests to the public listener.
#[derive(Debug)]
pub(super) struct RequestMetrics {
    requests: IntCounterVec,
    requests_ok: IntCounter,
    introspection_seconds: Histogram,
    exchange_seconds: Histogram,
    authentications: IntCounterVec,
}

impl RequestMetrics {
    /// Registers them.
    pub(super) fn new(make: &Maker) -> Result<Self, prometheus::Error> {
        let requests = make.counters(
            "tessera_http_requests_total",
            "Requests to the public listener, by path and status of the answer.",
            &["path", "status"],
        )?;
        Ok(Self {
            // Of nearly every request, so looked up once.
            requests_ok: requests.with_label_values(&["/introspect", "200"]),
            requests,
            introspection_seconds: make.seconds(
                "tessera_introspection_seconds",
                "From the head of an introspection request to its answer.",
            )?,
            exchange_seconds: make.seconds(
                "tessera_exchange_seconds",
                "From the head of a token request to its answer.",
            )?,
            authentications: make.counters(
                "tessera_client_auth_failures_total",
                "Callers that were not let in, by how they tried and how it ended.",
                &["method", "result"],
            )?,
        })
    }

    pub(super) fn introspection(&self, status: u16, took: Duration) {
        self.introspection_seconds.observe(took.as_secs_f64());
        if status == 200 {
            self.requests_ok.inc();
        } else {
            self.request("/introspect", status);
        }
    }

    pub(super) fn exchange(&self, status: u16, took: Duration) {
        self.exchange_seconds.observe(took.as_secs_f64());
        self.request("/token", status);
    }

    pub(super) fn request(&self, path: &'static str, status: u16) {
        self.requests.with_label_values(&[path, &status.to_string()]).inc();
    }

    pub(super) fn not_authenticated(&self, method: Method, result: Authentication) {
        self.authentications.with_label_values(&[method.as_str(), result.into()]).inc();
    }
}
