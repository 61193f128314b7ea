//! Who may call tessera, how they prove it, and what they may see.

use super::kubernetes::ServiceAccount;
use super::principal::PrincipalType;
use crate::protocol::ids::{ClientId, Guid, SecretDigest};
use crate::protocol::jwk::KeySet;
use crate::protocol::time::Seconds;

/// A registered caller.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name here.
    pub id: ClientId,
    /// How it proves that it is who it says; at least one way is set.
    pub credentials: ClientCredentials,
    /// What it may introspect; `None`: nothing at all (INT-08).
    pub introspect: Option<IntrospectPermission>,
    /// What it may exchange; nothing unless a rule allows it.
    pub exchange: Vec<ExchangeRule>,
    /// What its tokens are minted for when a request names no target (TEX-14).
    pub default_resource: Option<String>,
}

impl Client {
    /// Whether `secret` is its own.
    pub fn has_secret(&self, secret: &str) -> bool {
        let ClientCredentials { secret: now, previous_secret, .. } = &self.credentials;
        now.iter().chain(previous_secret).any(|digest| digest.matches(secret))
    }
}

/// Whose tokens a client may exchange, for what. Of several rules for one resource the first that
/// fits the subject decides.
#[derive(Clone, Debug, Default)]
pub struct ExchangeRule {
    /// Its name, in logs and explanations.
    pub name: String,
    /// The resource it is about.
    pub resource: String,
    /// The scopes that may be asked for.
    pub scopes: Vec<String>,
    /// The kinds of subjects; at least one.
    pub subjects: Vec<PrincipalType>,
    /// The audiences that subject tokens may be addressed to, beside this service itself (TEX-50).
    pub from: Vec<String>,
    /// The tenants of subjects; empty: all.
    pub tenants: Vec<Guid>,
    /// Mapping rules of which one must have matched the subject; empty: none needs to.
    pub grants: Vec<String>,
    /// Other clients whose proof may be presented as actor token.
    pub actors: Vec<ClientId>,
    /// A shorter life than the resource allows.
    pub ttl: Option<Seconds>,
    /// Whether the client leaves no trace as an actor when it presents no actor token (TEX-46).
    pub impersonate: bool,
}

/// The ways in which one client may authenticate.
#[derive(Clone, Debug, Default)]
pub struct ClientCredentials {
    /// `client_secret_basic` and `client_secret_post`.
    pub secret: Option<SecretDigest>,
    /// A second secret that is good too, while the client goes over from one to the other.
    pub previous_secret: Option<SecretDigest>,
    /// `private_key_jwt`.
    pub keys: Option<KeySet>,
    /// Whom its assertions must be addressed to.
    pub assertion_audience: AssertionAudience,
    /// The application id of its own Entra app token, sent as `Authorization: Bearer` or as an
    /// assertion.
    pub entra_app: Option<Guid>,
    /// The Kubernetes service account whose projected token it sends as an assertion.
    pub kubernetes: Option<ServiceAccount>,
}

impl ClientCredentials {
    /// A line about the client without its own secrets, which it may have put where none belongs.
    pub fn hidden_in(&self, line: &str) -> String {
        let own = || [&self.secret, &self.previous_secret].into_iter().flatten();
        let shown = |word| if own().any(|secret| secret.matches(word)) { "…" } else { word };
        line.split(' ').map(shown).collect::<Vec<_>>().join(" ")
    }
}

/// Whom an assertion must be addressed to.
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
pub enum AssertionAudience {
    /// This service, by its issuer identifier alone (RFC 10070 §4).
    #[default]
    Issuer,
    /// The token endpoint too, as RFC 7523 §3 allowed and some gateways insist (ruling D3). An
    /// assertion that a client sent elsewhere could then be used here, if it has the same key there.
    TokenEndpoint,
}

/// What one client may learn by introspection.
#[derive(Clone, Debug, Default)]
pub struct IntrospectPermission {
    /// It sees only tokens addressed to one of these (INT-20).
    pub audiences: Vec<String>,
    /// The personal data it is shown (INT-22); nothing unless listed.
    pub release: Vec<Released>,
    /// Whether it may ask for the JWT behind an opaque token.
    pub phantom: bool,
}

/// Personal data that is shown only to clients entitled to it.
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
pub enum Released {
    /// The e-mail address, as `email`.
    Email,
    /// The display name, as `name`.
    Name,
    /// The sign-in name, as `username` (`preferred_username` or `upn`).
    Username,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_writes_its_own_secret_is_not_quoted() {
        let digest = |text| Some(SecretDigest::of(text));
        let credentials = ClientCredentials {
            secret: digest("tyk-secret-4c9e1b7a6d2f8035"),
            previous_secret: digest("tyk-secret-0b8e5d2f9c714a36"),
            ..ClientCredentials::default()
        };
        let line = "found tyk-secret-0b8e5d2f9c714a36 and tyk-secret-4c9e1b7a6d2f8035 of orders";
        assert_eq!(credentials.hidden_in(line), "found … and … of orders");
        assert_eq!(ClientCredentials::default().hidden_in(line), line);
    }
}
