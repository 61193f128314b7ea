//! Is this signed token, now, an access token for one of these audiences?

use super::claims::{self, Round};
use super::rejection::{Reason, Rejection};
use super::subject::Subject;
use super::tenant::IssuerId;
use crate::protocol::ids::Guid;
use crate::protocol::json::Object;
use crate::protocol::jws::SignedJwt;
use crate::protocol::time::{Seconds, UnixTime};

/// How far the clocks of two hosts may differ (POL; RFC 7519 §4.1.4 "a few minutes").
pub const CLOCK_SKEW: Seconds = Seconds::new(60);
/// The longest life that is believed; CAE tokens live up to 28 hours (ENT-12).
pub const HORIZON: Seconds = Seconds::hours(48);

/// A token that passed every rule. Only [`access_token`] and [`id_token`] make one.
#[derive(Debug)]
pub struct ValidToken {
    /// The issuer whose rules it passed.
    pub issuer: IssuerId,
    /// Its `iss`.
    pub iss: String,
    /// Its audiences.
    pub audience: Vec<String>,
    /// When it was issued.
    pub issued_at: UnixTime,
    /// From when it is valid.
    pub not_before: Option<UnixTime>,
    /// When it expires.
    pub expires: UnixTime,
    /// Whom it speaks for.
    pub subject: Subject,
    /// The token with its verified claims, and the key that signed it.
    pub signed: SignedJwt,
    _checked: Checked,
}

/// Proof that the rules of this module were applied.
#[derive(Debug)]
struct Checked;

/// Applies the rules to an Entra token: lifetime, audience, kind.
pub fn access_token(
    signed: SignedJwt,
    issuer: IssuerId,
    audiences: &[String],
    now: UnixTime,
) -> Result<ValidToken, Rejection> {
    valid(signed, issuer, audiences, now, |claims| Subject::of(claims, issuer))
}

/// Applies the rules to an Entra ID token that was issued to `app`.
pub fn id_token(
    signed: SignedJwt,
    issuer: IssuerId,
    app: Guid,
    now: UnixTime,
) -> Result<ValidToken, Rejection> {
    let subject = |claims: &Object| Subject::of_id_token(claims, issuer, app);
    valid(signed, issuer, &[app.to_string()], now, subject)
}

fn valid(
    signed: SignedJwt,
    issuer: IssuerId,
    audiences: &[String],
    now: UnixTime,
    subject: impl FnOnce(&Object) -> Result<Subject, Rejection>,
) -> Result<ValidToken, Rejection> {
    let lifetime = Lifetime::of(&signed)?;
    lifetime.check(now)?;
    let audience = claims::audience(signed.claims())?;
    if !intersects(&audience, audiences) {
        return Err(Rejection::new(Reason::AudienceNotAccepted)
            .at("aud")
            .expected(format_args!("one of {}", audiences.join(", ")))
            .found(audience.join(", ")));
    }
    let subject = subject(signed.claims())?;
    Ok(ValidToken {
        issuer,
        iss: claims::required_text(signed.claims(), "iss")?.to_owned(),
        audience,
        issued_at: lifetime.issued_at,
        not_before: lifetime.not_before,
        expires: lifetime.expires,
        subject,
        signed,
        _checked: Checked,
    })
}

/// Whether two lists share an entry, by code point (JWT-17).
pub fn intersects(left: &[String], right: &[String]) -> bool {
    left.iter().any(|entry| right.contains(entry))
}

/// The dates of one token.
#[derive(Clone, Copy, Debug)]
struct Lifetime {
    issued_at: UnixTime,
    not_before: Option<UnixTime>,
    expires: UnixTime,
}

impl Lifetime {
    fn of(signed: &SignedJwt) -> Result<Self, Rejection> {
        let claims = signed.claims();
        let expires = claims::date(claims, "exp", Round::Down)?;
        let issued_at = claims::date(claims, "iat", Round::Down)?;
        Ok(Self {
            issued_at: issued_at.ok_or_else(|| claims::missing("iat"))?,
            not_before: claims::date(claims, "nbf", Round::Up)?,
            expires: expires.ok_or_else(|| claims::missing("exp"))?,
        })
    }

    fn check(&self, now: UnixTime) -> Result<(), Rejection> {
        if now >= self.expires.plus(CLOCK_SKEW) {
            return Err(refuse(Reason::Expired, "exp", format!("later than {now}"), self.expires));
        }
        let latest = now.plus(CLOCK_SKEW);
        if let Some(not_before) = self.not_before.filter(|nbf| *nbf > latest) {
            return Err(refuse(Reason::NotYetValid, "nbf", format!("by {now}"), not_before));
        }
        if self.issued_at > latest {
            return Err(refuse(Reason::IssuedInFuture, "iat", format!("by {now}"), self.issued_at));
        }
        // From whichever was earlier: a token that lives for days was not issued by Entra (A75, A81).
        let horizon = now.min(self.issued_at).plus(HORIZON);
        if self.expires > horizon {
            let expected = format!("by {horizon}");
            return Err(refuse(Reason::LifetimeImplausible, "exp", expected, self.expires));
        }
        for (name, start) in [("nbf", self.not_before), ("iat", Some(self.issued_at))] {
            if let Some(start) = start.filter(|start| *start > self.expires) {
                let expected = format!("before `exp`, {}", self.expires);
                return Err(refuse(Reason::LifetimeImplausible, name, expected, start));
            }
        }
        Ok(())
    }
}

fn refuse(reason: Reason, claim: &'static str, expected: String, found: UnixTime) -> Rejection {
    Rejection::new(reason).at(claim).expected(expected).found(found)
}
