//! Traces: what single requests did and how long each part took, of those that are sampled.
//!
//! Whether a request is recorded is decided before a span is made. One that is not costs that
//! decision; and where no traces are configured, a load.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use opentelemetry::trace::{
    SpanContext, SpanId, SpanRef, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    TracerProvider as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanProcessor};
use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Instrument as _, Metadata, Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{self, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::loss_metrics::SPANS;
use crate::config::Share;
use crate::protocol::trace_context::TraceParent;

/// Spans of whole requests that are sampled.
const REQUESTS: &str = "tessera::spans::request";
/// Spans within them; those made elsewhere say the same.
const STEPS: &str = "tessera::spans";

/// How many requests are sampled; nothing: there are no traces.
static SAMPLED: OnceLock<Share> = OnceLock::new();

/// Makes spans out of what is sampled.
#[derive(Debug)]
pub struct Recorder {
    tracer: SdkTracer,
    share: Share,
    lost: Arc<AtomicU64>,
}

/// Who we are, in every trace; `OTEL_RESOURCE_ATTRIBUTES` may say more.
pub fn resource() -> Resource {
    let more = Box::new(EnvResourceDetector::new());
    Resource::builder_empty()
        .with_attribute(KeyValue::new("service.name", "tessera"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_detector(more)
        .build()
}

impl Recorder {
    /// Hands what is finished to `processor`, which counts in `lost` what is not delivered.
    pub fn new(
        share: Share,
        processor: impl SpanProcessor + 'static,
        lost: Arc<AtomicU64>,
    ) -> Self {
        // What is not to be recorded does not come so far.
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(resource())
            .with_span_processor(processor)
            .build();
        let scope = InstrumentationScope::builder("tessera").build();
        Self { tracer: provider.tracer_with_scope(scope), share, lost }
    }

    /// What listens for spans, from now on.
    pub(super) fn listen<S>(self) -> impl Layer<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        SAMPLED.get_or_init(|| self.share);
        SPANS.get_or_init(|| self.lost);
        OpenTelemetryLayer::new(self.tracer)
            .with_location(false)
            .with_threads(false)
            .with_level(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(Steps)
    }
}

/// Whether `metadata` is that of a span for traces, which log lines do not show.
pub fn is_for_traces(metadata: &Metadata<'_>) -> bool {
    matches!(metadata.target(), REQUESTS | STEPS)
}

/// Lets through the spans of requests, which are made for sampled ones only, and their steps.
struct Steps;

impl<S> Filter<S> for Steps {
    fn enabled(&self, metadata: &Metadata<'_>, _: &layer::Context<'_, S>) -> bool {
        match metadata.target() {
            REQUESTS => metadata.is_span(),
            STEPS => metadata.is_span() && here().is_some_and(|place| place.sampled),
            _ => false,
        }
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.target() {
            REQUESTS if metadata.is_span() => Interest::always(),
            STEPS if metadata.is_span() => Interest::sometimes(),
            _ => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }
}

/// Where in a trace the present thread works.
pub(super) fn here() -> Option<TraceParent> {
    Context::map_current(|context| {
        let span = context.span();
        let place = span.span_context();
        place.is_valid().then(|| TraceParent {
            trace: u128::from_be_bytes(place.trace_id().to_bytes()),
            span: u64::from_be_bytes(place.span_id().to_bytes()),
            sampled: place.is_sampled(),
        })
    })
}

/// Whether anything is recorded at all.
pub fn are_on() -> bool {
    SAMPLED.get().is_some()
}

/// The span of a request that comes after `parent`; disabled when it is not recorded. Without a
/// parent that decides, `lot` does: any number, if it is random.
pub fn request(parent: Option<TraceParent>, lot: u128) -> Span {
    let Some(share) = SAMPLED.get() else { return Span::none() };
    let drawn = || share.takes(lot);
    if !parent.map_or_else(drawn, |parent| parent.sampled) {
        return Span::none();
    }
    let span = tracing::info_span!(target: REQUESTS, parent: None, "request", otel.kind = "server", otel.name = Empty);
    if let Some(parent) = parent {
        // It has just been made, so it can still be told.
        drop(span.set_parent(remote(parent)));
    }
    span
}

fn remote(TraceParent { trace, span, sampled }: TraceParent) -> Context {
    // What other vendors say of the trace is not kept: whatever a caller sends would go on to others.
    Context::new().with_remote_span_context(SpanContext::new(
        TraceId::from_bytes(trace.to_be_bytes()),
        SpanId::from_bytes(span.to_be_bytes()),
        TraceFlags::default().with_sampled(sampled),
        true,
        TraceState::NONE,
    ))
}

/// What a request by HTTP was, by the names of OpenTelemetry. Neither the query nor a path that the
/// caller made up: there may be a token in either (INT-30).
#[derive(Clone, Copy, Debug)]
pub struct Http<'a> {
    /// One of the methods that HTTP has; otherwise `None`.
    pub method: Option<&'a str>,
    /// The route, if there is one.
    pub route: Option<&'a str>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The status of the answer.
    pub status: u16,
}

impl Http<'_> {
    /// Says so about the request whose span is entered.
    pub fn tell(self) {
        let Self { method, route, scheme, status } = self;
        recording(|span| {
            let name = method.unwrap_or("HTTP");
            span.update_name(
                route.map_or_else(|| name.to_owned(), |route| format!("{name} {route}")),
            );
            span.set_attribute(KeyValue::new(
                "http.request.method",
                method.unwrap_or("_OTHER").to_owned(),
            ));
            span.set_attribute(KeyValue::new("url.scheme", scheme));
            if let Some(route) = route {
                span.set_attribute(KeyValue::new("http.route", route.to_owned()));
                if !route.contains('{') {
                    span.set_attribute(KeyValue::new("url.path", route.to_owned()));
                }
            }
            span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
            if status >= 500 {
                span.set_attribute(KeyValue::new("error.type", status.to_string()));
                span.set_status(Status::error(""));
            }
        });
    }
}

/// Says about the request whose span is entered which method was called.
pub fn tell_call(span: &Span, method: &'static str) {
    if !span.is_disabled() {
        span.record("otel.name", method);
        span.set_attribute("rpc.system.name", "grpc");
        span.set_attribute("rpc.method", method);
    }
}

/// What was decided, for spans: words of closed lists.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// What.
    pub outcome: &'static str,
    /// Why it was not better.
    pub reason: Option<&'static str>,
    /// Where the answer came from.
    pub source: Option<&'static str>,
}

impl Outcome {
    fn attributes(self) -> impl Iterator<Item = KeyValue> {
        let Self { outcome, reason, source } = self;
        let named = |(name, value): (&'static str, Option<&'static str>)| {
            value.map(|value| KeyValue::new(name, value))
        };
        let all = [
            ("tessera.outcome", Some(outcome)),
            ("tessera.reason", reason),
            ("tessera.source", source),
        ];
        all.into_iter().filter_map(named)
    }
}

/// Says about the request whose span is entered what was decided.
pub fn decided(outcome: impl FnOnce() -> Outcome) {
    recording(|span| span.set_attributes(outcome().attributes()));
}

/// Says about the request whose span is entered by which client of the configuration it came.
pub fn came_from(client: &str) {
    recording(|span| span.set_attribute(KeyValue::new("tessera.client", client.to_owned())));
}

fn recording(tell: impl FnOnce(&SpanRef<'_>)) {
    if are_on() {
        Context::map_current(|context| {
            let span = context.span();
            if span.is_recording() {
                tell(&span);
            }
        });
    }
}

/// A step of the request whose span is entered.
pub async fn step<T>(
    name: &'static str,
    work: impl Future<Output = T>,
    outcome: impl FnOnce(&T) -> Outcome,
) -> T {
    if !are_on() {
        return work.await;
    }
    let span = tracing::info_span!(target: STEPS, "step", otel.name = name);
    let done = work.instrument(span.clone()).await;
    if !span.is_disabled() {
        for KeyValue { key, value, .. } in outcome(&done).attributes() {
            span.set_attribute(key, value);
        }
    }
    done
}
