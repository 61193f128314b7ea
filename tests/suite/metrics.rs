//! `docs/metrics.md` lists what `/metrics` exports, every kind of result is counted, and no label
//! tells whose token it was.

use std::collections::BTreeSet;

use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::faults::{Fault, Surface};
use tessera::dev::keys::SigningKey;
use tessera::dev::people::{ALICE, CAROL, HOME_TENANT};
use tessera::dev::token::TokenBuilder;
use tessera::domain::denial::DenialReason;
use tessera::domain::rejection::Reason;
use tessera::protocol::time::Seconds;

use crate::exchange::{ask, fields, token};
use crate::replicas::{Replicas, SEAL, store};
use crate::support::redis::{RedisServer, wait_until};
use crate::support::{
    BILLING_GATEWAY, NOBODY, ORDERS_API, PLAIN_API, PLANNER, Request, TASKS_API, TYK, World,
    eventually, summed, with_store,
};

/// The usual configuration, with TLS for a gateway.
fn with_tls(usual: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/tests/tls");
    let [certificate, key] =
        ["server.crt", "server.key"].map(|name| format!("\"${{file:{folder}/{name}}}\""));
    let tls = format!("tls: {{ tyk: {{ certificate: {certificate}, key: {key} }} }}, ");
    usual.replacen("listen: { ", &format!("listen: {{ {tls}"), 1)
}

#[test]
fn the_page_lists_every_metric_and_only_those() {
    let redis = RedisServer::start();
    let section =
        format!("store: {{ redis: {{ url: \"{}\" }}, sealing_key: {SEAL} }}", redis.url());
    let mut shared = BTreeSet::new();
    with_store(&section, || shared = exported(&World::configured(with_tls)));
    let page = include_str!("../../docs/metrics.md");
    let lines = page.lines().filter(|line| line.starts_with("| `"));
    let documented: BTreeSet<_> = lines
        .map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
        })
        .collect();
    assert_eq!(documented, shared);
    let alone = exported(&World::configured(with_tls));
    let more: BTreeSet<_> = shared.difference(&alone).map(|(name, _)| name.as_str()).collect();
    let of_store = |name: &&&str| name.starts_with("tessera_store_");
    let others: Vec<_> = more.iter().filter(|name| !of_store(name)).collect();
    assert_eq!(others, [&"tessera_revocation_propagation_seconds"], "only where there is a store");
    assert!(more.len() > 5 && alone.is_subset(&shared), "{more:?}");
}

/// Names and types, after a little of everything.
fn exported(world: &World) -> BTreeSet<(String, String)> {
    world.assert_active(&world.sign(&world.alice()));
    world.introspect("x").assert_inactive();
    Request::introspect(&[("token", "x")]).basic((TYK.0, "wrong")).send(world.public);
    let fields = [("token", "x"), ("client_id", TYK.0), ("client_secret", TYK.1)];
    Request::form("/revoke", &fields).send(world.public);
    let good = world.sign(&world.alice());
    Request::form(
        "/revoke",
        &[("token", token(world, TYK, &self::fields(&good, TASKS_API)).as_str())],
    )
    .basic(TYK)
    .send(world.public);
    Request::get("/verify/orders").bearer("x").gateway(TYK).send(world.public);
    let text = world.metrics();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

/// Carol has more groups than a token lists.
fn carol(world: &World) -> TokenBuilder {
    world.entra.issuer(HOME_TENANT).delegated(&PORTAL, &CAROL, &ORDERS, &["orders.read"])
}

#[test]
fn every_kind_of_answer_is_counted_by_client_issuer_result_and_source() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let (jwt, handle) = (
        token(&world, TYK, &fields(&alice, ORDERS_API)),
        token(&world, TYK, &fields(&alice, TASKS_API)),
    );
    let expired = world.sign(&world.alice().claim("exp", 1_000_000));
    let stranger = world.alice().sign(&SigningKey::pooled("stranger").unwrap()).unwrap();
    let (unheard, nonsense) = ("tsr_unheard-of".to_owned(), "x".to_owned());
    // What a fresh key set, or another replica, could turn into a yes is decided each time.
    let answers = [
        (&alice, "active", HOME_TENANT, "memory"),
        (&jwt, "active", "tessera", "memory"),
        (&handle, "active", "tessera", "memory"),
        (&expired, "inactive", HOME_TENANT, "memory"),
        (&stranger, "inactive", HOME_TENANT, "decided"),
        (&unheard, "inactive", "tessera", "decided"),
        (&nonsense, "inactive", "unknown", "memory"),
    ];
    let count = |client: &str, issuer: &str, result: &str, source: &str| {
        let labels =
            [("client", client), ("issuer", issuer), ("result", result), ("source", source)];
        let labels = labels.map(|(name, value)| format!("{name}=\"{value}\""));
        world.counted("tessera_introspections_total", &labels.each_ref().map(String::as_str))
    };
    for (token, result, issuer, then) in answers {
        for source in ["decided", then] {
            let before = count(TYK.0, issuer, result, source);
            world.introspect(token);
            assert_eq!(count(TYK.0, issuer, result, source), before + 1, "{issuer} {source}");
        }
    }
    world.introspect_as(BILLING_GATEWAY, &alice).assert_inactive();
    assert_eq!(count(BILLING_GATEWAY.0, HOME_TENANT, "inactive", "decided"), 1);
    let refused = |client: &str, reason: Reason| {
        let name = "tessera_token_refusals_total";
        let reason = reason.as_str();
        world.metric(&format!("{name}{{client=\"{client}\",reason=\"{reason}\"}}"))
    };
    assert_eq!(refused(TYK.0, Reason::Expired), 2);
    assert_eq!(refused(TYK.0, Reason::TokenMalformed), 2);
    assert_eq!(refused(TYK.0, Reason::OpaqueUnknown), 2);
    assert_eq!(refused(BILLING_GATEWAY.0, Reason::AudienceNotForCaller), 1);
    let all = world.counted("tessera_introspections_total", &[]);
    assert_eq!(world.metric("tessera_introspection_seconds_count"), all);
    let hits = world.metric("tessera_cache_lookups_total{result=\"hit\"}");
    assert_eq!(hits, world.counted("tessera_introspections_total", &["source=\"memory\""]));
    assert_eq!(world.metric("tessera_cache_lookups_total{result=\"miss\"}"), all - hits);
    let text = world.metrics();
    for histogram in ["introspection", "exchange"] {
        let bound = format!("tessera_{histogram}_seconds_bucket{{le=\"0.005\"}} ");
        assert!(text.contains(&bound), "{text}");
    }
}

#[test]
fn every_exchange_is_counted_by_client_resource_and_result() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    for (resource, status) in
        [(ORDERS_API, 200), (TASKS_API, 200), ("https://nowhere.example", 400)]
    {
        assert_eq!(ask(&world, TYK, &fields(&alice, resource)).status, status);
    }
    ask(&world, TYK, &fields("x", ORDERS_API));
    ask(&world, PLANNER, &fields(&alice, PLAIN_API));
    ask(&world, NOBODY, &fields(&alice, ORDERS_API));
    let swapped = Request::get("/verify/swapped").bearer(&alice).gateway(TYK).send(world.public);
    assert_eq!(swapped.status, 200);
    let denied = DenialReason::as_str;
    for (client, resource, result, count) in [
        (TYK.0, ORDERS_API, "issued", 2),
        (TYK.0, TASKS_API, "issued", 1),
        (TYK.0, "unknown", denied(DenialReason::TargetUnknown), 1),
        (TYK.0, ORDERS_API, denied(DenialReason::SubjectRejected), 1),
        (PLANNER.0, PLAIN_API, denied(DenialReason::TargetNotPermitted), 1),
        (NOBODY.0, ORDERS_API, denied(DenialReason::ClientNotPermitted), 1),
    ] {
        let series = format!(
            "tessera_exchanges_total{{client=\"{client}\",resource=\"{resource}\",result=\"{result}\"}}"
        );
        assert_eq!(world.metric(&series), count, "{series}");
    }
    assert_eq!(world.counted("tessera_exchanges_total", &[]), 7);
}

#[test]
fn what_we_depend_on_is_counted_when_it_is_good_and_when_it_is_not() {
    let world = World::start();
    let asked = |dependency: &str, result: &str| {
        let labels = format!("dependency=\"{dependency}\",result=\"{result}\"");
        world.metric(&format!("tessera_upstream_requests_total{{{labels}}}"))
    };
    let fetched = |result: &str| {
        let labels = [r#"issuer="8eaef023-2b34-4da1-9baa-8bc8c9d6a490""#, result];
        world.counted("tessera_key_set_fetches_total", &labels)
    };
    // A discovery document and a key set for each version.
    assert_eq!((asked("issuer_keys", "good"), asked("issuer_keys", "failed")), (4, 0));
    assert_eq!((fetched("result=\"good\""), fetched("result=\"failed\"")), (2, 0));
    world.assert_active(&world.sign(&carol(&world)));
    // A token for Graph, and the groups.
    assert_eq!((asked("graph", "good"), asked("graph", "failed")), (2, 0));
    world.entra.set_fault(Surface::Graph, Fault::Status(503));
    world.clock.advance(Seconds::minutes(30));
    world.assert_active(&world.sign(&carol(&world).claim("uti", "another")));
    assert!(asked("graph", "failed") > 0);
    world.entra.set_fault(Surface::Discovery, Fault::Status(500));
    let stranger = SigningKey::pooled("stranger").unwrap();
    let unknown = world.alice().header("kid", "made-up").sign(&stranger).unwrap();
    let unknowns = || world.counted("tessera_key_set_unknown_kid_total", &["version=\"2.0\""]);
    assert_eq!(unknowns(), 0);
    world.introspect(&unknown);
    eventually("the fetch", || fetched("result=\"failed\"") == 1);
    assert_eq!(unknowns(), 1);
    let text = world.metrics();
    for dependency in ["issuer_keys", "graph"] {
        let name = "tessera_upstream_seconds_count";
        let ended = asked(dependency, "good") + asked(dependency, "failed");
        let line = format!("{name}{{dependency=\"{dependency}\"}} {ended}");
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
}

#[test]
fn a_revocation_elsewhere_is_measured_where_it_comes_to_hold() {
    let redis = RedisServer::start();
    let replicas = Replicas::start(2, &store(&redis.url(), ", results: all"));
    replicas.wait_until_current();
    let [one, two] = &replicas.all[..] else { panic!("two replicas") };
    let alice = replicas.alice();
    assert!(one.introspect(&alice).is_active());
    wait_until("the answer", || redis.command(&["KEYS", "{tessera}:answer:*"]).array().len() == 1);
    assert!(two.introspect(&alice).is_active());
    let from_redis = ["client=\"tyk\"", "result=\"active\"", "source=\"redis\""];
    assert_eq!(summed(&two.metrics(), "tessera_introspections_total", &from_redis), 1);
    assert_eq!(one.order("token", &alice).status, 200);
    wait_until("the end", || !two.introspect(&alice).is_active());
    let applied = |text: &str| {
        ["here", "elsewhere"].map(|origin| {
            let origin = format!("origin=\"{origin}\"");
            summed(text, "tessera_revocations_applied_total", &[&origin])
        })
    };
    let (here, there) = (one.metrics(), two.metrics());
    assert_eq!((applied(&here), applied(&there)), ([1, 0], [0, 1]));
    let measured = |text: &str, what: &str| {
        let line = text.lines().find_map(|line| {
            line.strip_prefix(&format!("tessera_revocation_propagation_seconds_{what} "))
        });
        line.unwrap_or_else(|| panic!("{text}")).parse::<f64>().unwrap()
    };
    assert_eq!((measured(&here, "count"), measured(&there, "count")), (0.0, 1.0));
    assert!(measured(&there, "sum") < 5.0, "the promise: {there}");
    assert!(there.contains("tessera_revocation_propagation_seconds_bucket{le=\"5\"} 1\n"));
    let asked = summed(&there, "tessera_store_commands_total", &["result=\"answered\""]);
    let line =
        there.lines().find_map(|line| line.strip_prefix("tessera_store_command_seconds_count "));
    assert!(asked > 0 && line.unwrap().parse::<u64>().unwrap() >= asked, "{there}");
}

#[test]
fn the_process_tells_about_itself() {
    let world = World::start();
    let text = world.metrics();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<f64>().unwrap()
    };
    assert!(value("process_resident_memory_bytes") > 1_000_000.0);
    assert!(value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"));
    assert!(
        value("process_open_fds") > 3.0 && value("process_open_fds") < value("process_max_fds")
    );
    assert!(value("process_threads") > 1.0 && value("process_cpu_seconds_total") > 0.0);
    let started = value("process_start_time_seconds");
    assert!((1_700_000_000.0..4_200_000_000.0).contains(&started), "{started}");
}

#[test]
fn counters_count_and_labels_tell_nothing_personal() {
    let world = World::start();
    let good = world.sign(&world.alice());
    let body = world.assert_active(&good);
    world.introspect("x").assert_inactive();
    world.introspect(&good[..good.len() - 4]).assert_inactive();
    let personal = ["alice@contoso.example", ALICE.oid, ALICE.name.0, "made-up-by-somebody"];
    for text in personal {
        Request::introspect(&[("token", text)]).basic((TYK.0, "wrong")).send(world.public);
        Request::introspect(&[("token", "x")]).basic((text, "wrong")).send(world.public);
        Request::get(&format!("/nothing/{text}")).send(world.public);
        Request::get(&format!("/verify/{text}")).bearer(text).gateway(TYK).send(world.public);
        ask(&world, TYK, &fields(&good, text));
        ask(&world, TYK, &fields(text, ORDERS_API));
        let issuer = format!("https://login.microsoftonline.com/{text}/v2.0");
        world.introspect(&world.sign(&world.alice().claim("iss", issuer))).assert_inactive();
        Request::form("/revocations", &[("client", text)]).send(world.admin);
    }
    let minted = token(&world, TYK, &fields(&good, TASKS_API));
    world.assert_active(&minted);
    let text = world.metrics();
    for line in [
        r#"tessera_http_requests_total{path="other",status="404"} 4"#,
        r#"tessera_client_auth_failures_total{method="client_secret_basic",result="invalid"} 8"#,
        "tessera_cache_entries 2",
    ] {
        assert!(text.lines().any(|have| have == line), "{line}\n{text}");
    }
    let subject = body["sub"].as_str().unwrap();
    let secrets = [&good[..40], &minted, subject, TYK.1, "wrong"];
    for secret in secrets.into_iter().chain(personal) {
        assert!(!text.contains(secret), "{secret}\n{text}");
    }
    // Nothing but what the code and the configuration name.
    let labels = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once('{')?.1.rsplit_once('}')?.0.to_owned()));
    let mut seen = 0;
    for label in
        labels.flat_map(|labels| labels.split("\",").map(str::to_owned).collect::<Vec<_>>())
    {
        let (name, value) = label.split_once("=\"").unwrap();
        let value = value.trim_end_matches('"');
        let known: &[&str] = match name {
            "client" => &[TYK.0],
            "issuer" => &[HOME_TENANT, "tessera", "unknown"],
            "resource" => &[ORDERS_API, TASKS_API, "unknown"],
            "api" => &["orders", "swapped", "open"],
            "path" => &["/introspect", "/token", "/revoke", "/verify", "other"],
            _ => continue,
        };
        assert!(known.contains(&value), "{name}: {value}");
        seen += 1;
    }
    assert!(seen > 10, "{text}");
}
