//! Why an exchange is refused: one stable list of reasons, told to the operator; the caller is told
//! only the error code of each. `docs/exchange.md` documents them, and a test holds it to this file.

use std::fmt;

use super::mapping::Miss;
use super::rejection::{Rejection, safe};

/// The checks of an exchange, in the order they are made.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Check {
    /// The client may exchange at all.
    Client,
    /// It asks for one resource that it may ask for, and that lets it in.
    Target,
    /// The subject token is good.
    Subject,
    /// The actor is good, and may act.
    Actor,
    /// A rule of the client, and the resource, allow this subject.
    Rule,
    /// The chain of actors may grow.
    Chain,
    /// Every scope asked for can be had.
    Scope,
    /// Enough life is left.
    Lifetime,
}

impl Check {
    /// The name of the check.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// What holds when it passes.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Client => "the client has `exchange` rules",
            Self::Target => "one resource is asked for, the client may ask, and it is let in",
            Self::Subject => "the subject token is good, and what it is said to be",
            Self::Actor => "the actor is proved, is not the subject, and may act for it",
            Self::Rule => "a rule of the client fits the subject, and the resource lets it in",
            Self::Chain => "the chain of actors has room, and nobody is in it twice",
            Self::Scope => "the subject has every scope, the rule and the resource know it",
            Self::Lifetime => "the tokens presented live long enough",
        }
    }
}

/// The error codes of the token endpoint (RFC 6749 §5.2, RFC 8693 §2.2.2, RFC 8707 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ErrorCode {
    /// A token is not acceptable, for whatever reason (TEX-30).
    InvalidRequest,
    /// A scope cannot be had (TEX-32).
    InvalidScope,
    /// The target cannot be had (TEX-31).
    InvalidTarget,
    /// The client may not exchange at all (TEX-11).
    UnauthorizedClient,
}

/// Why an exchange is refused.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum DenialReason {
    /// The actor is the subject itself.
    ActorIsSubject,
    /// The resource does not let the actor in.
    ActorNotAdmitted,
    /// The actor token proves no client.
    ActorRejected,
    /// The actor is in the chain already.
    ChainLoop,
    /// The chain of actors is too long, or too many exchanges lie behind the token.
    ChainTooLong,
    /// The client has no `exchange` rule at all.
    ClientNotPermitted,
    /// A JWT is asked for, and the resource takes opaque tokens.
    FormatNotOffered,
    /// Too little life is left in the tokens presented.
    LifetimeTooShort,
    /// `may_act` of the subject token names another party, or none.
    MayActMismatch,
    /// No rule of the client for the resource fits the subject token.
    NoRuleFits,
    /// Nothing is left to grant.
    ScopeEmpty,
    /// The subject token does not carry what earns the scope.
    ScopeNotHeld,
    /// The rule does not let the client ask for the scope.
    ScopeNotPermitted,
    /// The resource does not know the scope.
    ScopeUnknown,
    /// The resource does not let such subjects in.
    SubjectNotAdmitted,
    /// The subject token is not good.
    SubjectRejected,
    /// The request names several resources.
    TargetAmbiguous,
    /// The request names no resource, and the client has no default.
    TargetMissing,
    /// The resource does not let the client in.
    TargetNotAdmitted,
    /// The client has no rule for the resource.
    TargetNotPermitted,
    /// No such resource.
    TargetUnknown,
}

impl DenialReason {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The check that fails.
    pub const fn check(self) -> Check {
        match self {
            Self::ClientNotPermitted => Check::Client,
            Self::FormatNotOffered
            | Self::TargetAmbiguous
            | Self::TargetMissing
            | Self::TargetNotAdmitted
            | Self::TargetNotPermitted
            | Self::TargetUnknown => Check::Target,
            Self::SubjectRejected => Check::Subject,
            Self::ActorIsSubject
            | Self::ActorNotAdmitted
            | Self::ActorRejected
            | Self::MayActMismatch => Check::Actor,
            Self::NoRuleFits | Self::SubjectNotAdmitted => Check::Rule,
            Self::ChainLoop | Self::ChainTooLong => Check::Chain,
            Self::ScopeEmpty
            | Self::ScopeNotHeld
            | Self::ScopeNotPermitted
            | Self::ScopeUnknown => Check::Scope,
            Self::LifetimeTooShort => Check::Lifetime,
        }
    }

    /// What the caller is told.
    pub const fn code(self) -> ErrorCode {
        match self {
            // RFC 8693 §2.2.2: either token, unacceptable for whatever reason (ruling D1).
            Self::ActorIsSubject
            | Self::ActorNotAdmitted
            | Self::ActorRejected
            | Self::ChainLoop
            | Self::ChainTooLong
            | Self::FormatNotOffered
            | Self::LifetimeTooShort
            | Self::MayActMismatch
            | Self::NoRuleFits
            | Self::SubjectNotAdmitted
            | Self::SubjectRejected => ErrorCode::InvalidRequest,
            Self::ScopeEmpty
            | Self::ScopeNotHeld
            | Self::ScopeNotPermitted
            | Self::ScopeUnknown => ErrorCode::InvalidScope,
            // Unknown and not permitted look alike from outside (A154).
            Self::TargetAmbiguous
            | Self::TargetMissing
            | Self::TargetNotAdmitted
            | Self::TargetNotPermitted
            | Self::TargetUnknown => ErrorCode::InvalidTarget,
            Self::ClientNotPermitted => ErrorCode::UnauthorizedClient,
        }
    }

    /// What to do about it, for the operator.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::ActorIsSubject => "send no actor token: the subject need not act for itself",
            Self::ActorNotAdmitted => "add the actor to the resource's `callers`",
            Self::ActorRejected => {
                "the actor token must prove this client, or one of the rule's `actors`, to us"
            }
            Self::ChainLoop => "an agent exchanges for one subject once; pass the newer token on",
            Self::ChainTooLong => "start again from the user's own token",
            Self::ClientNotPermitted => "give the client an `exchange` section",
            Self::FormatNotOffered => {
                "ask for an access token, or set `token: jwt` for the resource"
            }
            Self::LifetimeTooShort => "get a new subject token, or actor token, first",
            Self::MayActMismatch => "only the party that `may_act` names may exchange this token",
            Self::NoRuleFits => "add or widen a rule under the client's `exchange`; see each miss",
            Self::ScopeEmpty => "give the subject what earns one of the rule's scopes",
            Self::ScopeNotHeld => {
                "give the subject a scope or role that earns it, or add one to the resource's map"
            }
            Self::ScopeNotPermitted => "add the scope to the rule, if the client may have it",
            Self::ScopeUnknown => "add the scope to the resource, or correct the request",
            Self::SubjectNotAdmitted => "widen the resource's `subjects` or `from`",
            Self::SubjectRejected => "explain the subject token by itself",
            Self::TargetAmbiguous => "ask for one resource at a time",
            Self::TargetMissing => "name a `resource`, or set the client's `default_resource`",
            Self::TargetNotAdmitted => "add the client to the resource's `callers`",
            Self::TargetNotPermitted => "add a rule for the resource to the client's `exchange`",
            Self::TargetUnknown => "add it under `resources`, or correct the request",
        }
    }
}

/// One rule of the client that was tried, and the conditions that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RuleMissed {
    /// Its name.
    pub name: String,
    /// What did not hold, with what would have.
    pub missed: Vec<Miss>,
}

/// An exchange was refused, and this is why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub reason: DenialReason,
    /// What would have been accepted.
    pub expected: Option<String>,
    /// What was found; escaped and cut, since it may be the caller's text.
    pub found: Option<String>,
    /// Why the subject token itself is not good, if that is it.
    pub cause: Option<Box<Rejection>>,
    /// The rules that were tried, if none fits.
    pub rules: Vec<RuleMissed>,
}

impl Denial {
    /// A refusal for `reason`.
    pub const fn new(reason: DenialReason) -> Self {
        Self { reason, expected: None, found: None, cause: None, rules: Vec::new() }
    }

    /// This would have been accepted.
    #[must_use]
    pub fn expected(mut self, expected: impl fmt::Display) -> Self {
        self.expected = Some(expected.to_string());
        self
    }

    /// This was found; it may be hostile.
    #[must_use]
    pub fn found(mut self, found: impl fmt::Display) -> Self {
        self.found = Some(safe(&found.to_string()));
        self
    }

    /// The subject token is not good.
    pub fn subject(cause: Rejection) -> Self {
        Self { cause: Some(Box::new(cause)), ..Self::new(DenialReason::SubjectRejected) }
    }
}

/// `scope_not_held: expected …, found …`
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.as_str())?;
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        if let Some(expected) = &self.expected {
            write!(f, ": expected {expected}")?;
        }
        if let Some(found) = &self.found {
            write!(f, ", found {found}")?;
        }
        for rule in &self.rules {
            let missed: Vec<_> = rule.missed.iter().map(|miss| miss.condition.as_str()).collect();
            write!(f, "; rule {} misses {}", rule.name, missed.join(", "))?;
        }
        Ok(())
    }
}

impl std::error::Error for Denial {}
