//! When requests are due, whatever became of those before: an open loop that can stand beside other
//! traffic on the same thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::load::random::Random;

/// Requests of many independent askers (Poisson). What is late is still asked, and how late it was
/// counts as latency: whoever waits for a slow server would otherwise hide it ("coordinated
/// omission"). Cheap to clone; all clones share one schedule.
#[derive(Clone)]
pub(crate) struct Schedule(Rc<Plan>);

struct Plan {
    begun: Instant,
    per_second: f64,
    lasts: Duration,
    random: RefCell<Random>,
    /// When the next one is due, since the beginning.
    next: Cell<Duration>,
    taken: Cell<u32>,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The request of this number and of this moment.
    Now(u32, Instant),
    /// Nothing: the next one is due later.
    Later,
    /// There are no more.
    Over,
}

impl Schedule {
    /// `per_second` on average, from now on, for so long.
    pub(crate) fn from_now(per_second: f64, lasts: Duration, seed: u64) -> Self {
        Self(Rc::new(Plan {
            begun: Instant::now(),
            per_second,
            lasts,
            random: RefCell::new(Random::seeded(seed)),
            next: Cell::default(),
            taken: Cell::default(),
        }))
    }

    /// Takes the next one, if it is due at `now`.
    pub(crate) fn take(&self, now: Instant) -> Due {
        let plan = &*self.0;
        let after = plan.next.get();
        if after >= plan.lasts {
            return Due::Over;
        }
        let moment = plan.begun + after;
        if moment > now {
            return Due::Later;
        }
        let gap = plan.random.borrow_mut().gap() / plan.per_second;
        plan.next.set(after + Duration::from_secs_f64(gap));
        let number = plan.taken.replace(plan.taken.get() + 1);
        Due::Now(number, moment)
    }

    /// How many were taken so far.
    pub(crate) fn taken(&self) -> u32 {
        self.0.taken.get()
    }

    /// When it began.
    pub(crate) fn begun(&self) -> Instant {
        self.0.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_late_finds_everything_that_was_due_at_its_own_moment() {
        let (lasts, late) = (Duration::from_secs(1), Duration::from_secs(60));
        let schedule = Schedule::from_now(1000.0, lasts, 1);
        let begun = schedule.begun();
        assert_eq!(schedule.take(begun), Due::Now(0, begun));
        let mut last = begun;
        while let Due::Now(number, moment) = schedule.take(begun + late) {
            assert!(moment >= last && moment < begun + lasts);
            last = moment;
            assert_eq!(schedule.taken(), number + 1);
        }
        assert!((900..1100).contains(&schedule.taken()), "{}", schedule.taken());
    }

    #[test]
    fn nothing_is_due_before_its_moment() {
        let schedule = Schedule::from_now(10.0, Duration::from_secs(100), 1);
        let begun = schedule.begun();
        assert_eq!(schedule.take(begun), Due::Now(0, begun));
        assert_eq!(schedule.take(begun), Due::Later);
    }
}
