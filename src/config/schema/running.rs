//! The keys of `key_sets`, `signing`, `store`, `cache`, `shutdown` and `log`: how the service runs.

use super::Presence::{Absent, Default, Required};
use super::{Section, key};

/// `listen`
pub static LISTEN: Section = Section {
    path: "listen",
    keys: &[
        key("public", "IP address and port", Default("0.0.0.0:8080"), "What clients call."),
        key(
            "admin",
            "IP address and port",
            Default("0.0.0.0:9090"),
            "Health, metrics and explain. Never expose it to clients.",
        ),
        key(
            "tyk",
            "IP address and port, or `unix:` and a path",
            Absent("no plugin"),
            "Tyk's gRPC plugin: for the gateway alone, which speaks no TLS to it by itself.",
        ),
        key(
            "envoy",
            "IP address and port, or `unix:` and a path",
            Absent("no external authorization by gRPC"),
            "Envoy's external authorization by gRPC (`ext_authz`): for the gateway alone.",
        ),
        key(
            "tls",
            "section",
            Absent("no listener has TLS"),
            "The certificates of listeners that have TLS.",
        ),
    ],
};

/// `key_sets`
pub static KEY_SETS: Section = Section {
    path: "key_sets",
    keys: &[
        key(
            "refresh",
            "duration, `1m` to `24h`",
            Default("1h"),
            "A key set older than this is fetched again.",
        ),
        key(
            "cooldown",
            "duration, `10s` to `1h`",
            Default("5m"),
            "An unknown `kid` causes at most one fetch per issuer in this time.",
        ),
        key(
            "max_stale",
            "duration, `refresh` to `168h`",
            Default("24h"),
            "A key set older than this is trusted no longer.",
        ),
    ],
};

/// `signing`
pub static SIGNING: Section = Section {
    path: "signing",
    keys: &[
        key(
            "folder",
            "absolute path",
            Absent("in memory: new keys at every start, and revocations forgotten"),
            "The folder that the keys and the revocations are kept in, sealed with `store.sealing_key`, so that both survive a restart. For one replica: not beside `store.redis`, which keeps them then.",
        ),
        key(
            "rotate",
            "duration, `1h` to `8760h`",
            Default("720h"),
            "A key signs for this long; then the next one does.",
        ),
        key(
            "announce",
            "duration, `5m` to `168h`, less than `rotate`",
            Default("24h"),
            "A key is published for at least this long before it signs.",
        ),
    ],
};

/// `store`
pub static STORE: Section = Section {
    path: "store",
    keys: &[
        key(
            "sealing_key",
            "secret",
            Absent("nothing can be kept"),
            "Seals what is kept outside the process: 32 random bytes, as 64 hexadecimal digits or in base64.",
        ),
        key(
            "previous_sealing_key",
            "secret",
            Absent("none"),
            "A key that opens what was sealed with it, and seals nothing: the former `sealing_key`, or the coming one.",
        ),
        key(
            "redis",
            "section",
            Absent("replicas share nothing"),
            "The Redis that replicas share. Needs `sealing_key`.",
        ),
    ],
};

/// `cache`
pub static CACHE: Section = Section {
    path: "cache",
    keys: &[key(
        "bytes",
        "size, `1MiB` to `64GiB`",
        Default("256MiB"),
        "Memory for prepared answers: a number of bytes, or one with `KiB`, `MiB` or `GiB`.",
    )],
};

/// `shutdown`
pub static SHUTDOWN: Section = Section {
    path: "shutdown",
    keys: &[
        key(
            "drain",
            "duration, `0s` to `10m`",
            Default("0s"),
            "After the order to stop, `/readyz` is 503 for so long before the listeners close, while everything is answered. Longer than whoever sends requests here takes to notice.",
        ),
        key(
            "grace",
            "duration, `1s` to `10m`",
            Default("10s"),
            "How long requests under way may then go on.",
        ),
    ],
};

/// `traces`
pub static TRACES: Section = Section {
    path: "traces",
    keys: &[
        key(
            "endpoint",
            "URL",
            Required,
            "The receiver of OTLP over HTTP, in protobuf; `/v1/traces` is added. `http` or `https`.",
        ),
        key(
            "sample",
            "share, `0` to `1`",
            Default("0.01"),
            "How many requests are recorded whose caller does not say. A caller that sends `traceparent` decides itself.",
        ),
        key(
            "headers",
            "mapping of names to secrets",
            Default("{}"),
            "Headers that are sent along, such as `authorization`.",
        ),
    ],
};

/// `log`
pub static LOG: Section = Section {
    path: "log",
    keys: &[
        key(
            "level",
            "`error`, `warn`, `info` or `debug`",
            Default("info"),
            "The least severe level that is written.",
        ),
        key(
            "format",
            "`json` or `human`",
            Default("json"),
            "One JSON object a line, or lines for a person at a terminal.",
        ),
    ],
};
