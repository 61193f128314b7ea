//! Any token, whoever issued it: Entra's, and those that were minted here.

use std::sync::Arc;

use super::snapshot::Snapshot;
use super::standing::Standing;
use super::verify::{Audiences, Refusal, Verifier};
use crate::domain::answer::TokenIssuer;
use crate::domain::issued::{self, IssuedToken, OPAQUE_PREFIX, TYPE};
use crate::domain::lineage::{Exposure, Lineage};
use crate::domain::rejection::{Reason, Rejection};
use crate::domain::validate::ValidToken;
use crate::ports::{Clock, Dependency, OpaqueTokens, Revocations, Signer, Unavailable};
use crate::protocol::ids::Fingerprint;
use crate::protocol::json::{Json, Object};
use crate::protocol::jwk::VerificationKey;
use crate::protocol::jws::UnverifiedJwt;
use crate::protocol::time::UnixTime;

/// Verifies tokens of every kind.
#[derive(Debug)]
pub struct Tokens {
    verifier: Arc<Verifier>,
    own: Option<Own>,
    clock: Arc<dyn Clock>,
}

/// What knows the tokens that were minted here.
#[derive(Clone, Debug)]
pub struct Own {
    /// Has the keys that signed them.
    pub signer: Arc<dyn Signer>,
    /// Has what is behind opaque ones.
    pub opaque: Arc<dyn OpaqueTokens>,
    /// Knows what was revoked, Entra's tokens included.
    pub revocations: Arc<dyn Revocations>,
}

/// A token that is good now.
#[derive(Debug)]
pub struct Vetted {
    /// The token.
    pub token: Token,
    /// Where it comes from.
    pub lineage: Lineage,
    /// By what it can be revoked.
    exposures: Box<[Exposure]>,
    epoch: u64,
}

/// A good token, by its issuer.
#[derive(Debug)]
pub enum Token {
    /// Entra's.
    Entra(Box<ValidToken>),
    /// Our own.
    Issued {
        /// What it says.
        token: Box<IssuedToken>,
        /// What signed it; an opaque one is not signed.
        key: Option<Arc<VerificationKey>>,
    },
}

/// The same, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum TokenRef<'t> {
    /// Entra's.
    Entra(&'t ValidToken),
    /// Our own.
    Issued(&'t IssuedToken),
}

impl Token {
    /// What it says.
    pub fn as_ref(&self) -> TokenRef<'_> {
        match self {
            Self::Entra(token) => TokenRef::Entra(token),
            Self::Issued { token, .. } => TokenRef::Issued(token),
        }
    }

    /// Who issued it.
    pub fn issuer(&self) -> TokenIssuer {
        match self {
            Self::Entra(token) => TokenIssuer::Tenant(token.issuer.tenant),
            Self::Issued { .. } => TokenIssuer::Tessera,
        }
    }

    /// To whom it is addressed.
    pub fn audience(&self) -> &[String] {
        match self {
            Self::Entra(token) => &token.audience,
            Self::Issued { token, .. } => std::slice::from_ref(&token.resource),
        }
    }
}

impl Vetted {
    /// By what it can be revoked.
    pub(super) fn exposures(&self) -> &[Exposure] {
        &self.exposures
    }

    /// For how long a decision about the token stands, if it would stand until `until` otherwise.
    pub fn standing(&self, until: UnixTime) -> Standing {
        let (expires, key) = match &self.token {
            Token::Entra(token) => (token.expires, Some(Arc::clone(token.signed.key()))),
            Token::Issued { token, key } => (token.expires, key.clone()),
        };
        Standing::new(until.min(expires), key, self.exposures.clone(), self.epoch)
    }
}

impl Tokens {
    /// Verifies with `verifier`, and what was minted here with `own`. Without that, tokens minted
    /// here are not known and nothing is known to be revoked: so for commands beside the service.
    pub const fn new(verifier: Arc<Verifier>, own: Option<Own>, clock: Arc<dyn Clock>) -> Self {
        Self { verifier, own, clock }
    }

    /// What verifies tokens of others.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Verifies `text`: its form, its issuer, its signature, its claims, and that nothing it rests
    /// on was revoked. `audiences` are those that an Entra token may be addressed to.
    pub async fn verify(
        &self,
        snapshot: &Snapshot,
        text: &str,
        audiences: Audiences,
    ) -> Result<Vetted, Refusal> {
        if let Some(own) = &self.own {
            own.revocations.known()?;
        }
        // Read first: what is revoked while this goes on is noticed at the next use.
        let epoch = self.own.as_ref().map_or(0, |own| own.revocations.epoch());
        let (token, lineage) = match &self.own {
            Some(own) if text.starts_with(OPAQUE_PREFIX) => {
                let found = self.opaque(snapshot, own, text).await;
                found.map_err(|refusal| refusal.of(TokenIssuer::Tessera))?
            }
            _ => self.jwt(snapshot, text, audiences).await?,
        };
        let exposures = lineage.exposures();
        if self.own.as_ref().is_some_and(|own| own.revocations.is_revoked(&exposures)) {
            return Err(Rejection::new(Reason::Revoked).of(token.issuer()).into());
        }
        Ok(Vetted { token, lineage, exposures, epoch })
    }

    async fn jwt(
        &self,
        snapshot: &Snapshot,
        text: &str,
        audiences: Audiences,
    ) -> Result<(Token, Lineage), Refusal> {
        let jwt = UnverifiedJwt::parse(text).map_err(Rejection::from)?;
        let claimed = jwt.unverified_claims().get("iss").and_then(Json::as_str);
        if let Some(own) = self.own.as_ref().filter(|_| claimed == Some(&snapshot.issuer)) {
            let found = self.signed_here(snapshot, own, jwt).await;
            return found.map_err(|refusal| refusal.of(TokenIssuer::Tessera));
        }
        let token = self.verifier.verify_read(jwt, &snapshot.tenants, audiences).await?;
        let client = snapshot.caller_of_app(token.subject.app);
        let lineage = issued::root(&token, text, client.map(|caller| caller.client.id.clone()));
        Ok((Token::Entra(Box::new(token)), lineage))
    }

    async fn signed_here(
        &self,
        snapshot: &Snapshot,
        own: &Own,
        jwt: UnverifiedJwt<'_>,
    ) -> Result<(Token, Lineage), Refusal> {
        let typ = jwt.header().typ.as_deref().unwrap_or_default();
        let bare = typ.strip_prefix("application/").unwrap_or(typ);
        // RFC 9068 §4: what we sign for other ends is no access token (JIR-13).
        if !bare.eq_ignore_ascii_case(TYPE) {
            let refused = Rejection::new(Reason::TypeNotAccepted).at("typ");
            return Err(refused.expected(TYPE).found(typ).into());
        }
        let kid = jwt.header().kid.as_deref();
        let kid = kid.ok_or_else(|| Rejection::new(Reason::KidMissing).at("kid"))?;
        let mut key = own_key(own, kid);
        if key.is_none() {
            // Another replica may have made it a moment ago.
            own.signer.look_again().await;
            key = own_key(own, kid);
        }
        let key = key.ok_or_else(|| {
            Rejection::new(Reason::KeyUnknown).at("kid").expected("a key of ours").found(kid)
        })?;
        let signed = jwt.verify(key).map_err(Rejection::from)?;
        let token = self.issued(snapshot, signed.claims())?;
        let lineage = token.lineage(&snapshot.issuer);
        let key = Some(Arc::clone(signed.key()));
        Ok((Token::Issued { token: Box::new(token), key }, lineage))
    }

    async fn opaque(
        &self,
        snapshot: &Snapshot,
        own: &Own,
        text: &str,
    ) -> Result<(Token, Lineage), Refusal> {
        let unknown = || Rejection::new(Reason::OpaqueUnknown);
        let kept = own.opaque.find(Fingerprint::of(text.as_bytes())).await?;
        let claims = Object::parse(&kept.ok_or_else(unknown)?).map_err(|error| {
            let detail = format!("a kept token cannot be read: {error}");
            Unavailable { dependency: Dependency::Store, detail }
        })?;
        let token = self.issued(snapshot, &claims)?;
        let lineage = token.lineage(&snapshot.issuer);
        Ok((Token::Issued { token: Box::new(token), key: None }, lineage))
    }

    /// Reads our own claims; a token ends with its resource and with its client (A249).
    fn issued(&self, snapshot: &Snapshot, claims: &Object) -> Result<IssuedToken, Rejection> {
        let token = IssuedToken::read(claims, &snapshot.issuer, self.clock.now())?;
        if snapshot.resource(&token.resource).is_none() {
            let refused = Rejection::new(Reason::AudienceNotAccepted).at("aud");
            return Err(refused.expected("one of `resources`").found(token.resource));
        }
        if snapshot.caller(&token.client).is_none() {
            let refused = Rejection::new(Reason::Revoked).at("client_id");
            return Err(refused.expected("a client of the configuration").found(token.client));
        }
        Ok(token)
    }
}

/// The key of ours that is called `kid`, if it is known here.
fn own_key(own: &Own, kid: &str) -> Option<Arc<VerificationKey>> {
    let public = own.signer.public_keys();
    public.keys.keys().iter().find(|key| key.kid() == Some(kid)).cloned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::adapters::clock::ManualClock;
    use crate::adapters::opaque_tokens::MemoryOpaqueTokens;
    use crate::adapters::revocations::MemoryRevocations;
    use crate::adapters::signing::{SharedKeys, SigningKeys};
    use crate::config::{Environment, PlainSecrets, Signing, load};
    use crate::dev::configuration::for_orders;
    use crate::domain::cluster::KeySource;
    use crate::domain::keyring::SigningAlgorithm;
    use crate::ports::{FetchReason, IssuerKeySet, IssuerKeys, IssuerStatus};
    use crate::protocol::time::Seconds;

    const NOW: UnixTime = UnixTime::from_seconds(1_795_435_200);

    struct Secrets;

    impl Environment for Secrets {
        fn variable(&self, _: &str) -> Result<String, String> {
            Ok("5eed".repeat(8))
        }

        fn file(&self, _: &Path) -> Result<String, String> {
            Err("no files".to_owned())
        }
    }

    /// Entra is not asked here.
    #[derive(Debug)]
    struct NoKeys;

    #[async_trait::async_trait]
    impl IssuerKeys for NoKeys {
        fn current(&self, _: KeySource, _: UnixTime) -> Option<Arc<IssuerKeySet>> {
            None
        }

        async fn fetch(
            &self,
            _: KeySource,
            _: FetchReason,
        ) -> Result<Arc<IssuerKeySet>, Unavailable> {
            let detail = "not here".to_owned();
            Err(Unavailable { dependency: Dependency::IssuerKeys, detail })
        }

        fn status(&self, _: UnixTime) -> Vec<IssuerStatus> {
            Vec::new()
        }
    }

    fn claims() -> Vec<u8> {
        let principal = "11111111-2222-3333-4444-555555555555.8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
        serde_json::json!({
            "iss": "https://sts.example.com", "sub": principal, "aud": "https://orders.internal",
            "client_id": "tyk", "jti": "one", "scope": "orders.read", "principal_type": "user",
            "iat": NOW, "nbf": NOW, "exp": NOW.plus(Seconds::minutes(5)),
            "identity": { "grants": [] },
            "lineage": [{ "id": "AAAAAAAAAAAAAAAAAAAAAA", "iat": NOW }],
        })
        .to_string()
        .into_bytes()
    }

    #[tokio::test]
    async fn a132_our_own_access_tokens_have_a_type_of_their_own() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(NOW));
        let keys = SigningKeys::start(&Signing::default(), Arc::clone(&clock)).unwrap();
        let signer = Arc::new(SharedKeys(Arc::new(keys)));
        let own = Own {
            signer: Arc::<SharedKeys>::clone(&signer),
            opaque: Arc::new(MemoryOpaqueTokens::new(Arc::clone(&clock))),
            revocations: Arc::new(MemoryRevocations::new(Arc::clone(&clock))),
        };
        let verifier = Arc::new(Verifier::new(Arc::new(NoKeys), Arc::clone(&clock)));
        let tokens = Tokens::new(verifier, Some(own), clock);
        let text = for_orders("https://login.example.com");
        let config = load(&text, "test", &Secrets, PlainSecrets::Refused).unwrap();
        let snapshot = Snapshot::of(&config);
        let mut outcomes = Vec::new();
        for typ in [
            "at+jwt",
            "AT+JWT",
            "application/at+jwt",
            "JWT",
            "jwt",
            "at+jwt2",
            "application/at+jwt;x=1",
        ] {
            let token = signer.sign(SigningAlgorithm::Es256, typ, &claims()).await.unwrap();
            let outcome = tokens.verify(&snapshot, &token, Audiences::ProtectedApis).await;
            outcomes.push(outcome.map(|_| ()).map_err(|refusal| match refusal {
                Refusal::Rejected(rejection) => rejection.reason,
                Refusal::Unavailable(outage) => panic!("{outage}"),
            }));
        }
        let refused = Err(Reason::TypeNotAccepted);
        assert_eq!(outcomes, [Ok(()), Ok(()), Ok(()), refused, refused, refused, refused]);
    }
}
