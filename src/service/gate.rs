//! Whether a gateway lets a request through to an API: one decision, whichever gateway asks and in
//! whichever protocol.

use std::sync::Arc;

use super::exchange::{self, Exchanger, Issued};
use super::introspect::{Introspector, Verdict};
use super::snapshot::{Caller, Snapshot};
use super::swap_cache::SwapCache;
use super::verdict_cache::Question;
use crate::domain::admission::{Bar, Barred, Visitor, admit};
use crate::domain::api::{Api, Guard, Swap};
use crate::domain::audit::record::{Event, Origin, Record};
use crate::domain::denial::{Denial, DenialReason};
use crate::domain::rejection::Reason;
use crate::ports::{AuditTrail, Dependency, Unavailable};
use crate::protocol::bearer::{BearerCode, BearerError, Challenge};
use crate::protocol::exchange::{Declared, Request, Requested};
use crate::protocol::ids::Fingerprint;
use crate::protocol::token_type::TokenType;

/// Seconds after which it may be asked again when something we depend on is missing.
pub const RETRY_SECONDS: u64 = 5;

/// What lets requests through.
#[derive(Debug)]
pub struct Gate {
    introspector: Arc<Introspector>,
    exchanger: Arc<Exchanger>,
    swaps: SwapCache,
    audit: Arc<dyn AuditTrail>,
}

/// What a gateway asks.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The caller's one token, or why there is none.
    pub token: Result<&'a str, BearerError>,
    /// What to swap it for, if it is not what the API's configuration says.
    pub swap: Option<&'a Swap>,
    /// Where the question came from.
    pub origin: Origin<'a>,
}

/// Never shows the token.
impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("swap", &self.swap).finish_non_exhaustive()
    }
}

/// An API whose gateway has been recognised.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// The API.
    pub api: Arc<Api>,
    /// The client that the gateway is.
    pub caller: Arc<Caller>,
    /// Whether the gateway has proved that; otherwise its network vouches for it.
    pub proved: bool,
}

impl Entrance {
    /// A name for who comes, the same at every request: of the subject and of who acts for it, since
    /// an agent must not use up its user's quota. Gateways take such names for keys, so nobody else
    /// can work one out.
    pub fn name_of(&self, visitor: &Visitor, snapshot: &Snapshot) -> Fingerprint {
        let actor = visitor.act_sub.as_deref().unwrap_or_default();
        let name = format!("session\n{}\n{actor}", visitor.principal);
        match &self.caller.client.credentials.secret {
            Some(secret) => secret.name(&name),
            // The configuration as a whole is known to nobody else either.
            None => snapshot.digest.keyed(&name),
        }
    }
}

/// Why it is not answered for a gateway at all: its configuration and ours do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shut {
    /// There is no such API.
    #[error("no API of this name under `apis`")]
    NoSuchApi,
    /// The gateway did not prove that it is the API's client.
    #[error("the secret is missing, or not that of the API's client")]
    Unproved,
}

/// A request that may pass.
#[derive(Debug)]
pub struct Admitted {
    /// Who comes.
    pub visitor: Visitor,
    /// The token that takes the place of theirs, if the API wants that.
    pub swapped: Option<Swapped>,
    /// How the decision about the token came about.
    pub verdict: Verdict,
}

impl Admitted {
    /// The value of `Authorization` on the way to the API: the token that was decided about, or the
    /// one it was swapped for. What else the caller may have sent there must not go on.
    pub fn authorization(&self, own: &str) -> String {
        format!("Bearer {}", self.swapped.as_ref().map_or(own, |swapped| &swapped.text))
    }
}

/// A token in the place of another.
pub struct Swapped {
    /// The token.
    pub text: Arc<str>,
    /// What it says, if it was issued just now; otherwise it was handed out before.
    pub issued: Option<Issued>,
}

/// Never shows the token.
impl std::fmt::Debug for Swapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Swapped").field("issued", &self.issued).finish_non_exhaustive()
    }
}

/// Why a request may not pass.
#[derive(Debug)]
pub enum Refused {
    /// It carries no single token.
    Unread(BearerError),
    /// The token is not good, or not good for this gateway.
    Inactive(Verdict, Reason),
    /// The token is good, but not for this.
    Barred(Verdict, Barred),
    /// It cannot be swapped.
    NotSwapped(Verdict, Box<Denial>),
    /// It cannot be known.
    Unavailable(Unavailable),
}

const fn is_at_its_end(denial: &Denial) -> bool {
    matches!(denial.reason, DenialReason::LifetimeTooShort | DenialReason::SubjectRejected)
}

impl From<BearerError> for Refused {
    fn from(error: BearerError) -> Self {
        Self::Unread(error)
    }
}

impl From<Unavailable> for Refused {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl Refused {
    /// The name of the outcome, for metrics and logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unread(BearerError::Missing) => "token_missing",
            Self::Unread(BearerError::Malformed(_)) => "token_malformed",
            Self::Inactive(..) => "token_inactive",
            Self::Barred(_, barred) => barred.bar.as_str(),
            Self::NotSwapped(..) => "exchange",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// The status of the answer (RFC 6750 §3.1).
    pub fn status(&self) -> u16 {
        match self {
            Self::Unread(BearerError::Malformed(_)) => 400,
            Self::Unread(BearerError::Missing)
            | Self::Inactive(..)
            | Self::Barred(_, Barred { bar: Bar::Audience, .. }) => 401,
            // It ended between the two decisions, or has too little life left: a new one helps.
            Self::NotSwapped(_, denial) if is_at_its_end(denial) => 401,
            Self::NotSwapped(..)
            | Self::Barred(_, Barred { bar: Bar::Policy | Bar::Scope, .. }) => 403,
            Self::Unavailable(_) => 503,
        }
    }

    /// After how many seconds it may be known, where it cannot be now.
    pub fn retry_after(&self) -> Option<u64> {
        (self.status() == 503).then_some(RETRY_SECONDS)
    }

    /// What the caller is told: fixed texts, which repeat nothing of the request.
    pub fn told(&self) -> &'static str {
        match (self, self.status()) {
            (Self::Unread(BearerError::Missing), _) => "a bearer token is required",
            (Self::Unread(BearerError::Malformed(_)), _) => "send exactly one bearer token",
            (Self::Barred(_, Barred { bar: Bar::Scope, .. }), _) => {
                "the token lacks a scope that is needed here"
            }
            (Self::Barred(_, Barred { bar: Bar::Policy, .. }), _) => {
                "the token gives no access here"
            }
            (Self::Unavailable(_), _) => "the token cannot be checked at the moment",
            (_, 401) => "the token is not valid here",
            _ => "the token cannot be used here",
        }
    }

    /// The `error` of the answer.
    pub fn code(&self) -> &'static str {
        match (self.challenge_code(), self.status()) {
            (Some(code), _) => code.as_str(),
            (None, 503) => "temporarily_unavailable",
            (None, 401) => "token_required",
            (None, _) => "access_denied",
        }
    }

    /// No code when there was no token (RFC 6750 §3.1), nor where another token would not help.
    fn challenge_code(&self) -> Option<BearerCode> {
        match (self, self.status()) {
            (Self::Unread(BearerError::Missing), _) => None,
            (Self::Barred(_, Barred { bar: Bar::Scope, .. }), _) => {
                Some(BearerCode::InsufficientScope)
            }
            (_, 400) => Some(BearerCode::InvalidRequest),
            (_, 401) => Some(BearerCode::InvalidToken),
            _ => None,
        }
    }

    /// The value of `WWW-Authenticate`, where another token would help.
    pub fn challenge(&self, api: &Api, snapshot: &Snapshot) -> Option<String> {
        let error = self.challenge_code();
        if error.is_none() && self.status() != 401 {
            return None;
        }
        let wants = matches!(error, None | Some(BearerCode::InsufficientScope));
        let metadata = api.resource.is_some().then(|| snapshot.metadata_url(&api.name));
        let challenge = Challenge {
            realm: &api.name,
            error,
            scopes: if wants { &api.scopes } else { &[] },
            metadata: metadata.as_deref(),
        };
        Some(challenge.to_string())
    }
}

impl Gate {
    /// A gate that decides as introspection does, and swaps as the token endpoint does.
    pub fn new(
        (introspector, exchanger): (Arc<Introspector>, Arc<Exchanger>),
        swaps: SwapCache,
        audit: Arc<dyn AuditTrail>,
    ) -> Self {
        Self { introspector, exchanger, swaps, audit }
    }

    /// The API called `name`, asked about by a gateway that shows `secret`.
    ///
    /// Failures are not throttled: one API with a wrong secret would shut out all others of its
    /// gateway, and a secret of 32 random letters is not guessed.
    pub fn recognise(
        snapshot: &Snapshot,
        name: &str,
        secret: Option<&str>,
    ) -> Result<Entrance, Shut> {
        let entrance = Self::entrance(snapshot, name)?;
        match (entrance.api.guard, secret) {
            // A secret that is shown must be right, whether it is needed or not.
            (_, Some(secret)) if entrance.caller.client.has_secret(secret) => {
                Ok(Entrance { proved: true, ..entrance })
            }
            (Guard::Network, None) => Ok(entrance),
            (Guard::Secret, None) | (_, Some(_)) => Err(Shut::Unproved),
        }
    }

    /// The API called `name`, asked about by a client that has proved who it is.
    pub fn entrance_of(snapshot: &Snapshot, name: &str, caller: &Caller) -> Result<Entrance, Shut> {
        let entrance = Self::entrance(snapshot, name)?;
        if entrance.caller.client.id == caller.client.id {
            Ok(Entrance { proved: true, ..entrance })
        } else {
            Err(Shut::Unproved)
        }
    }

    fn entrance(snapshot: &Snapshot, name: &str) -> Result<Entrance, Shut> {
        let api = snapshot.api(name).ok_or(Shut::NoSuchApi)?;
        let caller = snapshot.caller(&api.client).ok_or(Shut::NoSuchApi)?;
        Ok(Entrance { api: Arc::clone(api), caller: Arc::clone(caller), proved: false })
    }

    /// Decides what is asked at `entrance`.
    pub async fn decide(
        &self,
        snapshot: &Snapshot,
        Entrance { api, caller, .. }: &Entrance,
        Asked { token, swap, origin }: Asked<'_>,
    ) -> Result<Admitted, Refused> {
        let (token, origin) = (token?, origin.about(&api.name));
        let question = Question::of(caller, token);
        let verdict = match self.introspector.recall(&question) {
            Some(verdict) => verdict,
            None => self.introspector.decide(snapshot, caller, token, question).await?,
        };
        if self.introspector.records(&verdict) {
            self.introspector.record(caller, &question, &verdict, origin);
        }
        if let Some(reason) = verdict.refused {
            return Err(Refused::Inactive(verdict, reason));
        }
        let visitor = Visitor::read(&verdict.body).map_err(|error| unreadable(&error))?;
        if let Err(barred) = admit(&visitor, api) {
            let record = Record::new(Event::RequestRefused).from(origin).about(question.token);
            let record = record.client(caller.client.id.as_str()).visitor(&visitor);
            let why = format!("expected {}, found {}", barred.expected, barred.found);
            let record = record.refused(barred.bar.as_str()).detail(&why);
            self.audit.accept(record).await?;
            return Err(Refused::Barred(verdict, barred));
        }
        let swapped = match swap.or(api.exchange.as_ref()) {
            Some(swap) => match self.swap(snapshot, caller, (token, swap), origin).await {
                Ok(swapped) => Some(swapped),
                Err(exchange::Refused::Denied(denial)) => {
                    return Err(Refused::NotSwapped(verdict, denial));
                }
                Err(exchange::Refused::Unavailable(unavailable)) => return Err(unavailable.into()),
            },
            None => None,
        };
        Ok(Admitted { visitor, swapped, verdict })
    }

    async fn swap(
        &self,
        snapshot: &Snapshot,
        caller: &Arc<Caller>,
        (token, swap): (&str, &Swap),
        origin: Origin<'_>,
    ) -> Result<Swapped, exchange::Refused> {
        if let Some(text) = self.swaps.get(caller, token, swap) {
            return Ok(Swapped { text, issued: None });
        }
        let scopes = swap.scopes.iter().map(String::as_str).collect();
        let request = Request {
            subject: Declared { token, kind: TokenType::AccessToken },
            actor: None,
            targets: vec![&swap.resource],
            scopes: (!swap.scopes.is_empty()).then_some(scopes),
            requested: Requested::AccessToken,
        };
        let issued = self.exchanger.exchange(snapshot, caller, &request, origin).await?;
        let text = self.swaps.keep(snapshot, (caller, token, swap), &issued).await;
        Ok(Swapped { text, issued: Some(issued) })
    }
}

/// Our own answer is always readable; should it not be, nobody is let in by it.
fn unreadable(error: &serde_json::Error) -> Unavailable {
    let detail = format!("our own answer cannot be read: {error}");
    Unavailable { dependency: Dependency::SigningKey, detail }
}
