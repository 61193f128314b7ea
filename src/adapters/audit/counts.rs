//! What was counted about the trail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use strum::VariantArray as _;

use crate::domain::audit::record::Event;
use crate::ports::AuditStatus;

const EVENTS: usize = Event::VARIANTS.len();

/// Counted since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    events: [Count; EVENTS],
    queued: AtomicU64,
    failures: AtomicU64,
    /// Since when something is being written.
    writing: ArcSwapOption<Instant>,
    last_error: ArcSwapOption<String>,
}

#[derive(Debug, Default)]
struct Count {
    written: AtomicU64,
    lost: AtomicU64,
}

impl Counts {
    /// A record was taken into the queue.
    pub(super) fn taken(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    /// A record that was taken is written.
    pub(super) fn written(&self, event: Event) {
        self.queued.fetch_sub(1, Ordering::Relaxed);
        self.began(event);
    }

    /// A record that was never in the queue is written: one of the trail itself.
    pub(super) fn began(&self, event: Event) {
        if let Some(count) = self.of(event) {
            count.written.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A record is lost.
    pub(super) fn lost(&self, event: Event) {
        if let Some(count) = self.of(event) {
            count.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Something is being written from now on.
    pub(super) fn begins(&self) {
        self.writing.store(Some(Arc::new(Instant::now())));
    }

    /// It is written.
    pub(super) fn ends(&self) {
        self.writing.store(None);
    }

    /// An attempt to write failed. Tells whether it is the first since one was good.
    pub(super) fn failed(&self, why: String) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.last_error.swap(Some(Arc::new(why))).is_none()
    }

    /// Whether the attempt before failed; from now on none has.
    pub(super) fn recovered(&self) -> bool {
        self.last_error.swap(None).is_some()
    }

    /// Records that wait to be written.
    pub(super) fn queued(&self) -> u64 {
        self.queued.load(Ordering::Relaxed)
    }

    pub(super) fn status(&self) -> AuditStatus {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counted = Event::VARIANTS.iter().zip(&self.events);
        AuditStatus {
            events: counted
                .map(|(event, count)| (*event, read(&count.written), read(&count.lost)))
                .collect(),
            queued: self.queued(),
            failures: read(&self.failures),
            stalled: self.writing.load().as_ref().map_or(Duration::ZERO, |since| since.elapsed()),
            last_error: self.last_error.load().as_deref().cloned(),
        }
    }

    fn of(&self, event: Event) -> Option<&Count> {
        let at = Event::VARIANTS.iter().position(|one| *one == event)?;
        self.events.get(at)
    }
}
