//! Is this signed JWT a client's proof of who it is? (RFC 7523 §3 as updated by RFC 10070)

use super::claims::{self, Round};
use super::client::AssertionAudience;
use super::rejection::Rejection;
use super::validate::CLOCK_SKEW;
use crate::protocol::ids::ClientId;
use crate::protocol::json::{Json, Object};
use crate::protocol::jws::SignedJwt;
use crate::protocol::time::{Seconds, UnixTime};

/// The longest life of an assertion (CA-05; POL).
pub const MAX_LIFETIME: Seconds = Seconds::new(300);
/// The explicit type of a client assertion; untyped ones and plain `JWT` are tolerated (CA-08).
const TYPE: &str = "client-authentication+jwt";

/// What is remembered of an assertion, so that it proves something only once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTimeId {
    /// Its `jti`.
    pub id: String,
    /// Until when it must be remembered.
    pub until: UnixTime,
}

/// Why an assertion proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// `aud` is not this service alone (CA-04).
    #[error("`aud` must be the issuer {expected} and nothing else")]
    Audience {
        /// Our issuer identifier.
        expected: String,
    },
    /// A claim is missing or has the wrong form.
    #[error("{0}")]
    Claim(#[from] Rejection),
    /// `iss` or `sub` is not the client (CA-03).
    #[error("`iss` and `sub` must both be the client's name")]
    Client,
    /// It tells of events: a logout token or a security event (A135, A136).
    #[error("`events` marks another kind of JWT")]
    Events,
    /// Expired, not yet valid, or living longer than [`MAX_LIFETIME`] (CA-05, CA-06).
    #[error("`{0}` lies outside the lifetime of an assertion (at most {MAX_LIFETIME})")]
    Lifetime(&'static str),
    /// `typ` names another kind of JWT (CA-08).
    #[error("`typ` must be {TYPE}")]
    Type,
}

/// Which client an assertion speaks of, before it is believed.
pub fn named_client(unverified: &Object) -> Option<ClientId> {
    unverified.get("sub").and_then(Json::as_str)?.parse().ok()
}

/// Applies every rule to a signed assertion of `client`; `issuer` is who we are.
pub fn check(
    signed: &SignedJwt,
    (client, addressed): (&ClientId, AssertionAudience),
    issuer: &str,
    now: UnixTime,
) -> Result<OneTimeId, AssertionError> {
    match signed.typ() {
        None | Some("JWT" | TYPE) => {}
        Some(_) => return Err(AssertionError::Type),
    }
    let claims = signed.claims();
    if claims.has("events") {
        return Err(AssertionError::Events);
    }
    for name in ["iss", "sub"] {
        if claims::required_text(claims, name)? != client.as_str() {
            return Err(AssertionError::Client);
        }
    }
    let audience = claims::audience(claims)?;
    let [named] = &*audience else {
        return Err(AssertionError::Audience { expected: issuer.to_owned() });
    };
    let endpoint = addressed == AssertionAudience::TokenEndpoint
        && named.strip_prefix(issuer) == Some("/token");
    if named != issuer && !endpoint {
        return Err(AssertionError::Audience { expected: issuer.to_owned() });
    }
    let until = lifetime(claims, now)?;
    let id = claims::identifier(claims, "jti")?.ok_or_else(|| claims::missing("jti"))?;
    Ok(OneTimeId { id: id.to_owned(), until })
}

/// Checks the dates; gives the moment from which the assertion is refused as expired anyway.
fn lifetime(claims: &Object, now: UnixTime) -> Result<UnixTime, AssertionError> {
    let expires =
        claims::date(claims, "exp", Round::Down)?.ok_or_else(|| claims::missing("exp"))?;
    let issued = claims::date(claims, "iat", Round::Down)?;
    let not_before = claims::date(claims, "nbf", Round::Up)?;
    let end = expires.plus(CLOCK_SKEW);
    if now >= end {
        return Err(AssertionError::Lifetime("exp"));
    }
    // Without `iat` the life that is left must itself be short enough.
    let (start, longest) = match issued {
        Some(issued) => (issued, MAX_LIFETIME),
        None => (now, Seconds::new(MAX_LIFETIME.count().saturating_add(CLOCK_SKEW.count()))),
    };
    // A life that ends before it begins was never one (A78, A80).
    let begins = [issued, not_before].into_iter().flatten().max();
    if expires.since(start) > longest || begins.is_some_and(|begins| begins > expires) {
        return Err(AssertionError::Lifetime("exp"));
    }
    let latest = now.plus(CLOCK_SKEW);
    match (issued, not_before) {
        (Some(issued), _) if issued > latest => Err(AssertionError::Lifetime("iat")),
        (_, Some(not_before)) if not_before > latest => Err(AssertionError::Lifetime("nbf")),
        _ => Ok(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000_000;

    fn life(members: &str) -> Result<i64, AssertionError> {
        let claims = Object::parse(format!("{{{members}}}").as_bytes()).unwrap();
        lifetime(&claims, UnixTime::from_seconds(NOW)).map(UnixTime::seconds)
    }

    #[test]
    fn an_assertion_lives_shortly() {
        assert_eq!(life(r#""exp":1000300,"iat":1000000"#), Ok(1_000_360));
        assert_eq!(life(r#""exp":1000300"#), Ok(1_000_360));
        for members in [
            r#""exp":1000301,"iat":1000000"#,
            r#""exp":1000361"#,
            r#""exp":999940,"iat":999900"#,
            r#""exp":1000360,"iat":1000061"#,
            r#""exp":1000100,"nbf":1000061,"iat":1000000"#,
            r#""exp":1000040,"nbf":1000050,"iat":1000000"#,
            r#""exp":1000040,"iat":1000050"#,
            r#""exp":9007199254740993,"iat":9007199254740990"#,
            r#""iat":1000000"#,
            r#""exp":"1000300""#,
        ] {
            assert!(life(members).is_err(), "CA-05, CA-06, A78, A80, A210 {members}");
        }
    }

    #[test]
    fn the_client_is_named_by_a_legal_name_only() {
        let named = |text: &str| named_client(&Object::parse(text.as_bytes()).unwrap());
        assert!(named(r#"{"sub":"tyk"}"#).is_some());
        for text in [r#"{"sub":"a b"}"#, r#"{"sub":1}"#, "{}"] {
            assert!(named(text).is_none(), "{text}");
        }
    }
}
