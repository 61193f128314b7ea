//! One name for each request, in its log lines and in its answer.

use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{Error, HttpMessage as _, HttpRequest};
use tracing::Span;
use tracing_actix_web::{RequestId, RootSpanBuilder};

use super::traced;
use crate::domain::audit::record::{Door, Origin, RequestName};
use crate::domain::rejection::safe;
use crate::protocol::ids::Guid;
use crate::telemetry::{logs, traces};

/// The header that carries it, both ways.
pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest name that is taken over from a caller.
const MAX_LENGTH: usize = 64;

/// The name of the request: the caller's own, if that cannot break a log line (A226), or a new one.
pub(super) fn of(request: &HttpRequest) -> HeaderValue {
    if let Some(given) = request.headers().get(HEADER).filter(|value| is_clean(value)) {
        return given.clone();
    }
    request
        .extensions()
        .get::<RequestId>()
        .map_or_else(|| HeaderValue::from_static("unnamed"), |id| made(*id))
}

/// Where `request` came from, for the audit trail.
pub(super) fn origin(request: &HttpRequest, door: Door) -> Origin<'_> {
    let given = request.headers().get(HEADER).filter(|value| is_clean(value));
    let name = match given.and_then(|value| value.to_str().ok()) {
        Some(given) => Some(RequestName::Given(given)),
        None => request
            .extensions()
            .get::<RequestId>()
            .map(|id| RequestName::Made(Guid::from(id.as_u128()))),
    };
    Origin::by(door).named(name)
}

fn made(id: RequestId) -> HeaderValue {
    let mut text = [0; 36];
    let text = id.hyphenated().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or_else(|_impossible| HeaderValue::from_static("unnamed"))
}

fn is_clean(value: &HeaderValue) -> bool {
    let clean = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=MAX_LENGTH).contains(&value.len()) && value.as_bytes().iter().all(clean)
}

/// The span for log lines about `request`. Made only where there is something to tell: most
/// requests are answered from memory, and say nothing. Whatever level is written, it is there.
pub(super) fn span(request: &HttpRequest) -> Span {
    let now = Span::current();
    if now.metadata().is_some_and(|metadata| !traces::is_for_traces(metadata)) {
        return now;
    }
    let id = of(request);
    let span = tracing::error_span!("request", request_id = id.to_str().unwrap_or_default());
    if let Some(parent) = traced::parent(request.headers()) {
        logs::belongs(&span, parent);
    }
    span
}

/// The span of a whole request, while it is recorded for traces or every request is logged. It never
/// holds the query, which may hold a token (INT-30), nor any other text of the caller but a clean
/// request id.
#[derive(Debug, Default)]
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        traced::begun(request).unwrap_or_else(|| {
            tracing::debug_span!(
                "request",
                request_id = of(request.request()).to_str().unwrap_or_default()
            )
        })
    }

    fn on_request_end<B: actix_web::body::MessageBody>(
        _: Span,
        outcome: &Result<ServiceResponse<B>, Error>,
    ) {
        let Ok(response) = outcome else { return };
        let (request, status) = (response.request(), response.status().as_u16());
        traced::ended(request, status);
        if tracing::enabled!(tracing::Level::DEBUG) {
            let _inside = span(request).entered();
            let path = safe(request.path());
            tracing::debug!(method = %request.method(), path, status, "answered");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_cannot_break_a_log_line_are_taken_over() {
        for good in ["a", "4bf92f3577b34da6a3ce929d0e0e4736", "A_b-9"] {
            assert!(is_clean(&HeaderValue::from_str(good).unwrap()), "{good}");
        }
        let long = "x".repeat(MAX_LENGTH + 1);
        for bad in ["", "a b", "a\"b", "${jndi:x}", "a,b", "a/b", long.as_str()] {
            assert!(!is_clean(&HeaderValue::from_str(bad).unwrap()), "A226 {bad}");
        }
        assert!(!is_clean(&HeaderValue::from_bytes(b"a\xff").unwrap()), "A226");
    }
}
