//! The keys of `apis`.

use super::Presence::{Absent, Default, Required};
use super::{Section, key};

/// `apis.NAME`
pub static API: Section = Section {
    path: "apis.NAME",
    keys: &[
        key(
            "client",
            "client name",
            Required,
            "The client that the gateway is. What it may introspect and exchange holds for the API.",
        ),
        key(
            "audiences",
            "list of texts",
            Required,
            "A token must be addressed to one of these; each is among the client's `introspect.audiences`.",
        ),
        key(
            "scopes",
            "list of scopes",
            Absent("no scope is asked for"),
            "A token must have all of these, of its own or by mapping: otherwise 403, `insufficient_scope`.",
        ),
        key(
            "policies",
            "`required` or `optional`",
            Default("required"),
            "Whether a token must earn a policy by `mapping`. A Tyk session without one has no limits at all.",
        ),
        key(
            "guard",
            "`secret` or `network`",
            Default("secret"),
            "What proves to `listen.tyk` and `listen.envoy` that the gateway asks: the client's secret in every call, or that nobody else can reach the listener.",
        ),
        key(
            "exchange",
            "section",
            Absent("the token goes on as it is"),
            "What the token is swapped for on its way to the API.",
        ),
        key(
            "resource",
            "URL",
            Absent("no metadata"),
            "Its name as a protected resource (RFC 9728): the URL that clients call. Refusals then point at its metadata.",
        ),
        key(
            "authorization_servers",
            "list of URLs",
            Absent(
                "this service, if it mints all of `audiences`; else the v2.0 issuers of all tenants",
            ),
            "Who issues tokens for it, as its metadata says. Only with `resource`.",
        ),
        key("tyk", "section", Absent("nothing is generated"), "What `tessera tyk` writes for it."),
    ],
};

/// `apis.NAME.exchange`
pub static SWAP: Section = Section {
    path: "apis.NAME.exchange",
    keys: &[
        key(
            "resource",
            "text",
            Required,
            "One of `resources`, for which the client has a rule under `exchange`.",
        ),
        key(
            "scopes",
            "list of scopes",
            Absent("whatever can be had"),
            "The scopes to ask for: all of them are granted, or the request is refused.",
        ),
    ],
};

/// `apis.NAME.tyk`
pub static TYK: Section = Section {
    path: "apis.NAME.tyk",
    keys: &[
        key(
            "road",
            "`plugin`, `introspection`, `jwt` or `exchange`",
            Default("plugin"),
            "Which way Tyk asks: the gRPC plugin, External OAuth, its JWT middleware on tokens minted here, or the token exchange of its enterprise edition.",
        ),
        key("listen_path", "path", Required, "Where Tyk serves it, such as `/orders/`."),
        key("upstream", "URL", Required, "Where it is."),
        key("api_id", "text", Absent("the name"), "Tyk's id of the API."),
        key("org_id", "text", Default("default"), "Tyk's id of the organisation."),
    ],
};
