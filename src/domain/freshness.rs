//! When is a key set fetched again, and how long is one trusted that could not be?
//!
//! Four questions meet here: a set grows old, an authority may be down, a token may name a key
//! that is new, and anybody may invent such names (A38, A252). The answer to each is a pure
//! function of what happened so far, so no number of callers can make it ask more often.

use crate::protocol::time::{Seconds, UnixTime};

/// The longest wait after a failed attempt.
const LONGEST_WAIT: Seconds = Seconds::minutes(1);

/// The spans of one configuration.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// A set is fetched again when older than this.
    pub refresh: Seconds,
    /// Unknown `kid`s cause at most one fetch in this time.
    pub cooldown: Seconds,
    /// A set is not trusted when it is this old.
    pub max_stale: Seconds,
}

/// Why a set is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// There is none that can be trusted.
    Any,
    /// The present set does not have the `kid` of a token.
    NewKey,
    /// It may have grown old.
    Younger,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Fetch now.
    Fetch,
    /// The present set is the truth, as far as can be asked now.
    UsePresent,
    /// The truth is not known, and asking again must wait.
    Unavailable,
}

/// What happened to the key set of one issuer so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct History {
    /// When the set that is in use was asked for.
    succeeded: Option<UnixTime>,
    /// When the last attempt ended.
    attempted: Option<UnixTime>,
    /// When an unknown `kid` last caused an attempt.
    for_new_key: Option<UnixTime>,
    /// Failed attempts since the last good one.
    failures: u32,
}

impl History {
    /// Records that an attempt begins at `now` because of `want`.
    pub fn begin(&mut self, want: Want, now: UnixTime) {
        if want == Want::NewKey {
            self.for_new_key = Some(now);
        }
    }

    /// Records that the attempt which began at `asked` gave a set, at `now`.
    pub fn succeed(&mut self, asked: UnixTime, now: UnixTime) {
        self.succeeded = Some(asked);
        self.attempted = Some(now);
        self.failures = 0;
    }

    /// Records that an attempt failed at `now`.
    pub fn fail(&mut self, now: UnixTime) {
        self.attempted = Some(now);
        self.failures = self.failures.saturating_add(1);
    }

    /// When the set that is in use was asked for.
    pub const fn fetched_at(&self) -> Option<UnixTime> {
        self.succeeded
    }

    /// Failed attempts since the last good one.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether the set in use may be trusted at `now`. Agrees with the moment until which its
    /// keys are trusted.
    pub fn is_trusted(&self, rules: &Rules, now: UnixTime) -> bool {
        self.succeeded.is_some_and(|at| now < at.plus(rules.max_stale))
    }

    /// What to do when a set is wanted at `now`, given that no attempt is under way.
    pub fn decide(&self, want: Want, rules: &Rules, now: UnixTime) -> Decision {
        if !self.is_trusted(rules, now) {
            return if self.waits(now) { Decision::Unavailable } else { Decision::Fetch };
        }
        match want {
            Want::NewKey => self.decide_new_key(rules, now),
            Want::Younger if self.is_due(rules, now) => Decision::Fetch,
            Want::Any | Want::Younger => Decision::UsePresent,
        }
    }

    /// The cooldown runs from the last attempt that an unknown name caused, not from the last of
    /// any kind: keys may be rotated just after a fetch by age, and their tokens are good.
    fn decide_new_key(&self, rules: &Rules, now: UnixTime) -> Decision {
        let within = |at: Option<UnixTime>| at.is_some_and(|at| now < at.plus(rules.cooldown));
        match (self.failures, within(self.for_new_key) || self.waits(now)) {
            (_, false) => Decision::Fetch,
            (0, true) => Decision::UsePresent,
            // The key may well be good; the attempts by age go on and will tell.
            (_, true) => Decision::Unavailable,
        }
    }

    /// Whether a set should be fetched with nobody waiting for it: it is old, or the last attempt
    /// failed, for whatever reason that was made.
    fn is_due(&self, rules: &Rules, now: UnixTime) -> bool {
        let old = self.succeeded.is_none_or(|at| now >= at.plus(rules.refresh));
        (old || self.failures > 0) && !self.waits(now)
    }

    /// Whether the last attempt failed so recently that another must wait.
    fn waits(&self, now: UnixTime) -> bool {
        self.attempted.is_some_and(|at| now < at.plus(wait_after(self.failures)))
    }
}

/// The wait after this many failures: 1, 2, 4 … 60 s.
fn wait_after(failures: u32) -> Seconds {
    match failures {
        0 => Seconds::new(0),
        // 2^6 is already longer than the longest.
        1..=6 => Seconds::new(1_i64.wrapping_shl(failures.saturating_sub(1))),
        _ => LONGEST_WAIT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        refresh: Seconds::hours(1),
        cooldown: Seconds::minutes(5),
        max_stale: Seconds::hours(24),
    };

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(1_000_000).plus(Seconds::new(seconds))
    }

    fn fetched() -> History {
        let mut history = History::default();
        history.succeed(at(0), at(0));
        history
    }

    fn decisions(history: &History, now: i64) -> [Decision; 3] {
        [Want::Any, Want::NewKey, Want::Younger].map(|want| history.decide(want, &RULES, at(now)))
    }

    #[test]
    fn a_good_set_is_used_then_refreshed_then_not_trusted() {
        use Decision::{Fetch, UsePresent};
        let history = fetched();
        for (now, expected) in [
            (0, [UsePresent, Fetch, UsePresent]),
            (3599, [UsePresent, Fetch, UsePresent]),
            (3600, [UsePresent, Fetch, Fetch]),
            (86_399, [UsePresent, Fetch, Fetch]),
            (86_400, [Fetch, Fetch, Fetch]),
        ] {
            assert_eq!(decisions(&history, now), expected, "at {now}");
        }
        assert!(history.is_trusted(&RULES, at(86_399)));
        assert!(!history.is_trusted(&RULES, at(86_400)), "A252");
    }

    #[test]
    fn attempts_back_off_while_there_is_no_set() {
        let mut history = History::default();
        assert_eq!(decisions(&history, 0), [Decision::Fetch; 3]);
        for (failures, wait) in (1..).zip([1, 2, 4, 8, 16, 32, 60, 60, 60]) {
            history.fail(at(0));
            assert_eq!(history.failures(), failures);
            assert_eq!(decisions(&history, wait - 1), [Decision::Unavailable; 3], "{failures}");
            assert_eq!(decisions(&history, wait), [Decision::Fetch; 3], "{failures}");
        }
        history.succeed(at(60), at(61));
        assert_eq!(history.decide(Want::Any, &RULES, at(62)), Decision::UsePresent);
        assert_eq!(history.decide(Want::Younger, &RULES, at(62)), Decision::UsePresent);
        assert_eq!(history.failures(), 0);
    }

    #[test]
    fn a_failure_makes_new_keys_unknowable_and_leaves_known_ones_alone() {
        use Decision::{Fetch, Unavailable, UsePresent};
        let mut history = fetched();
        history.begin(Want::NewKey, at(1000));
        history.fail(at(1010));
        for (now, expected) in [
            (1010, [UsePresent, Unavailable, UsePresent]),
            // The service's own retry heals it; the name in a token cannot cause a second one.
            (1011, [UsePresent, Unavailable, Fetch]),
            (1299, [UsePresent, Unavailable, Fetch]),
            (1300, [UsePresent, Fetch, Fetch]),
        ] {
            assert_eq!(decisions(&history, now), expected, "at {now}");
        }
    }

    #[test]
    fn a_failure_by_age_lets_one_new_key_ask_once_the_wait_is_over() {
        let mut history = fetched();
        history.fail(at(3600));
        let ask = |history: &History, now| history.decide(Want::NewKey, &RULES, at(now));
        assert_eq!(ask(&history, 3600), Decision::Unavailable);
        assert_eq!(ask(&history, 3601), Decision::Fetch);
        history.begin(Want::NewKey, at(3601));
        history.fail(at(3601));
        assert_eq!(ask(&history, 3900), Decision::Unavailable);
        assert_eq!(ask(&history, 3901), Decision::Fetch);
    }

    #[test]
    fn any_number_of_unknown_names_causes_one_fetch_in_a_cooldown() {
        for authority_is_up in [true, false] {
            let mut history = fetched();
            let mut fetches = 0;
            for now in 0..1500 {
                if history.decide(Want::NewKey, &RULES, at(now)) == Decision::Fetch {
                    fetches += 1;
                    history.begin(Want::NewKey, at(now));
                    if authority_is_up {
                        history.succeed(at(now), at(now));
                    } else {
                        history.fail(at(now));
                    }
                }
            }
            assert_eq!(fetches, 5, "A38: at 0, 300, 600, 900 and 1200 s; up: {authority_is_up}");
        }
    }
}
