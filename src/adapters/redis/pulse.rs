//! How recently all was well, and what may be decided by that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::link::unavailable;
use super::store::Store;
use crate::config::WhenUnreachable;
use crate::ports::Unavailable;

/// How old the last proof may be that nothing was missed. With what a proof takes, this keeps the
/// promise of five seconds.
const PROOF_LIFE: Duration = Duration::from_secs(4);

/// How long other replicas may take to write again what Redis had lost.
const REFILLING: Duration = Duration::from_secs(5);

/// How recently all was well.
#[derive(Debug)]
pub(super) struct Pulse {
    begun: Instant,
    synchronised: AtomicBool,
    /// Whether the others were followed since it was last noticed that they cannot be.
    followed: AtomicBool,
    /// Whether that was noticed too late.
    late: AtomicBool,
    /// Milliseconds from the beginning to the last proof.
    proved: AtomicU64,
    /// And to when everything was read the last time.
    synchronised_at: AtomicU64,
    resynchronised: AtomicU64,
}

impl Pulse {
    /// Nothing is proved yet.
    pub(super) fn new() -> Self {
        Self {
            begun: Instant::now(),
            synchronised: AtomicBool::new(false),
            followed: AtomicBool::new(false),
            late: AtomicBool::new(false),
            proved: AtomicU64::new(0),
            synchronised_at: AtomicU64::new(0),
            resynchronised: AtomicU64::new(0),
        }
    }
}

impl Store {
    /// Records that at `moment` nothing was missing.
    pub(super) fn prove(&self, moment: Instant) {
        let since = moment.saturating_duration_since(self.pulse.begun);
        let since = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.pulse.proved.fetch_max(since, Ordering::AcqRel);
    }

    /// Records that at `moment` nothing was missing, and that the others are followed.
    pub(super) fn keeps_up(&self, moment: Instant) {
        self.prove(moment);
        self.pulse.late.store(false, Ordering::Release);
        self.pulse.followed.store(true, Ordering::Release);
    }

    /// Records that the others cannot be followed for now. An outage is noticed while the last proof
    /// is recent; what is noticed later may be no more than our own standstill, unless it is noticed
    /// again.
    pub(super) fn falls_behind(&self) {
        if self.is_current() || self.pulse.late.swap(true, Ordering::AcqRel) {
            self.pulse.followed.store(false, Ordering::Release);
        }
    }

    /// Whether the last proof is too old and there is no outage: the whole process stood still for
    /// seconds, and is about to learn what was revoked meanwhile.
    fn stood_still(&self) -> bool {
        self.pulse.followed.load(Ordering::Acquire) && !self.is_current()
    }

    /// Records what says which log is followed.
    pub(super) fn follows(&self, record: Vec<u8>) {
        self.record.store(Arc::new(record));
    }

    /// Whether everything was read again a moment ago, so that other replicas may still be writing
    /// what Redis had lost.
    pub(super) fn is_refilling(&self) -> bool {
        let pulse = &self.pulse;
        let last = Duration::from_millis(pulse.synchronised_at.load(Ordering::Acquire));
        let since = pulse.begun.elapsed().saturating_sub(last);
        self.synchronisations() > 1 && since < REFILLING
    }

    /// Records that everything was read once.
    pub(super) fn synchronised(&self, moment: Instant) {
        self.prove(moment);
        let now = u64::try_from(self.pulse.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.pulse.synchronised_at.store(now, Ordering::Release);
        self.pulse.resynchronised.fetch_add(1, Ordering::Relaxed);
        self.pulse.synchronised.store(true, Ordering::Release);
    }

    /// Whether everything was read at least once.
    pub(super) fn is_synchronised(&self) -> bool {
        self.pulse.synchronised.load(Ordering::Acquire)
    }

    /// How often everything was read.
    pub(super) fn synchronisations(&self) -> u64 {
        self.pulse.resynchronised.load(Ordering::Relaxed)
    }

    /// How old the last proof is that nothing was missed; `None`: there was none yet.
    pub(super) fn proof_age(&self) -> Option<Duration> {
        let proved = Duration::from_millis(self.pulse.proved.load(Ordering::Acquire));
        self.is_synchronised().then(|| self.pulse.begun.elapsed().saturating_sub(proved))
    }

    /// Whether the last proof is recent enough to promise anything about the others.
    pub(super) fn is_current(&self) -> bool {
        self.proof_age().is_some_and(|age| age < PROOF_LIFE)
    }

    /// Whether decisions may be made by what is known here. The hot path: never waits.
    pub(super) fn known(&self) -> Result<(), Unavailable> {
        if !self.is_synchronised() {
            let why = self.link.why();
            return Err(unavailable(&format!("what was revoked is not known yet: {why}")));
        }
        match self.policy {
            WhenUnreachable::Degrade if self.stood_still() => {
                Err(unavailable("this process stood still, and catches up with the others"))
            }
            WhenUnreachable::Degrade => Ok(()),
            WhenUnreachable::Deny if self.is_current() => Ok(()),
            WhenUnreachable::Deny => Err(unavailable(&self.link.why())),
        }
    }
}
