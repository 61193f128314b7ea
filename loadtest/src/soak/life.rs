//! What is true of a token at a moment: pure rules, without anything that asks or answers.

use std::time::{Duration, Instant};

use super::stage::{At, Spans};

/// What `docs/replicas.md` promises: a revocation holds on all replicas within that.
pub(super) const REACH: Duration = Duration::from_secs(5);
/// How long after `exp` a token may still be good (RFC 7519 §4.1.4), in seconds.
const LEEWAY: i64 = 60;
/// Our clock and that of the replicas may be that far apart: they are the same, but seconds round.
const ROUNDING: i64 = 2;

/// What an answer may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Active,
    Inactive,
    Either,
}

/// When and where something was asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: At,
    pub(super) sent: Instant,
    pub(super) heard: Instant,
    /// In seconds since 1970.
    pub(super) sent_unix: i64,
    pub(super) heard_unix: i64,
}

/// An order to revoke.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) ordered: Instant,
    /// When, and by whom; none: nobody knows whether it was carried out.
    pub(super) acknowledged: Option<(Instant, At)>,
}

/// Of one token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    /// In seconds since 1970.
    pub(super) expires: i64,
    pub(super) ended: Option<Ended>,
}

impl Expected {
    /// Of a token that is good only if two things are.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Inactive, _) | (_, Self::Inactive) => Self::Inactive,
            (Self::Active, Self::Active) => Self::Active,
            _ => Self::Either,
        }
    }
}

impl Life {
    pub(super) fn expected(&self, moment: &Moment, redis_away: &Spans) -> Expected {
        let by_time = if moment.heard_unix < self.expires - ROUNDING {
            Expected::Active
        } else if moment.sent_unix > self.expires + LEEWAY + ROUNDING {
            Expected::Inactive
        } else {
            Expected::Either
        };
        by_time.and(self.ended.map_or(Expected::Active, |ended| ended.expected(moment, redis_away)))
    }

    /// Whether it lives for so many seconds after an answer, as far as time goes.
    pub(super) const fn outlives(&self, moment: &Moment, seconds: i64) -> bool {
        moment.heard_unix + seconds < self.expires
    }
}

impl Ended {
    fn expected(&self, moment: &Moment, redis_away: &Spans) -> Expected {
        if moment.heard < self.ordered {
            return Expected::Active;
        }
        match self.holds_from(moment.at, redis_away) {
            Some(from) if moment.sent >= from => Expected::Inactive,
            _ => Expected::Either,
        }
    }

    /// At the replica that took it at once, elsewhere within the promised time, which begins when
    /// Redis is back if it was away.
    fn holds_from(&self, at: At, redis_away: &Spans) -> Option<Instant> {
        let (acknowledged, by) = self.acknowledged?;
        if (by.place, by.incarnation) == (at.place, at.incarnation) {
            return Some(acknowledged);
        }
        let due = acknowledged + REACH;
        match redis_away.last_end(self.ordered, due) {
            None => Some(due),
            Some(back) => Some(due.max(back? + REACH)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(place: usize, incarnation: u64) -> At {
        let anywhere = ([127, 0, 0, 1], 1).into();
        At { place, incarnation, id: 1, public: anywhere, admin: anywhere }
    }

    fn moment(at: At, sent: Instant, unix: i64) -> Moment {
        Moment { at, sent, heard: sent, sent_unix: unix, heard_unix: unix }
    }

    #[test]
    fn time_alone_ends_a_token_within_the_leeway() {
        let (life, spans) = (Life { expires: 1000, ended: None }, Spans::default());
        let now = Instant::now();
        let expected = |unix| life.expected(&moment(at(0, 0), now, unix), &spans);
        assert_eq!(expected(900), Expected::Active);
        assert_eq!(expected(1030), Expected::Either);
        assert_eq!(expected(1063), Expected::Inactive);
    }

    #[test]
    fn a_revocation_holds_here_at_once_and_elsewhere_in_time() {
        let (begun, second) = (Instant::now(), Duration::from_secs(1));
        let (ordered, acknowledged) = (begun + second, begun + 2 * second);
        let ended = Some(Ended { ordered, acknowledged: Some((acknowledged, at(1, 7))) });
        let (life, spans) = (Life { expires: 1000, ended }, Spans::default());
        let expected = |at, sent| life.expected(&moment(at, sent, 10), &spans);
        assert_eq!(expected(at(1, 7), begun), Expected::Active);
        assert_eq!(expected(at(1, 7), ordered), Expected::Either);
        assert_eq!(expected(at(1, 7), acknowledged), Expected::Inactive);
        assert_eq!(expected(at(1, 8), acknowledged), Expected::Either, "another process");
        assert_eq!(expected(at(0, 0), acknowledged + 4 * second), Expected::Either);
        assert_eq!(expected(at(0, 0), acknowledged + 5 * second), Expected::Inactive);
    }

    #[test]
    fn while_redis_is_away_a_revocation_holds_where_it_was_ordered() {
        let begun = Instant::now();
        let spans = Spans::default();
        spans.begin();
        let ended = Some(Ended { ordered: begun, acknowledged: Some((begun, at(1, 7))) });
        let life = Life { expires: 1000, ended };
        let late = begun + Duration::from_secs(100);
        assert_eq!(life.expected(&moment(at(1, 7), late, 10), &spans), Expected::Inactive);
        assert_eq!(life.expected(&moment(at(2, 1), late, 10), &spans), Expected::Either);
        spans.end();
        assert_eq!(life.expected(&moment(at(2, 1), late, 10), &spans), Expected::Inactive);
    }

    #[test]
    fn what_comes_of_a_token_ends_with_it() {
        use Expected::{Active, Either, Inactive};
        assert_eq!(Active.and(Active), Active);
        assert_eq!(Active.and(Inactive), Inactive);
        assert_eq!(Either.and(Inactive), Inactive);
        assert_eq!(Either.and(Active), Either);
    }
}
