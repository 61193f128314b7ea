//! `store.redis`: what it becomes in each mode, and every rule broken once.

use secrecy::ExposeSecret as _;

use super::super::redis::{ClientCertificate, Node, Redis, Tls};
use super::super::{PlainSecrets, SharedResults, Topology, WhenUnreachable, load};
use super::refused::{Case, check_in};
use super::{Fixed, ISSUING, SECRET, SHARED, read};

/// [`SHARED`] with as little said about the Redis as there can be, and `more`.
fn small(more: &str) -> String {
    let (before, _) = SHARED.split_once("    url: ").unwrap();
    format!("{before}    url: redis://redis.internal\n{more}")
}

fn redis(text: &str) -> Redis {
    read(text).unwrap().redis.unwrap()
}

fn node(host: &str, port: u16) -> Node {
    Node { host: host.to_owned(), port }
}

fn check(cases: &[Case]) {
    check_in(SHARED, cases);
}

/// Rules for files other than [`SHARED`].
fn check_small(more: &str, cases: &[Case]) {
    check_in(&small(more), cases);
}

#[test]
fn every_key_arrives_where_it_belongs() {
    let redis = redis(SHARED);
    let nodes = [
        node("redis-1.internal", 26379),
        node("redis-2.internal", 26379),
        node("redis-3.internal", 7000),
    ];
    assert_eq!(redis.nodes, nodes);
    let Topology::Sentinel { master, login } = &redis.topology else { panic!("sentinels") };
    assert_eq!((master.as_str(), login.username.as_deref()), ("tokens", Some("watcher")));
    assert_eq!(login.password.as_ref().unwrap().expose_secret(), "hunter2hunter2");
    assert_eq!(redis.login.username.as_deref(), Some("tessera"));
    assert_eq!(redis.login.password.as_ref().unwrap().expose_secret(), SECRET);
    let Some(Tls { ca: Some(ca), client: Some(client) }) = &redis.tls else { panic!("TLS") };
    let ClientCertificate { chain, key } = client;
    assert!(ca.starts_with(b"-----BEGIN CERTIFICATE-----\n") && ca == chain);
    assert!(key.expose_secret().starts_with(b"-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!((redis.database, redis.prefix.as_str()), (3, "tessera-2"));
    assert_eq!(redis.when_unreachable, WhenUnreachable::Deny);
    assert_eq!(redis.results, SharedResults::All);
    assert_eq!(redis.sealing.current.bytes(), [0x5e, 0xed].repeat(16));
}

#[test]
fn what_is_left_out_has_its_default() {
    let redis = redis(&small(""));
    assert!(matches!(redis.topology, Topology::Standalone));
    assert_eq!(redis.nodes, [node("redis.internal", 6379)]);
    assert!(redis.tls.is_none() && redis.login.username.is_none());
    assert!(redis.login.password.is_none());
    assert_eq!((redis.database, redis.prefix.as_str()), (0, "tessera"));
    // The table of keys and the types agree about the defaults.
    assert_eq!(redis.when_unreachable, WhenUnreachable::default());
    assert_eq!(redis.results, SharedResults::default());
    let encrypted = small("").replace("redis://redis.internal", "rediss://[::1]:7000/");
    let redis = self::redis(&encrypted);
    assert!(matches!(redis.tls, Some(Tls { ca: None, client: None })), "the system's");
    assert_eq!(redis.nodes, [node("::1", 7000)]);
}

#[test]
fn a_cluster_has_many_nodes_and_one_database() {
    let more = "    mode: cluster\n    nodes: [\"[::2]:7001\", redis-2]\n    database: 0\n";
    let redis = redis(&small(more));
    assert!(matches!(redis.topology, Topology::Cluster));
    let nodes = [node("redis.internal", 6379), node("::2", 7001), node("redis-2", 6379)];
    assert_eq!((redis.nodes, redis.database), (nodes.to_vec(), 0));
}

#[test]
fn a_server_may_ask_for_a_password_only() {
    let more = "    password: ${env:SHORT}\n    database: \"65535\"\n";
    let redis = redis(&small(more));
    assert!(redis.login.username.is_none() && redis.login.password.is_some());
    assert_eq!(redis.database, 65535, "from a text as well");
    let guid = "    username: 8EAEF023-2B34-4DA1-9BAA-8BC8C9D6A490\n    password: ${env:SHORT}\n";
    assert!(read(&small(guid)).is_ok(), "a user is no GUID of a token");
    let plain = small("    password: hunter2\n");
    assert!(load(&plain, "dev", &Fixed, PlainSecrets::Allowed).is_ok());
}

#[test]
fn urls_and_nodes() {
    let url = "url: rediss://redis-1.internal";
    check(&[
        ("    url: rediss://redis-1.internal\n", "", "store.redis.url: required, but not there"),
        (url, "url: §https://redis-1.internal", "store.redis.url: not a redis or rediss URL"),
        (url, "url: §redis-1.internal:6379", "store.redis.url: not a redis or rediss URL"),
        (
            url,
            "url: §rediss://u:hunter2@redis",
            "store.redis.url: a URL with a user name or password; set `username` and `password: ${env:…}` instead",
        ),
        (
            url,
            "url: §rediss://${env:SHORT}@redis",
            "store.redis.url: a URL with a user name or password",
        ),
        (
            url,
            "url: §rediss://redis/0",
            "store.redis.url: a URL with a path; set `database` instead",
        ),
        (url, "url: §rediss://redis?protocol=3", "store.redis.url: a URL with a query or fragment"),
        (url, "url: §rediss://redis#insecure", "store.redis.url: a URL with a query or fragment"),
        (url, "url: §rediss://", "store.redis.url: not HOST:PORT; write it like"),
        (url, "url: §rediss://redis:hunter2", "store.redis.url: not HOST:PORT"),
        (url, "url: §7", "store.redis.url: expected text, found a number"),
        ("[redis-2.internal,", "[§redis://redis-2,", "store.redis.nodes[0]: not HOST:PORT"),
        ("[redis-2.internal,", "[§u:hunter2@redis-2,", "store.redis.nodes[0]: not HOST:PORT"),
        (
            "[redis-2.internal, redis-3.internal:7000]",
            "§[]",
            "store.redis.nodes: an empty list; at least one entry is needed",
        ),
        ("redis-3.internal:7000]", "§redis-2.internal]", "store.redis.nodes[1]: the same entry"),
    ]);
    check_small(
        "    nodes: [redis-2]\n",
        &[(
            "nodes:",
            "§nodes:",
            "store.redis.nodes: one server has one address; remove it, or set `mode: sentinel` or `mode: cluster`",
        )],
    );
}

#[test]
fn modes() {
    check(&[
        (
            "mode: sentinel",
            "mode: §sentinels",
            "store.redis.mode: not one of `standalone`, `sentinel`, `cluster`; did you mean `sentinel`?",
        ),
        ("master: tokens", "master: §\"\"", "store.redis.master: empty"),
        ("master: tokens", "master: §\" tokens\"", "store.redis.master: space at its start"),
    ]);
    check_small(
        "    mode: standalone\n",
        &[(
            "  redis:\n    url: redis://redis.internal\n    mode: standalone\n",
            "  §redis:\n    url: redis://redis.internal\n    mode: sentinel\n",
            "store.redis.master: required with `mode: sentinel`; the name under which the sentinels watch the server",
        )],
    );
    for mode in ["standalone", "cluster"] {
        check_small(
            &format!("    mode: {mode}\n    prefix: x\n"),
            &[
                (
                    "prefix: x",
                    "§master: tokens",
                    "store.redis.master: only with `mode: sentinel`; remove it",
                ),
                (
                    "prefix: x",
                    "§sentinel_username: watcher",
                    "store.redis.sentinel_username: only with `mode: sentinel`; remove it",
                ),
                (
                    "prefix: x",
                    "§sentinel_password: ${env:SHORT}",
                    "store.redis.sentinel_password: only with `mode: sentinel`; remove it",
                ),
            ],
        );
    }
}

#[test]
fn users_and_passwords() {
    let plain = "a secret must not stand in the file; write `${env:NAME}`";
    let said = |key: &str, what: &str| -> &'static str {
        Box::leak(format!("store.redis.{key}: {what}").into_boxed_str())
    };
    let lone = "; set both, or neither";
    check(&[
        ("password: ${file:/run/secrets/redis}", "password: §hunter2", said("password", plain)),
        (
            "sentinel_password: ${env:SHORT}",
            "sentinel_password: §hunter2",
            said("sentinel_password", plain),
        ),
        (
            "password: ${file:/run/secrets/redis}",
            "password: §${env:EMPTY}",
            said("password", "an empty secret"),
        ),
        (
            "username: tessera\n    password: ${file:/run/secrets/redis}",
            "§username: tessera",
            said("username", &format!("without `password`{lone}")),
        ),
        (
            "sentinel_username: watcher\n    sentinel_password: ${env:SHORT}",
            "§sentinel_username: watcher",
            said("sentinel_username", &format!("without `sentinel_password`{lone}")),
        ),
        ("username: tessera", "username: §\"\"", said("username", "empty")),
    ]);
}

#[test]
fn databases_and_prefixes() {
    let number = "store.redis.database: not a number from 0 to 65535";
    let prefix = "store.redis.prefix: not 1 to 32 of a-z 0-9 -";
    check(&[
        ("database: 3", "database: §65536", number),
        ("database: 3", "database: §-1", number),
        ("database: 3", "database: §1.5", number),
        ("database: 3", "database: §three", number),
        ("database: 3", "database: §true", "store.redis.database: expected text, found true"),
        ("prefix: tessera-2", "prefix: §\"\"", prefix),
        ("prefix: tessera-2", "prefix: §Tessera", prefix),
        ("prefix: tessera-2", "prefix: §\"{tessera}\"", prefix),
        ("prefix: tessera-2", "prefix: §a2345678901234567890123456789012x", prefix),
    ]);
    check_small(
        "    mode: cluster\n    database: 0\n",
        &[(
            "database: 0",
            "§database: 1",
            "store.redis.database: a cluster has database 0 only; use `prefix` instead",
        )],
    );
}

#[test]
fn certificates() {
    let (own, key) = ("certificate: ${file:/run/tls/own.pem}", "key: ${file:/run/tls/own.key}");
    let no_key = "store.redis.key: no unencrypted private key as PEM";
    check(&[
        ("ca: ${file:/run/tls/ca.pem}", "ca: §/run/tls/ca.pem", "store.redis.ca: no certificate"),
        (own, "certificate: §${file:/run/tls/own.key}", "store.redis.certificate: no certificate"),
        (key, "key: §${file:/run/tls/own.pem}", no_key),
        (key, "key: §${file:/run/tls/locked.key}", no_key),
        (key, "key: §hunter2", "store.redis.key: a secret must not stand in the file"),
        (
            "    key: ${file:/run/tls/own.key}\n    when",
            "    when",
            "store.redis.certificate: without `key`; set both, or neither",
        ),
        (
            "    certificate: ${file:/run/tls/own.pem}\n",
            "",
            "store.redis.key: without `certificate`; set both, or neither",
        ),
    ]);
    check_small(
        "    prefix: x\n",
        &[
            (
                "prefix: x",
                "§ca: ${file:/run/tls/ca.pem}",
                "store.redis.ca: only with a rediss URL: this connection is not encrypted; write rediss:// in `url`, or remove it",
            ),
            ("prefix: x", "§certificate: x", "store.redis.certificate: only with a rediss URL"),
            ("prefix: x", "§key: ${env:SHORT}", "store.redis.key: only with a rediss URL"),
        ],
    );
}

#[test]
fn what_replicas_do_and_share() {
    check(&[
        (
            "when_unreachable: deny",
            "when_unreachable: §allow",
            "store.redis.when_unreachable: not one of `degrade`, `deny`",
        ),
        ("results: all", "results: §none", "store.redis.results: not one of `costly`, `all`"),
        (
            "results: all",
            "§result: all",
            "store.redis.result: unknown key; did you mean `results`?",
        ),
    ]);
}

#[test]
fn what_stands_beside_it() {
    check(&[
        (
            "  sealing_key: ${file:/run/secrets/seal}\n  redis:\n",
            "  §redis:\n",
            "store.redis: needs `store.sealing_key`: what Redis holds is always sealed; make one with: openssl rand -hex 32",
        ),
        (
            "sealing_key: ${file:/run/secrets/seal}",
            "sealing_key: §${env:SHORT}",
            "store.sealing_key: not 32 bytes",
        ),
        (
            "  rotate: 240h\n",
            "  §folder: /var/lib/tessera/keys\n",
            "signing.folder: beside `store.redis`, which keeps the keys and the revocations; remove one of the two",
        ),
    ]);
    check_in(
        ISSUING,
        &[(
            "  sealing_key: ${file:/run/secrets/seal}\n  previous_sealing_key: ${file:/run/secrets/old-seal}\n",
            "  {}\n",
            "signing.folder: needs `store.sealing_key`: keys are never kept unsealed; make one with",
        )],
    );
}
