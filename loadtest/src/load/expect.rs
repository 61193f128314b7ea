//! Which answer is right.

use anyhow::ensure;

use crate::load::connection::Answer;

/// What an answer about a good token begins with.
const ACTIVE: &[u8] = br#"{"active":true,"#;
/// All that is said about any other token.
const INACTIVE: &[u8] = br#"{"active":false}"#;
/// What the answer to a good exchange begins with.
const ISSUED: &[u8] = br#"{"access_token":""#;
/// What a JWT begins with.
const JWT: &[u8] = b"eyJ";

/// The right answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The token is good.
    Active,
    /// It is not, for whatever reason.
    Inactive,
    /// A JWT is issued.
    Jwt,
    /// An opaque token is issued.
    Opaque,
    /// 200, and a body of this [`digest`]: that of the answer that was looked at as a whole.
    Same(u64),
}

impl Expect {
    pub(crate) fn is_met_by(&self, answer: Answer<'_>) -> bool {
        let Answer { status, body, .. } = answer;
        match self {
            Self::Active => status == 200 && body.starts_with(ACTIVE),
            Self::Inactive => status == 200 && body == INACTIVE,
            Self::Jwt => issued(answer).is_some_and(|token| token.starts_with(JWT)),
            Self::Opaque => issued(answer).is_some_and(|token| !token.starts_with(JWT)),
            Self::Same(expected) => status == 200 && digest(body) == *expected,
        }
    }

    /// Fails the run if the answer is wrong.
    pub(crate) fn check(&self, answer: Answer<'_>) -> anyhow::Result<()> {
        ensure!(self.is_met_by(answer), "a wrong answer, not {self:?}: {answer}");
        Ok(())
    }
}

/// What is left of the body from the token that was issued.
fn issued(answer: Answer<'_>) -> Option<&[u8]> {
    answer.body.strip_prefix(ISSUED).filter(|_| answer.status == 200)
}

/// Tells bodies apart. Not for secrets: it must only be cheaper than what is measured.
pub(crate) fn digest(body: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |lane: u64, word: u64| (lane ^ word).wrapping_mul(ODD).rotate_left(29);
    let mut lanes = [1_u64, 2, 3, 4];
    let (blocks, rest) = body.as_chunks::<32>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for (lane, word) in lanes.iter_mut().zip(words) {
            *lane = mix(*lane, u64::from_le_bytes(*word));
        }
    }
    let rest = rest.iter().fold(body.len() as u64, |all, byte| mix(all, u64::from(*byte)));
    lanes.into_iter().fold(rest, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_byte_anywhere_is_another_body() {
        let body = vec![b'x'; 1094];
        let right = digest(&body);
        for at in 0..body.len() {
            let mut other = body.clone();
            other[at] = b'y';
            assert_ne!(digest(&other), right, "{at}");
        }
        assert_ne!(digest(&body[1..]), right);
    }

    #[test]
    fn wrong_answers_are_told_from_right_ones() {
        let answer = |status, body| Answer { status, body, closes: false };
        let active = answer(200, br#"{"active":true,"sub":"a"}"#);
        let inactive = answer(200, INACTIVE);
        let jwt = answer(200, br#"{"access_token":"eyJh"}"#);
        let opaque = answer(200, br#"{"access_token":"tsr_"}"#);
        let down = answer(503, b"{}");
        let all = [active, inactive, jwt, opaque, down];
        let expected = [Expect::Active, Expect::Inactive, Expect::Jwt, Expect::Opaque];
        for (right, expect) in expected.iter().enumerate() {
            for (other, answer) in all.iter().enumerate() {
                assert_eq!(expect.is_met_by(*answer), right == other, "{expect:?} {answer}");
            }
        }
        assert!(Expect::Same(digest(active.body)).is_met_by(active));
        assert!(!Expect::Same(digest(active.body)).is_met_by(inactive));
    }
}
