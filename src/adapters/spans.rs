//! What is recorded of a request's own requests, where it is sampled; otherwise nothing is made.
//!
//! Spans hold neither addresses nor keys: there are ids of persons and digests of tokens in them.

use std::future::Future;

use http::HeaderValue;
use opentelemetry::Context;
use opentelemetry::trace::{Status, TraceContextExt as _};
use redis::{Arg, Cmd};
use tracing::field::Empty;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use url::Url;

use crate::protocol::trace_context::TraceParent;

/// What `telemetry/traces.rs` listens to: steps of a request that is sampled.
const TARGET: &str = "tessera::spans";

/// The span of a request to another server, by the names of OpenTelemetry.
pub(super) fn http(method: &http::Method, url: &Url) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "http",
        otel.kind = "client",
        otel.name = method.as_str(),
        http.request.method = method.as_str()
    );
    if !span.is_disabled() {
        span.set_attribute("url.scheme", url.scheme().to_owned());
        span.set_attribute("server.address", url.host_str().unwrap_or_default().to_owned());
        span.set_attribute("server.port", i64::from(url.port_or_known_default().unwrap_or(0)));
    }
    span
}

/// What came of it: a status, or none.
pub(super) fn answered(span: &Span, status: Option<u16>) {
    if span.is_disabled() {
        return;
    }
    if let Some(status) = status {
        span.set_attribute("http.response.status_code", i64::from(status));
    }
    match status {
        Some(..400) => {}
        Some(status) => failed(span, status.to_string()),
        None => failed(span, "no_answer".to_owned()),
    }
}

/// The span of a command to Redis: its name and nothing else of it.
pub(super) fn redis(command: &Cmd) -> Span {
    let span = tracing::info_span!(
        target: TARGET,
        "redis",
        otel.kind = "client",
        otel.name = Empty,
        db.system.name = "redis"
    );
    if !span.is_disabled()
        && let Some(Arg::Simple(name)) = command.args_iter().next()
    {
        let name = String::from_utf8_lossy(name).into_owned();
        span.record("otel.name", &*name);
        span.set_attribute("db.operation.name", name);
    }
    span
}

/// Notes that it failed.
pub(super) fn failed(span: &Span, kind: String) {
    if !span.is_disabled() {
        span.set_attribute("error.type", kind);
        span.set_status(Status::error(""));
    }
}

/// `work` that may outlive whoever asks for it first: in a span of its own, below theirs, which
/// does not wait for it.
pub(super) fn beside<F: Future>(
    name: &'static str,
    work: F,
) -> impl Future<Output = F::Output> + use<F> {
    let span = tracing::info_span!(target: TARGET, parent: None, "beside", otel.name = name);
    if !span.is_disabled() {
        // It has just been made, so it can still be told.
        drop(span.set_parent(Context::current()));
    }
    work.instrument(span)
}

/// The header that tells the next server where in a trace it is asked, if this is recorded.
pub(super) fn traceparent() -> Option<HeaderValue> {
    Context::map_current(|context| {
        let (span, sampled) = (context.span(), true);
        let place = span.span_context();
        if !place.is_sampled() {
            return None;
        }
        let trace = u128::from_be_bytes(place.trace_id().to_bytes());
        let parent =
            TraceParent { trace, span: u64::from_be_bytes(place.span_id().to_bytes()), sampled };
        HeaderValue::from_str(&parent.to_string()).ok()
    })
}
