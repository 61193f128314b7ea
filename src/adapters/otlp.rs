//! Sends finished spans to a receiver: OTLP over HTTP, in protobuf.
//!
//! Spans wait in a queue that is bounded; what finds no room in it, or cannot be delivered, is lost
//! and counted. Nobody waits for a receiver: not a request, and a shutdown only for [`FLUSH`].
//! `opentelemetry-otlp` is not used, because it takes orders from environment variables past the
//! configuration, and a blocked receiver would hold a thread of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use prost::Message as _;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::http_client::{HttpError, HttpSetupError, Timeouts, limited, place, transport};
use crate::config::Traces;

/// Most spans that wait.
const WAITING: usize = 4096;
/// Most spans that are sent at once.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const LINGER: Duration = Duration::from_secs(1);
/// How long what is left is sent after the order to stop.
const FLUSH: Duration = Duration::from_secs(2);
/// How long one batch may take.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(2), total: Duration::from_secs(5) };
/// How often it is told that spans are lost.
const TOLD: Duration = Duration::from_mins(1);
/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Takes spans as they end; see [`start`].
#[derive(Debug)]
pub struct SpanQueue {
    waiting: Sender<SpanData>,
    lost: Arc<AtomicU64>,
}

/// What sends the spans of a queue.
#[derive(Debug)]
pub struct Exporter {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// A queue whose spans are sent, by a task on `runtime`, to where `traces` says.
pub fn start(
    traces: &Traces,
    resource: &Resource,
    runtime: &Handle,
) -> Result<(SpanQueue, Exporter), HttpSetupError> {
    let client = limited(TIMEOUTS).build().map_err(HttpSetupError)?;
    let (sender, waiting) = channel(WAITING);
    let (lost, stop) = (Arc::new(AtomicU64::new(0)), CancellationToken::new());
    let receiver = To {
        client,
        url: traces.endpoint.clone(),
        headers: headers(&traces.headers),
        resource: resource.into(),
    };
    let told = Told { lost: Arc::clone(&lost), ..Told::default() };
    let sending = Sending { waiting, batch: Vec::new(), to: receiver, told };
    let task = runtime.spawn(sending.run(stop.clone()));
    Ok((SpanQueue { waiting: sender, lost }, Exporter { stop, task }))
}

fn headers(named: &[(String, SecretString)]) -> HeaderMap {
    let read = |(name, secret): &(String, SecretString)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(secret.expose_secret()).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    named.iter().filter_map(read).collect()
}

impl SpanQueue {
    /// How many spans were not delivered.
    pub fn lost(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.lost)
    }
}

impl SpanProcessor for SpanQueue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.waiting.try_send(span).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whoever wants everything sent stops the [`Exporter`].
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Exporter {
    /// Sends what waits, as far as that is done in time.
    pub async fn stop(self) {
        self.stop.cancel();
        let Self { mut task, .. } = self;
        if timeout(FLUSH, &mut task).await.is_err() {
            task.abort();
            tracing::warn!("the last traces are lost: their receiver does not answer in time");
        }
    }
}

/// The work of an [`Exporter`].
struct Sending {
    waiting: Receiver<SpanData>,
    /// Taken out of the queue, and not yet sent.
    batch: Vec<SpanData>,
    to: To,
    told: Told,
}

impl Sending {
    async fn run(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(self.fill()).await.is_some() {
            if self.batch.is_empty() {
                return;
            }
            self.deliver().await;
        }
        self.waiting.close();
        loop {
            let room = BATCH.saturating_sub(self.batch.len());
            self.waiting.recv_many(&mut self.batch, room).await;
            if self.batch.is_empty() {
                return;
            }
            self.deliver().await;
        }
    }

    /// Waits until there are enough, or the first has waited for long enough.
    async fn fill(&mut self) {
        let Self { waiting, batch, .. } = self;
        if waiting.recv_many(batch, BATCH).await == 0 {
            return;
        }
        let more = async {
            while let Some(room @ 1..) = BATCH.checked_sub(batch.len()) {
                if waiting.recv_many(batch, room).await == 0 {
                    return;
                }
            }
        };
        drop(timeout(LINGER, more).await);
    }

    async fn deliver(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let sent = self.to.send(batch).await;
        self.told.tell(&self.to.url, count, sent);
    }
}

/// Where spans go.
struct To {
    client: reqwest::Client,
    url: Url,
    headers: HeaderMap,
    resource: ResourceAttributesWithSchema,
}

impl To {
    /// Sends `spans`, and says how many of them were not taken.
    async fn send(&self, spans: Vec<SpanData>) -> Result<u64, HttpError> {
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let request = self.client.post(self.url.clone()).headers(self.headers.clone());
        let request = request.header(CONTENT_TYPE, "application/x-protobuf").body(body);
        let failed = |error| transport(&self.url, &error);
        let mut response = request.send().await.map_err(failed)?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            return Err(HttpError::Status { place: place(&self.url), status });
        }
        let mut answer = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(failed)? {
            if answer.len().saturating_add(piece.len()) > MAX_ANSWER {
                return Err(HttpError::TooLarge { place: place(&self.url), limit: MAX_ANSWER });
            }
            answer.extend_from_slice(&piece);
        }
        let answer = ExportTraceServiceResponse::decode(&*answer).unwrap_or_default();
        let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
        Ok(u64::try_from(rejected).unwrap_or(0))
    }
}

/// What the operator has been told.
#[derive(Default)]
struct Told {
    lost: Arc<AtomicU64>,
    /// When it was last told that spans are lost.
    at: Option<Instant>,
    failing: bool,
}

impl Told {
    /// Counts what became of `count` spans, and tells of losses, though not of each.
    fn tell(&mut self, to: &Url, count: u64, sent: Result<u64, HttpError>) {
        let lost = |more| self.lost.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        match sent {
            Ok(rejected) => {
                let lost = lost(rejected);
                if std::mem::take(&mut self.failing) {
                    tracing::info!(receiver = place(to), lost, "traces are delivered again");
                }
            }
            Err(error) => {
                let lost = lost(count);
                if self.at.is_none_or(|at| at.elapsed() >= TOLD) {
                    self.at = Some(Instant::now());
                    self.failing = true;
                    tracing::warn!(%error, lost, "traces are not delivered");
                }
            }
        }
    }
}
