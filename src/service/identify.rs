//! Which registered client does a JWT prove? For actor tokens, and for callers that send one.

use std::sync::Arc;

use super::authenticate::Authenticator;
use super::snapshot::{Caller, Snapshot};
use super::verify::{Audiences, Refusal};
use crate::domain::assertion;
use crate::domain::cluster::ClusterId;
use crate::domain::delegation::Actor;
use crate::domain::kubernetes;
use crate::domain::principal::PrincipalId;
use crate::ports::Unavailable;
use crate::protocol::json::Json;
use crate::protocol::jws::UnverifiedJwt;
use crate::protocol::time::UnixTime;

/// A client that was proved.
#[derive(Clone, Debug)]
pub struct Identified {
    /// The client.
    pub caller: Arc<Caller>,
    /// Its principal in Entra, if an Entra token proved it.
    pub principal: Option<PrincipalId>,
    /// When the proof ends; `None` for a client that only authenticated.
    pub expires: Option<UnixTime>,
}

impl Identified {
    /// As the one who acts.
    pub fn actor(&self) -> Actor<'_> {
        Actor {
            client: &self.caller.client,
            principal: self.principal,
            expires: self.expires,
            presented: self.expires.is_some(),
        }
    }
}

/// Why no client was proved.
#[derive(Debug, thiserror::Error)]
pub enum Unidentified {
    /// The JWT proves nothing; why is for the operator only.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be known.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

impl Authenticator {
    /// The client that `text` proves: an assertion that it signed itself (RFC 7523), its own Entra
    /// token, addressed to this service, or its Kubernetes service account's.
    ///
    /// A client that is `named` beside it must be that one, or nothing is used up (CA-02).
    pub async fn identify(
        &self,
        snapshot: &Snapshot,
        text: &str,
        named: Option<&str>,
    ) -> Result<Identified, Unidentified> {
        let claimed = Self::claimed(snapshot, text).map(|caller| caller.client.id.as_str());
        if named.is_some() && named != claimed {
            let why = "`client_id` names another client than the token";
            return Err(Unidentified::Invalid(why.to_owned()));
        }
        let invalid = |error: &dyn std::fmt::Display| Unidentified::Invalid(error.to_string());
        let jwt = UnverifiedJwt::parse(text).map_err(|error| invalid(&error))?;
        if jwt.unverified_claims().has("tid") {
            return self.by_entra_token(snapshot, text).await;
        }
        let claimed = jwt.unverified_claims().get("iss").and_then(Json::as_str);
        if let Some(cluster) = claimed.and_then(|issuer| snapshot.cluster(issuer)) {
            return self.by_account(snapshot, cluster, jwt).await;
        }
        if claimed == Some(&snapshot.issuer) {
            return Err(Unidentified::Invalid("our own tokens prove no client".to_owned()));
        }
        let caller = assertion::named_client(jwt.unverified_claims());
        let caller = caller.as_ref().and_then(|id| snapshot.caller(id));
        let (caller, expires) = self.by_assertion(snapshot, caller, jwt).await?;
        Ok(Identified { caller, principal: None, expires: Some(expires) })
    }

    /// By the token of a Kubernetes service account. It may be shown again until it expires.
    async fn by_account(
        &self,
        snapshot: &Snapshot,
        cluster: ClusterId,
        jwt: UnverifiedJwt<'_>,
    ) -> Result<Identified, Unidentified> {
        let invalid = Unidentified::Invalid;
        let caller = kubernetes::named_account(jwt.unverified_claims())
            .and_then(|subject| snapshot.caller_of_account(cluster, subject));
        let account = caller.and_then(|caller| caller.client.credentials.kubernetes.as_ref());
        let (Some(caller), Some(account)) = (caller, account) else {
            return Err(invalid("no client is this service account".to_owned()));
        };
        let signed = match self.tokens.verifier().verify_of_cluster(jwt, cluster).await {
            Ok(signed) => signed,
            Err(Refusal::Unavailable(unavailable)) => return Err(unavailable.into()),
            Err(Refusal::Rejected(rejection)) => return Err(invalid(rejection.to_string())),
        };
        let expires = kubernetes::check(&signed, account, &snapshot.issuer, self.clock.now())
            .map_err(|error| invalid(error.to_string()))?;
        Ok(Identified { caller: Arc::clone(caller), principal: None, expires: Some(expires) })
    }

    /// The client that a JWT says it belongs to, before it is believed: only to count its failure
    /// where it cannot shut out others behind the same address (A231).
    pub(super) fn claimed<'s>(snapshot: &'s Snapshot, text: &str) -> Option<&'s Arc<Caller>> {
        let jwt = UnverifiedJwt::parse(text).ok()?;
        let claims = jwt.unverified_claims();
        let app = |name| claims.get(name).and_then(Json::as_str)?.parse().ok();
        let by_app = || ["azp", "appid"].into_iter().find_map(app);
        let issuer = claims.get("iss").and_then(Json::as_str)?;
        match snapshot.cluster(issuer) {
            Some(cluster) => {
                snapshot.caller_of_account(cluster, kubernetes::named_account(claims)?)
            }
            None if claims.has("tid") => snapshot.caller_of_app(by_app()?),
            None => snapshot.caller(&assertion::named_client(claims)?),
        }
    }

    /// By an application's own Entra token, addressed to this service.
    pub(super) async fn by_entra_token(
        &self,
        snapshot: &Snapshot,
        text: &str,
    ) -> Result<Identified, Unidentified> {
        let invalid = Unidentified::Invalid;
        let vetted = match self.tokens.verify(snapshot, text, Audiences::Ourselves).await {
            Ok(vetted) => vetted,
            Err(Refusal::Unavailable(unavailable)) => return Err(unavailable.into()),
            Err(Refusal::Rejected(rejection)) => return Err(invalid(rejection.to_string())),
        };
        let super::tokens::Token::Entra(valid) = &vetted.token else {
            return Err(invalid("our own tokens prove no client".to_owned()));
        };
        if !valid.subject.app_only {
            return Err(invalid("a user's token does not identify a caller".to_owned()));
        }
        let app = valid.subject.app;
        let caller = snapshot
            .caller_of_app(app)
            .ok_or_else(|| invalid(format!("no client has `entra_app: {app}`")))?;
        let known = Identified {
            caller: Arc::clone(caller),
            principal: Some(valid.subject.principal),
            expires: Some(valid.expires),
        };
        self.bearers.keep(text, caller, vetted.standing(UnixTime::MAX));
        Ok(known)
    }
}
