//! What gateways protect: an API, whose tokens are good there, and what becomes of them.

use crate::protocol::ids::ClientId;

/// An API that a gateway stands before and asks about.
#[derive(Clone, Debug)]
pub struct Api {
    /// Its name here, by which gateways ask about it.
    pub name: String,
    /// The client that the gateway is: what it may see and exchange holds for the API.
    pub client: ClientId,
    /// Tokens must be addressed to one of these. Not every API of a gateway takes the tokens of all.
    pub audiences: Vec<String>,
    /// A token must have all of these (RFC 6750 §3.1, `insufficient_scope`).
    pub scopes: Vec<String>,
    /// Whether a token must earn a policy.
    pub policies: PolicyNeed,
    /// What proves that it is the gateway that asks.
    pub guard: Guard,
    /// What the token is swapped for on its way to the API.
    pub exchange: Option<Swap>,
    /// Its name as a protected resource (RFC 9728 §1.2), and who issues tokens for it.
    pub resource: Option<ProtectedResource>,
    /// How Tyk is to reach it.
    pub tyk: Option<TykRoute>,
}

impl Api {
    /// Whether a token addressed to `audience` is meant for this API.
    pub fn accepts(&self, audience: &[String]) -> bool {
        super::validate::intersects(audience, &self.audiences)
    }
}

/// What a token is swapped for in the call that decides about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    /// The resource, by its exact name.
    pub resource: String,
    /// The scopes to ask for; empty: whatever can be had.
    pub scopes: Vec<String>,
}

/// An API as a protected resource (RFC 9728).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResource {
    /// The URL that clients know it by.
    pub id: String,
    /// The issuers of tokens for it.
    pub authorization_servers: Vec<String>,
}

/// Whether a token must earn a policy.
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
pub enum PolicyNeed {
    /// None is an answer too: the gateway lets such a token in without limits.
    Optional,
    /// Without one it is refused: a Tyk session without policies has no limits at all.
    #[default]
    Required,
}

/// What proves to a listener without client authentication that it is the gateway that asks.
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
pub enum Guard {
    /// That nobody else can reach the listener.
    Network,
    /// The client's secret, in every call.
    #[default]
    Secret,
}

/// How Tyk is to reach an API; for `tessera tyk` alone.
#[derive(Clone, Debug)]
pub struct TykRoute {
    /// Which way Tyk asks.
    pub road: Road,
    /// Where Tyk serves it.
    pub listen_path: String,
    /// Where it is.
    pub upstream: String,
    /// Tyk's id of it.
    pub api_id: String,
    /// Tyk's id of the organisation.
    pub org_id: String,
}

/// The ways in which Tyk can use tessera.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Road {
    /// The token exchange of the enterprise edition.
    Exchange,
    /// The External OAuth middleware: introspection.
    Introspection,
    /// The JWT middleware, on tokens that are minted here.
    Jwt,
    /// The gRPC plugin.
    Plugin,
}

impl Road {
    /// As the configuration spells it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
