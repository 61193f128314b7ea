//! The keys of `resources` and of a client's `exchange`.

use super::Presence::{Absent, Default, Required};
use super::{Section, key};

/// `resources.NAME`
pub static RESOURCE: Section = Section {
    path: "resources.NAME",
    keys: &[
        key(
            "scopes",
            "mapping of scopes to lists of texts",
            Required,
            "The scopes it knows, each with what earns it: any one of these scopes (`scp`) of a delegated Entra token, roles of an application's, or scopes of a token minted here for another resource.",
        ),
        key(
            "callers",
            "list of client names",
            Required,
            "The owner's consent: the clients that may get tokens for it or act in them.",
        ),
        key(
            "from",
            "list of texts",
            Absent("any that the client's rule accepts"),
            "The audiences that `scopes` speaks of: subject tokens addressed elsewhere are refused.",
        ),
        key(
            "subjects",
            "list of `user`, `service`, `agent`",
            Absent("any that the client's rule accepts"),
            "The kinds of principals that are let in.",
        ),
        key("ttl", "duration, `30s` to `15m`", Default("5m"), "How long a token lives at most."),
        key("token", "`jwt` or `opaque`", Default("jwt"), "The form of its tokens."),
        key("algorithm", "`ES256` or `RS256`", Default("ES256"), "What signs its JWTs."),
        key(
            "release",
            "list of `groups`, `roles`",
            Default("[]"),
            "What its tokens tell of the subject beside who that is.",
        ),
        key(
            "may_act",
            "client name",
            Absent("any client with a rule"),
            "The one client that may exchange its tokens further (RFC 8693 §4.4).",
        ),
    ],
};

/// `clients.NAME.exchange[]`
pub static EXCHANGE: Section = Section {
    path: "clients.NAME.exchange[]",
    keys: &[
        key(
            "name",
            "text",
            Absent("`CLIENT/RESOURCE`"),
            "How logs and explanations name the rule. Of several rules for one resource, the first that fits the subject decides.",
        ),
        key("resource", "text", Required, "One of `resources`."),
        key("scopes", "list of scopes", Required, "The scopes that may be asked for."),
        key(
            "subjects",
            "list of `user`, `service`, `agent`",
            Required,
            "Whose tokens may be exchanged.",
        ),
        key(
            "from",
            "list of texts",
            Absent("the client's `introspect.audiences`"),
            "The audiences of subject tokens: APIs that the client is or stands before, or resources. Tokens addressed to this service (`caller_audiences`), and ID tokens of the client's own `entra_app`, are always accepted.",
        ),
        key("tenants", "list of GUIDs", Absent("every tenant"), "The tenants of subjects."),
        key(
            "grants",
            "list of texts",
            Absent("none needs to match"),
            "Mapping rules of which one must have matched the subject.",
        ),
        key(
            "actors",
            "list of client names",
            Absent("only the client itself"),
            "Other clients whose proof may come as `actor_token`.",
        ),
        key(
            "ttl",
            "duration, `30s` to `15m`",
            Absent("the resource's"),
            "A shorter life than the resource allows.",
        ),
        key(
            "impersonate",
            "`true` or `false`",
            Default("false"),
            "Whether the client leaves no trace in `act` when it sends no actor token.",
        ),
    ],
};
