//! The keys of `store.redis`: what replicas share.

use super::Presence::{Absent, Default, Required};
use super::{Section, key};

/// `store.redis`
pub static REDIS: Section = Section {
    path: "store.redis",
    keys: &[
        key(
            "url",
            "URL",
            Required,
            "`redis://HOST:PORT`, or `rediss://HOST:PORT` for TLS: the server, a node of the cluster or a sentinel. Without `:PORT` it is 6379, or 26379 of a sentinel. Nothing else stands in it.",
        ),
        key(
            "nodes",
            "list of `HOST:PORT`",
            Absent("only that of `url`"),
            "Further nodes of the cluster, or further sentinels. Not with `mode: standalone`.",
        ),
        key(
            "mode",
            "`standalone`, `sentinel` or `cluster`",
            Default("standalone"),
            "One server; a server and its replicas, found by sentinels; or a cluster.",
        ),
        key(
            "master",
            "text",
            Absent("required with `mode: sentinel`"),
            "The name under which the sentinels watch the server. Only with `mode: sentinel`.",
        ),
        key("username", "text", Absent("the default user"), "The user (ACL). Needs `password`."),
        key("password", "secret", Absent("none"), "The user's password."),
        key(
            "sentinel_username",
            "text",
            Absent("the default user"),
            "The user at the sentinels. Needs `sentinel_password`. Only with `mode: sentinel`.",
        ),
        key(
            "sentinel_password",
            "secret",
            Absent("none"),
            "The password at the sentinels. Only with `mode: sentinel`.",
        ),
        key(
            "database",
            "number, `0` to `65535`",
            Default("0"),
            "The number of the database. A cluster has `0` only.",
        ),
        key(
            "prefix",
            "text",
            Default("tessera"),
            "What every key begins with, so that several installations can share one server: 1 to 32 of `a-z 0-9 -`.",
        ),
        key(
            "ca",
            "certificates as PEM",
            Absent("the system's certificates"),
            "Who vouches for the servers, usually `${file:/etc/tls/ca.pem}`. Only with `rediss`.",
        ),
        key(
            "certificate",
            "certificates as PEM",
            Absent("none is shown"),
            "The chain that is shown to servers which ask for one. Needs `key`. Only with `rediss`.",
        ),
        key(
            "key",
            "secret, as PEM",
            Absent("none"),
            "The private key of `certificate`, not encrypted. Only with `rediss`.",
        ),
        key(
            "when_unreachable",
            "`degrade` or `deny`",
            Default("degrade"),
            "What is answered about tokens that can be verified while Redis cannot be reached: `degrade`, by what this replica knows; `deny`, 503. Opaque tokens get 503 either way.",
        ),
        key(
            "results",
            "`costly` or `all`",
            Default("costly"),
            "Which results replicas read from each other through Redis: `costly`, those that cost more to find than to read (group memberships); `all`, prepared answers too.",
        ),
    ],
};
