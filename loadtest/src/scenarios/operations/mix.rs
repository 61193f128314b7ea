//! What is asked while everything happens, and which answers are right.

use anyhow::{Context as _, ensure};

use super::site::Site;
use crate::load::connection::{Answer, once};
use crate::load::expect::Expect;
use crate::load::population::{Question, exchanges, form, introspections};
use crate::load::random::Random;
use crate::system::wait::wait_until;

/// How many tokens are revoked before anything begins. None of them is active ever again.
const REVOKED: usize = 20;
/// What the answer about an Entra token says that its mapping gave: `p-` and a number.
const POLICY: &[u8] = br#""policies":["p-"#;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// About an Entra token that was asked about before.
    Known,
    /// About one that was not.
    New,
    /// About one that Entra signed with its new key.
    NewKey,
    /// About one that was revoked.
    Revoked,
    /// About a JWT that was issued a moment ago by whichever replica.
    Issued,
    /// About an opaque token that was.
    Opaque,
    /// For a JWT.
    ToJwt,
    /// For an opaque token.
    ToOpaque,
}

/// What is told apart in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Introspection,
    Exchange,
    /// Whatever has to do with opaque tokens, which are kept in Redis.
    Opaque,
}

/// Of a hundred requests.
const SHARES: [(Kind, usize); 8] = [
    (Kind::Known, 60),
    (Kind::New, 8),
    (Kind::NewKey, 8),
    (Kind::Revoked, 5),
    (Kind::Issued, 8),
    (Kind::Opaque, 5),
    (Kind::ToJwt, 4),
    (Kind::ToOpaque, 2),
];

/// What was seen of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    /// 503 about something that only Redis knows, while that cannot be asked: documented, and told
    /// apart from failures.
    Unknowable,
    Failed(String),
    Wrong(String),
}

/// What may be true when an answer arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truth {
    /// The oldest and the newest configuration that may answer.
    pub(super) configurations: (u64, u64),
    /// Redis cannot be asked.
    pub(super) redis_is_away: bool,
}

/// What requests are made of.
pub(super) struct Tokens {
    known: Vec<Question>,
    new: Vec<Question>,
    of_new_key: Vec<Question>,
    revoked: Vec<Question>,
    to_jwt: Vec<Question>,
    to_opaque: Vec<Question>,
}

impl Kind {
    /// The kind of the request of this number: at random, and the same in each run.
    pub(super) fn of(number: u64) -> Self {
        let mut left = drawn(number, 100);
        for (kind, share) in SHARES {
            if left < share {
                return kind;
            }
            left -= share;
        }
        Self::Known
    }

    pub(super) const fn class(self) -> Class {
        match self {
            Self::Known | Self::New | Self::NewKey | Self::Revoked | Self::Issued => {
                Class::Introspection
            }
            Self::ToJwt => Class::Exchange,
            Self::Opaque | Self::ToOpaque => Class::Opaque,
        }
    }

    /// What `answer` is, if this is `true` now.
    pub(super) fn judge(self, answer: Answer<'_>, truth: Truth) -> Verdict {
        let told = || format!("{self:?}: {answer}");
        match answer.status {
            200 if self.is_right(answer, truth) => Verdict::Right,
            200 => Verdict::Wrong(told()),
            503 if self.class() == Class::Opaque && truth.redis_is_away => Verdict::Unknowable,
            _ => Verdict::Failed(told()),
        }
    }

    fn is_right(self, answer: Answer<'_>, truth: Truth) -> bool {
        let (oldest, newest) = truth.configurations;
        match self {
            Self::Known | Self::New | Self::NewKey => {
                let configuration = configuration(answer.body);
                Expect::Active.is_met_by(answer)
                    && configuration.is_some_and(|number| (oldest..=newest).contains(&number))
            }
            Self::Revoked => Expect::Inactive.is_met_by(answer),
            Self::Issued | Self::Opaque => Expect::Active.is_met_by(answer),
            Self::ToJwt => Expect::Jwt.is_met_by(answer),
            Self::ToOpaque => Expect::Opaque.is_met_by(answer),
        }
    }
}

/// A number below `end`, drawn for the request of this number: the same in each run.
pub(super) fn drawn(number: u64, end: usize) -> usize {
    Random::seeded(number).below(end)
}

/// Which configuration answered: its mapping rule grants a policy with its number.
fn configuration(body: &[u8]) -> Option<u64> {
    let at = body.windows(POLICY.len()).position(|window| window == POLICY)?;
    let rest = body.get(at + POLICY.len()..)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

impl Tokens {
    /// Asks about every known token at both replicas, and revokes the last few of them.
    pub(super) fn prepare(
        site: &Site,
        known: &[String],
        new: &[String],
        of_new_key: &[String],
    ) -> anyhow::Result<Self> {
        let (known, revoked) = known.split_at(known.len() - REVOKED);
        let replicas = site.both()?;
        for token in revoked {
            once(replicas[0].address.admin, &form("/revocations", &format!("token={token}")))?;
        }
        let (known_questions, revoked) = (introspections(known), introspections(revoked));
        for replica in replicas {
            let dead = |question: &Question| {
                Ok(once(replica.address.public, &question.bytes)?.starts_with(b"{\"active\":false"))
            };
            for question in &revoked {
                wait_until("a revocation", || dead(question))?;
            }
            for question in &known_questions {
                let body = once(replica.address.public, &question.bytes)?;
                ensure!(configuration(&body) == Some(1), "{}", String::from_utf8_lossy(&body));
            }
        }
        Ok(Self {
            to_jwt: exchanges(known, "orders", Expect::Jwt),
            to_opaque: exchanges(known, "opaque", Expect::Opaque),
            known: known_questions,
            new: introspections(new),
            of_new_key: introspections(of_new_key),
            revoked,
        })
    }

    /// The request of this kind and number; none for what has to be issued first.
    pub(super) fn request(&self, kind: Kind, number: u64) -> anyhow::Result<Option<&[u8]>> {
        let of = match kind {
            Kind::Known => &self.known,
            Kind::New => &self.new,
            Kind::NewKey => &self.of_new_key,
            Kind::Revoked => &self.revoked,
            Kind::ToJwt => &self.to_jwt,
            Kind::ToOpaque => &self.to_opaque,
            Kind::Issued | Kind::Opaque => return Ok(None),
        };
        // New ones in turn, so that each is new; the others at random.
        let place = match kind {
            Kind::New => usize::try_from(number)? % of.len().max(1),
            _ => drawn(!number, of.len()),
        };
        let question = of.get(place).context("no question")?;
        Ok(Some(&question.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUTH: Truth = Truth { configurations: (2, 3), redis_is_away: false };

    fn judged(kind: Kind, status: u16, body: &[u8], truth: Truth) -> Verdict {
        kind.judge(Answer { status, body, closes: false }, truth)
    }

    #[test]
    fn an_answer_of_another_configuration_is_wrong() {
        for (policy, right) in [("p-1", false), ("p-2", true), ("p-3", true), ("p-4", false)] {
            let body = format!(r#"{{"active":true,"policies":["{policy}"]}}"#);
            let verdict = judged(Kind::Known, 200, body.as_bytes(), TRUTH);
            assert_eq!(verdict == Verdict::Right, right, "{policy}: {verdict:?}");
        }
    }

    #[test]
    fn a_revoked_token_is_never_active_and_a_good_one_never_inactive() {
        let (active, inactive) = (br#"{"active":true,"sub":"a"}"#, br#"{"active":false}"#);
        assert!(matches!(judged(Kind::Revoked, 200, active, TRUTH), Verdict::Wrong(_)));
        assert_eq!(judged(Kind::Revoked, 200, inactive, TRUTH), Verdict::Right);
        assert!(matches!(judged(Kind::Issued, 200, inactive, TRUTH), Verdict::Wrong(_)));
        assert!(matches!(judged(Kind::Opaque, 200, inactive, TRUTH), Verdict::Wrong(_)));
    }

    #[test]
    fn only_what_redis_alone_knows_may_be_unknowable_and_only_while_it_is_away() {
        let away = Truth { redis_is_away: true, ..TRUTH };
        assert_eq!(judged(Kind::Opaque, 503, b"{}", away), Verdict::Unknowable);
        assert_eq!(judged(Kind::ToOpaque, 503, b"{}", away), Verdict::Unknowable);
        for kind in [Kind::Known, Kind::New, Kind::Issued, Kind::ToJwt, Kind::Revoked] {
            assert!(matches!(judged(kind, 503, b"{}", away), Verdict::Failed(_)), "{kind:?}");
        }
        assert!(matches!(judged(Kind::Opaque, 503, b"{}", TRUTH), Verdict::Failed(_)));
        assert!(matches!(judged(Kind::Opaque, 500, b"{}", away), Verdict::Failed(_)));
    }

    #[test]
    fn kinds_come_as_often_as_they_are_meant_to() {
        let often = |kind| (0..100_000).filter(|number| Kind::of(*number) == kind).count();
        for (kind, share) in SHARES {
            let (found, meant) = (often(kind) as f64, share as f64 * 1000.0);
            assert!((found - meant).abs() < meant * 0.1, "{kind:?}: {found}, not {meant}");
        }
    }
}
