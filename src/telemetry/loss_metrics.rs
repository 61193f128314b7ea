//! What watches us has losses too.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus::{Error, IntCounter};

use super::maker::Maker;

/// Log lines that found no room.
pub(super) static LINES: AtomicU64 = AtomicU64::new(0);
/// Spans that were not delivered; nothing: there are no traces.
pub(super) static SPANS: OnceLock<Arc<AtomicU64>> = OnceLock::new();

/// Those of lost log lines and spans.
#[derive(Debug)]
pub(super) struct LossMetrics {
    lines: IntCounter,
    spans: IntCounter,
}

impl LossMetrics {
    pub(super) fn new(make: &Maker) -> Result<Self, Error> {
        Ok(Self {
            lines: make.counter(
                "tessera_log_lines_lost_total",
                "Log lines that nobody read fast enough.",
            )?,
            spans: make
                .counter("tessera_trace_spans_lost_total", "Spans that could not be delivered.")?,
        })
    }

    /// Takes up what was counted elsewhere.
    pub(super) fn read(&self) {
        let lost = SPANS.get().map_or(0, |lost| lost.load(Ordering::Relaxed));
        for (counter, lost) in [(&self.lines, LINES.load(Ordering::Relaxed)), (&self.spans, lost)] {
            counter.inc_by(lost.saturating_sub(counter.get()));
        }
    }
}
