//! Slows down those who guess secrets (A231): a burst of failures is allowed, then a trickle.
//!
//! Only failures count, and only against the key they were made under, so nobody is slowed by the
//! mistakes of others.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use governor::clock::Clock as LimiterClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};

use crate::ports::{Clock, Throttle, ThrottleKey};

/// Failures at once, and failures in a minute after those.
const FAILURES: NonZeroU32 = match NonZeroU32::new(10) {
    Some(count) => count,
    None => NonZeroU32::MIN,
};
/// Most keys that are remembered; about 4 MB.
const MAX_KEYS: usize = 50_000;
/// How many keys are compared when one has to be forgotten.
const CANDIDATES: usize = 16;

/// Ten failures at once, then ten a minute, for each key.
#[derive(Debug)]
pub struct FailureThrottle {
    limiter: RateLimiter<Ask, Ledger, PortClock, NoOpMiddleware<Nanos>>,
    clock: Arc<dyn Clock>,
    /// Set by the first failure and then for good: the ledger forgets nothing unless it is full.
    has_failures: AtomicBool,
}

impl FailureThrottle {
    /// A throttle without any failures yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_capacity(clock, MAX_KEYS)
    }

    fn with_capacity(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        let quota = Quota::per_minute(FAILURES).allow_burst(FAILURES);
        let ledger = Ledger { debts: RwLock::default(), capacity };
        let limiter = RateLimiter::new(quota, ledger, PortClock(Arc::clone(&clock)));
        Self { limiter, clock, has_failures: AtomicBool::new(false) }
    }
}

impl Throttle for FailureThrottle {
    fn is_idle(&self) -> bool {
        !self.has_failures.load(Ordering::Acquire)
    }

    fn admit(&self, key: &ThrottleKey) -> Result<(), u64> {
        self.limiter.check_key(&Ask::WouldPass(*key)).map_err(|refusal| {
            let wait = refusal.wait_time_from(reading(self.clock.as_ref()));
            wait.as_nanos().div_ceil(1_000_000_000).try_into().unwrap_or(u64::MAX).max(1)
        })
    }

    fn failed(&self, key: &ThrottleKey) {
        // A refusal here means that the budget is already spent: `admit` tells.
        drop(self.limiter.check_key(&Ask::Spend(*key)));
        self.has_failures.store(true, Ordering::Release);
    }
}

/// Our clock in the limiter's words.
#[derive(Debug)]
struct PortClock(Arc<dyn Clock>);

impl LimiterClock for PortClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        reading(self.0.as_ref())
    }
}

fn reading(clock: &dyn Clock) -> Nanos {
    // The limiter panics beyond 584 years of nanoseconds; this ends in the year 2286.
    let seconds = clock.now().seconds().clamp(0, 9_999_999_999);
    Duration::from_secs(seconds.unsigned_abs()).into()
}

/// The limiter can only spend. The question whether it would let one pass is the same question,
/// put to a ledger that writes nothing down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ask {
    WouldPass(ThrottleKey),
    Spend(ThrottleKey),
}

/// When each key's debt will be paid off, counted from the limiter's start.
#[derive(Debug)]
struct Ledger {
    debts: RwLock<HashMap<ThrottleKey, Nanos>>,
    capacity: usize,
}

impl StateStore for Ledger {
    type Key = Ask;

    fn measure_and_replace<T, F, E>(&self, ask: &Ask, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // Every change is one insertion or removal, so a poisoned lock is still good.
        match ask {
            Ask::WouldPass(key) => {
                let debts = self.debts.read().unwrap_or_else(PoisonError::into_inner);
                decide(debts.get(key).copied()).map(|(passed, _)| passed)
            }
            Ask::Spend(key) => {
                let mut debts = self.debts.write().unwrap_or_else(PoisonError::into_inner);
                let (passed, debt) = decide(debts.get(key).copied())?;
                if debts.len() >= self.capacity && !debts.contains_key(key) {
                    forget_a_small_debt(&mut debts);
                }
                debts.insert(*key, debt);
                Ok(passed)
            }
        }
    }
}

/// Makes room: of a few keys, forgets the one whose debt ends first.
///
/// When the table is full of the failures of an army, refusing all unknown keys would shut out
/// honest callers, and asking each time for a full sweep would cost more than the guesses. So the
/// army can make us forget its small debts, and for each has to fail under another key: with
/// secrets of 128 bits and more this gains nothing.
fn forget_a_small_debt(debts: &mut HashMap<ThrottleKey, Nanos>) {
    let smallest = debts.iter().take(CANDIDATES).min_by_key(|(_, debt)| **debt);
    if let Some(key) = smallest.map(|(key, _)| *key) {
        debts.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::clock::ManualClock;
    use crate::protocol::ids::Fingerprint;
    use crate::protocol::time::{Seconds, UnixTime};

    fn key(name: &str) -> ThrottleKey {
        ThrottleKey(Fingerprint::of(name.as_bytes()))
    }

    fn throttle(capacity: usize) -> (Arc<ManualClock>, FailureThrottle) {
        let clock = Arc::new(ManualClock::new(UnixTime::from_seconds(1_800_000_000)));
        let throttle = FailureThrottle::with_capacity(Arc::clone(&clock) as _, capacity);
        (clock, throttle)
    }

    fn fail(throttle: &FailureThrottle, key: ThrottleKey, times: usize) {
        (0..times).for_each(|_| throttle.failed(&key));
    }

    #[test]
    fn ten_failures_spend_the_budget_of_one_key_only() {
        let (_, throttle) = throttle(100);
        for _ in 0..9 {
            throttle.failed(&key("a"));
            assert_eq!(throttle.admit(&key("a")), Ok(()));
        }
        throttle.failed(&key("a"));
        assert_eq!(throttle.admit(&key("a")), Err(6), "A231");
        assert_eq!(throttle.admit(&key("b")), Ok(()), "A231: others are unaffected");
    }

    #[test]
    fn asking_spends_nothing_and_more_failures_cost_no_more_time() {
        let (clock, throttle) = throttle(100);
        (0..1000).for_each(|_| assert_eq!(throttle.admit(&key("a")), Ok(())));
        fail(&throttle, key("a"), 1000);
        assert_eq!(throttle.admit(&key("a")), Err(6));
        clock.advance(Seconds::new(5));
        assert_eq!(throttle.admit(&key("a")), Err(1));
        clock.advance(Seconds::new(1));
        assert_eq!(throttle.admit(&key("a")), Ok(()));
        throttle.failed(&key("a"));
        assert_eq!(throttle.admit(&key("a")), Err(6), "ten a minute after the burst");
        clock.advance(Seconds::minutes(1));
        fail(&throttle, key("a"), 9);
        assert_eq!(throttle.admit(&key("a")), Ok(()), "a quiet minute restores the burst");
    }

    #[test]
    fn a_full_table_forgets_small_debts_and_stays_bounded() {
        let (_, throttle) = throttle(CANDIDATES);
        fail(&throttle, key("guesser"), 10);
        for honest in 0..1000 {
            let honest = key(&honest.to_string());
            assert_eq!(throttle.admit(&honest), Ok(()), "nobody is shut out by a full table");
            throttle.failed(&honest);
        }
        let (_, ledger) = (&throttle.clock, throttle.limiter.into_state_store());
        let debts = ledger.debts.into_inner().unwrap();
        assert_eq!(debts.len(), CANDIDATES);
        assert!(debts.contains_key(&key("guesser")), "a large debt is kept");
    }
}
