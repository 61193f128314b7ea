//! Which Entra tenants are trusted, and for which audiences.

use secrecy::SecretString;
use url::Url;

use crate::protocol::ids::Guid;

/// The tenant of Microsoft's personal accounts. Anybody in the world can be in it (ENT-04).
pub const PERSONAL_ACCOUNTS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// One tenant whose tokens are accepted.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// The tenant's id (`tid`).
    pub id: Guid,
    /// Where its discovery documents are: scheme, host and port, without a path.
    pub authority: Url,
    /// The audiences (`aud`) of the APIs that are protected here.
    pub audiences: Vec<String>,
    /// The audiences of tessera itself: what a caller's own Entra token must be addressed to.
    pub caller_audiences: Vec<String>,
    /// The application with custom signing keys, whose key set is asked for (`?appid=`, ENT-11).
    pub signing_app: Option<Guid>,
    /// How to ask for the groups that Entra left out of a token.
    pub graph: Option<GraphAccess>,
}

impl Tenant {
    /// Its issuer of v2.0 tokens, where clients find how to get one.
    pub fn v2_issuer(&self) -> String {
        format!("{}{}/v2.0", self.authority, self.id)
    }
}

/// Access to Microsoft Graph by client credentials.
#[derive(Clone, Debug)]
pub struct GraphAccess {
    /// The application that may read memberships.
    pub client_id: Guid,
    /// Its secret.
    pub client_secret: SecretString,
    /// Graph's own address: scheme, host and port, without a path.
    pub endpoint: Url,
}

/// The `ver` claim: one tenant issues both kinds, by the API's registration.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
)]
pub enum TokenVersion {
    /// `"1.0"`
    #[strum(serialize = "1.0")]
    V1,
    /// `"2.0"`
    #[strum(serialize = "2.0")]
    V2,
}

impl TokenVersion {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// As the `ver` claim spells it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One issuer: a tenant has one for each version of its tokens, each with its own key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerId {
    /// The tenant.
    pub tenant: Guid,
    /// Which of its two issuers.
    pub version: TokenVersion,
}

impl std::fmt::Display for IssuerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} v{}", self.tenant, self.version.as_str())
    }
}
