//! The applications of the pretend tenants: clients that ask for tokens, and APIs they are for.

use super::people::Groups;
use crate::domain::tenant::TokenVersion;

/// A client application and its service principal in the home tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct App {
    /// A readable name, for messages.
    pub name: &'static str,
    /// The application id (`azp`, `appid`).
    pub client_id: &'static str,
    /// The object id of its service principal.
    pub oid: &'static str,
    /// Its development secret; a public client has none.
    pub secret: Option<&'static str>,
    /// How tokens say it authenticated (`azpacr`, `appidacr`): 0 not, 1 by secret, 2 by certificate
    /// or federation. Not always what the look-alike saw: agents federate in Entra, here they send
    /// a secret, for a person with `curl`.
    pub authenticated_by: &'static str,
    /// It is an agent identity (Microsoft Entra Agent ID).
    pub is_agent: bool,
    /// Memberships of the service principal.
    pub groups: Groups,
    /// Application permissions: the API's identifier URI and the role.
    pub roles: &'static [(&'static str, &'static str)],
}

/// An API that tokens are addressed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Api {
    /// The application id: `aud` of its v2 tokens.
    pub client_id: &'static str,
    /// The identifier URI: `aud` of its v1 tokens, and how scopes are asked for.
    pub uri: &'static str,
    /// The tokens its registration asks for (`requestedAccessTokenVersion`).
    pub version: TokenVersion,
    /// The scopes it offers.
    pub scopes: &'static [&'static str],
    /// Its tokens are signed by its own key, published only under `?appid=` (ENT-11).
    pub has_custom_key: bool,
}

impl Api {
    /// What its tokens have as `aud` (ENT-05).
    pub const fn audience(&self) -> &'static str {
        match self.version {
            TokenVersion::V1 => self.uri,
            TokenVersion::V2 => self.client_id,
        }
    }
}

/// The web page people sign in to: a public client, delegated tokens only.
pub const PORTAL: App = App {
    name: "portal",
    client_id: "535fb089-9ff3-47b6-9bfb-4f1264799865",
    oid: "a0000000-0000-4000-8000-000000000001",
    secret: None,
    authenticated_by: "0",
    is_agent: false,
    groups: Groups::Listed(&[]),
    roles: &[],
};

/// A nightly job: app-only tokens with roles.
pub const REPORTING: App = App {
    name: "reporting",
    client_id: "0d9a1c7e-3a55-4f0e-9e0b-5b1d7f7f1a10",
    oid: "a0000000-0000-4000-8000-000000000002",
    secret: Some("reporting-dev-secret-6f1d0c3b7a9e4258"),
    authenticated_by: "1",
    is_agent: false,
    groups: Groups::Listed(&[super::people::REPORT_WRITERS]),
    roles: &[("api://orders", "Orders.Read.All"), ("api://billing", "Invoices.Read.All")],
};

/// The gateway, when it calls tessera as itself.
pub const GATEWAY: App = App {
    name: "gateway",
    client_id: "c4b0f7d2-8d5b-4b7a-9a39-2e1f5a6b7c80",
    oid: "a0000000-0000-4000-8000-000000000003",
    secret: Some("gateway-dev-secret-0b8e5d2f9c714a36"),
    authenticated_by: "1",
    is_agent: false,
    groups: Groups::Listed(&[]),
    roles: &[("api://tessera", "Tokens.Introspect")],
};

/// What tessera is, when it asks Graph for groups.
pub const GRAPH_READER: App = App {
    name: "graph-reader",
    client_id: "e7d3a9b4-2c61-4f85-b0f4-91c8d7e6f5a2",
    oid: "a0000000-0000-4000-8000-000000000004",
    secret: Some("graph-reader-dev-secret-d47a1e90b3c65f28"),
    authenticated_by: "1",
    is_agent: false,
    groups: Groups::Listed(&[]),
    roles: &[(GRAPH.uri, READ_GROUPS)],
};

/// An agent identity; its application id and object id are one.
pub const INVOICE_AGENT: App = App {
    name: "invoice-agent",
    client_id: "1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f",
    oid: "1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f",
    secret: Some("invoice-agent-dev-secret-92e6f04b8d1c37a5"),
    authenticated_by: "2",
    is_agent: true,
    groups: Groups::Listed(&[]),
    roles: &[("api://orders", "Orders.Read.All")],
};

/// The application the invoice agent was made from (`xms_par_app_azp`); for audit only.
pub const AGENT_BLUEPRINT: &str = "30cf4c22-6d85-4a8e-a3b8-9d7a41a6c0de";

/// Every client application.
pub const APPS: [App; 5] = [PORTAL, REPORTING, GATEWAY, GRAPH_READER, INVOICE_AGENT];

/// Takes v2 tokens: `aud` is its application id.
pub const ORDERS: Api = Api {
    client_id: "6731de76-14a6-49ae-97bc-6eba6914391e",
    uri: "api://orders",
    version: TokenVersion::V2,
    scopes: &["orders.read", "orders.write"],
    has_custom_key: false,
};

/// Takes v1 tokens: `aud` is its identifier URI.
pub const BILLING: Api = Api {
    client_id: "b1116000-7a1e-4d3c-9f2b-8c7d6e5f4a3b",
    uri: "api://billing",
    version: TokenVersion::V1,
    scopes: &["invoices.read"],
    has_custom_key: false,
};

/// Has a signing key of its own.
pub const LEDGER: Api = Api {
    client_id: "1ed6e700-5b2c-4e8f-a1d0-7f9e8d7c6b5a",
    uri: "api://ledger",
    version: TokenVersion::V2,
    scopes: &["ledger.read"],
    has_custom_key: true,
};

/// tessera itself: what a caller's own token is addressed to.
pub const TESSERA: Api = Api {
    client_id: "7e55e7a0-0000-4c0d-8a11-c0ffee000001",
    uri: "api://tessera",
    version: TokenVersion::V1,
    scopes: &[],
    has_custom_key: false,
};

/// Microsoft Graph, whose tokens only Graph can check (ENT-06).
pub const GRAPH: Api = Api {
    client_id: "00000003-0000-0000-c000-000000000000",
    uri: "https://graph.microsoft.com",
    version: TokenVersion::V1,
    scopes: &["User.Read"],
    has_custom_key: false,
};

/// The application permission to read memberships.
pub const READ_GROUPS: &str = "GroupMember.Read.All";

/// Every API.
pub const APIS: [Api; 5] = [ORDERS, BILLING, LEDGER, TESSERA, GRAPH];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ids::Guid;

    #[test]
    fn ids_are_guids_and_secrets_are_long() {
        let ids = APPS.iter().flat_map(|app| [app.client_id, app.oid]);
        for id in ids.chain(APIS.iter().map(|api| api.client_id)) {
            assert!(id.parse::<Guid>().is_ok(), "{id}");
        }
        assert!(APPS.iter().filter_map(|app| app.secret).all(|secret| secret.len() >= 32));
    }

    #[test]
    fn audiences_follow_the_version() {
        assert_eq!(ORDERS.audience(), "6731de76-14a6-49ae-97bc-6eba6914391e", "ENT-05");
        assert_eq!(BILLING.audience(), "api://billing", "ENT-05");
    }
}
