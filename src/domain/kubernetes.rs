//! Is this signed JWT, now, the token of this service account, made for us alone?
//!
//! A profile of its own, not RFC 7523: the account is found by issuer and `sub` (ruling D12), and
//! the token may be shown again until it expires. Nothing proves that its holder is its owner, so
//! it must be addressed to us alone and live shortly.

use super::claims::{self, Round, malformed, missing};
use super::cluster::ClusterId;
use super::rejection::{Reason, Rejection};
use super::validate::CLOCK_SKEW;
use crate::protocol::ids::Guid;
use crate::protocol::json::{Json, Object};
use crate::protocol::jws::SignedJwt;
use crate::protocol::time::{Seconds, UnixTime};

/// The longest life of a token; a kubelet asks for an hour unless told otherwise (POL).
pub const MAX_LIFETIME: Seconds = Seconds::hours(24);
/// Where Kubernetes writes what it knows about the account.
const FACTS: &str = "kubernetes.io";

/// A service account that is a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// The cluster it lives in.
    pub cluster: ClusterId,
    /// Its namespace.
    pub namespace: String,
    /// Its name there.
    pub name: String,
    /// Its `metadata.uid`: an account that is deleted and made again is another one (POL).
    pub uid: Guid,
}

impl ServiceAccount {
    /// The `sub` of its tokens.
    pub fn subject(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

/// Why a token does not prove that an account calls.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// `aud` is not this service alone (CA-04).
    #[error("`aud` must be the issuer {expected} and nothing else")]
    Audience {
        /// Our issuer identifier.
        expected: String,
    },
    /// A claim is missing or wrong.
    #[error("{0}")]
    Claim(#[from] Rejection),
    /// A claim speaks of another account than the client's.
    #[error("`{claim}` must be that of the client's account: {expected}")]
    OtherAccount {
        /// The claim.
        claim: &'static str,
        /// What the client's account has there.
        expected: String,
    },
    /// `typ` names another kind of JWT (CA-08).
    #[error("`typ` must be absent or JWT")]
    Type,
}

/// Which account a token speaks of, by its `sub`, before it is believed.
pub fn named_account(unverified: &Object) -> Option<&str> {
    unverified.get("sub").and_then(Json::as_str)
}

/// Applies every rule to a signed token of `account`; `issuer` is who we are. Gives its `exp`.
pub fn check(
    signed: &SignedJwt,
    account: &ServiceAccount,
    issuer: &str,
    now: UnixTime,
) -> Result<UnixTime, AccountError> {
    if !matches!(signed.typ(), None | Some("JWT")) {
        return Err(AccountError::Type);
    }
    let claims = signed.claims();
    // A logout token or a security event (A135, A136).
    if claims.has("events") {
        return Err(AccountError::Type);
    }
    if claims::audience(claims)? != [issuer] {
        return Err(AccountError::Audience { expected: issuer.to_owned() });
    }
    let expires = lifetime(claims, now)?;
    same_account(claims, account)?;
    Ok(expires)
}

/// Checks the dates, and gives the last of them.
fn lifetime(claims: &Object, now: UnixTime) -> Result<UnixTime, Rejection> {
    let expires = claims::date(claims, "exp", Round::Down)?.ok_or_else(|| missing("exp"))?;
    let issued = claims::date(claims, "iat", Round::Down)?.ok_or_else(|| missing("iat"))?;
    let not_before = claims::date(claims, "nbf", Round::Up)?;
    if now >= expires.plus(CLOCK_SKEW) {
        return Err(refuse(Reason::Expired, "exp", format!("later than {now}"), expires));
    }
    let latest = now.plus(CLOCK_SKEW);
    if let Some(not_before) = not_before.filter(|nbf| *nbf > latest) {
        return Err(refuse(Reason::NotYetValid, "nbf", format!("by {now}"), not_before));
    }
    if issued > latest {
        return Err(refuse(Reason::IssuedInFuture, "iat", format!("by {now}"), issued));
    }
    let end = issued.plus(MAX_LIFETIME);
    // A life that ends before it begins was never one (A78, A80).
    let begins = not_before.map_or(issued, |not_before| not_before.max(issued));
    if expires > end || expires < begins {
        let expected = format!("between {begins} and {end}");
        return Err(refuse(Reason::LifetimeImplausible, "exp", expected, expires));
    }
    Ok(expires)
}

fn refuse(reason: Reason, claim: &'static str, expected: String, found: UnixTime) -> Rejection {
    Rejection::new(reason).at(claim).expected(expected).found(found)
}

/// `sub` and what Kubernetes says beside it must agree, with each other and with the client.
fn same_account(claims: &Object, account: &ServiceAccount) -> Result<(), AccountError> {
    let facts = object(claims, FACTS, FACTS)?;
    let of_account = object(facts, "serviceaccount", "kubernetes.io.serviceaccount")?;
    let (subject, uid) = (account.subject(), account.uid.to_string());
    for (of, name, claim, expected) in [
        (claims, "sub", "sub", &subject),
        (facts, "namespace", "kubernetes.io.namespace", &account.namespace),
        (of_account, "name", "kubernetes.io.serviceaccount.name", &account.name),
        (of_account, "uid", "kubernetes.io.serviceaccount.uid", &uid),
    ] {
        match of.get(name) {
            None => return Err(missing(claim).into()),
            Some(Json::String(found)) if found == expected => {}
            Some(Json::String(_)) => {
                return Err(AccountError::OtherAccount { claim, expected: expected.clone() });
            }
            Some(other) => return Err(malformed(claim, "a string", other.kind()).into()),
        }
    }
    Ok(())
}

/// A member that is an object; `claim` is what it is called in a report.
fn object<'c>(of: &'c Object, name: &str, claim: &'static str) -> Result<&'c Object, Rejection> {
    match of.get(name) {
        None => Err(missing(claim)),
        Some(Json::Object(found)) => Ok(found),
        Some(other) => Err(malformed(claim, "an object", other.kind())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::dev::cluster::{ROBOT, token};
    use crate::dev::keys::SigningKey;
    use crate::dev::token::TokenBuilder;
    use crate::protocol::jwk::{KeySet, KeyUse};
    use crate::protocol::jws::UnverifiedJwt;

    const ISSUER: &str = "https://sts.example.com";
    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn account() -> ServiceAccount {
        ServiceAccount {
            cluster: "prod".parse().unwrap(),
            namespace: ROBOT.namespace.to_owned(),
            name: ROBOT.name.to_owned(),
            uid: ROBOT.uid.parse().unwrap(),
        }
    }

    fn good() -> TokenBuilder {
        token("https://cluster.example", &ROBOT, ISSUER, NOW)
    }

    fn said(token: &TokenBuilder) -> Result<UnixTime, String> {
        let key = SigningKey::ec().unwrap();
        let document = json!({ "keys": [key.jwk()] }).to_string();
        let keys = KeySet::parse(document.as_bytes(), KeyUse::Cluster).unwrap();
        let token = token.sign(&key).unwrap();
        let signed = UnverifiedJwt::parse(&token).unwrap();
        let signed = signed.verify(Arc::clone(&keys.keys()[0])).unwrap();
        check(&signed, &account(), ISSUER, NOW).map_err(|error| error.to_string())
    }

    /// The good token with one member below `kubernetes.io` changed; `null` removes it.
    fn with_fact(path: &str, value: &Value) -> TokenBuilder {
        let mut facts = good().claims()[FACTS].clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = facts.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value.is_null() {
            parent.remove(name).unwrap();
        } else {
            parent.insert(name.to_owned(), value.clone());
        }
        good().claim(FACTS, facts)
    }

    #[test]
    fn a_projected_token_for_us_alone_proves_its_account() {
        let expires = NOW.plus(Seconds::hours(1));
        assert_eq!(said(&good()), Ok(expires));
        assert_eq!(said(&good().claim("aud", ISSUER)), Ok(expires), "CA-04: a string");
        assert_eq!(said(&good().header("typ", "JWT")), Ok(expires));
        assert_eq!(said(&good().without("nbf").without("jti")), Ok(expires));
        let day = NOW.plus(Seconds::hours(24));
        assert_eq!(said(&good().claim("exp", day.seconds())), Ok(day));
    }

    #[test]
    fn a_token_for_anybody_else_proves_nothing() {
        let api_server = "https://kubernetes.default.svc";
        for aud in [json!([api_server]), json!([ISSUER, api_server]), json!(format!("{ISSUER}/"))] {
            let said = said(&good().claim("aud", aud)).unwrap_err();
            assert!(said.starts_with("`aud` must be the issuer https://sts"), "CA-04: {said}");
        }
        assert!(said(&good().without("aud")).unwrap_err().contains("aud"));
        let said = said(&good().header("typ", "at+jwt")).unwrap_err();
        assert_eq!(said, "`typ` must be absent or JWT", "CA-08");
    }

    #[test]
    fn a_token_lives_for_a_day_at_most() {
        let now = NOW.seconds();
        for (token, reason) in [
            (good().claim("exp", now - 60), "expired: exp"),
            (good().claim("exp", now + 86_401), "lifetime_implausible: exp"),
            (good().claim("exp", now - 10).claim("iat", now - 5), "lifetime_implausible: exp"),
            (good().claim("nbf", now + 61), "not_yet_valid: nbf"),
            (good().claim("iat", now + 61), "issued_in_future: iat"),
            (good().claim("exp", "soon"), "claim_malformed: exp"),
            (good().without("exp"), "claim_missing: exp"),
            (good().without("iat"), "claim_missing: iat"),
        ] {
            let said = said(&token).unwrap_err();
            assert!(said.starts_with(reason), "{reason}: {said}");
        }
    }

    #[test]
    fn all_that_is_said_of_the_account_must_agree() {
        let other = "other";
        for (path, claim) in [
            ("/namespace", "kubernetes.io.namespace"),
            ("/serviceaccount/name", "kubernetes.io.serviceaccount.name"),
            ("/serviceaccount/uid", "kubernetes.io.serviceaccount.uid"),
        ] {
            let wrong = said(&with_fact(path, &json!(other))).unwrap_err();
            assert!(wrong.starts_with(&format!("`{claim}` must be that of the client")), "{wrong}");
            let absent = said(&with_fact(path, &Value::Null)).unwrap_err();
            assert!(absent.starts_with(&format!("claim_missing: {claim}")), "{absent}");
            let odd = said(&with_fact(path, &json!([ROBOT.uid]))).unwrap_err();
            assert!(odd.starts_with(&format!("claim_malformed: {claim}")), "{odd}");
        }
        let sub = said(&good().claim("sub", "system:serviceaccount:agents:other")).unwrap_err();
        assert!(sub.starts_with("`sub` must be that of the client's account"), "{sub}");
        assert!(said(&good().without(FACTS)).unwrap_err().starts_with("claim_missing: kuber"));
        let text = said(&good().claim(FACTS, "x")).unwrap_err();
        assert!(text.starts_with("claim_malformed: kubernetes.io"), "{text}");
    }
}
