//! From a text to a valid token: read, find the issuer's key, check the signature, apply the rules.

use std::sync::Arc;

use crate::domain::entra;
use crate::domain::rejection::{Reason, Rejection};
use crate::domain::tenant::{IssuerId, Tenant};
use crate::domain::validate::{self, ValidToken};
use crate::ports::{Clock, FetchReason, IssuerKeySet, IssuerKeys, Unavailable};
use crate::protocol::ids::Guid;
use crate::protocol::jwk::VerificationKey;
use crate::protocol::jws::{SignedJwt, UnverifiedJwt};
use crate::protocol::time::UnixTime;

/// Why there is no valid token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// It is not valid.
    #[error("{0}")]
    Rejected(#[from] Rejection),
    /// It cannot be known whether it is.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

/// Which audiences of a tenant are meant: those of the protected APIs, or our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audiences {
    /// The APIs that are protected here.
    ProtectedApis,
    /// Tessera itself, called by an application.
    Ourselves,
    /// Either: the token is to be exchanged.
    Exchangeable,
    /// None of these: an ID token for this application.
    IdTokenOf(Guid),
}

impl Audiences {
    /// Applies the rules for tokens with such audiences.
    fn check(
        self,
        signed: SignedJwt,
        (tenant, issuer): (&Tenant, IssuerId),
        now: UnixTime,
    ) -> Result<ValidToken, Rejection> {
        let access_token =
            |audiences: &[String], signed| validate::access_token(signed, issuer, audiences, now);
        match self {
            Self::ProtectedApis => access_token(&tenant.audiences, signed),
            Self::Ourselves => access_token(&tenant.caller_audiences, signed),
            Self::Exchangeable => {
                let both = [&*tenant.audiences, &*tenant.caller_audiences].concat();
                access_token(&both, signed)
            }
            Self::IdTokenOf(app) => validate::id_token(signed, issuer, app, now),
        }
    }
}

/// Verifies Entra tokens.
#[derive(Debug)]
pub struct Verifier {
    keys: Arc<dyn IssuerKeys>,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// A verifier that takes keys from `keys`.
    pub const fn new(keys: Arc<dyn IssuerKeys>, clock: Arc<dyn Clock>) -> Self {
        Self { keys, clock }
    }

    /// Verifies `token` against the configured `tenants` and their `audiences`.
    pub async fn verify(
        &self,
        token: &str,
        tenants: &[Tenant],
        audiences: Audiences,
    ) -> Result<ValidToken, Refusal> {
        let jwt = UnverifiedJwt::parse(token).map_err(Rejection::from)?;
        self.verify_read(jwt, tenants, audiences).await
    }

    /// As [`Self::verify`], for a token that was read already.
    pub async fn verify_read(
        &self,
        jwt: UnverifiedJwt<'_>,
        tenants: &[Tenant],
        audiences: Audiences,
    ) -> Result<ValidToken, Refusal> {
        let kid = entra::key_id(jwt.header())?.to_owned();
        let (tenant, issuer) = entra::issuer(jwt.unverified_claims(), tenants)?;
        let key = self.key(&jwt, &kid, issuer).await?;
        let signed = jwt.verify(key).map_err(Rejection::from)?;
        Ok(audiences.check(signed, (tenant, issuer), self.clock.now())?)
    }

    /// The issuer's key for this token. Asks the issuer once more when the name is unknown: the
    /// keys may just have been rotated.
    async fn key(
        &self,
        jwt: &UnverifiedJwt<'_>,
        kid: &str,
        issuer: IssuerId,
    ) -> Result<Arc<VerificationKey>, Refusal> {
        let known = match self.keys.current(issuer, self.clock.now()) {
            Some(known) => known,
            None => self.keys.fetch(issuer, FetchReason::Missing).await?,
        };
        match find(jwt, kid, issuer, &known) {
            Err(rejection) if rejection.reason == Reason::KeyUnknown => {
                let fresh = self.keys.fetch(issuer, FetchReason::UnknownKid).await?;
                Ok(find(jwt, kid, issuer, &fresh)?)
            }
            found => Ok(found?),
        }
    }
}

fn find(
    jwt: &UnverifiedJwt<'_>,
    kid: &str,
    issuer: IssuerId,
    set: &IssuerKeySet,
) -> Result<Arc<VerificationKey>, Rejection> {
    entra::check_issuer(jwt.unverified_claims(), issuer, &set.issuer)?;
    entra::key(&set.keys, kid, issuer, &set.issuer)
}
