//! What is measured about kept answers.

use prometheus::IntGauge;

use super::maker::{Maker, whole};

/// Kept answers; read at the scrape.
#[derive(Debug)]
pub(super) struct CacheMetrics {
    entries: IntGauge,
    bytes: IntGauge,
}

impl CacheMetrics {
    /// Registers them.
    pub(super) fn new(make: &Maker) -> Result<Self, prometheus::Error> {
        Ok(Self {
            entries: make.gauge("tessera_cache_entries", "Answers kept in memory.")?,
            bytes: make.gauge("tessera_cache_bytes", "Memory used by kept answers.")?,
        })
    }

    pub(super) fn set(&self, entries: usize, bytes: u64) {
        self.entries.set(whole(entries));
        self.bytes.set(whole(bytes));
    }
}
