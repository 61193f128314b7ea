//! What traces tell about requests: where they come from, and what was decided.

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpMessage as _, HttpRequest};
use tracing::Span;
use tracing_actix_web::RequestId;

use crate::domain::denial::Denial;
use crate::ports::Unavailable;
use crate::protocol::trace_context::TraceParent;
use crate::service::exchange::{self, Issued};
use crate::service::gate::{Admitted, Refused};
use crate::service::introspect::Verdict;
use crate::telemetry::logs;
use crate::telemetry::traces::{self, Http, Outcome};

/// The header that tells it.
const TRACEPARENT: &str = "traceparent";
/// What is asked every few seconds, and tells nothing about anybody.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Where in a trace the caller of an HTTP request is.
pub(super) fn parent(headers: &HeaderMap) -> Option<TraceParent> {
    one(headers.get_all(TRACEPARENT).map(|value| value.to_str().ok()))
}

/// Two of them say nothing (W3C Trace Context, §4.3).
fn one<'a>(mut values: impl Iterator<Item = Option<&'a str>>) -> Option<TraceParent> {
    let only = values.next()??;
    if values.next().is_some() { None } else { TraceParent::read(only) }
}

/// The span of a request that is recorded.
pub(super) fn begun(request: &ServiceRequest) -> Option<Span> {
    if !traces::are_on() || PROBES.contains(&request.path()) {
        return None;
    }
    // Random, and there already.
    let lot = request.extensions().get::<RequestId>().map_or(0, |id| id.as_u128());
    let span = traces::request(parent(request.headers()), lot);
    (!span.is_disabled()).then_some(span)
}

/// Says what became of it.
pub(super) fn ended(request: &HttpRequest, status: u16) {
    if !traces::are_on() {
        return;
    }
    let known = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS];
    let route = request.match_pattern();
    Http {
        method: known.contains(request.method()).then(|| request.method().as_str()),
        route: route.as_deref(),
        scheme: if request.app_config().secure() { "https" } else { "http" },
        status,
    }
    .tell();
}

/// Where in a trace a gateway is that calls by gRPC, if anybody wants to know.
pub(super) fn metadata(headers: &http::HeaderMap) -> Option<TraceParent> {
    if !traces::are_on() {
        return None;
    }
    one(headers.get_all(TRACEPARENT).iter().map(|value| value.to_str().ok()))
}

/// The span of a call by gRPC; the headers that the gateway was `asked` with say where it comes from
/// when the gateway itself does not. One that is not recorded has a span for its log lines, if it is
/// part of a trace.
pub(super) fn call<'a>(
    method: &'static str,
    gateway: Option<TraceParent>,
    asked: impl Iterator<Item = (&'a str, &'a str)>,
) -> Span {
    if !traces::are_on() {
        return Span::none();
    }
    let is = |name: &str| name.eq_ignore_ascii_case(TRACEPARENT);
    let parent =
        gateway.or_else(|| one(asked.filter(|(name, _)| is(name)).map(|(_, value)| Some(value))));
    let span = traces::request(parent, uuid::Uuid::new_v4().as_u128());
    traces::tell_call(&span, method);
    match parent {
        Some(parent) if span.is_disabled() => {
            let span = tracing::error_span!("call");
            logs::belongs(&span, parent);
            span
        }
        _ => span,
    }
}

/// What was decided about a token.
pub(super) fn verdict(decided: &Result<Verdict, Unavailable>) -> Outcome {
    match decided {
        Ok(verdict) => known(verdict),
        Err(outage) => unknown(outage),
    }
}

/// The same, when it was.
pub(super) fn known(verdict: &Verdict) -> Outcome {
    let source = Some(verdict.source.as_str());
    match verdict.refused {
        None => Outcome { outcome: "active", reason: None, source },
        Some(reason) => Outcome { outcome: "inactive", reason: Some(reason.as_str()), source },
    }
}

fn unknown(outage: &Unavailable) -> Outcome {
    Outcome { outcome: "unavailable", reason: Some(outage.dependency.into()), source: None }
}

/// What came of an exchange.
pub(super) fn exchanged(exchanged: &Result<Issued, exchange::Refused>) -> Outcome {
    match exchanged {
        Ok(_) => Outcome { outcome: "issued", reason: None, source: None },
        Err(exchange::Refused::Denied(denial)) => denied(denial),
        Err(exchange::Refused::Unavailable(outage)) => unknown(outage),
    }
}

fn denied(denial: &Denial) -> Outcome {
    Outcome { outcome: "denied", reason: Some(denial.reason.as_str()), source: None }
}

/// Whether a request may pass.
pub(super) fn admitted(decided: &Result<Admitted, Refused>) -> Outcome {
    match decided {
        Ok(Admitted { verdict, .. }) => Outcome { outcome: "admitted", ..known(verdict) },
        Err(refused) => {
            let more = match refused {
                Refused::Inactive(verdict, _) | Refused::Barred(verdict, _) => known(verdict),
                Refused::NotSwapped(_, denial) => denied(denial),
                Refused::Unavailable(outage) => unknown(outage),
                Refused::Unread(_) => Outcome { outcome: "", reason: None, source: None },
            };
            Outcome { outcome: refused.as_str(), ..more }
        }
    }
}
