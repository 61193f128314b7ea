//! From a text to a valid token: read, find the issuer's key, check the signature, apply the rules.

use std::sync::Arc;

use crate::domain::answer::TokenIssuer;
use crate::domain::cluster::{ClusterId, KeySource};
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

impl Refusal {
    /// The token says that it is of this issuer.
    #[must_use]
    pub fn of(self, issuer: TokenIssuer) -> Self {
        match self {
            Self::Rejected(rejection) => Self::Rejected(rejection.of(issuer)),
            Self::Unavailable(_) => self,
        }
    }
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
        let verified = async {
            let named = |set: &IssuerKeySet| find(&jwt, &kid, issuer, set);
            let key = self.key(KeySource::Entra(issuer), named).await?;
            let signed = jwt.verify(key).map_err(Rejection::from)?;
            Ok(audiences.check(signed, (tenant, issuer), self.clock.now())?)
        };
        verified.await.map_err(|refusal: Refusal| refusal.of(TokenIssuer::Tenant(tenant.id)))
    }

    /// The claims of a token that a cluster signed; nothing but the signature is checked.
    pub async fn verify_of_cluster(
        &self,
        jwt: UnverifiedJwt<'_>,
        cluster: ClusterId,
    ) -> Result<SignedJwt, Refusal> {
        let kid = jwt.header().kid.clone();
        let kid = kid.ok_or_else(|| Rejection::new(Reason::KidMissing).at("kid"))?;
        let named = |set: &IssuerKeySet| {
            let key = set.keys.keys().iter().find(|key| key.kid() == Some(&kid));
            key.map(Arc::clone).ok_or_else(|| {
                Rejection::new(Reason::KeyUnknown).at("kid").expected("a key of the cluster")
            })
        };
        let key = self.key(KeySource::Cluster(cluster), named).await?;
        Ok(jwt.verify(key).map_err(Rejection::from)?)
    }

    /// The issuer's key for a token, as `find` finds it in a set. Asks the issuer once more when the name is unknown: the
    /// keys may just have been rotated.
    async fn key(
        &self,
        issuer: KeySource,
        find: impl Fn(&IssuerKeySet) -> Result<Arc<VerificationKey>, Rejection>,
    ) -> Result<Arc<VerificationKey>, Refusal> {
        let known = match self.keys.current(issuer, self.clock.now()) {
            Some(known) => known,
            None => self.keys.fetch(issuer, FetchReason::Missing).await?,
        };
        match find(&known) {
            Err(rejection) if rejection.reason == Reason::KeyUnknown => {
                let fresh = self.keys.fetch(issuer, FetchReason::UnknownKid).await?;
                Ok(find(&fresh)?)
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
