//! A clock that moves only when it is told to, so that no test waits and none is late.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::ports::Clock;
use crate::protocol::time::{Seconds, UnixTime};

/// A clock under the control of a test.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `now`.
    pub const fn at(now: UnixTime) -> Self {
        Self(AtomicI64::new(now.seconds()))
    }

    /// Moves on by `by`; backwards when that is negative, as a badly set host clock would.
    pub fn advance(&self, by: Seconds) {
        let moved = self.now().plus(by);
        self.set(moved);
    }

    /// Stands at `now` from here on.
    pub fn set(&self, now: UnixTime) {
        self.0.store(now.seconds(), Ordering::Release);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(self.0.load(Ordering::Acquire))
    }
}
