//! `docs/metrics.md` lists what `/metrics` exports, and no label tells whose token it was.

use std::collections::BTreeSet;

use crate::replicas::SEAL;
use crate::support::redis::RedisServer;
use crate::support::{Request, TYK, World, with_store};

#[test]
fn the_page_lists_every_metric_and_only_those() {
    let redis = RedisServer::start();
    let section =
        format!("store: {{ redis: {{ url: \"{}\" }}, sealing_key: {SEAL} }}", redis.url());
    with_store(&section, || page_and_export_agree(&World::start()));
    assert!(!World::start().metrics().contains("tessera_store"), "only where there is one");
}

fn page_and_export_agree(world: &World) {
    world.assert_active(&world.sign(&world.alice()));
    world.introspect("x").assert_inactive();
    Request::introspect(&[("token", "x")]).basic((TYK.0, "wrong")).send(world.public);
    let fields = [("token", "x"), ("client_id", TYK.0), ("client_secret", TYK.1)];
    Request::form("/revoke", &fields).send(world.public);
    Request::get("/verify/orders").bearer("x").gateway(TYK).send(world.public);
    let text = world.metrics();
    let exported: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let page = include_str!("../../docs/metrics.md");
    let documented: BTreeSet<_> = page
        .lines()
        .filter(|line| line.starts_with("| `tessera_"))
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`'), cells[2])
        })
        .collect();
    assert_eq!(documented, exported);
}

#[test]
fn counters_count_and_labels_tell_nothing_personal() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let body = world.assert_active(&token);
    world.introspect("x").assert_inactive();
    world.introspect(&token[..token.len() - 4]).assert_inactive();
    Request::introspect(&[("token", "x")]).basic((TYK.0, "wrong")).send(world.public);
    Request::get("/nothing/alice@contoso.example").send(world.public);
    let text = world.metrics();
    for line in [
        r#"tessera_http_requests_total{path="/introspect",status="200"} 3"#,
        r#"tessera_http_requests_total{path="/introspect",status="401"} 1"#,
        r#"tessera_http_requests_total{path="other",status="404"} 1"#,
        r#"tessera_introspections_total{result="active",source="decided"} 1"#,
        r#"tessera_introspections_total{result="inactive",source="decided"} 2"#,
        r#"tessera_client_auth_failures_total{method="client_secret_basic",result="invalid"} 1"#,
        "tessera_introspection_seconds_count 4",
        "tessera_cache_entries 1",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
    for secret in [&token[..40], body["sub"].as_str().unwrap(), "alice", TYK.1, "wrong"] {
        assert!(!text.contains(secret), "{secret}");
    }
}
