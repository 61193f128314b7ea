//! What is measured about kept answers.

use prometheus::{IntCounter, IntGauge};

use super::maker::{Maker, raise, whole};
use crate::ports::CacheStatus;

/// Kept answers; read at the scrape.
#[derive(Debug)]
pub(super) struct CacheMetrics {
    entries: IntGauge,
    bytes: IntGauge,
    capacity: IntGauge,
    hits: IntCounter,
    misses: IntCounter,
    evictions: IntCounter,
}

impl CacheMetrics {
    /// Registers them.
    pub(super) fn new(make: &Maker) -> Result<Self, prometheus::Error> {
        let lookups = make.counters(
            "tessera_cache_lookups_total",
            "Questions that were looked up among kept answers, and whether one was found.",
            &["result"],
        )?;
        Ok(Self {
            entries: make.gauge("tessera_cache_entries", "Answers kept in memory.")?,
            bytes: make.gauge("tessera_cache_bytes", "Memory used by kept answers.")?,
            capacity: make.gauge(
                "tessera_cache_capacity_bytes",
                "Memory that kept answers may use; then some make room for others.",
            )?,
            hits: lookups.with_label_values(&["hit"]),
            misses: lookups.with_label_values(&["miss"]),
            evictions: make.counter(
                "tessera_cache_evictions_total",
                "Answers that made room for others before their end.",
            )?,
        })
    }

    /// To be called by one scrape at a time.
    pub(super) fn set(&self, status: &CacheStatus) {
        self.entries.set(whole(status.entries));
        self.bytes.set(whole(status.bytes));
        self.capacity.set(whole(status.capacity));
        raise(&self.hits, status.hits);
        raise(&self.misses, status.misses);
        raise(&self.evictions, status.evictions);
    }
}
