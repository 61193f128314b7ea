//! Every key there is, with its type, default and meaning: what unknown keys are held against, where
//! defaults come from, and what the reference page prints.

mod api;
mod audit;
mod cluster;
mod exchange;
mod redis;
mod running;
mod tenant;
mod tls;

use std::fmt::Write as _;

pub use api::{API, SWAP, TYK};
pub use audit::AUDIT;
pub use cluster::{ACCOUNT, CLUSTER};
pub use exchange::{EXCHANGE, RESOURCE};
pub use redis::REDIS;
pub use running::{CACHE, KEY_SETS, LISTEN, LOG, SHUTDOWN, SIGNING, STORE, TRACES};
pub use tenant::{GRAPH, TENANT};
pub use tls::{LISTENER_TLS, TLS};

use Presence::{Absent, Default, Required};

/// A mapping in the file, with the keys it may have.
#[derive(Debug)]
pub struct Section {
    /// Where it stands, such as `entra[].graph`; empty for the whole file.
    pub path: &'static str,
    /// Its keys, in the order of the page.
    pub keys: &'static [Key],
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// Its name within the section.
    pub name: &'static str,
    /// What its value is, in words.
    pub kind: &'static str,
    /// Whether it may be left out.
    pub presence: Presence,
    /// What it means.
    pub meaning: &'static str,
}

/// What happens when a key is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must be there.
    Required,
    /// The same as this text.
    Default(&'static str),
    /// This, in words.
    Absent(&'static str),
}

impl Section {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// The section as a table in Markdown.
    pub fn table(&self) -> String {
        let mut out = String::from("| key | type | default | meaning |\n|---|---|---|---|\n");
        for Key { name, kind, presence, meaning } in self.keys {
            let default = match presence {
                Required => "**required**".to_owned(),
                Default(text) => format!("`{text}`"),
                Absent(words) => (*words).to_owned(),
            };
            // Writing into a `String` cannot fail.
            let _ = writeln!(out, "| `{name}` | {kind} | {default} | {meaning} |");
        }
        out
    }
}

impl Key {
    /// What to write, for a report.
    pub(super) fn kind_hint(&self) -> String {
        format!("expected: {}", self.kind)
    }
}

/// A key, in the order of the page's columns.
const fn key(
    name: &'static str,
    kind: &'static str,
    presence: Presence,
    meaning: &'static str,
) -> Key {
    Key { name, kind, presence, meaning }
}

const BY_KEY: Presence = Absent("each key has its own");
const NO_CONDITION: Presence = Absent("no such condition");
const EMPTY: Presence = Default("[]");

/// Every section, in the order of the page.
pub static SECTIONS: &[&Section] = &[
    &FILE,
    &LISTEN,
    &TLS,
    &LISTENER_TLS,
    &TENANT,
    &GRAPH,
    &CLUSTER,
    &CLIENT,
    &ACCOUNT,
    &INTROSPECT,
    &EXCHANGE,
    &RESOURCE,
    &API,
    &SWAP,
    &TYK,
    &RULE,
    &WHEN,
    &GRANT,
    &KEY_SETS,
    &SIGNING,
    &STORE,
    &REDIS,
    &CACHE,
    &SHUTDOWN,
    &TRACES,
    &LOG,
    &AUDIT,
];

/// The whole file.
pub static FILE: Section = Section {
    path: "",
    keys: &[
        key(
            "issuer",
            "URL",
            Required,
            "The name of this service as an issuer (RFC 8414): `https`, without query, fragment and slash at the end. What it signs as, and the only audience of a client assertion. `http` only for a loopback host.",
        ),
        key("listen", "section", BY_KEY, "Where it listens."),
        key(
            "entra",
            "list of sections",
            Required,
            "The tenants whose tokens are accepted; at least one.",
        ),
        key(
            "clusters",
            "mapping of names to sections",
            Default("{}"),
            "The Kubernetes clusters whose service accounts may be clients. A name is 1 to 32 of `a-z 0-9 -`.",
        ),
        key(
            "clients",
            "mapping of names to sections",
            Required,
            "Who may call; at least one. A name is 1 to 64 of `A-Z a-z 0-9 . _ ~ -`.",
        ),
        key(
            "resources",
            "mapping of names to sections",
            Absent("nothing is exchanged"),
            "What tokens are minted for. The name is the `aud` of its tokens, and how requests name it, compared exactly; a URI, if clients send `resource`.",
        ),
        key(
            "apis",
            "mapping of names to sections",
            Absent("gateways introspect and exchange, and ask nothing else"),
            "What gateways protect: the APIs that Tyk's plugin, Envoy and `/verify` ask about. A name is 1 to 64 of `A-Z a-z 0-9 . _ ~ -`.",
        ),
        key(
            "mapping",
            "list of sections",
            EMPTY,
            "From Entra to Tyk: every rule that matches grants.",
        ),
        key("key_sets", "section", BY_KEY, "When the keys of issuers are fetched."),
        key("signing", "section", BY_KEY, "The keys that sign what this service issues."),
        key(
            "store",
            "section",
            BY_KEY,
            "What is kept outside the process: what seals it, and what replicas share.",
        ),
        key("cache", "section", BY_KEY, "The bounds of the cache in memory."),
        key("shutdown", "section", BY_KEY, "How long stopping may take."),
        key("traces", "section", Absent("no traces"), "Where traces of requests are sent."),
        key("log", "section", BY_KEY, "What is logged, and how."),
        key("audit", "section", BY_KEY, "Where the audit trail goes, and what is in it."),
    ],
};

/// `clients.NAME`
pub static CLIENT: Section = Section {
    path: "clients.NAME",
    keys: &[
        key(
            "secret",
            "secret",
            Absent("no shared secret"),
            "A shared secret (`client_secret_basic`, `client_secret_post`): at least 32 of `A-Z a-z 0-9 . _ ~ -`, random, and of this client only.",
        ),
        key(
            "previous_secret",
            "secret",
            Absent("only one secret is good"),
            "A second secret that is good too, while the client goes over from one to the other. Needs `secret`.",
        ),
        key(
            "jwks",
            "JSON Web Key Set: a mapping, or text",
            Absent("no assertions"),
            "The public keys of its assertions (`private_key_jwt`): RS256, PS256 or ES256.",
        ),
        key(
            "assertion_audience",
            "`issuer` or `token_endpoint`",
            Default("issuer"),
            "Whom its assertions are addressed to: this service, as RFC 10070 asks; or the token endpoint too, which Tyk's enterprise edition insists on. Only for a key that the client uses nowhere else.",
        ),
        key(
            "entra_app",
            "GUID",
            Absent("no Entra token"),
            "The application whose own Entra token it authenticates with, as `Authorization: Bearer` or as an assertion. Needs `caller_audiences`.",
        ),
        key(
            "kubernetes",
            "section",
            Absent("no service account"),
            "The service account whose projected token it sends as an assertion.",
        ),
        key(
            "introspect",
            "section",
            Absent("it may introspect nothing"),
            "What it may introspect.",
        ),
        key(
            "exchange",
            "list of sections",
            Absent("it may exchange nothing"),
            "Whose tokens it may exchange, for what.",
        ),
        key(
            "default_resource",
            "text",
            Absent("a request must name a resource"),
            "The resource of requests that name none; it has a rule for it.",
        ),
    ],
};

/// `clients.NAME.introspect`
pub static INTROSPECT: Section = Section {
    path: "clients.NAME.introspect",
    keys: &[
        key(
            "audiences",
            "list of texts",
            Required,
            "It learns only about tokens addressed to one of these; each is among the `audiences` of a tenant, or one of `resources`. At least one.",
        ),
        key(
            "release",
            "list of `email`, `name`, `username`",
            EMPTY,
            "The personal data it is shown.",
        ),
        key(
            "phantom",
            "`true` or `false`",
            Default("false"),
            "Whether it may ask for the JWT behind an opaque token (`Accept: application/jwt`).",
        ),
    ],
};

/// `mapping[]`
pub static RULE: Section = Section {
    path: "mapping[]",
    keys: &[
        key(
            "name",
            "text",
            Required,
            "Reported in `identity.grants` when the rule matched. Each name once.",
        ),
        key(
            "when",
            "section",
            Required,
            "The conditions, at least one; all of them must hold. A rule for everybody says `tenant: [...]`.",
        ),
        key("grant", "section", Required, "What it gives; at least one entry."),
    ],
};

/// `mapping[].when`
pub static WHEN: Section = Section {
    path: "mapping[].when",
    keys: &[
        key(
            "groups",
            "list of texts",
            NO_CONDITION,
            "One of these Entra groups, by object id (or by name, where the registration emits names). Groups that are unknown match nothing.",
        ),
        key("roles", "list of texts", NO_CONDITION, "One of these Entra app roles."),
        key("scopes", "list of scopes", NO_CONDITION, "One of these Entra scopes (`scp`)."),
        key(
            "app",
            "list of GUIDs",
            NO_CONDITION,
            "One of these client applications (`azp`, `appid`).",
        ),
        key(
            "tenant",
            "list of GUIDs",
            NO_CONDITION,
            "One of these tenants, each configured under `entra`.",
        ),
        key(
            "principal_type",
            "list of `agent`, `service`, `user`",
            NO_CONDITION,
            "One of these kinds of principal.",
        ),
        key(
            "claims",
            "mapping of claim names to lists of texts",
            NO_CONDITION,
            "Each named claim is, or contains, one of its values. Claims that people can change (names, e-mail) and opaque ones are refused.",
        ),
    ],
};

/// `mapping[].grant`
pub static GRANT: Section = Section {
    path: "mapping[].grant",
    keys: &[
        key("policies", "list of texts", EMPTY, "Tyk policy ids."),
        key("scopes", "list of scopes", EMPTY, "Scopes, added to the token's own."),
        key("roles", "list of texts", EMPTY, "Roles, added to the token's own."),
    ],
};
