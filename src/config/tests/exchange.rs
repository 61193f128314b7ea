//! `resources`, `exchange`, `signing` and `store`: what they become, and every rule broken once.

use super::refused::{Case, check_in};
use super::{ISSUING, read};
use crate::domain::keyring::SigningAlgorithm;
use crate::domain::principal::PrincipalType;
use crate::domain::resource::{ScopeRule, TokenFormat, Told};
use crate::protocol::time::Seconds;

fn check(cases: &[Case]) {
    check_in(ISSUING, cases);
}

#[test]
fn rules_and_resources_arrive_where_they_belong() {
    let config = read(ISSUING).unwrap();
    let [resource] = &config.resources[..] else { panic!("one resource") };
    assert_eq!(resource.id, "https://orders.internal");
    let earned =
        ScopeRule { name: "orders.write".to_owned(), earned_by: vec!["Orders.Write".to_owned()] };
    assert_eq!(resource.scope("orders.write"), Some(&earned));
    assert_eq!((resource.ttl, resource.format), (Seconds::minutes(10), TokenFormat::Opaque));
    assert_eq!(
        (resource.algorithm, &resource.release[..]),
        (SigningAlgorithm::Rs256, &[Told::Groups][..])
    );
    assert_eq!(resource.may_act.as_ref().unwrap().as_str(), "agent");
    let [rule] = &config.clients[0].exchange[..] else { panic!("one rule") };
    assert_eq!((rule.name.as_str(), rule.ttl), ("swap", Some(Seconds::minutes(2))));
    assert_eq!(rule.subjects, [PrincipalType::User, PrincipalType::Service]);
    assert!(rule.impersonate && rule.tenants.len() == 1 && rule.grants == ["gold"]);
    let account = config.clients[2].credentials.kubernetes.as_ref().unwrap();
    assert_eq!(account.subject(), "system:serviceaccount:agents:robot");
    assert_eq!(config.clusters.len(), 2);
    assert_eq!(config.signing.rules.rotate, Seconds::hours(240));
    let shorter = ISSUING
        .replace("      - name: swap\n        resource", "      - resource")
        .replace("        from: [api://orders]\n", "");
    let rule = &read(&shorter).unwrap().clients[0].exchange[0];
    assert_eq!(rule.name, "tyk/https://orders.internal", "a rule has a name");
    assert_eq!(rule.from, ["api://orders", "https://orders.internal"], "what it may introspect");
}

#[test]
fn resources() {
    let scopes = "scopes: { orders.read: [Orders.Read], orders.write: [Orders.Write] }";
    check(&[
        ("    callers: [tyk, agent]\n", "", "resources.https://orders.internal.callers: required"),
        (
            "callers: [tyk, agent]",
            "callers: [tyk, §agnt]",
            "resources.https://orders.internal.callers[1]: not a client of this file; did you mean `agent`?",
        ),
        (
            "callers: [tyk, agent]",
            "callers: §[]",
            "resources.https://orders.internal.callers: an empty list",
        ),
        (scopes, "scopes: §{}", "resources.https://orders.internal.scopes: no scope"),
        ("ttl: 10m", "ttl: §1h", "resources.https://orders.internal.ttl: not between"),
        (
            "algorithm: RS256",
            "algorithm: §HS256",
            "resources.https://orders.internal.algorithm: not one of",
        ),
        (
            "token: opaque",
            "token: §reference",
            "resources.https://orders.internal.token: not one of",
        ),
        (
            "may_act: agent",
            "may_act: §agents",
            "resources.https://orders.internal.may_act: not a client",
        ),
    ]);
    for (name, said) in [
        ("https://sts.example.com/tessera", "this service itself"),
        ("https://sts.example.com/tessera/introspect", "this service itself"),
        ("https://orders.internal#x", "a fragment"),
        ("tyk", "the name of a client as well"),
    ] {
        let text = ISSUING
            .replace("https://orders.internal", name)
            .replace("  tyk:\n    scopes", "  \"tyk\":\n    scopes");
        let report = read(&text).unwrap_err().to_string();
        assert!(report.contains(said), "TEX-06, A155, A156 {name}: {report}");
    }
}

#[test]
fn exchange_rules() {
    let rule = "clients.tyk.exchange[0]";
    let said = |key: &str, what: &str| -> &'static str {
        Box::leak(format!("{rule}.{key}: {what}").into_boxed_str())
    };
    check(&[
        (
            "resource: https://orders.internal\n        scopes",
            "resource: §https://order.internal\n        scopes",
            said("resource", "not one of `resources`; did you mean"),
        ),
        (
            "        subjects: [user, service]\n        from",
            "        from",
            said("subjects", "required"),
        ),
        (
            "scopes: [orders.read]\n        subjects",
            "scopes: [§orders.delete]\n        subjects",
            said("scopes[0]", "not a scope of the resource"),
        ),
        (
            "from: [api://orders]\n        tenants",
            "from: [§api://elsewhere]\n        tenants",
            said("from[0]", "not an audience"),
        ),
        (
            "tenants: [72f988bf",
            "tenants: [§82f988bf",
            said("tenants[0]", "not a configured tenant"),
        ),
        (
            "grants: [gold]",
            "grants: [§golden]",
            said("grants[0]", "not the name of a mapping rule; did you mean `gold`?"),
        ),
        ("actors: [agent]", "actors: [§nobody]", said("actors[0]", "not a client of this file")),
        ("ttl: 2m", "ttl: §20m", said("ttl", "not between")),
        (
            "impersonate: true",
            "impersonate: §sometimes",
            said("impersonate", "expected true or false"),
        ),
        (
            "default_resource: https://orders.internal",
            "default_resource: §https://x.internal",
            "clients.tyk.default_resource: no rule",
        ),
    ]);
}

#[test]
fn keys_and_seals() {
    check(&[
        ("announce: 12h", "announce: §1m", "signing.announce: not between"),
        ("folder: /var/lib/tessera/keys", "folder: §keys", "signing.folder: not an absolute path"),
        (
            "  sealing_key: ${file:/run/secrets/seal}",
            "  sealing_key: §hunter2",
            "store.sealing_key: a secret must not stand",
        ),
        (
            "  sealing_key: ${file:/run/secrets/seal}",
            "  sealing_key: §${env:SHORT}",
            "store.sealing_key: not 32 bytes",
        ),
    ]);
    let text =
        ISSUING.replace("announce: 12h", "announce: 168h").replace("rotate: 240h", "rotate: 100h");
    assert!(read(&text).unwrap_err().to_string().contains("not less than `signing.rotate`"));
    let text = ISSUING.replace("  sealing_key: ${file:/run/secrets/seal}\n  previous_sealing_key: ${file:/run/secrets/old-seal}", "  {}");
    assert!(read(&text).is_err(), "a folder needs a sealing key");
}

#[test]
fn clusters_and_service_accounts() {
    check(&[
        ("      cluster: prod\n", "      cluster: §prd\n", "clients.pod.kubernetes.cluster"),
        (
            "      uid: 6b8f0a3e-4c1d-4f2a-9d7e-2a5c8e1b7f40\n",
            "",
            "clients.pod.kubernetes.uid: required",
        ),
        ("namespace: agents", "namespace: §Agents", "clients.pod.kubernetes.namespace: not a name"),
        (
            "jwks_uri: https://cluster.example/keys",
            "jwks_uri: §http://cluster.example/keys",
            "clusters.prod.jwks_uri: http is accepted",
        ),
    ]);
}
