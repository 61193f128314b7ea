//! The keys of `entra`: whose tokens are accepted.

use super::Presence::{Absent, Default, Required};
use super::{EMPTY, Section, key};

/// `entra[]`
pub static TENANT: Section = Section {
    path: "entra[]",
    keys: &[
        key("tenant", "GUID", Required, "The tenant's id (`tid`). Each tenant once."),
        key(
            "authority",
            "`public`, `us-government`, `china` or URL",
            Default("public"),
            "The cloud: `https://login.microsoftonline.com`, `https://login.microsoftonline.us` or `https://login.partner.microsoftonline.cn`; or scheme, host and port of another.",
        ),
        key(
            "audiences",
            "list of texts",
            Required,
            "The audiences (`aud`) of the APIs protected here, compared exactly: client ids as GUIDs, or App ID URIs. At least one.",
        ),
        key(
            "caller_audiences",
            "list of texts",
            EMPTY,
            "The audiences of this service itself, which a client's own Entra token must be addressed to. None of them may be among `audiences`.",
        ),
        key(
            "signing_app",
            "GUID",
            Absent("the tenant's shared keys"),
            "The application with custom signing keys, whose keys are asked for (`?appid=`).",
        ),
        key(
            "graph",
            "section",
            Absent("left-out groups stay unknown"),
            "How to ask Microsoft Graph for the groups that Entra left out of a token.",
        ),
    ],
};

/// `entra[].graph`
pub static GRAPH: Section = Section {
    path: "entra[].graph",
    keys: &[
        key("client_id", "GUID", Required, "The application that may read memberships."),
        key("client_secret", "secret", Required, "Its secret."),
        key(
            "endpoint",
            "URL",
            Absent(
                "by cloud: `https://graph.microsoft.com`, `https://graph.microsoft.us` or `https://microsoftgraph.chinacloudapi.cn`",
            ),
            "Scheme, host and port of Graph. Required when `authority` is none of the three clouds.",
        ),
    ],
};
