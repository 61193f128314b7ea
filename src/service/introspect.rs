//! Introspection: what one client is told about one token (RFC 7662 §2).

use std::sync::Arc;

use bytes::Bytes;

use super::shared_answers::Answers;
use super::snapshot::{Caller, Snapshot};
use super::tokens::{Own, Token, Tokens};
use super::verdict_cache::{Decided, Entry, Question, Recalled, Refused, VerdictCache};
use super::verify::{Audiences, Refusal};
use crate::domain::admission::Visitor;
use crate::domain::answer::{Source, TokenIssuer};
use crate::domain::audit::record::{Event, Origin, Record};
use crate::domain::client::IntrospectPermission;
use crate::domain::identity::{Context, permitted};
use crate::domain::issued::{IssuedToken, OPAQUE_PREFIX, TYPE};
use crate::domain::keyring::SigningAlgorithm;
use crate::domain::rejection::{Reason, Rejection, Step};
use crate::domain::validate::ValidToken;
use crate::ports::{AuditTrail, Clock, Dependency, GroupDirectory, Unavailable};
use crate::protocol::ids::Fingerprint;
use crate::protocol::introspection::{INACTIVE, SIGNED_TYP, Signed};
use crate::protocol::json::{self, Json, Object};
use crate::protocol::time::{Seconds, UnixTime};

/// How long a refusal is remembered at most (POL).
const REFUSAL_LIFE: Seconds = Seconds::new(5);
/// How long an answer without the groups is kept, when Graph should have told them.
const UNKNOWN_GROUPS_LIFE: Seconds = Seconds::new(30);

/// What is answered about a token, and how that came about.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The body of the answer.
    pub body: Bytes,
    /// Why it is not active, if it is not; for the operator only.
    pub refused: Option<Reason>,
    /// Where the answer came from.
    pub source: Source,
    /// Who issued the token, or would have.
    pub issuer: TokenIssuer,
}

impl Verdict {
    const fn active(body: Bytes, issuer: TokenIssuer, source: Source) -> Self {
        Self { body, refused: None, source, issuer }
    }

    /// Every refusal has the same body (INT-29).
    const fn inactive(reason: Reason, issuer: TokenIssuer, source: Source) -> Self {
        Self { body: Bytes::from_static(INACTIVE), refused: Some(reason), source, issuer }
    }
}

impl From<Recalled> for Verdict {
    fn from(recalled: Recalled) -> Self {
        match recalled {
            Recalled::Active(Entry { body, issuer, .. }) => {
                Self::active(body, issuer, Source::Memory)
            }
            Recalled::Refused(Refused { reason, issuer, .. }) => {
                Self::inactive(reason, issuer, Source::Memory)
            }
        }
    }
}

/// The introspection service.
#[derive(Debug)]
pub struct Introspector {
    tokens: Arc<Tokens>,
    groups: Arc<dyn GroupDirectory>,
    own: Own,
    clock: Arc<dyn Clock>,
    cache: VerdictCache,
    shared: Option<Answers>,
    audit: Arc<dyn AuditTrail>,
}

/// What an introspector works with.
#[derive(Debug)]
pub struct Parts {
    /// Verifies tokens.
    pub tokens: Arc<Tokens>,
    /// Tells groups that Entra left out.
    pub groups: Arc<dyn GroupDirectory>,
    /// Signs answers, and knows what is behind opaque tokens.
    pub own: Own,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Keeps answers.
    pub cache: VerdictCache,
    /// Has those that other replicas prepared; `None`: they are not shared.
    pub shared: Option<Answers>,
    /// Records what is answered, where that is asked for.
    pub audit: Arc<dyn AuditTrail>,
}

impl Introspector {
    /// An introspector of these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { tokens, groups, own, clock, cache, shared, audit } = parts;
        Self { tokens, groups, own, clock, cache, shared, audit }
    }

    /// The answers that are kept.
    pub const fn cache(&self) -> &VerdictCache {
        &self.cache
    }

    /// What was decided before. The hot path: never waits, and asks nobody.
    pub fn recall(&self, question: &Question) -> Option<Verdict> {
        // While it is not known what was revoked, neither is anything else told.
        let known = || self.own.revocations.known().is_ok();
        self.cache.recall(question, self.clock.now(), known).map(Verdict::from)
    }

    /// Whether such a verdict is to be recorded.
    pub fn records(&self, verdict: &Verdict) -> bool {
        self.audit.introspections().include(verdict.source == Source::Memory)
    }

    /// Records that `caller` was told `verdict`. Waits for nothing.
    pub fn record(
        &self,
        caller: &Caller,
        question: &Question,
        verdict: &Verdict,
        origin: Origin<'_>,
    ) {
        let record = Record::new(Event::Introspected).from(origin).about(question.token);
        let record = record.client(caller.client.id.as_str());
        self.audit.note(match verdict.refused {
            Some(reason) => record.inactive(reason),
            // Our own answer is always readable.
            None => match Visitor::read(&verdict.body) {
                Ok(visitor) => record.visitor(&visitor),
                Err(_) => record,
            },
        });
    }

    /// Decides what `caller` is told about `token`, which is the one in `question`.
    pub async fn decide(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        token: &str,
        question: Question,
    ) -> Result<Verdict, Unavailable> {
        let decide = self.decide_alone(snapshot, caller, token, question);
        match self.cache.decide(&question, decide).await? {
            Decided::ByAnother(entry) => Ok(Recalled::Active(entry).into()),
            Decided::Now(verdict) => Ok(verdict),
        }
    }

    async fn decide_alone(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        token: &str,
        question: Question,
    ) -> Result<(Verdict, Option<Entry>), Unavailable> {
        // Whoever held the guard before may have decided just now.
        self.own.revocations.known()?;
        if let Some(refused) = self.cache.refused(&question, self.clock.now()) {
            return Ok((Recalled::Refused(refused).into(), None));
        }
        if let Some(shared) = &self.shared
            && let Some(entry) = shared.find(caller, &question).await
        {
            let verdict = Verdict::active(entry.body.clone(), entry.issuer, Source::Redis);
            return Ok((verdict, Some(entry)));
        }
        match self.evaluate(snapshot, caller, (token, &question)).await {
            Ok((body, issuer, entry)) => {
                Ok((Verdict::active(body, issuer, Source::Decided), entry))
            }
            Err(Refusal::Unavailable(unavailable)) => Err(unavailable),
            Err(Refusal::Rejected(rejection)) => {
                tracing::info!(
                    client = %caller.client.id,
                    token = %question.token,
                    reason = rejection.reason.as_str(),
                    step = rejection.step().as_str(),
                    detail = %rejection,
                    "token refused"
                );
                let (reason, issuer) = (rejection.reason, rejection.issuer);
                if is_final(&rejection) {
                    let until = self.clock.now().plus(REFUSAL_LIFE);
                    self.cache.refuse(question, Refused { reason, issuer, until });
                }
                Ok((Verdict::inactive(reason, issuer, Source::Decided), None))
            }
        }
    }

    /// The whole decision about an unknown token.
    async fn evaluate(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        (token, question): (&str, &Question),
    ) -> Result<(Bytes, TokenIssuer, Option<Entry>), Refusal> {
        let vetted = self.tokens.verify(snapshot, token, Audiences::ProtectedApis).await?;
        let issuer = vetted.token.issuer();
        let permission = permitted(vetted.token.audience(), caller.client.introspect.as_ref());
        let permission = permission.map_err(|rejection| rejection.of(issuer))?;
        let (body, until) = match &vetted.token {
            Token::Entra(token) => {
                let told = self.entra_context(snapshot, permission, token).await;
                told.map_err(|refusal| refusal.of(issuer))?
            }
            Token::Issued { token, .. } => {
                (issued_context(token, &snapshot.issuer)?, UnixTime::MAX)
            }
        };
        // Kept for long, so without the room that grew beside it.
        let body = Bytes::from(body.into_boxed_slice());
        if let Some(shared) = &self.shared {
            shared.keep((caller, question), &vetted, until, &body);
        }
        let standing = vetted.standing(until);
        let entry = standing.stands(self.clock.now(), &*self.own.revocations).then(|| Entry {
            body: body.clone(),
            issuer,
            standing: Arc::new(standing),
        });
        Ok((body, issuer, entry))
    }

    /// The identity context of an Entra token, and until when its groups may be used.
    async fn entra_context(
        &self,
        snapshot: &Snapshot,
        permission: &IntrospectPermission,
        token: &ValidToken,
    ) -> Result<(Vec<u8>, UnixTime), Refusal> {
        let known = known_groups(&*self.groups, token, self.clock.now()).await;
        let context = Context::new(token, permission, known.groups(token), &snapshot.mapping);
        let body = json::written(&context.answer()?).map_err(|error| unserialisable(&error))?;
        Ok((body, known.until))
    }

    /// The JWT behind `token`, which was minted here and is active for `caller`; `None` when the
    /// caller may not have it, or when it is none of ours (phantom token).
    pub async fn phantom(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        token: &str,
    ) -> Result<Option<String>, Unavailable> {
        let allowed = caller.client.introspect.as_ref().is_some_and(|may| may.phantom);
        if !allowed || !token.starts_with(OPAQUE_PREFIX) {
            return Ok(None);
        }
        let kept = self.own.opaque.find(Fingerprint::of(token.as_bytes())).await?;
        let Some(claims) = kept else { return Ok(None) };
        let resource = Object::parse(&claims).ok().and_then(|claims| {
            claims.get("aud").and_then(Json::as_str).and_then(|name| snapshot.resource(name))
        });
        let Some(resource) = resource else { return Ok(None) };
        self.own.signer.sign(resource.algorithm, TYPE, &claims).await.map(Some)
    }

    /// The signed form of `verdict` for `caller` (RFC 9701 §5).
    pub async fn sign(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        verdict: &Verdict,
    ) -> Result<String, Unavailable> {
        let unsigned = serde_json::from_slice(&verdict.body).and_then(|answer| {
            serde_json::to_vec(&Signed {
                iss: &snapshot.issuer,
                aud: caller.client.id.as_str(),
                iat: self.clock.now().seconds(),
                token_introspection: answer,
            })
        });
        let unsigned = unsigned.map_err(|error| unserialisable(&error))?;
        // The default of RFC 9701 §6 (JIR-09).
        self.own.signer.sign(SigningAlgorithm::Rs256, SIGNED_TYP, &unsigned).await
    }
}

/// The identity context of a token that was minted here: the same for a JWT and an opaque one.
fn issued_context(token: &IssuedToken, issuer: &str) -> Result<Vec<u8>, Unavailable> {
    let (principal, audience) = (token.principal.to_string(), [token.resource.clone()]);
    json::written(&token.answer(issuer, &principal, &audience))
        .map_err(|error| unserialisable(&error))
}

fn unserialisable(error: &serde_json::Error) -> Unavailable {
    Unavailable { dependency: Dependency::SigningKey, detail: error.to_string() }
}

/// Whether neither time nor a fresh key set can turn this refusal into a yes (A245): the token
/// was read and, beyond its format, believed.
fn is_final(rejection: &Rejection) -> bool {
    match rejection.step() {
        Step::Format | Step::Audience | Step::Identity | Step::Caller => true,
        Step::Lifetime => matches!(rejection.reason, Reason::Expired | Reason::Revoked),
        Step::Header | Step::Issuer | Step::Key | Step::Signature => false,
    }
}

/// What the directory told about groups that a token left out.
#[derive(Debug)]
pub struct KnownGroups {
    told: Option<Arc<[String]>>,
    until: UnixTime,
}

impl KnownGroups {
    /// Until when this may be used.
    pub const fn until(&self) -> UnixTime {
        self.until
    }

    /// The groups of `token`: its own, else what the directory told, else unknown.
    pub fn groups<'a>(&'a self, token: &'a ValidToken) -> Option<&'a [String]> {
        token.subject.groups.as_deref().or(self.told.as_deref())
    }
}

/// Asks `directory` for the groups of `token`, if Entra left them out. An outage of the directory
/// leaves them unknown, for a short while: unknown groups can only grant less.
pub async fn known_groups(
    directory: &dyn GroupDirectory,
    token: &ValidToken,
    now: UnixTime,
) -> KnownGroups {
    let principal = token.subject.principal;
    if token.subject.groups.is_some() || !directory.covers(principal) {
        return KnownGroups { told: None, until: UnixTime::MAX };
    }
    match directory.groups(principal, token.subject.kind).await {
        Ok(found) => KnownGroups { told: Some(found.groups), until: found.valid_until },
        Err(unavailable) => {
            tracing::warn!(%principal, %unavailable, "groups are unknown");
            KnownGroups { told: None, until: now.plus(UNKNOWN_GROUPS_LIFE) }
        }
    }
}
