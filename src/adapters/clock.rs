//! The time of day, from the operating system or from a test.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::ports::Clock;
use crate::protocol::time::{Seconds, UnixTime};

/// Steps of the system's clock that the log tells of.
const STEP: Duration = Duration::from_secs(2);

/// The operating system's clock, held against the one that nobody can set (A83): see [`Course`].
#[derive(Debug)]
pub struct SystemClock {
    begun: Instant,
    /// What is shown, in seconds since the epoch.
    latest: AtomicI64,
    course: Mutex<Course>,
}

impl Default for SystemClock {
    fn default() -> Self {
        let (latest, course) = (AtomicI64::default(), Mutex::default());
        Self { begun: Instant::now(), latest, course }
    }
}

impl SystemClock {
    /// A clock that has not been read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at both clocks: what is shown, and what the system's clock says.
    fn look(&self) -> (Duration, Duration) {
        // Any course is a good one, so a poisoned lock is too.
        let mut course = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, wall) = (self.begun.elapsed(), since_epoch());
        let (shown, step) = course.show(wall, at);
        drop(course);
        match step {
            Some(Step::Back(by)) => {
                let seconds = by.as_secs();
                tracing::warn!(seconds, "the system's clock was set back: ours goes on, slower");
            }
            Some(Step::Forward(by)) => {
                let seconds = by.as_secs();
                tracing::warn!(
                    seconds,
                    "the system's clock was set forward, or the machine stood still"
                );
            }
            None => {}
        }
        (shown, wall)
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        // Mostly the second has not changed, and a load does not fight over the cache line.
        let latest = self.latest.load(Ordering::Relaxed);
        if seconds(since_epoch()) == latest {
            return UnixTime::from_seconds(latest);
        }
        let shown = seconds(self.look().0);
        UnixTime::from_seconds(self.latest.fetch_max(shown, Ordering::Relaxed).max(shown))
    }

    fn ahead(&self) -> Duration {
        let (shown, wall) = self.look();
        shown.saturating_sub(wall)
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// The time that is shown, by two clocks: the wall clock, which people and programs set, and a
/// monotonic one, which counts how much time has passed.
///
/// Where the wall clock is ahead of what has passed, it is believed at once: time may have passed
/// while nobody counted, and what has expired must not be told to be good. Where it was set back, the
/// time goes on by the monotonic clock, so that what has expired stays expired and what would expire
/// does; but half as fast, until both agree again. It never goes back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Course {
    /// What was shown last.
    shown: Duration,
    /// When that was, by the monotonic clock.
    at: Duration,
    /// Whether the wall clock was behind then.
    behind: bool,
}

/// That the wall clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// By so much less than time has passed.
    Back(Duration),
    /// By so much more.
    Forward(Duration),
}

impl Course {
    /// What is shown when the wall clock says `wall`, `at` by the monotonic clock; and what is new.
    pub fn show(&mut self, wall: Duration, at: Duration) -> (Duration, Option<Step>) {
        let passed = at.saturating_sub(self.at);
        let due = self.shown.saturating_add(passed);
        let slower = self.shown.saturating_add(passed.checked_div(2).unwrap_or_default());
        let (back, forward) = (due.saturating_sub(wall), wall.saturating_sub(due));
        let step = if back > STEP && !self.behind {
            Some(Step::Back(back))
        } else {
            // The first look finds everything ahead.
            (forward > STEP && !self.shown.is_zero()).then_some(Step::Forward(forward))
        };
        let shown = if back.is_zero() { wall } else { slower.max(wall) };
        *self = Self { shown, at, behind: shown.saturating_sub(wall) > STEP };
        (shown, step)
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

    /// A day of 1970 that is late enough to go back from.
    const NOON: u64 = 1_000_000;

    /// What is shown after each reading of both clocks, in seconds.
    fn shown(readings: &[(u64, u64)]) -> Vec<u64> {
        let mut course = Course::default();
        let show = |&(wall, at)| {
            course.show(Duration::from_secs(wall), Duration::from_secs(at)).0.as_secs()
        };
        readings.iter().map(show).collect()
    }

    #[test]
    fn what_would_expire_expires_when_the_wall_clock_is_set_back() {
        let back = NOON - 3600;
        let times = [(NOON, 10), (back, 10), (back + 60, 70), (back + 600, 610)];
        assert_eq!(shown(&times), [NOON, NOON, NOON + 30, NOON + 300], "A83");
        let mut course = Course::default();
        let at = Duration::from_secs;
        assert_eq!(course.show(at(NOON), at(10)).1, None);
        assert_eq!(course.show(at(back), at(10)).1, Some(Step::Back(at(3600))));
        assert_eq!(course.show(at(back + 1), at(11)).1, None, "told once");
    }

    #[test]
    fn both_clocks_agree_again_by_themselves() {
        let back = NOON - 100;
        // Looked at every second, or once: it makes no difference.
        let every: Vec<_> = (0..=300).map(|at| (back + at, 10 + at)).collect();
        let every = [vec![(NOON, 10)], every].concat();
        let shown_then = shown(&every);
        assert!(shown_then.is_sorted(), "it never goes back");
        assert_eq!(shown_then[200], NOON + 99, "half as fast");
        assert_eq!(shown_then[201..], (0..=100).map(|at| NOON + 100 + at).collect::<Vec<_>>());
        assert_eq!(shown(&[(NOON, 10), (back, 10), (back + 300, 310)])[2], NOON + 200);
    }

    #[test]
    fn time_that_nobody_counted_has_passed() {
        // The machine stood still for an hour, and the monotonic clock with it.
        assert_eq!(shown(&[(NOON, 10), (NOON + 3600, 11)]), [NOON, NOON + 3600]);
        let mut course = Course::default();
        let at = Duration::from_secs;
        course.show(at(NOON), at(10));
        assert_eq!(course.show(at(NOON + 3601), at(11)).1, Some(Step::Forward(at(3600))));
    }

    proptest::proptest! {
        #[test]
        fn it_never_goes_back_and_never_stands_still(
            steps in proptest::collection::vec((0_u64..10_000, 0_u64..10_000), 1..50),
        ) {
            let mut course = Course::default();
            let (mut at, mut before) = (0_u64, 0_u64);
            for (wall, passed) in steps {
                at = at.saturating_add(passed);
                let wall = wall.saturating_add(NOON);
                let (now, _) =
                    course.show(Duration::from_millis(wall), Duration::from_millis(at));
                let now = u64::try_from(now.as_millis()).unwrap();
                proptest::prop_assert!(now >= before.saturating_add(passed >> 1), "{now} {before} {passed}");
                proptest::prop_assert!(now >= wall, "never behind the wall clock");
                before = now;
            }
        }
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
