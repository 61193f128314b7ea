//! The answer of the introspection endpoint (RFC 7662 §2.2) and its signed form (RFC 9701 §5).

use serde::Serialize;

use super::delegation::{Act, MayAct};

/// The whole answer about every token that is not active (INT-13, INT-29).
pub const INACTIVE: &[u8] = br#"{"active":false}"#;
/// The media type of the signed form, as asked for and as answered.
pub const SIGNED_MEDIA_TYPE: &str = "application/token-introspection+jwt";
/// The `typ` of the signed form.
pub const SIGNED_TYP: &str = "token-introspection+jwt";

/// The answer about an active token: the identity context.
#[derive(Clone, Debug, Serialize)]
pub struct Active<'a> {
    /// Always `true`.
    pub active: bool,
    /// The issuer.
    pub iss: &'a str,
    /// The subject as the issuer names it to this audience.
    pub sub: &'a str,
    /// For whom the token is meant.
    pub aud: Audience<'a>,
    /// The application that got the token.
    pub client_id: String,
    /// The sign-in name, only where released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<&'a str>,
    /// The display name, only where released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// The e-mail address, only where released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<&'a str>,
    /// Scopes, joined by spaces (INT-15).
    pub scope: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// When it expires, in seconds since 1970.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// From when it is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The token's identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<&'a str>,
    /// Authentication context class, if the token has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'a str>,
    /// Authentication methods, if the token has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amr: Option<Vec<String>>,
    /// When the user signed in, if the token says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// Groups; absent when they are unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<&'a [String]>,
    /// Roles.
    pub roles: Vec<String>,
    /// Tyk policies.
    pub policies: Vec<String>,
    /// The tenant.
    pub tenant: String,
    /// The stable identity.
    pub principal: &'a str,
    /// `user`, `service` or `agent`.
    pub principal_type: &'static str,
    /// Who acts for the subject (RFC 8693 §4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act: Option<&'a Act>,
    /// Who alone may act for the subject (RFC 8693 §4.4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub may_act: Option<&'a MayAct>,
    /// Who acts, for readers that cannot read objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub act_sub: Option<&'a str>,
    /// The same identity as one object, and how it came about.
    pub identity: Identity<'a>,
}

/// One audience as a string, several as an array (INT-16).
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum Audience<'a> {
    /// Several.
    Many(&'a [String]),
    /// One.
    One(&'a str),
}

impl<'a> Audience<'a> {
    /// The shortest spelling of `entries`.
    pub fn of(entries: &'a [String]) -> Self {
        if let [one] = entries { Self::One(one) } else { Self::Many(entries) }
    }
}

/// Our own part of the answer.
#[derive(Clone, Debug, Serialize)]
pub struct Identity<'a> {
    /// `<oid>.<tid>`
    pub principal: &'a str,
    /// `user`, `service` or `agent`.
    pub principal_type: &'static str,
    /// Who issued the token.
    pub source: &'static str,
    /// How often it was exchanged.
    pub hop: u8,
    /// Whether the groups are unknown.
    pub groups_overage: bool,
    /// The mapping rules that matched.
    pub grants: Vec<String>,
}

/// The claims of the signed form (JIR-04); no `sub`, no `exp` (JIR-06).
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Signed<'a> {
    /// Who answers.
    pub iss: &'a str,
    /// Who asked.
    pub aud: &'a str,
    /// When the answer was made.
    pub iat: i64,
    /// The answer itself.
    pub token_introspection: &'a serde_json::value::RawValue,
}
