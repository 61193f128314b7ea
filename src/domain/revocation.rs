//! What ends a token before its time: one mark, whatever came from what is marked.

use super::lineage::{Exposure, MarkKey, TokenId};
use super::principal::PrincipalId;
use super::validate::{CLOCK_SKEW, HORIZON};
use crate::protocol::ids::ClientId;
use crate::protocol::time::UnixTime;

/// A revocation: ends everything that is exposed to `key` since a moment not after `up_to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// What is revoked.
    pub key: MarkKey,
    /// Up to which moment of issue; what was issued in this very second ends too.
    pub up_to: UnixTime,
    /// When nothing that it could end can live any more.
    pub forget_at: UnixTime,
}

impl Mark {
    /// Ends a token and everything that was exchanged from it, now or later: none of that outlives
    /// `expires`, the token's own end.
    pub fn token(id: TokenId, expires: UnixTime) -> Self {
        let forget_at = expires.plus(CLOCK_SKEW).plus(CLOCK_SKEW);
        Self { key: MarkKey::token(id), up_to: UnixTime::MAX, forget_at }
    }

    /// Ends what came from sign-ins of `principal` up to a moment; a later sign-in is not hurt.
    pub fn principal(principal: PrincipalId, up_to: UnixTime) -> Self {
        Self::cut_off(MarkKey::principal(principal), up_to)
    }

    /// Ends what `client` got, or took part in, up to a moment, and what came from that.
    pub fn client(client: &ClientId, up_to: UnixTime) -> Self {
        Self::cut_off(MarkKey::client(client), up_to)
    }

    fn cut_off(key: MarkKey, up_to: UnixTime) -> Self {
        // Nothing is believed that lives longer than the horizon.
        let forget_at = up_to.plus(HORIZON).plus(CLOCK_SKEW).plus(CLOCK_SKEW);
        Self { key, up_to, forget_at }
    }

    /// Both marks of one key as one: the later moment of each. A revocation is never undone (P14).
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            key: self.key,
            up_to: self.up_to.max(other.up_to),
            forget_at: self.forget_at.max(other.forget_at),
        }
    }

    /// Whether it ends what has `exposure`.
    pub fn ends(&self, exposure: &Exposure) -> bool {
        self.key == exposure.key && exposure.issued_at <= self.up_to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(seconds)
    }

    #[test]
    fn a_cut_off_ends_what_was_issued_by_then_and_nothing_later() {
        let client: ClientId = "tyk".parse().unwrap();
        let mark = Mark::client(&client, at(100));
        let exposed = |seconds| Exposure { key: MarkKey::client(&client), issued_at: at(seconds) };
        assert!(mark.ends(&exposed(99)) && mark.ends(&exposed(100)));
        assert!(!mark.ends(&exposed(101)), "a new sign-in is not hurt");
        let other = Exposure { key: MarkKey::client(&"kong".parse().unwrap()), issued_at: at(1) };
        assert!(!mark.ends(&other));
    }

    #[test]
    fn a_second_revocation_never_undoes_the_first() {
        let client: ClientId = "tyk".parse().unwrap();
        let (late, early) = (Mark::client(&client, at(100)), Mark::client(&client, at(50)));
        assert_eq!(late.and(early), late, "P14");
        assert_eq!(early.and(late), late, "P14");
    }

    #[test]
    fn a_mark_is_kept_as_long_as_anything_it_ends_may_live() {
        let mark = Mark::client(&"tyk".parse().unwrap(), at(100));
        assert!(mark.forget_at >= at(100).plus(HORIZON).plus(CLOCK_SKEW));
    }
}
