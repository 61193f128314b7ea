//! Every rule, by a file that breaks it. `§` marks the line that must be named; without a mark it is
//! a line elsewhere.

use super::{GOOD, GRAPH_SECRET, SECRET, changed, read, with};

/// What is replaced in the good file, by what, and what is said.
pub(super) type Case = (&'static str, &'static str, &'static str);

fn check(cases: &[Case]) {
    check_in(GOOD, cases);
}

pub(super) fn check_in(good: &str, cases: &[Case]) {
    for (find, replace, expected) in cases {
        let marked = changed(good, find, replace);
        let marked_line = marked.lines().zip(1..).find(|(text, _)| text.contains('§'));
        let report = read(&marked.replace('§', "")).expect_err(replace);
        let said = report.to_string();
        assert!(report.problems[0].to_string().starts_with(expected), "{expected}\n{said}");
        if let Some((_, line)) = marked_line {
            assert_eq!(report.problems[0].line, line, "{said}");
        }
        assert_eq!(said.lines().count(), 1, "one cause, one problem: {replace}\n{said}");
        for secret in [SECRET, GRAPH_SECRET, "hunter2"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

#[test]
fn issuer_and_addresses() {
    let issuer = "issuer: https://sts.example.com/tessera";
    check(&[
        (issuer, "# none", "issuer: required, but not there; expected: URL"),
        (issuer, "issuer: §http://sts.example.com", "issuer: http is accepted for loopback"),
        (issuer, "issuer: §https://sts.example.com/", "issuer: a slash at its end"),
        (issuer, "issuer: §https://sts.example.com?a=b", "issuer: a URL with a query"),
        (issuer, "issuer: §https://sts.example.com#a", "issuer: a URL with a query"),
        (issuer, "issuer: §https://u:hunter2@sts.example.com", "issuer: a URL with a user"),
        (issuer, "issuer: §https://STS.example.com", "issuer: a URL that is not in its normal"),
        (issuer, "issuer: §https://sts.example.com:443", "issuer: a URL that is not in its normal"),
        (issuer, "issuer: §sts.example.com", "issuer: not a URL"),
        (issuer, "issuer: §ftp://example.com", "issuer: not an https URL"),
        (issuer, "issuer: §", "issuer: expected text, found nothing"),
        (issuer, "issuer: §1", "issuer: expected text, found a number; put it in quotes"),
        (issuer, "issuer: §[a]", "issuer: expected text, found a list"),
        (issuer, "issuer: §${env:EMPTY}", "issuer: not a URL"),
        (issuer, "issuer: §${env:GONE}", "issuer: cannot read the environment variable GONE"),
        (issuer, "issuer: §${file:/gone}", "issuer: cannot read the file /gone: No such file"),
        (issuer, "issuer: §${vault:x}", "issuer: a reference `${…}` of an unknown form"),
        (issuer, "issuer: https://a.example\n§issuer: https://b.example", "issuer: the same key"),
        ("127.0.0.1:8080", "§localhost", "listen.public: not an IP address and port"),
        ("\"[::1]:9090\"", "§127.0.0.1:8080", "listen.admin: the same place as `listen.public`"),
        ("\"[::1]:9090\"", "§0.0.0.0:8080", "listen.admin: the same place as `listen.public`"),
        ("\"[::1]:9090\"", "\"[::1]:9090\"\n  §kong: 0.0.0.0:5555", "listen.kong: unknown key"),
    ]);
}

#[test]
fn tenants() {
    let audiences = "audiences: [api://shop]";
    check(&[
        ("9188040d-6c67-4c5b-b112-36a304b66dad", "§contoso", "entra[1].tenant: not a GUID"),
        (
            "- tenant: 9188040d-6c67-4c5b-b112-36a304b66dad",
            "- §tenant: 72f988bf-86f1-41af-91ab-2d7cd011db47",
            "entra[1]: this tenant stands in the list already",
        ),
        ("us-government", "§us-goverment", "entra[0].authority: neither `public`"),
        ("us-government", "§http://login.example.com", "entra[0].authority: http is accepted"),
        ("us-government", "§https://login.example.com/x", "entra[0].authority: a URL with a path"),
        (audiences, "audiences: §[]", "entra[1].audiences: an empty list"),
        (audiences, "audiences: §api://shop", "entra[1].audiences: expected a list, found text"),
        (audiences, "audiences: [§a, a]", "entra[1].audiences[1]: the same entry"),
        (audiences, "audiences: [§\"\"]", "entra[1].audiences[0]: empty"),
        (audiences, "audiences: [§\" a\"]", "entra[1].audiences[0]: space at its start"),
        (audiences, "audiences: [§7]", "entra[1].audiences[0]: expected text, found a number"),
        (
            audiences,
            "audiences: [§6731DE76-14A6-49AE-97BC-6EBA6914391E]",
            "entra[1].audiences[0]: a GUID that no token spells so",
        ),
        ("[api://tessera]", "§[api://orders]", "entra[0].caller_audiences[0]: also in `audiences`"),
        ("11111111-2222", "§1111111-2222", "entra[0].signing_app: not a GUID"),
        ("0f0f0f0f-2222", "§0f0f0f0-2222", "entra[0].graph.client_id: not a GUID"),
        (
            "${file:/run/secrets/graph}",
            "§hunter2hunter2",
            "entra[0].graph.client_secret: a secret must not stand in the file",
        ),
        (
            "${file:/run/secrets/graph}",
            "§${env:EMPTY}",
            "entra[0].graph.client_secret: an empty secret",
        ),
        ("https://graph.microsoft.us", "§http://graph.example", "entra[0].graph.endpoint: http is"),
    ]);
    let unknown_cloud = with("us-government", "https://login.example.com")
        .replace("      endpoint: https://graph.microsoft.us\n", "");
    let said = read(&unknown_cloud).unwrap_err().to_string();
    assert!(said.contains("entra[0].graph.endpoint: required, since"), "{said}");
}

#[test]
fn clients() {
    let secret = "secret: ${env:TYK_SECRET}";
    let robot = "  robot:\n    jwks:";
    check(&[
        ("  tyk:\n", "  §ty k:\n", "clients.ty k: a client name is 1 to 64"),
        (secret, "secret: §hunter2hunter2", "clients.tyk.secret: a secret must not stand"),
        (secret, "secret: §12345678", "clients.tyk.secret: a secret must not stand"),
        (secret, "secret: §x${env:TYK_SECRET}", "clients.tyk.secret: a secret must not stand"),
        (secret, "secret: §${env:SHORT}", "clients.tyk.secret: a secret shorter than 32"),
        (secret, "secret: §${env:SPACED}", "clients.tyk.secret: a secret with a character"),
        (secret, "secret: §${env:GONE}", "clients.tyk.secret: cannot read the environment"),
        (secret, "secret: §[a]", "clients.tyk.secret: expected text, found a list"),
        (
            robot,
            "  robot:\n    secret: §${env:TYK_SECRET}\n    jwks:",
            "clients.robot.secret: the same secret as `clients.tyk`",
        ),
        (
            robot,
            "  robot:\n    secret: ${env:OTHER}\n    previous_secret: §${env:TYK_SECRET}\n    jwks:",
            "clients.robot.previous_secret: the same secret as `clients.tyk`",
        ),
        (
            secret,
            "secret: ${env:TYK_SECRET}\n    previous_secret: §${env:SHORT}",
            "clients.tyk.previous_secret: a secret shorter than 32",
        ),
        (
            robot,
            "  robot:\n    previous_secret: §${env:OTHER}\n    jwks:",
            "clients.robot.previous_secret: only with `secret`",
        ),
        (
            robot,
            "  robot:\n    entra_app: 1c2d3e4f-2222-3333-4444-555555555555\n    jwks:",
            "clients.agent.entra_app: the same application as `clients.robot`",
        ),
        ("entra_app: 1c2d3e4f-", "entra_app: §1c2d3e4f", "clients.agent.entra_app: not a GUID"),
        (
            "    entra_app: 1c2d3e4f-2222-3333-4444-555555555555\n",
            "    introspect: {audiences: [api://orders]}\n",
            "clients.agent: no way to authenticate",
        ),
        (
            "    caller_audiences: [api://tessera]\n",
            "",
            "clients.agent.entra_app: no tenant has `caller_audiences`",
        ),
        (
            "      audiences: [api://orders]",
            "      audiences: [§api://order]",
            "clients.tyk.introspect.audiences[0]: not an audience of any tenant, nor one of `resources`; did you mean `api",
        ),
        ("[email, username]", "[§phone]", "clients.tyk.introspect.release[0]: not one of `email`"),
        ("[email, username]", "§email", "clients.tyk.introspect.release: expected a list"),
        ("x: f83OJ3D2", "d: f83OJ3D2", "clients.robot.jwks: a private or symmetric key"),
        ("kty: EC", "kty: OKP", "clients.robot.jwks: no usable key: 1 skipped"),
        ("kty: EC", "kty: EC\n          §kty: EC", "clients.robot.jwks.keys[0].kty: the same key"),
    ]);
}

#[test]
fn keys_of_clients() {
    let inline = "    jwks:\n      keys:\n        - kty: EC\n          crv: P-256\n          \
                  x: f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\n          \
                  y: x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\n";
    check(&[
        (inline, "    jwks: §${file:/run/gone}\n", "clients.robot.jwks: cannot read the file"),
        (
            inline,
            "    jwks: §${file:/run/not-jwks}\n",
            "clients.robot.jwks: not a JSON Web Key Set",
        ),
        (inline, "    jwks: §${file:/run/private-jwks}\n", "clients.robot.jwks: a private or"),
        (inline, "    jwks: §${file:/run/weak-jwks}\n", "clients.robot.jwks: no usable key: 1"),
        (inline, "    jwks: §${env:TYK_SECRET}\n", "clients.robot.jwks: not a JSON Web Key Set"),
        (inline, "    jwks: §{}\n", "clients.robot.jwks: not a JSON Web Key Set"),
        (inline, "    jwks: §[]\n", "clients.robot.jwks: expected text, found a list"),
    ]);
}

#[test]
fn rules() {
    let gold = "  - name: gold\n";
    check(&[
        (gold, "  - §name: \"\"\n", "mapping[0].name: empty"),
        (
            gold,
            "  - §{name: x, when: {roles: [a]}}\n  - name: gold\n",
            "mapping[0].grant: required, but",
        ),
        (
            gold,
            "  - {name: gold, when: {roles: [a]}, grant: {roles: [a]}}\n  - §name: gold\n",
            "mapping[1].name: another rule has this name",
        ),
        (
            gold,
            "  - {name: x, when: §{}, grant: {roles: [a]}}\n  - name: gold\n",
            "mapping[0].when: no condition",
        ),
        (
            gold,
            "  - §{name: x, grant: {roles: [a]}}\n  - name: gold\n",
            "mapping[0].when: required",
        ),
        (
            gold,
            "  - {name: x, when: §, grant: {roles: [a]}}\n  - name: gold\n",
            "mapping[0].when: expected a mapping, found nothing",
        ),
        (
            gold,
            "  - {name: x, when: {roles: [a]}, grant: §{roles: []}}\n  - name: gold\n",
            "mapping[0].grant: the rule grants nothing",
        ),
    ]);
}

#[test]
fn conditions_and_grants() {
    check(&[
        (
            "groups: [9a1c2b3d-",
            "groups: [§9A1C2B3D-",
            "mapping[0].when.groups[0]: a GUID that no token",
        ),
        ("roles: [Gold]", "roles: §[]", "mapping[0].when.roles: an empty list"),
        (
            "roles: [Gold]",
            "roles: §Gold",
            "mapping[0].when.roles: expected a list, found text; write it as a list: [x]",
        ),
        (
            "roles: [Gold]",
            "role: §[Gold]",
            "mapping[0].when.role: unknown key; did you mean `roles`?",
        ),
        (
            "scopes: [Orders.Read]",
            "scopes: [§Orders.Read a]",
            "mapping[0].when.scopes[0]: not a scope",
        ),
        ("scopes: [orders.read]", "scopes: [§'a\"b']", "mapping[0].grant.scopes[0]: not a scope"),
        ("scopes: [orders.read]", "scopes: [§a\\b]", "mapping[0].grant.scopes[0]: not a scope"),
        ("app: [1c2d3e4f-", "app: [§1c2d3e4f", "mapping[0].when.app[0]: not a GUID"),
        (
            "tenant: [72f988bf-86f1-41af-91ab-2d7cd011db47]",
            "tenant: [§72f988bf-86f1-41af-91ab-2d7cd011db48]",
            "mapping[0].when.tenant[0]: not a configured tenant",
        ),
        (
            "[user, agent]",
            "[§users]",
            "mapping[0].when.principal_type[0]: not one of `agent`, `service`, `user`; did you mean `user`?",
        ),
        (
            "        department: [sales, support]\n",
            "        §department: sales\n",
            "mapping[0].when.claims.department: expected a list",
        ),
        (
            "        department: [sales, support]\n",
            "        §department: []\n",
            "mapping[0].when.claims.department: an empty list",
        ),
        (
            "claims:\n        department: [sales, support]",
            "claims: §{}",
            "mapping[0].when.claims: no claim",
        ),
        (
            "policies: [gold]",
            "policies: [§gold, gold]",
            "mapping[0].grant.policies[1]: the same entry",
        ),
    ]);
}

/// ENT-08: what its owner can change, or only Entra can read, decides nothing.
#[test]
fn claims_that_decide_nothing() {
    let refused = [
        ("change hands", &["email", "upn", "unique_name", "preferred_username", "name"][..]),
        ("change hands", &["given_name", "family_name"]),
        ("opaque", &["aio", "rh", "uti"]),
    ];
    for (why, names) in refused {
        for name in names {
            let said = read(&with("department:", &format!("{name}:"))).unwrap_err().to_string();
            assert!(said.contains(&format!("mapping[0].when.claims.{name}: this claim")), "{said}");
            assert!(said.contains(why), "{said}");
        }
    }
}

#[test]
fn bounds_and_logs() {
    check(&[
        ("refresh: 30m", "refresh: §59s", "key_sets.refresh: not between 1m and 24h"),
        ("refresh: 30m", "refresh: §25h", "key_sets.refresh: not between 1m and 24h"),
        ("refresh: 30m", "refresh: §-30m", "key_sets.refresh: not between 1m and 24h"),
        ("refresh: 30m", "refresh: §1800", "key_sets.refresh: not a duration"),
        ("refresh: 30m", "refresh: §90.5s", "key_sets.refresh: not in whole seconds"),
        ("refresh: 30m", "refresh: §soon", "key_sets.refresh: not a duration"),
        ("cooldown: 1m", "cooldown: §9s", "key_sets.cooldown: not between 10s and 1h"),
        ("cooldown: 1m", "cooldown: §61m", "key_sets.cooldown: not between 10s and 1h"),
        ("max_stale: 48h", "max_stale: §29m", "key_sets.max_stale: not between 30m and 168h"),
        ("max_stale: 48h", "max_stale: §169h", "key_sets.max_stale: not between 30m and 168h"),
        ("bytes: 64MiB", "bytes: §1048575", "cache.bytes: not between 1MiB and 64GiB"),
        ("bytes: 64MiB", "bytes: §65GiB", "cache.bytes: not between 1MiB and 64GiB"),
        ("bytes: 64MiB", "bytes: §99999999999GiB", "cache.bytes: not between 1MiB and 64GiB"),
        ("bytes: 64MiB", "bytes: §64MB", "cache.bytes: not a size"),
        ("bytes: 64MiB", "bytes: §-1", "cache.bytes: not a size"),
        ("bytes: 64MiB", "bytes: §MiB", "cache.bytes: not a size"),
        ("level: debug", "level: §trace", "log.level: not one of `error`, `warn`, `info`, `debug`"),
        ("level: debug", "level: §Debug", "log.level: not one of"),
        ("level: debug", "level: §off", "log.level: not one of"),
        ("format: human", "format: §text", "log.format: not one of `json`, `human`"),
        ("drain: 20s", "drain: §-1s", "shutdown.drain: not between 0s and 10m"),
        ("drain: 20s", "drain: §11m", "shutdown.drain: not between 0s and 10m"),
        ("grace: 30s", "grace: §0s", "shutdown.grace: not between 1s and 10m"),
        ("log:\n", "§metrics: {}\nlog:\n", "metrics: unknown key"),
        ("log:\n", "§key-sets: {}\nlog:\n", "key-sets: unknown key; did you mean `key_sets`?"),
        ("log:\n", "§resource: {}\nlog:\n", "resource: unknown key; did you mean `resources`?"),
        ("  tyk:\n", "  tyk:\n    §exchange: []\n", "clients.tyk.exchange: no rule"),
    ]);
}

#[test]
fn yaml_itself() {
    check(&[
        ("log:\n", "\tlog:\n", "not YAML: "),
        ("log:\n", "log: [\n", ""),
        ("log:\n", "---\n§log:\n", "more than one document"),
        ("roles: [Gold]", "roles: §[*gold]", "an alias (`*name`) of an anchor"),
        ("roles: [Gold]", "§<<: {roles: [Gold]}", "merge keys (`<<`) are not read"),
        ("roles: [Gold]", "roles: [§!secret hunter2]", "tags (`!name`) have no meaning here"),
        ("roles: [Gold]", "§? [a]\n      : b", "this cannot be read"),
        ("secret: ${env:TYK_SECRET}", "<<: §{secret: ${env:TYK_SECRET}}", ""),
    ]);
    for (text, expected) in [
        ("", "expected a mapping, found nothing"),
        ("# nothing\n", "expected a mapping, found nothing"),
        ("tessera", "expected a mapping, found text"),
        ("- a", "expected a mapping, found a list"),
        ("entra: []\nissuer: https://a.example\nclients: {}", "no tenant; at least one is needed"),
        ("entra: []\nissuer: https://a.example\nclients: {}", "no client; at least one is needed"),
    ] {
        let said = read(text).unwrap_err().to_string();
        assert!(said.contains(expected), "{text:?}: {said}");
    }
}

#[test]
fn a_reference_in_braces_is_told_to_be_quoted() {
    let text = with("    secret: ${env:TYK_SECRET}\n    introspect:", "    introspect:");
    let text = text.replace("  tyk:\n", "  x: {secret: ${env:TYK_SECRET}}\n  tyk:\n");
    let said = read(&text).unwrap_err().to_string();
    assert!(said.contains("\"${env:NAME}\""), "{said}");
}

#[test]
fn traces() {
    let endpoint = "endpoint: http://otel-collector:4318";
    let header = "authorization: ${file:/run/secrets/otlp}";
    check(&[
        (endpoint, "# none", "traces.endpoint: required, but not there; expected: URL"),
        (endpoint, "endpoint: §otel:4317", "traces.endpoint: not an http or https URL"),
        (endpoint, "endpoint: §http://u:hunter2@otel", "traces.endpoint: a URL with a user name"),
        (endpoint, "endpoint: §http://otel/v1/traces", "traces.endpoint: the place of the traces"),
        ("sample: 0.25", "sample: §1.5", "traces.sample: not a share from 0 to 1"),
        (header, "§authorization: hunter2", "traces.headers.authorization: a secret must not"),
        (header, "§a b: ${file:/run/secrets/otlp}", "traces.headers.a b: not the name of a header"),
        (header, "§content-type: ${env:SHORT}", "traces.headers.content-type: not the name of a"),
        (
            header,
            "§authorization: ${file:/run/secrets/folded}",
            "traces.headers.authorization: not",
        ),
        (header, "§authorization: ${env:EMPTY}", "traces.headers.authorization: an empty secret"),
    ]);
}
