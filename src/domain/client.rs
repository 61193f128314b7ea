//! Who may call tessera, how they prove it, and what they may see.

use crate::protocol::ids::{ClientId, Guid, SecretDigest};
use crate::protocol::jwk::KeySet;

/// A registered caller.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its name here.
    pub id: ClientId,
    /// How it proves that it is who it says; at least one way is set.
    pub credentials: ClientCredentials,
    /// What it may introspect; `None`: nothing at all (INT-08).
    pub introspect: Option<IntrospectPermission>,
}

/// The ways in which one client may authenticate.
#[derive(Clone, Debug, Default)]
pub struct ClientCredentials {
    /// `client_secret_basic` and `client_secret_post`.
    pub secret: Option<SecretDigest>,
    /// `private_key_jwt`.
    pub keys: Option<KeySet>,
    /// The application id of its own Entra app token, sent as `Authorization: Bearer`.
    pub entra_app: Option<Guid>,
}

/// What one client may learn by introspection.
#[derive(Clone, Debug, Default)]
pub struct IntrospectPermission {
    /// It sees only tokens addressed to one of these (INT-20).
    pub audiences: Vec<String>,
    /// The personal data it is shown (INT-22); nothing unless listed.
    pub release: Vec<Released>,
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
