//! Metrics for Prometheus. `docs/metrics.md` lists them, and a test holds it against this file.
//!
//! Every label value comes from a closed list or from the configuration, never from a request. The
//! counters of the hot path are looked up once, at start.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::{
    Encoder as _, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use strum::VariantArray as _;

use super::gateway_metrics::GatewayMetrics;
use super::store_metrics::StoreMetrics;
use crate::domain::cluster::KeySource;
use crate::domain::denial::DenialReason;
use crate::domain::keyring::{KeyState, KeyStatus};
use crate::domain::rejection::Reason;
use crate::ports::{IssuerStatus, StoreStatus};
use crate::protocol::client_auth::Method;
use crate::protocol::time::UnixTime;

/// Upper bounds in seconds: from a cached answer (50 µs) to one that waited for Graph.
pub(super) const BUCKETS: [f64; 14] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0,
];

/// The labels of one issuer.
const ISSUER: [&str; 2] = ["issuer", "version"];

/// How an introspection ended, when it ended with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// `active`, decided before.
    ActiveCached,
    /// `active`, decided now.
    ActiveDecided,
    /// Not active.
    Inactive {
        /// Why.
        reason: Reason,
        /// Whether that had been decided before.
        cached: bool,
    },
}

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
    requests: IntCounterVec,
    requests_ok: IntCounter,
    seconds: Histogram,
    active_cached: IntCounter,
    active_decided: IntCounter,
    inactive_cached: IntCounter,
    inactive_decided: IntCounter,
    refusals: IntCounterVec,
    authentications: IntCounterVec,
    exchange_seconds: Histogram,
    exchanges: IntCounterVec,
    revocations: IntCounterVec,
    signing_since: IntGaugeVec,
    signing_until: IntGaugeVec,
    cache_entries: IntGauge,
    cache_bytes: IntGauge,
    issuers: Mutex<IssuerMetrics>,
    store: Option<StoreMetrics>,
    /// Those of gateways.
    pub gateways: GatewayMetrics,
}

/// What is read at a scrape.
#[derive(Debug)]
pub struct Readings<'a> {
    /// How each issuer is doing.
    pub issuers: &'a [IssuerStatus],
    /// How each signing key is doing.
    pub ring: &'a [KeyStatus],
    /// How many answers are kept.
    pub cache_entries: usize,
    /// And how many bytes they use.
    pub cache_bytes: u64,
    /// How what replicas share is doing, if they do.
    pub store: Option<&'a StoreStatus>,
}

/// What is told about each issuer; read at the scrape.
#[derive(Debug)]
struct IssuerMetrics {
    keys: IntGaugeVec,
    trusted: IntGaugeVec,
    fetched_at: IntGaugeVec,
    failures: IntGaugeVec,
    attempts: IntCounterVec,
}

impl Metrics {
    /// Registers every metric; those of a store only if replicas share one.
    pub fn new(shared: bool) -> Result<Self, prometheus::Error> {
        let make = Maker(Registry::new());
        let requests = make.counters(
            "tessera_http_requests_total",
            "Requests to the public listener, by path and status of the answer.",
            &["path", "status"],
        )?;
        let results = make.counters(
            "tessera_introspections_total",
            "Introspections that were answered, by result and whether it had been decided before.",
            &["result", "source"],
        )?;
        let refusals = make.counters(
            "tessera_token_refusals_total",
            "Tokens answered as not active, by reason.",
            &["reason"],
        )?;
        for reason in Reason::VARIANTS {
            refusals.with_label_values(&[reason.as_str()]);
        }
        let authentications = make.counters(
            "tessera_client_auth_failures_total",
            "Callers that were not let in, by how they tried and how it ended.",
            &["method", "result"],
        )?;
        let exchanges = make.counters(
            "tessera_exchanges_total",
            "Exchanges that were decided: `issued`, or the reason of the refusal.",
            &["result"],
        )?;
        exchanges.with_label_values(&["issued"]);
        for reason in DenialReason::VARIANTS {
            exchanges.with_label_values(&[reason.as_str()]);
        }
        let revocations = make.counters(
            "tessera_revocations_total",
            "Revocations, by what was named.",
            &["kind"],
        )?;
        make.built()?;
        Ok(Self {
            requests_ok: requests.with_label_values(&["/introspect", "200"]),
            requests,
            seconds: make.seconds(
                "tessera_introspection_seconds",
                "From the head of an introspection request to its answer.",
            )?,
            exchange_seconds: make.seconds(
                "tessera_exchange_seconds",
                "From the head of a token request to its answer.",
            )?,
            exchanges,
            revocations,
            signing_since: make.gauges(
                "tessera_signing_key_since_timestamp_seconds",
                "Since when the present key of the algorithm signs.",
                &["algorithm"],
            )?,
            signing_until: make.gauges(
                "tessera_signing_key_rotation_timestamp_seconds",
                "When the next key of the algorithm is due to sign.",
                &["algorithm"],
            )?,
            active_cached: results.with_label_values(&["active", "cache"]),
            active_decided: results.with_label_values(&["active", "decided"]),
            inactive_cached: results.with_label_values(&["inactive", "cache"]),
            inactive_decided: results.with_label_values(&["inactive", "decided"]),
            refusals,
            authentications,
            cache_entries: make.gauge("tessera_cache_entries", "Answers kept in memory.")?,
            cache_bytes: make.gauge("tessera_cache_bytes", "Memory used by kept answers.")?,
            issuers: Mutex::new(IssuerMetrics::new(&make)?),
            gateways: GatewayMetrics::new(&make.0)?,
            store: if shared { Some(StoreMetrics::new(&make.0)?) } else { None },
            registry: make.0,
        })
    }

    /// An introspection request was answered with `status` after `took`.
    pub fn introspection(&self, status: u16, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        if status == 200 {
            self.requests_ok.inc();
        } else {
            self.request("/introspect", status);
        }
    }

    /// A token request was answered with `status` after `took`.
    pub fn exchange(&self, status: u16, took: Duration) {
        self.exchange_seconds.observe(took.as_secs_f64());
        self.request("/token", status);
    }

    /// An exchange was decided: issued, or refused for a reason.
    pub fn exchanged(&self, refused: Option<DenialReason>) {
        let result = refused.map_or("issued", DenialReason::as_str);
        self.exchanges.with_label_values(&[result]).inc();
    }

    /// Something of this kind was revoked.
    pub fn revoked(&self, kind: &'static str) {
        self.revocations.with_label_values(&[kind]).inc();
    }

    /// Another request to `path` (one of ours, or `other`) was answered with `status`.
    pub fn request(&self, path: &'static str, status: u16) {
        self.requests.with_label_values(&[path, &status.to_string()]).inc();
    }

    /// A token was decided about.
    pub fn answered(&self, answered: Answered) {
        match answered {
            Answered::ActiveCached => self.active_cached.inc(),
            Answered::ActiveDecided => self.active_decided.inc(),
            Answered::Inactive { reason, cached } => {
                if cached { &self.inactive_cached } else { &self.inactive_decided }.inc();
                self.refusals.with_label_values(&[reason.as_str()]).inc();
            }
        }
    }

    /// A caller was not let in.
    pub fn not_authenticated(&self, method: Method, result: Authentication) {
        self.authentications.with_label_values(&[method.as_str(), result.into()]).inc();
    }

    /// Everything in Prometheus' text format.
    pub fn render(&self, now: &Readings<'_>) -> Result<Vec<u8>, prometheus::Error> {
        let Readings { issuers, ring, cache_entries, cache_bytes, store } = now;
        self.cache_entries.set(gauge(*cache_entries));
        self.cache_bytes.set(gauge(*cache_bytes));
        // Held to the end: two scrapes at once must not mix their readings.
        let told = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(metrics), Some(status)) = (&self.store, store) {
            metrics.set(status);
        }
        for status in *issuers {
            told.set(status);
        }
        for key in ring.iter().filter(|key| key.entry.state == KeyState::Active) {
            let algorithm = [key.entry.algorithm.as_str()];
            let since = &self.signing_since.with_label_values(&algorithm);
            since.set(key.entry.since.seconds());
            self.signing_until.with_label_values(&algorithm).set(key.until.seconds());
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        drop(told);
        Ok(text)
    }
}

impl IssuerMetrics {
    fn new(make: &Maker) -> Result<Self, prometheus::Error> {
        Ok(Self {
            keys: make.gauges("tessera_key_set_keys", "Usable keys of the issuer.", &ISSUER)?,
            trusted: make.gauges(
                "tessera_key_set_trusted",
                "1 when the issuer has a key set that may be trusted, else 0.",
                &ISSUER,
            )?,
            fetched_at: make.gauges(
                "tessera_key_set_fetched_timestamp_seconds",
                "When the issuer's key set was fetched.",
                &ISSUER,
            )?,
            failures: make.gauges(
                "tessera_key_set_failures",
                "Failed fetches since the last good one.",
                &ISSUER,
            )?,
            attempts: make.counters(
                "tessera_key_set_fetches_total",
                "Fetches of the issuer's key set, good and bad.",
                &ISSUER,
            )?,
        })
    }

    fn set(&self, status: &IssuerStatus) {
        let (issuer, version) = match status.issuer {
            KeySource::Entra(issuer) => (issuer.tenant.to_string(), issuer.version.as_str()),
            KeySource::Cluster(cluster) => (cluster.to_string(), "kubernetes"),
        };
        let labels = [issuer.as_str(), version];
        let fetched = status.fetched_at.map_or(0, UnixTime::seconds);
        self.keys.with_label_values(&labels).set(gauge(status.keys));
        self.trusted.with_label_values(&labels).set(i64::from(status.trusted));
        self.fetched_at.with_label_values(&labels).set(fetched);
        self.failures.with_label_values(&labels).set(i64::from(status.failures));
        let attempts = self.attempts.with_label_values(&labels);
        attempts.inc_by(status.attempts.saturating_sub(attempts.get()));
    }
}

fn gauge(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// Makes metrics and registers them.
struct Maker(Registry);

impl Maker {
    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let made = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        let made = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let made = IntGauge::new(name, help)?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn seconds(&self, name: &str, help: &str) -> Result<Histogram, prometheus::Error> {
        let made = Histogram::with_opts(HistogramOpts::new(name, help).buckets(BUCKETS.into()))?;
        self.0.register(Box::new(made.clone()))?;
        Ok(made)
    }

    fn built(&self) -> Result<(), prometheus::Error> {
        let build = Opts::new("tessera_build_info", "Always 1; the labels say what is running.");
        let made = IntGaugeVec::new(build, &["version"])?;
        made.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        self.0.register(Box::new(made))
    }
}
