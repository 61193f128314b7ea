//! What is asked, and how often.

use crate::load::random::Random;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// About an Entra token of the pool.
    Known,
    /// About one that was signed just now.
    New,
    /// About one that was revoked, or has expired.
    Dead,
    /// About a JWT that was issued by whichever replica.
    Issued,
    /// About an opaque token that was.
    Opaque,
    /// For a JWT.
    ToJwt,
    /// For an opaque token.
    ToOpaque,
    /// For a JWT, with a subject that is dead.
    ToJwtOfDead,
    /// The client ends a token that was issued to it (RFC 7009).
    RevokeIssued,
    /// The operator ends an Entra token, and all that came of it.
    RevokeSubject,
    /// About a token with the signature of another.
    Tampered,
    /// About one for another API.
    WrongAudience,
    /// About one that names a key which nobody knows.
    UnknownKey,
    /// With a wrong secret.
    Guess,
    /// Without a token.
    Malformed,
}

/// Of a thousand requests.
pub(super) const SHARES: [(Kind, usize); 15] = [
    (Kind::Known, 460),
    (Kind::New, 40),
    (Kind::Dead, 70),
    (Kind::Issued, 110),
    (Kind::Opaque, 80),
    (Kind::ToJwt, 60),
    (Kind::ToOpaque, 40),
    (Kind::ToJwtOfDead, 20),
    (Kind::RevokeIssued, 15),
    (Kind::RevokeSubject, 5),
    (Kind::Tampered, 35),
    (Kind::WrongAudience, 25),
    (Kind::UnknownKey, 10),
    (Kind::Guess, 10),
    (Kind::Malformed, 20),
];

impl Kind {
    pub(super) fn drawn(random: &mut Random) -> Self {
        let mut left = random.below(1000);
        for (kind, share) in SHARES {
            if left < share {
                return kind;
            }
            left -= share;
        }
        Self::Known
    }

    /// Its place in a record.
    pub(super) fn place(self) -> usize {
        SHARES.iter().position(|(kind, _)| *kind == self).unwrap_or_default()
    }

    /// Whether only Redis knows what it is about, or has to keep it.
    pub(super) const fn needs_redis(self) -> bool {
        matches!(self, Self::Opaque | Self::ToOpaque)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_make_a_thousand() {
        assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<usize>(), 1000);
    }
}
