//! What tokens are minted for: an API, the scopes it knows, and whom its owner lets in.

use super::keyring::SigningAlgorithm;
use super::principal::PrincipalType;
use crate::protocol::ids::ClientId;
use crate::protocol::time::Seconds;

/// The longest life of a token that is minted here (POL).
pub const MAX_TTL: Seconds = Seconds::minutes(15);
/// The shortest life that is worth a token (POL).
pub const MIN_TTL: Seconds = Seconds::new(30);

/// An API that tokens are minted for.
#[derive(Clone, Debug)]
pub struct Resource {
    /// Its name: `aud` of its tokens, and how a request names it, compared exactly.
    pub id: String,
    /// The scopes it knows.
    pub scopes: Vec<ScopeRule>,
    /// How long a token lives at most.
    pub ttl: Seconds,
    /// The form of its tokens.
    pub format: TokenFormat,
    /// What signs its tokens.
    pub algorithm: SigningAlgorithm,
    /// The clients its owner lets in, as callers and as actors.
    pub callers: Vec<ClientId>,
    /// The audiences that its scopes speak of: subject tokens addressed elsewhere are refused.
    /// Empty: any that the caller's rule accepts.
    pub from: Vec<String>,
    /// The kinds of subjects its owner lets in; empty: any.
    pub subjects: Vec<PrincipalType>,
    /// What of the subject is told in its tokens, beside who that is.
    pub release: Vec<Told>,
    /// The one client that may exchange its tokens further; `None`: any that its rules allow.
    pub may_act: Option<ClientId>,
}

impl Resource {
    /// The rule of a scope it knows.
    pub fn scope(&self, name: &str) -> Option<&ScopeRule> {
        self.scopes.iter().find(|scope| scope.name == name)
    }
}

/// A scope of a resource, and what earns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeRule {
    /// Its name.
    pub name: String,
    /// Any of these, in a subject token, earns it: a scope of a delegated token, a role of an
    /// application's, or a scope of a token minted here for another resource.
    pub earned_by: Vec<String>,
}

/// The form of a minted token.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum TokenFormat {
    /// A signed JWT (RFC 9068), which the resource can check itself.
    #[default]
    Jwt,
    /// A handle that says nothing; introspection tells what it stands for.
    Opaque,
}

/// What may be told of the subject.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Told {
    /// The groups, where they are known.
    Groups,
    /// The roles, with those that mapping rules granted.
    Roles,
}
