//! The time of day, from the operating system or from a test.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::ports::Clock;
use crate::protocol::time::{Seconds, UnixTime};

/// The operating system's clock. When that is set back, this one stands still until it has caught
/// up: what has expired stays expired (A83).
#[derive(Debug, Default)]
pub struct SystemClock {
    latest: AtomicI64,
}

impl SystemClock {
    /// A clock that has not been read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The later of `reading` and everything read before.
    fn not_before(&self, reading: i64) -> i64 {
        // Mostly the second has not changed, and a load does not fight over the cache line.
        let latest = self.latest.load(Ordering::Relaxed);
        if reading <= latest {
            return latest;
        }
        self.latest.fetch_max(reading, Ordering::Relaxed).max(reading)
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        let seconds = i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX);
        UnixTime::from_seconds(self.not_before(seconds))
    }
}

/// Milliseconds since 1970, to measure by, never to decide by: the clock of this host may be set back.
pub(super) fn milliseconds() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the one place that asks the operating system for the time"
)]
fn since_epoch() -> Duration {
    use std::time::SystemTime;
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// A clock that is set by hand, for tests and for asking about a token at another moment. It can
/// be set back, unlike the other.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at `now`.
    pub const fn new(now: UnixTime) -> Self {
        Self(AtomicI64::new(now.seconds()))
    }

    /// Puts it to `now`.
    pub fn set(&self, now: UnixTime) {
        self.0.store(now.seconds(), Ordering::Relaxed);
    }

    /// Moves it on by `by`.
    pub fn advance(&self, by: Seconds) {
        self.set(self.now().plus(by));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_when_the_system_clock_is_set_back() {
        let clock = SystemClock::new();
        assert_eq!(clock.not_before(1000), 1000);
        assert_eq!(clock.not_before(400), 1000, "A83");
        assert_eq!(clock.not_before(1001), 1001);
    }

    #[test]
    fn the_system_clock_tells_this_century() {
        let now = SystemClock::new().now();
        assert!((1_700_000_000..4_200_000_000).contains(&now.seconds()), "{now}");
    }

    #[test]
    fn a_manual_clock_obeys() {
        let clock = ManualClock::new(UnixTime::from_seconds(10));
        clock.advance(Seconds::minutes(1));
        assert_eq!(clock.now().seconds(), 70);
        clock.set(UnixTime::from_seconds(5));
        assert_eq!(clock.now().seconds(), 5);
    }
}
