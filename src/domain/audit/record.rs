//! What is recorded: one flat record for each event, without time and without its place in the
//! chain.
//!
//! No record holds a token, a secret, a name or an address of a person. Texts that came from a
//! caller have been through [`safe`].

use std::borrow::Cow;

use serde::Serialize;

pub use super::origin::{Door, Introspections, Origin, RequestName};
use crate::domain::admission::Visitor;
use crate::domain::denial::{Denial, DenialReason};
use crate::domain::issued::IssuedToken;
use crate::domain::rejection::{Reason, safe};
use crate::domain::subject_token::SubjectToken;
use crate::protocol::delegation::Act;
use crate::protocol::exchange::Request;
use crate::protocol::ids::Fingerprint;

/// What happened.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Event {
    /// The service began to record: the first record of every run.
    Started,
    /// It stopped in order: the last one.
    Stopped,
    /// A token was issued in exchange for another.
    TokenIssued,
    /// An exchange was refused.
    ExchangeRefused,
    /// A token was introspected.
    Introspected,
    /// A gateway was told to refuse a request whose token is good.
    RequestRefused,
    /// Something was revoked.
    Revoked,
    /// A revocation was refused.
    RevocationRefused,
    /// A caller was not let in.
    AuthenticationFailed,
    /// An operator ordered keys to be rotated.
    KeyRotationOrdered,
    /// An operator ordered a key to be taken out.
    KeyRetirementOrdered,
    /// A signing key is in another state than before, or is new, or gone.
    KeyChanged,
    /// A changed configuration was taken up.
    ConfigurationChanged,
    /// A changed configuration was refused.
    ConfigurationRefused,
}

impl Event {
    /// The name, as records spell it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As was asked.
    Success,
    /// Refused, for the reason that is given.
    Refused,
}

/// One event. What is not known, or does not apply, is absent.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// What happened.
    pub event: Event,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused: one of the documented reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// By which door the request came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<Door>,
    /// The name of the request (`X-Request-Id`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The API that a gateway asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// The client that asked; for a failed authentication, the name it gave itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// From which address it tried to authenticate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How it tried to authenticate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'static str>,
    /// For whom: the stable identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// `user`, `service` or `agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_type: Option<Cow<'static, str>>,
    /// The tenant of the principal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// On whose behalf: who acts first, then who acted before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actors: Vec<String>,
    /// To whom the token is addressed, or what was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    /// The principal whose tokens an operator revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_principal: Option<String>,
    /// The client whose tokens an operator revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_client: Option<String>,
    /// Up to which moment of issue, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_up_to: Option<i64>,
    /// The scopes that were asked for; absent: whatever can be had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes_asked: Option<Vec<String>>,
    /// The scopes that were granted, or that the token has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The token that was issued or revoked: a digest of its issuer and its name, which every
    /// token that comes from it carries on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The first 64 bits of the SHA-256 of its whole text, as log lines name it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The token that it was exchanged for, as in `token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_token: Option<String>,
    /// The same, as in `fingerprint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_fingerprint: Option<String>,
    /// How many exchanges the token is away from the sign-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop: Option<u8>,
    /// When the token ends, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<i64>,
    /// What else an auditor should know, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Record {
    /// `event` ended well, and nothing else is known.
    pub const fn new(event: Event) -> Self {
        Self {
            event,
            outcome: Outcome::Success,
            reason: None,
            door: None,
            request: None,
            api: None,
            client: None,
            source: None,
            method: None,
            principal: None,
            principal_type: None,
            tenant: None,
            actors: Vec::new(),
            resource: Vec::new(),
            revoked_principal: None,
            revoked_client: None,
            issued_up_to: None,
            scopes_asked: None,
            scopes: None,
            rule: None,
            token: None,
            fingerprint: None,
            subject_token: None,
            subject_fingerprint: None,
            hop: None,
            expires: None,
            detail: None,
        }
    }

    /// It was refused, for a documented reason.
    #[must_use]
    pub const fn refused(mut self, reason: &'static str) -> Self {
        self.outcome = Outcome::Refused;
        self.reason = Some(reason);
        self
    }

    /// It came from there.
    #[must_use]
    pub fn from(mut self, origin: Origin<'_>) -> Self {
        self.door = Some(origin.door);
        self.request = origin.request.map(|name| match name {
            RequestName::Given(name) => name.to_owned(),
            RequestName::Made(name) => name.to_string(),
        });
        self.api = origin.api.map(str::to_owned);
        self
    }

    /// This client asked; the name may be the caller's own text.
    #[must_use]
    pub fn client(mut self, name: &str) -> Self {
        self.client = Some(safe(name));
        self
    }

    /// What else there is to say; it may hold a caller's text.
    #[must_use]
    pub fn detail(mut self, detail: &str) -> Self {
        self.detail = Some(safe(detail));
        self
    }

    /// The token was issued.
    #[must_use]
    pub fn issued(mut self, token: &IssuedToken, issuer: &str, rule: &str) -> Self {
        self.principal = Some(token.principal.to_string());
        self.principal_type = Some(Cow::Borrowed(token.kind.as_str()));
        self.tenant = Some(token.principal.tenant.to_string());
        self.actors = actors(token.act.as_ref());
        self.resource = vec![token.resource.clone()];
        self.scopes = Some(token.scopes.clone());
        self.rule = Some(rule.to_owned());
        self.token = Some(token.token_id(issuer).to_string());
        self.subject_token = token.ancestors.last().map(|hop| hop.id.to_string());
        self.hop = Some(token.hops());
        self.expires = Some(token.expires.seconds());
        self
    }

    /// The exchange was refused; the subject is told if its token was good.
    #[must_use]
    pub fn denied(mut self, denial: &Denial, subject: Option<&SubjectToken>) -> Self {
        if let Some(subject) = subject {
            self.principal = Some(subject.principal.to_string());
            self.principal_type = Some(Cow::Borrowed(subject.kind.as_str()));
            self.tenant = Some(subject.principal.tenant.to_string());
            self.actors = actors(subject.act.as_ref());
            self.subject_token = subject.hops.last().map(|hop| hop.id.to_string());
        }
        let record = self.refused(denial.reason.as_str());
        // The words of these repeat what nobody here knows.
        let unknown =
            matches!(denial.reason, DenialReason::ScopeUnknown | DenialReason::TargetUnknown);
        if unknown { record } else { record.detail(&denial.to_string()) }
    }

    /// What was asked of the token endpoint. What nobody here `knows` may be anything, a token too.
    #[must_use]
    pub fn asked(mut self, request: &Request<'_>, knows: impl Fn(&str) -> bool) -> Self {
        let told = |text: &&str| if knows(text) { safe(text) } else { unknown(text) };
        let told = |texts: &[&str]| texts.iter().map(told).collect();
        if self.resource.is_empty() {
            self.resource = told(&request.targets);
        }
        self.scopes_asked = request.scopes.as_deref().map(told);
        self
    }

    /// What was answered about a good token.
    #[must_use]
    pub fn visitor(mut self, visitor: &Visitor) -> Self {
        self.principal = Some(visitor.principal.clone());
        self.principal_type = Some(Cow::Owned(visitor.principal_type.clone()));
        self.tenant = Some(visitor.tenant.clone());
        self.actors = visitor.act_sub.iter().cloned().collect();
        self.resource.clone_from(&visitor.aud);
        let scopes = visitor.scope.split(' ').filter(|one| !one.is_empty());
        self.scopes = Some(scopes.map(str::to_owned).collect());
        self.expires = Some(visitor.exp);
        self
    }

    /// It is about the token with this digest.
    #[must_use]
    pub fn about(mut self, token: Fingerprint) -> Self {
        self.fingerprint = Some(token.to_string());
        self
    }

    /// The token with this digest was, or was to be, exchanged.
    #[must_use]
    pub fn subject(mut self, token: Fingerprint) -> Self {
        self.subject_fingerprint = Some(token.to_string());
        self
    }

    /// The token is not good.
    #[must_use]
    pub fn inactive(self, reason: Reason) -> Self {
        self.refused(reason.as_str())
    }
}

/// How a text is told that means nothing here.
fn unknown(text: &str) -> String {
    format!("unknown, SHA-256 {}", Fingerprint::of(text.as_bytes()))
}

/// Who acts, and who acted before (RFC 8693 §4.1).
fn actors(act: Option<&Act>) -> Vec<String> {
    std::iter::successors(act, |act| act.act.as_deref()).map(|act| act.sub.clone()).collect()
}
