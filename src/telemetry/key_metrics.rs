//! What is measured about keys: those of issuers, and our own.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use prometheus::{IntCounterVec, IntGaugeVec};

use super::maker::{Maker, follow, whole};
use crate::domain::cluster::KeySource;
use crate::domain::keyring::{KeyState, KeyStatus};
use crate::ports::IssuerStatus;
use crate::protocol::time::UnixTime;

/// The labels of one issuer.
const ISSUER: [&str; 2] = ["issuer", "version"];

/// What is told about each issuer; read at the scrape.
#[derive(Debug)]
pub(super) struct IssuerMetrics {
    keys: IntGaugeVec,
    trusted: IntGaugeVec,
    fetched_at: IntGaugeVec,
    failures: IntGaugeVec,
    attempts: IntCounterVec,
    unknown_keys: IntCounterVec,
    /// What was counted for each issuer at the last scrape.
    seen: Mutex<BTreeMap<KeySource, Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    good: u64,
    failed: u64,
    unknown_keys: u64,
}

impl IssuerMetrics {
    /// Registers them.
    pub(super) fn new(make: &Maker) -> Result<Self, prometheus::Error> {
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
                "Fetches of the issuer's key set, by how they ended.",
                &["issuer", "version", "result"],
            )?,
            unknown_keys: make.counters(
                "tessera_key_set_unknown_kid_total",
                "Tokens that named a key which the issuer's set did not have.",
                &ISSUER,
            )?,
            seen: Mutex::default(),
        })
    }

    /// To be called by one scrape at a time.
    pub(super) fn set(&self, issuers: &[IssuerStatus]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // An issuer that left the configuration has no state any more.
        for gone in [&self.keys, &self.trusted, &self.fetched_at, &self.failures] {
            gone.reset();
        }
        for status in issuers {
            let (issuer, version) = match status.issuer {
                KeySource::Entra(issuer) => (issuer.tenant.to_string(), issuer.version.as_str()),
                KeySource::Cluster(cluster) => (cluster.to_string(), "kubernetes"),
            };
            let labels = [issuer.as_str(), version];
            let fetched = status.fetched_at.map_or(0, UnixTime::seconds);
            self.keys.with_label_values(&labels).set(whole(status.keys));
            self.trusted.with_label_values(&labels).set(i64::from(status.trusted));
            self.fetched_at.with_label_values(&labels).set(fetched);
            self.failures.with_label_values(&labels).set(i64::from(status.failures));
            let seen = seen.entry(status.issuer).or_default();
            let ended = |how| self.attempts.with_label_values(&[&issuer, version, how]);
            let (good, failed) = status.attempts;
            follow(&ended("good"), &mut seen.good, good);
            follow(&ended("failed"), &mut seen.failed, failed);
            let unknown = self.unknown_keys.with_label_values(&labels);
            follow(&unknown, &mut seen.unknown_keys, status.unknown_keys);
        }
    }
}

/// What is told about the keys that sign; read at the scrape.
#[derive(Debug)]
pub(super) struct SigningMetrics {
    since: IntGaugeVec,
    until: IntGaugeVec,
}

impl SigningMetrics {
    /// Registers them.
    pub(super) fn new(make: &Maker) -> Result<Self, prometheus::Error> {
        Ok(Self {
            since: make.gauges(
                "tessera_signing_key_since_timestamp_seconds",
                "Since when the present key of the algorithm signs.",
                &["algorithm"],
            )?,
            until: make.gauges(
                "tessera_signing_key_rotation_timestamp_seconds",
                "When the next key of the algorithm is due to sign.",
                &["algorithm"],
            )?,
        })
    }

    pub(super) fn set(&self, ring: &[KeyStatus]) {
        self.since.reset();
        self.until.reset();
        for key in ring.iter().filter(|key| key.entry.state == KeyState::Active) {
            let algorithm = [key.entry.algorithm.as_str()];
            self.since.with_label_values(&algorithm).set(key.entry.since.seconds());
            self.until.with_label_values(&algorithm).set(key.until.seconds());
        }
    }
}
