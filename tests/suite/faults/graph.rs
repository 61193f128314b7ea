//! Graph busy, slow or refusing: who has too many groups for a token is told less or the same, never
//! more, and nobody else notices.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::faults::{Fault, Surface};
use tessera::dev::people::{CAROL, HOME_TENANT};
use tessera::protocol::time::Seconds;

use crate::exchange::{exchanged, fields};
use crate::support::{ORDERS_API, TYK, World, eventually};

/// What Carol is granted, by a token that was not seen before.
fn carol(world: &World) -> Value {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let issuer = world.entra.issuer(HOME_TENANT);
    let token = issuer.delegated(&PORTAL, &CAROL, &ORDERS, &["orders.read"]);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    world.assert_active(&world.sign(&token.claim("uti", format!("carol-{number}"))))
}

fn asked(world: &World, result: &str) -> u64 {
    let labels = format!("dependency=\"graph\",result=\"{result}\"");
    world.metric(&format!("tessera_upstream_requests_total{{{labels}}}"))
}

#[test]
fn graph_is_left_alone_for_as_long_as_it_asks() {
    let world = World::start();
    let throttled = Fault::Throttled { retry_after: 600 };
    // Nobody knows anything of Carol yet.
    world.entra.set_fault(Surface::Graph, throttled.clone());
    let body = carol(&world);
    assert_eq!(
        (&body["policies"], &body["identity"]["groups_overage"]),
        (&json!([]), &json!(true))
    );
    assert_eq!(asked(&world, "failed"), 1, "{}", world.metrics());
    // Whatever comes within those ten minutes costs Graph nothing, exchanges included.
    for _ in 0..5 {
        world.clock.advance(Seconds::minutes(1));
        assert_eq!(carol(&world)["policies"], json!([]));
        let token = world.sign(&world.entra.issuer(HOME_TENANT).delegated(
            &PORTAL,
            &CAROL,
            &ORDERS,
            &["orders.read"],
        ));
        let scope = exchanged(&world, TYK, &fields(&token, ORDERS_API))["scope"].clone();
        assert_eq!(scope, "orders.read", "no scope by a group that nobody knows");
    }
    assert_eq!(world.entra.requests(Surface::Graph), 1);
    world.entra.heal();
    world.clock.advance(Seconds::minutes(6));
    assert_eq!(carol(&world)["policies"], json!(["gold"]), "recovery is alone");
    // From here on the last answer serves, for an hour.
    world.clock.advance(Seconds::minutes(6));
    world.entra.set_fault(Surface::Graph, throttled);
    for _ in 0..5 {
        assert_eq!(carol(&world)["policies"], json!(["gold"]));
        world.clock.advance(Seconds::minutes(1));
    }
    assert_eq!(world.entra.requests(Surface::Graph), 3);
    world.clock.advance(Seconds::minutes(55));
    assert_eq!(carol(&world)["policies"], json!([]), "and not for longer");
    assert_eq!(asked(&world, "failed"), 3);
    world.assert_active(&world.sign(&world.alice()));
    assert_eq!(world.readiness(), 200);
}

#[test]
fn nobody_waits_for_a_slow_graph_for_long() {
    for surface in [Surface::Graph, Surface::Token] {
        let world = &World::start();
        world.entra.set_fault(surface, Fault::Hang);
        thread::scope(|scope| {
            let waits = scope.spawn(move || {
                let begun = Instant::now();
                (carol(world), begun.elapsed())
            });
            for _ in 0..20 {
                let begun = Instant::now();
                world.assert_active(&world.sign(&world.alice()));
                assert!(begun.elapsed() < Duration::from_secs(2), "Alice's token lists her groups");
            }
            let (body, waited) = waits.join().unwrap();
            assert_eq!(body["identity"]["groups_overage"], true, "unknown, not empty: {body}");
            assert_eq!(body["policies"], json!([]));
            assert!(waited < Duration::from_secs(8), "{surface:?}: {waited:?}");
        });
        world.entra.heal();
        eventually("the groups", || {
            world.clock.advance(Seconds::new(30));
            carol(world)["policies"] == json!(["gold"])
        });
    }
}

#[test]
fn the_last_groups_are_known_while_graph_is_slow() {
    let world = World::start();
    assert_eq!(carol(&world)["policies"], json!(["gold"]));
    world.entra.set_fault(Surface::Graph, Fault::Hang);
    world.clock.advance(Seconds::minutes(6));
    let begun = Instant::now();
    assert_eq!(carol(&world)["policies"], json!(["gold"]));
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    world.entra.heal();
}

#[test]
fn what_graph_must_not_say_grants_nothing() {
    let lies = [
        Fault::Garbage(r#"{"value":["7d6f1c0e-2f0d-4a59-9a54-5b3f0a4c0f51","admins"]}"#.into()),
        Fault::Garbage(r#"{"value":"7d6f1c0e-2f0d-4a59-9a54-5b3f0a4c0f51"}"#.into()),
        Fault::Garbage("<html>busy</html>".into()),
        Fault::Truncated,
        Fault::Huge(2 * 1024 * 1024),
        Fault::Redirect("http://127.0.0.1:9/groups".to_owned()),
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(500),
    ];
    let world = World::start();
    for lie in lies {
        world.entra.set_fault(Surface::Graph, lie.clone());
        let failed = asked(&world, "failed");
        let body = carol(&world);
        assert_eq!(body["identity"]["groups_overage"], true, "{lie:?} {body}");
        assert_eq!(body["policies"], json!([]), "{lie:?}");
        assert!(asked(&world, "failed") > failed, "{lie:?}");
        world.entra.heal();
        // The moment after a failure, for which nobody is asked, and the life of a good answer.
        world.clock.advance(Seconds::new(6));
        assert_eq!(carol(&world)["policies"], json!(["gold"]), "after {lie:?}");
        world.clock.advance(Seconds::minutes(61));
    }
}
