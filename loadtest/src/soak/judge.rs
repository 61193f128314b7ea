//! Which answers are right.

use serde_json::Value;
use tessera::dev::people::{ALICE, HOME_TENANT};

use super::asked::{About, Asked};
use super::life::{Expected, Moment};
use super::pool::{Issued, Subject};
use super::stage::Stage;
use crate::load::connection::Answer;

/// All that is said about a token that is not good.
const INACTIVE: &[u8] = br#"{"active":false}"#;
/// A subject that lives no longer than this may be too short-lived to be exchanged, in seconds.
const LEAST_LIFE: i64 = 40;
/// How much of an answer is told.
const TOLD: usize = 400;

/// What was seen of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    /// 503 about something that cannot be known while what knows it is away: documented.
    Unknowable,
    Failed(String),
    Wrong(String),
}

/// What may be true from when a request was sent until it was answered.
pub(super) struct Truth<'t> {
    pub(super) stage: &'t Stage,
    pub(super) moment: Moment,
    /// The oldest configuration when it was sent, and the newest when it was answered.
    pub(super) configurations: (u64, u64),
}

/// A complaint, or none.
type Held = Result<(), String>;

fn ensure(holds: bool, what: &str) -> Held {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Truth<'_> {
    /// What `answer` is.
    pub(super) fn judge(&self, asked: &Asked, answer: Answer<'_>) -> Verdict {
        let (stage, Moment { sent, heard, .. }) = (self.stage, self.moment);
        let told = |why: &str| {
            let mut text = format!("{:?} at {}: {why}: {answer}", asked.kind, self.moment.at.place);
            text.truncate(text.floor_char_boundary(TOLD));
            text
        };
        if answer.status == 503 {
            let broken = stage.broken.get(self.moment.at.place);
            // One that was frozen has waited too long for Redis when it wakes up.
            let redis = asked.needs_redis()
                && (stage.redis_away.touches(sent, heard)
                    || broken.is_some_and(|broken| broken.touches(sent, heard)));
            let unknown = matches!(asked.about, About::UnknownKey);
            let entra = unknown && stage.entra_away.touches(sent, heard);
            return if redis || entra { Verdict::Unknowable } else { Verdict::Failed(told("503")) };
        }
        match self.hold(asked, answer) {
            Ok(()) => Verdict::Right,
            Err(why) if matches!(answer.status, 200 | 400 | 401) => Verdict::Wrong(told(&why)),
            Err(why) => Verdict::Failed(told(&why)),
        }
    }

    fn hold(&self, asked: &Asked, answer: Answer<'_>) -> Held {
        match &asked.about {
            About::Subject(one) => {
                let expected = one.life().expected(&self.moment, &self.stage.redis_away);
                self.introspection(expected, answer, |told| self.of_subject(one, told))
            }
            About::Issued(one) => {
                let expected = one.expected(&self.moment, self.stage);
                self.introspection(expected, answer, |told| of_issued(one, told))
            }
            About::Exchange { subject, .. } => self.exchange(subject, answer),
            About::RevokeIssued(_) | About::RevokeSubject(_) => {
                ensure(answer.status == 200, "not revoked")
            }
            About::Never | About::UnknownKey => is_inactive(answer),
            About::Guess => ensure(matches!(answer.status, 401 | 429), "a guess was answered"),
            About::Malformed => ensure(answer.status == 400, "not 400"),
        }
    }

    fn introspection(
        &self,
        expected: Expected,
        answer: Answer<'_>,
        look: impl Fn(&Value) -> Held,
    ) -> Held {
        ensure(answer.status == 200, "not 200")?;
        let inactive = answer.body == INACTIVE;
        match expected {
            Expected::Inactive => return ensure(inactive, "a dead token is active"),
            Expected::Active if inactive => return Err("a good token is inactive".to_owned()),
            Expected::Either if inactive => return Ok(()),
            Expected::Active | Expected::Either => {}
        }
        let told = serde_json::from_slice(answer.body).map_err(|error| error.to_string())?;
        let is = |name: &str, value: &str| told_is(&told, name, value);
        ensure(told.get("active") == Some(&Value::Bool(true)), "neither active nor inactive")?;
        ensure(is("principal", &format!("{}.{HOME_TENANT}", ALICE.oid)), "another principal")?;
        look(&told)
    }

    fn of_subject(&self, subject: &Subject, told: &Value) -> Held {
        ensure(told_is(told, "jti", &subject.name), "the answer of another token")?;
        let number = told.pointer("/policies/0").and_then(Value::as_str);
        let number = number.and_then(|text| text.strip_prefix("p-")?.parse::<u64>().ok());
        let (oldest, newest) = self.configurations;
        let in_force = number.is_some_and(|number| (oldest..=newest).contains(&number));
        ensure(in_force, "of a configuration that is not in force")
    }

    fn exchange(&self, subject: &Subject, answer: Answer<'_>) -> Held {
        let life = subject.life();
        let expected = match life.expected(&self.moment, &self.stage.redis_away) {
            Expected::Active if !life.outlives(&self.moment, LEAST_LIFE) => Expected::Either,
            expected => expected,
        };
        match (expected, answer.status) {
            (Expected::Inactive | Expected::Either, 400) => Ok(()),
            (Expected::Active | Expected::Either, 200) => {
                let told = issued(answer).ok_or("no token")?;
                // P1: never longer than the subject.
                let ends = self.moment.sent_unix + told.expires_in;
                ensure(ends <= life.expires + 2, "it outlives its subject")
            }
            (Expected::Inactive, 200) => Err("issued for a dead subject".to_owned()),
            (Expected::Active, 400) => Err("refused for a good subject".to_owned()),
            _ => Err("neither issued nor refused".to_owned()),
        }
    }
}

fn told_is(told: &Value, name: &str, value: &str) -> bool {
    told.get(name).and_then(Value::as_str) == Some(value)
}

fn of_issued(issued: &Issued, told: &Value) -> Held {
    let resource =
        if issued.opaque { "https://opaque.internal" } else { "https://orders.internal" };
    ensure(told_is(told, "aud", resource), "another audience")?;
    let expires = told.get("exp").and_then(Value::as_i64);
    ensure(expires.is_some_and(|exp| exp <= issued.subject.life().expires), "outlives its subject")
}

fn is_inactive(answer: Answer<'_>) -> Held {
    ensure(answer.status == 200 && answer.body == INACTIVE, "not inactive")
}

/// What an exchange gave.
pub(super) struct Told {
    pub(super) token: String,
    pub(super) expires_in: i64,
}

pub(super) fn issued(answer: Answer<'_>) -> Option<Told> {
    let told: Value = serde_json::from_slice(answer.body).ok()?;
    let token = told.get("access_token")?.as_str()?.to_owned();
    Some(Told { token, expires_in: told.get("expires_in")?.as_i64()? })
}
