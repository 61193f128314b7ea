//! Why a token is refused: one stable list of reasons, told to the operator and never to the caller.
//!
//! The names are an interface: logs, metrics, `explain` and the users' own tests share them.
//! `docs/reasons.md` documents them, and a test holds it against this file.

use std::fmt;

use super::answer::TokenIssuer;
use super::issued::OPAQUE_PREFIX;

/// The steps of a decision, in the order they are taken.
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
pub enum Step {
    /// The text is a compact, signed JWT.
    Format,
    /// Its header asks for nothing that is not supported.
    Header,
    /// It names an issuer that is trusted here.
    Issuer,
    /// The issuer has the key it names.
    Key,
    /// The signature is that key's.
    Signature,
    /// The present moment lies in its lifetime.
    Lifetime,
    /// It is addressed to an API protected here.
    Audience,
    /// It is an access token and says whose.
    Identity,
    /// The caller may learn about it.
    Caller,
}

impl Step {
    /// The name of the step.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// What holds when it passes.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Format => "it is one compact, signed JWT",
            Self::Header => "its header asks for nothing unusual",
            Self::Issuer => "it names an Entra tenant that is configured here, or this service",
            Self::Key => "the issuer has the key it names",
            Self::Signature => "the signature is that key's; an opaque token is known",
            Self::Lifetime => "it is valid now, and nothing it rests on was revoked",
            Self::Audience => "it is addressed to an API or a resource that is configured here",
            Self::Identity => "it is an access token and says whose",
            Self::Caller => "it is addressed to one of the client's own `introspect.audiences`",
        }
    }
}

/// Why a token is refused.
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
pub enum Reason {
    /// `alg` is not the algorithm of the issuer's keys.
    AlgorithmNotAccepted,
    /// `aud` names no API that is configured for the tenant.
    AudienceNotAccepted,
    /// `aud` names an API, but not one of the caller's.
    AudienceNotForCaller,
    /// The caller has no permission to introspect at all.
    CallerNotPermitted,
    /// A claim has the wrong type or form.
    ClaimMalformed,
    /// A claim that every access token has is missing.
    ClaimMissing,
    /// `exp` has passed.
    Expired,
    /// The header's `nonce` marks a token for Microsoft Graph, which only Graph can check.
    GraphToken,
    /// The header has a member that changes how the token is read, or one that cannot be read.
    HeaderUnsupported,
    /// An ID token: it says who signed in to an app, and opens no API.
    IdToken,
    /// `iat` lies in the future.
    IssuedInFuture,
    /// `iss` is not the issuer of the token's tenant and version.
    IssuerMismatch,
    /// `iss` is not an Entra tenant.
    IssuerNotAccepted,
    /// The key that `kid` names signs for another issuer.
    KeyNotForIssuer,
    /// The issuer has no key of this `kid`.
    KeyUnknown,
    /// The header has no `kid`.
    KidMissing,
    /// `nbf`, `iat` and `exp` contradict each other, or `exp` is too far away.
    LifetimeImplausible,
    /// A security event, logout token or another kind of JWT.
    NotAnAccessToken,
    /// Declared as an ID token, and another kind of token.
    NotAnIdToken,
    /// `nbf` lies in the future.
    NotYetValid,
    /// An opaque token that is not known here, or not any more.
    OpaqueUnknown,
    /// `cnf` binds the token to a key, and no proof of that key is checked here.
    ProofOfPossession,
    /// Revoked: the token, one it was exchanged from, its principal or a client.
    Revoked,
    /// The signature does not match: the token was altered or signed by somebody else.
    SignatureInvalid,
    /// `tid` is not a tenant that is configured.
    TenantNotAccepted,
    /// Encrypted.
    TokenEncrypted,
    /// Not a compact, signed JWT in its one canonical spelling.
    TokenMalformed,
    /// Longer than the limits.
    TokenTooLarge,
    /// `typ` names another kind of token.
    TypeNotAccepted,
    /// `ver` is neither `1.0` nor `2.0`.
    VersionNotAccepted,
}

impl Reason {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The step at which this arises, unless a claim decides that (see [`Rejection::step`]).
    const fn step(self) -> Step {
        match self {
            Self::TokenEncrypted | Self::TokenMalformed | Self::TokenTooLarge => Step::Format,
            Self::AlgorithmNotAccepted
            | Self::GraphToken
            | Self::HeaderUnsupported
            | Self::KidMissing
            | Self::TypeNotAccepted => Step::Header,
            Self::IssuerMismatch
            | Self::IssuerNotAccepted
            | Self::TenantNotAccepted
            | Self::VersionNotAccepted => Step::Issuer,
            Self::KeyNotForIssuer | Self::KeyUnknown => Step::Key,
            Self::OpaqueUnknown | Self::SignatureInvalid => Step::Signature,
            Self::Expired
            | Self::IssuedInFuture
            | Self::LifetimeImplausible
            | Self::NotYetValid
            | Self::Revoked => Step::Lifetime,
            Self::AudienceNotAccepted => Step::Audience,
            Self::ClaimMalformed
            | Self::ClaimMissing
            | Self::IdToken
            | Self::NotAnAccessToken
            | Self::NotAnIdToken
            | Self::ProofOfPossession => Step::Identity,
            Self::AudienceNotForCaller | Self::CallerNotPermitted => Step::Caller,
        }
    }

    /// What to do about it, for the operator.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::AlgorithmNotAccepted => "Entra signs with RS256; find out who issued this token",
            Self::AudienceNotAccepted => {
                "add the audience to `entra[].audiences`, or request a token for an API listed there"
            }
            Self::AudienceNotForCaller => {
                "add the audience to the client's `introspect.audiences`, if it serves that API"
            }
            Self::CallerNotPermitted => "give the client an `introspect` section",
            Self::ClaimMalformed => {
                "find out who issued this token; Entra does not write this claim so"
            }
            Self::ClaimMissing => "check the app registration's token configuration for this claim",
            Self::Expired => "the client must request a new token",
            Self::GraphToken => {
                "request the token for your own API (its scope), not for Microsoft Graph"
            }
            Self::HeaderUnsupported => {
                "find out who issued this token; Entra writes no such header"
            }
            Self::IdToken => "send the access token for the API, not the ID token of the sign-in",
            Self::IssuedInFuture | Self::NotYetValid => {
                "compare the clocks of this host and the issuer"
            }
            Self::IssuerMismatch => "compare `iss` with the discovery document of the tenant",
            Self::IssuerNotAccepted => "only tokens of the tenants under `entra` are accepted",
            Self::KeyNotForIssuer => {
                "this key belongs to another tenant; treat the token as hostile"
            }
            Self::KeyUnknown => {
                "if the keys were rotated just now, retry after `key_sets.cooldown`"
            }
            Self::KidMissing => "find out who issued this token; Entra always names its key",
            Self::LifetimeImplausible => {
                "find out who issued this token; Entra's live at most 28 hours"
            }
            Self::NotAnAccessToken => "send the access token for the API",
            Self::NotAnIdToken => "declare the token as what it is (`subject_token_type`)",
            Self::OpaqueUnknown => "it was never issued here, or it has expired",
            Self::ProofOfPossession => {
                "request a bearer token; the proof of a bound one is not checked"
            }
            Self::Revoked => "the user signs in again, or the client exchanges a newer token",
            Self::SignatureInvalid => {
                "the token was altered on its way, or signed by somebody else"
            }
            Self::TenantNotAccepted => "add the tenant under `entra`, if its users may come in",
            Self::TokenEncrypted => "turn off token encryption for the API in Entra",
            Self::TokenMalformed => {
                "send the token exactly as it was issued, without `Bearer ` or quotes"
            }
            Self::TokenTooLarge => {
                "emit fewer claims in the token (groups assigned to the application)"
            }
            Self::TypeNotAccepted => "send an Entra access token (`typ` is JWT)",
            Self::VersionNotAccepted => "find out who issued this token; Entra writes 1.0 or 2.0",
        }
    }
}

/// A token was refused, and this is what misfired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why.
    pub reason: Reason,
    /// The claim or header member that misfired, if one did.
    pub claim: Option<&'static str>,
    /// What would have been accepted.
    pub expected: Option<String>,
    /// What the token has; escaped and cut, since it is the caller's text.
    pub found: Option<String>,
    /// Who the token says that issued it, if that is somebody known here.
    pub issuer: TokenIssuer,
}

impl Rejection {
    /// A refusal for `reason`.
    pub const fn new(reason: Reason) -> Self {
        let issuer = TokenIssuer::Unknown;
        Self { reason, claim: None, expected: None, found: None, issuer }
    }

    /// The token says that it is of this issuer.
    #[must_use]
    pub const fn of(mut self, issuer: TokenIssuer) -> Self {
        self.issuer = issuer;
        self
    }

    /// It was this claim or header member.
    #[must_use]
    pub const fn at(mut self, claim: &'static str) -> Self {
        self.claim = Some(claim);
        self
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

    /// The step at which the decision fell.
    pub fn step(&self) -> Step {
        let claim_decides = matches!(self.reason, Reason::ClaimMalformed | Reason::ClaimMissing);
        match self.claim {
            Some("iss" | "tid" | "ver") if claim_decides => Step::Issuer,
            Some("exp" | "iat" | "nbf") if claim_decides => Step::Lifetime,
            Some("aud") if claim_decides => Step::Audience,
            _ => self.reason.step(),
        }
    }
}

/// `expired: exp: expected …, found …`
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.as_str())?;
        if let Some(claim) = self.claim {
            write!(f, ": {claim}")?;
        }
        if let Some(expected) = &self.expected {
            write!(f, ": expected {expected}")?;
        }
        if let Some(found) = &self.found {
            write!(f, ", found {found}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}

/// Longest piece of a caller's text that is ever shown, in characters.
const SHOWN: usize = 160;

/// A caller's text as it may be shown: printable ASCII, everything else escaped, cut when long
/// (A35, A226). What looks like a token is not shown, wherever a caller put it.
pub fn safe(text: &str) -> String {
    let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'\\';
    // Nearly every text is: a flood of bad tokens is to cost little.
    if text.len() <= SHOWN && text.bytes().all(plain) {
        return without_tokens(text);
    }
    let mut shown: String =
        text.chars().take(SHOWN).flat_map(char::escape_default).filter(char::is_ascii).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    without_tokens(&shown.replace("\\'", "'").replace("\\\"", "\""))
}

/// How JWTs, and the opaque tokens that are issued here, begin.
const TOKENS: [&str; 2] = ["eyJ", OPAQUE_PREFIX];

/// Everything from the beginning of a token to its end, but that beginning, is left out.
fn without_tokens(text: &str) -> String {
    let Some((at, prefix)) = TOKENS.iter().filter_map(|one| Some((text.find(one)?, one))).min()
    else {
        return text.to_owned();
    };
    let (before, token) = text.split_at_checked(at).unwrap_or((text, ""));
    let inside = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let after = token.trim_start_matches(inside);
    format!("{before}{prefix}…{}", without_tokens(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_decides_the_step_it_belongs_to() {
        let missing = |claim| Rejection::new(Reason::ClaimMissing).at(claim).step();
        assert_eq!(missing("iss"), Step::Issuer);
        assert_eq!(missing("exp"), Step::Lifetime);
        assert_eq!(missing("aud"), Step::Audience);
        assert_eq!(missing("oid"), Step::Identity);
        assert_eq!(Rejection::new(Reason::Expired).at("exp").step(), Step::Lifetime);
    }

    #[test]
    fn what_looks_like_a_token_is_not_shown() {
        assert_eq!(safe("eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln"), "eyJ…");
        assert_eq!(safe("a tsr_0123456789 and \"eyJhbGci\" b"), "a tsr_… and \"eyJ…\" b");
        assert_eq!(safe("orders.read"), "orders.read");
        assert_eq!(safe(&"x".repeat(SHOWN)).len(), SHOWN);
        assert_eq!(safe("'a' \"b\" c\\d"), "'a' \"b\" c\\\\d");
    }

    #[test]
    fn hostile_text_is_shown_escaped_and_cut() {
        assert_eq!(safe("a\r\nb\u{1b}[31m\u{202e}"), "a\\r\\nb\\u{1b}[31m\\u{202e}");
        assert_eq!(safe(&"x".repeat(10_000)).chars().count(), SHOWN + 1);
    }
}
