//! For how long, and on what, a decision about one token stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::domain::lineage::Exposure;
use crate::ports::Revocations;
use crate::protocol::jwk::VerificationKey;
use crate::protocol::time::UnixTime;

/// A decision stands while its token lives, while the key that signed it is trusted, and while
/// nothing that it rests on is revoked.
#[derive(Debug)]
pub struct Standing {
    until: UnixTime,
    /// None for an opaque token, which nobody signed.
    key: Option<Arc<VerificationKey>>,
    exposures: Box<[Exposure]>,
    /// The number of the last revocation that the exposures were held against.
    checked: AtomicU64,
}

impl Standing {
    /// A decision that rests on `key` and on nothing among `exposures` being revoked, as was so
    /// when the number of revocations was `epoch`. That must have been read before the decision
    /// began: a revocation that came meanwhile is then noticed at the first use.
    pub const fn new(
        until: UnixTime,
        key: Option<Arc<VerificationKey>>,
        exposures: Box<[Exposure]>,
        epoch: u64,
    ) -> Self {
        Self { until, key, exposures, checked: AtomicU64::new(epoch) }
    }

    /// Whether the decision stands at `now`. Looks at the exposures only when something was revoked
    /// since the last time.
    pub fn stands(&self, now: UnixTime, revocations: &dyn Revocations) -> bool {
        now < self.until
            && self.key.as_ref().is_none_or(|key| key.is_trusted(now))
            && self.is_unrevoked(revocations)
    }

    /// Whether it is known that nothing that the decision rests on is revoked.
    pub fn is_unrevoked(&self, revocations: &dyn Revocations) -> bool {
        if revocations.known().is_err() {
            return false;
        }
        let epoch = revocations.epoch();
        if self.checked.load(Ordering::Acquire) == epoch {
            return true;
        }
        let good = !revocations.is_revoked(&self.exposures);
        if good {
            self.checked.store(epoch, Ordering::Release);
        }
        good
    }
}
