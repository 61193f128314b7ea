//! Metrics for Prometheus. `docs/metrics.md` lists them, and a test holds it against this file.
//!
//! Every label value comes from a closed list or from the configuration, never from a request. Each
//! group has a file of its own beside this one and a field in [`Metrics`]. What others count or know
//! is read at the scrape; the counters of the hot path are looked up once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Encoder as _, Registry, TextEncoder};

use super::audit_metrics::AuditMetrics;
use super::cache_metrics::CacheMetrics;
use super::client_metrics::ClientMetrics;
use super::config_metrics::ConfigMetrics;
use super::decision_metrics::DecisionMetrics;
use super::gateway_metrics::GatewayMetrics;
use super::key_metrics::{IssuerMetrics, SigningMetrics};
use super::lifecycle_metrics::LifecycleMetrics;
use super::loss_metrics::LossMetrics;
use super::maker::{Maker, raise, whole};
use super::process_metrics::ProcessMetrics;
use super::request_metrics::RequestMetrics;
use super::store_metrics::StoreMetrics;
use super::upstream_metrics::UpstreamMetrics;
use crate::domain::denial::DenialReason;
use crate::domain::keyring::KeyStatus;
use crate::domain::tenant::Tenant;
use crate::ports::{
    AuditStatus, CacheStatus, IssuerStatus, StoreMeasures, StoreStatus, Tally, Upstream,
};
use crate::protocol::client_auth::Method;
use crate::protocol::ids::ClientId;

/// How a caller's attempt to authenticate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Authentication {
    /// Proved nothing.
    Invalid,
    /// Had failed too often.
    Throttled,
    /// Could not be decided.
    Unavailable,
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Held through a scrape: two at once must not mix their readings.
    scraping: Mutex<()>,
    requests: RequestMetrics,
    clients: ClientMetrics,
    decisions: DecisionMetrics,
    cache: CacheMetrics,
    issuers: IssuerMetrics,
    signing: SigningMetrics,
    upstream: UpstreamMetrics,
    store: Option<StoreMetrics>,
    audit: AuditMetrics,
    loss: LossMetrics,
    /// Those of the configuration.
    pub config: ConfigMetrics,
    process: Option<ProcessMetrics>,
    /// Those of gateways.
    pub gateways: GatewayMetrics,
    /// Those of start and stop.
    pub lifecycle: LifecycleMetrics,
}

/// Who counts what is told here, for as long as the process lives.
#[derive(Debug)]
pub struct Sources {
    /// Requests to what we depend on.
    pub upstream: Upstream,
    /// What replicas share, if they do.
    pub store: Option<StoreMeasures>,
}

/// What is read at a scrape.
#[derive(Debug)]
pub struct Readings<'a> {
    /// How each issuer is doing.
    pub issuers: &'a [IssuerStatus],
    /// How each signing key is doing.
    pub ring: &'a [KeyStatus],
    /// How the cache of answers is doing.
    pub cache: CacheStatus,
    /// How what replicas share is doing, if they do.
    pub store: Option<&'a StoreStatus>,
    /// How the audit trail is doing.
    pub audit: &'a AuditStatus,
}

impl Metrics {
    /// Registers every metric; those of a store only if replicas share one.
    pub fn new(sources: &Sources) -> Result<Self, prometheus::Error> {
        let Sources { upstream, store } = sources;
        let make = Maker::new();
        let version = make.gauges(
            "tessera_build_info",
            "Always 1; the labels say what is running.",
            &["version"],
        )?;
        version.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            scraping: Mutex::new(()),
            requests: RequestMetrics::new(&make)?,
            clients: ClientMetrics::new(&make)?,
            decisions: DecisionMetrics::new(&make)?,
            cache: CacheMetrics::new(&make)?,
            issuers: IssuerMetrics::new(&make)?,
            signing: SigningMetrics::new(&make)?,
            upstream: UpstreamMetrics::new(&make, upstream)?,
            store: store.as_ref().map(|store| StoreMetrics::new(&make, store)).transpose()?,
            process: ProcessMetrics::new(&make)?,
            audit: AuditMetrics::new(&make)?,
            loss: LossMetrics::new(&make)?,
            config: ConfigMetrics::new(&make)?,
            gateways: GatewayMetrics::new(&make)?,
            lifecycle: LifecycleMetrics::new(&make)?,
            registry: make.made(),
        })
    }

    /// An introspection request was answered with `status` after `took`.
    pub fn introspection(&self, status: u16, took: Duration) {
        self.requests.introspection(status, took);
    }

    /// A token request was answered with `status` after `took`.
    pub fn exchange(&self, status: u16, took: Duration) {
        self.requests.exchange(status, took);
    }

    /// Another request to `path` (one of ours, or `other`) was answered with `status`.
    pub fn request(&self, path: &'static str, status: u16) {
        self.requests.request(path, status);
    }

    /// A caller was not let in.
    pub fn not_authenticated(&self, method: Method, result: Authentication) {
        self.requests.not_authenticated(method, result);
    }

    /// What counts the answers to `client`, where `tenants` are trusted. To be kept with the client:
    /// it is looked up here.
    pub fn tally(&self, client: &ClientId, tenants: &[Tenant]) -> Arc<dyn Tally> {
        self.clients.tally(client, tenants).into()
    }

    /// An exchange of `client` for `resource`, if that is one of the configuration, was decided:
    /// issued, or refused for a reason.
    pub fn exchanged(
        &self,
        client: &ClientId,
        resource: Option<&str>,
        refused: Option<DenialReason>,
    ) {
        self.decisions.exchanged(client.as_str(), resource, refused);
    }

    /// Something of this kind was revoked.
    pub fn revoked(&self, kind: &'static str) {
        self.decisions.revoked(kind);
    }

    /// So many revocations would not outlive a restart, though they should.
    pub fn unwritten(&self, count: usize) {
        self.decisions.unwritten.set(whole(count));
    }

    /// Everything in Prometheus' text format.
    pub fn render(&self, now: &Readings<'_>) -> Result<Vec<u8>, prometheus::Error> {
        let Readings { issuers, ring, cache, store, audit } = now;
        let one_at_a_time = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        self.cache.set(cache);
        self.issuers.set(issuers);
        self.signing.set(ring);
        self.audit.set(audit);
        self.loss.read();
        if let (Some(metrics), Some(status)) = (&self.store, store) {
            metrics.set(status);
            raise(&self.decisions.applied_elsewhere, status.learnt);
        }
        self.upstream.set();
        if let Some(process) = &self.process {
            process.set();
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        drop(one_at_a_time);
        Ok(text)
    }
}
