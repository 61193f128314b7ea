//! Token exchange (RFC 8693): a subject token in, a smaller token out.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;

use super::authenticate::Authenticator;
use super::identify::{Identified, Unidentified};
use super::introspect::known_groups;
use super::snapshot::{Caller, Snapshot};
use super::subject_cache::{Presented, SubjectCache, SubjectEntry};
use super::tokens::{Own, TokenRef, Tokens, Vetted};
use super::verify::{Audiences, Refusal};
use crate::domain::audit::record::{Event, Origin, Record};
use crate::domain::denial::{Denial, DenialReason};
use crate::domain::exchange::{self, Question};
use crate::domain::identity::facts;
use crate::domain::issued::{IssuedToken, OPAQUE_PREFIX, TYPE};
use crate::domain::rejection::{Reason, Rejection};
use crate::domain::resource::{Resource, TokenFormat};
use crate::domain::subject_token::SubjectToken;
use crate::ports::{AuditTrail, Clock, Dependency, GroupDirectory, Random, Unavailable};
use crate::protocol::exchange::{Declared, Request, Requested};
use crate::protocol::ids::Fingerprint;
use crate::protocol::time::UnixTime;
use crate::protocol::token_type::TokenType;

/// Bytes of a token's name: 128 bits.
const ID_BYTES: usize = 16;
/// Bytes of an opaque token: 256 bits (ERR-11).
const OPAQUE_BYTES: usize = 32;

/// A token that was issued.
pub struct Issued {
    /// The token itself.
    pub text: String,
    /// What it says.
    pub token: IssuedToken,
    /// How the answer names its kind.
    pub kind: TokenType,
    /// The rule that decided.
    pub rule: String,
}

/// Never shows the token.
impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("id", &self.token.id).finish_non_exhaustive()
    }
}

/// Why nothing is issued.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It must not be.
    #[error("{0}")]
    Denied(Box<Denial>),
    /// It cannot be known whether it may be.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

impl From<Denial> for Refused {
    fn from(denial: Denial) -> Self {
        Self::Denied(Box::new(denial))
    }
}

/// What an exchanger works with.
#[derive(Debug)]
pub struct Parts {
    /// Verifies subject tokens.
    pub tokens: Arc<Tokens>,
    /// Knows whom an actor token proves.
    pub authenticator: Arc<Authenticator>,
    /// Tells groups that Entra left out.
    pub groups: Arc<dyn GroupDirectory>,
    /// Signs and keeps what is issued.
    pub own: Own,
    /// Names what is issued.
    pub random: Arc<dyn Random>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Records what is issued, before it is handed out.
    pub audit: Arc<dyn AuditTrail>,
}

/// How far a decision came: what a record can tell of one that was refused.
#[derive(Debug, Default)]
struct Progress {
    subject: Option<Arc<SubjectEntry>>,
}

/// The exchange service.
#[derive(Debug)]
pub struct Exchanger {
    parts: Parts,
    subjects: SubjectCache,
}

impl Exchanger {
    /// An exchanger of these parts.
    pub fn new(parts: Parts) -> Self {
        let subjects = SubjectCache::new(Arc::clone(&parts.own.revocations));
        Self { parts, subjects }
    }

    /// Exchanges what `caller` presents, or says why not. Either is on record before it is told:
    /// what cannot be recorded is not granted.
    pub async fn exchange(
        &self,
        snapshot: &Snapshot,
        caller: &Arc<Caller>,
        request: &Request<'_>,
        origin: Origin<'_>,
    ) -> Result<Issued, Refused> {
        let mut progress = Progress::default();
        let subject = Presented::from(request.subject);
        let ended = self.issued(snapshot, caller, (request, subject), &mut progress).await;
        let knows = |text: &str| snapshot.resource(text).is_some() || snapshot.is_scope(text);
        let record = |record: Record| {
            let record = record.from(origin).client(caller.client.id.as_str());
            record.asked(request, knows).subject(subject.digest)
        };
        match &ended {
            Ok(Issued { text, token, rule, .. }) => {
                let issued = Record::new(Event::TokenIssued);
                let issued = issued.issued(token, &snapshot.issuer, rule);
                let issued = issued.about(Fingerprint::of(text.as_bytes()));
                self.parts.audit.write(record(issued)).await?;
            }
            Err(Refused::Denied(denial)) => {
                let subject = progress.subject.as_ref().map(|entry| &entry.token);
                let denied = Record::new(Event::ExchangeRefused).denied(denial, subject);
                self.parts.audit.accept(record(denied)).await?;
            }
            Err(Refused::Unavailable(_)) => {}
        }
        ended
    }

    async fn issued(
        &self,
        snapshot: &Snapshot,
        caller: &Arc<Caller>,
        (request, subject): (&Request<'_>, Presented<'_>),
        progress: &mut Progress,
    ) -> Result<Issued, Refused> {
        let asked = (request, subject);
        let (rule, mut token) = self.decide(snapshot, caller, asked, progress).await?;
        token.id = self.unguessable::<ID_BYTES>()?;
        let text = self.issue(snapshot, &token).await?;
        Ok(Issued { text, token, kind: request.requested.issued(), rule })
    }

    /// The rule that would decide and the token that it would give; issues nothing. An actor's
    /// one-time assertion is used up all the same.
    pub async fn rehearse(
        &self,
        snapshot: &Snapshot,
        caller: &Arc<Caller>,
        request: &Request<'_>,
    ) -> Result<(String, IssuedToken), Refused> {
        let asked = (request, request.subject.into());
        self.decide(snapshot, caller, asked, &mut Progress::default()).await
    }

    async fn decide(
        &self,
        snapshot: &Snapshot,
        caller: &Arc<Caller>,
        (request, subject): (&Request<'_>, Presented<'_>),
        progress: &mut Progress,
    ) -> Result<(String, IssuedToken), Refused> {
        // The cheap questions first: nothing is verified for a target that cannot be had.
        let resource = target(snapshot, caller, request)?;
        let subject = self.subject(snapshot, caller, subject).await?;
        progress.subject = Some(Arc::clone(&subject));
        let proof = self.actor(snapshot, caller, request).await?;
        let actor = proof.actor();
        let question = Question {
            issuer: &snapshot.issuer,
            client: &caller.client,
            resource,
            scopes: request.scopes.as_deref(),
            subject: &subject.token,
            actor: &actor,
        };
        let now = self.parts.clock.now();
        let grant = exchange::decide(question, now)?;
        let rule = grant.rule.to_owned();
        // It has a name of its own when it is issued.
        let unnamed = ("not issued".to_owned(), now);
        let token = grant.mint(&caller.client, &snapshot.issuer, &subject.token, unnamed);
        // What was revoked since the subject token was verified extends no chain (A183); what is
        // revoked from here on ends this token too, which carries its ancestry.
        if !self.subjects.is_unrevoked(&subject) {
            return Err(Denial::subject(Rejection::new(Reason::Revoked)).into());
        }
        Ok((rule, token))
    }

    /// The subject token, verified now or a moment ago.
    async fn subject(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        presented: Presented<'_>,
    ) -> Result<Arc<SubjectEntry>, Refused> {
        if let Some(known) = self.subjects.get(caller, presented, self.parts.clock.now()) {
            return Ok(known);
        }
        let declared = presented.declared;
        let audiences = acceptable(caller, declared)?;
        let vetted = self.parts.tokens.verify(snapshot, declared.token, audiences).await;
        let vetted = vetted.map_err(|refusal| match refusal {
            Refusal::Rejected(rejection) => Denial::subject(rejection).into(),
            Refusal::Unavailable(unavailable) => Refused::Unavailable(unavailable),
        })?;
        let (token, until) = self.read(snapshot, &vetted, audiences).await?;
        let entry = Arc::new(SubjectEntry { token, standing: vetted.standing(until) });
        self.subjects.keep(caller, presented, &entry);
        Ok(entry)
    }

    /// What an exchange needs to know of a good token, and until when that is so.
    async fn read(
        &self,
        snapshot: &Snapshot,
        vetted: &Vetted,
        audiences: Audiences,
    ) -> Result<(SubjectToken, UnixTime), Refused> {
        let hops = vetted.lineage.hops.clone();
        let token = match (vetted.token.as_ref(), audiences) {
            (TokenRef::Issued(_), Audiences::IdTokenOf(_)) => {
                let refused = Rejection::new(Reason::NotAnIdToken).at("iss");
                return Err(Denial::subject(refused.expected("an Entra ID token")).into());
            }
            (TokenRef::Issued(token), _) => {
                return Ok((SubjectToken::of_issued(token.clone(), hops), UnixTime::MAX));
            }
            (TokenRef::Entra(token), _) => token,
        };
        let known = known_groups(&*self.parts.groups, token, self.parts.clock.now()).await;
        let groups = known.groups(token);
        let mapped = snapshot.mapping.apply(&facts(token, groups));
        let read = SubjectToken::of_entra(token, groups, mapped, hops).map_err(Denial::subject)?;
        let for_us = snapshot.is_for_us(token);
        let for_exchange = for_us || matches!(audiences, Audiences::IdTokenOf(_));
        Ok((SubjectToken { for_exchange, ..read }, known.until()))
    }

    /// Who acts: whom the actor token proves, else the client.
    async fn actor(
        &self,
        snapshot: &Snapshot,
        caller: &Arc<Caller>,
        request: &Request<'_>,
    ) -> Result<Identified, Refused> {
        let Some(declared) = request.actor else {
            return Ok(Identified { caller: Arc::clone(caller), principal: None, expires: None });
        };
        let rejected = |why: &str| Denial::new(DenialReason::ActorRejected).found(why);
        if declared.token == request.subject.token {
            return Err(Denial::new(DenialReason::ActorIsSubject).into());
        }
        if declared.kind == TokenType::IdToken {
            return Err(rejected("an ID token proves no client").into());
        }
        let proved = self.parts.authenticator.identify(snapshot, declared.token, None).await;
        proved.map_err(|error| match error {
            Unidentified::Invalid(why) => rejected(&why).into(),
            Unidentified::Unavailable(unavailable) => Refused::Unavailable(unavailable),
        })
    }

    /// Signs the token, or keeps what is behind a handle, as the resource takes it.
    async fn issue(&self, snapshot: &Snapshot, token: &IssuedToken) -> Result<String, Unavailable> {
        let own = &self.parts.own;
        let unwritable =
            |detail: String| Unavailable { dependency: Dependency::SigningKey, detail };
        let resource = snapshot
            .resource(&token.resource)
            .ok_or_else(|| unwritable("the resource is gone".to_owned()))?;
        let claims =
            token.to_claims(&snapshot.issuer).map_err(|error| unwritable(error.to_string()))?;
        match resource.format {
            TokenFormat::Jwt => own.signer.sign(resource.algorithm, TYPE, &claims).await,
            TokenFormat::Opaque => {
                let text = format!("{OPAQUE_PREFIX}{}", self.unguessable::<OPAQUE_BYTES>()?);
                let id = Fingerprint::of(text.as_bytes());
                own.opaque.keep(id, Bytes::from(claims), token.expires).await?;
                Ok(text)
            }
        }
    }

    fn unguessable<const BYTES: usize>(&self) -> Result<String, Unavailable> {
        let mut bytes = [0; BYTES];
        self.parts.random.fill(&mut bytes)?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// The resource asked for, in a form that it takes.
fn target<'s>(
    snapshot: &'s Snapshot,
    caller: &Caller,
    request: &Request<'_>,
) -> Result<&'s Resource, Denial> {
    let known = |name: &str| snapshot.resource(name);
    let resource = exchange::target(known, &caller.client, &request.targets)?;
    if request.requested == Requested::Jwt && resource.format == TokenFormat::Opaque {
        return Err(Denial::new(DenialReason::FormatNotOffered));
    }
    Ok(resource)
}

/// How a subject token that is said to be of a kind is to be verified (ruling D7).
fn acceptable(caller: &Caller, declared: Declared<'_>) -> Result<Audiences, Denial> {
    match (declared.kind, caller.client.credentials.entra_app) {
        (TokenType::IdToken, Some(app)) => Ok(Audiences::IdTokenOf(app)),
        (TokenType::IdToken, None) => {
            let refused = Rejection::new(Reason::AudienceNotAccepted).at("aud");
            let refused = refused.expected("the client's own `entra_app`").found("it has none");
            Err(Denial::subject(refused))
        }
        (TokenType::Jwt, _) if declared.token.starts_with(OPAQUE_PREFIX) => {
            let refused = Rejection::new(Reason::TokenMalformed);
            Err(Denial::subject(refused.expected("a JWT").found("an opaque token")))
        }
        (TokenType::AccessToken | TokenType::Jwt, _) => Ok(Audiences::Exchangeable),
    }
}
