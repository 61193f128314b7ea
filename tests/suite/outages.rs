//! Entra slow, down or lying: never a wrong yes, never a needless no, and recovery alone.

use bytes::Bytes;
use serde_json::json;
use tessera::dev::faults::{Fault, Surface};
use tessera::dev::tenant::OldKey;
use tessera::protocol::time::Seconds;

use crate::support::{Request, World, eventually};

#[test]
pub(crate) fn a252_without_keys_the_answer_is_503_and_recovery_is_alone() {
    let world = World::start();
    for surface in [Surface::Discovery, Surface::Keys] {
        world.entra.set_fault(surface, Fault::Status(500));
    }
    // Whatever was fetched before the fault is too old now.
    world.clock.advance(Seconds::hours(25));
    let token = world.sign(&world.alice());
    eventually("an outage", || {
        let answer = world.introspect(&token);
        assert_ne!(answer.text(), r#"{"active":false}"#, "INT-28: never a no that is a guess");
        answer.status == 503
    });
    assert_eq!(Request::get("/livez").send(world.admin).status, 200, "alive all the same");
    assert_eq!(world.readiness(), 503);
    world.entra.heal();
    eventually("readiness", || {
        world.clock.advance(Seconds::minutes(1));
        world.readiness() == 200
    });
    world.assert_active(&world.sign(&world.alice()));
}

#[test]
pub(crate) fn a_known_key_goes_on_through_an_outage() {
    let world = World::start();
    let warm = world.sign(&world.alice());
    world.assert_active(&warm);
    for surface in [Surface::Discovery, Surface::Keys] {
        world.entra.set_fault(surface, Fault::Status(503));
    }
    world.clock.advance(Seconds::minutes(70));
    world.assert_active(&warm);
    world.assert_active(&world.sign(&world.alice()));
    assert_eq!(world.readiness(), 200, "an outage does not take running replicas away");
}

#[test]
pub(crate) fn a251_the_last_good_set_survives_every_lie() {
    let lies = [
        Fault::Status(500),
        Fault::Throttled { retry_after: 1 },
        Fault::Redirect("http://127.0.0.1:9/keys".to_owned()),
        Fault::Garbage(Bytes::from_static(b"<html>busy</html>")),
        Fault::Garbage(Bytes::from_static(br#"{"keys":[]}"#)),
        Fault::Garbage(Bytes::from_static(b"{}")),
        Fault::Garbage(Bytes::from_static(b"")),
        Fault::Truncated,
        Fault::Huge(2 * 1024 * 1024),
    ];
    for surface in [Surface::Discovery, Surface::Keys] {
        for lie in &lies {
            let world = World::start();
            world.assert_active(&world.sign(&world.alice()));
            world.entra.set_fault(surface, lie.clone());
            let before = world.entra.requests(surface);
            world.clock.advance(Seconds::minutes(61));
            eventually("a refresh", || {
                world.assert_active(&world.sign(&world.alice()));
                world.entra.requests(surface) > before
            });
            world.assert_active(&world.sign(&world.alice()));
        }
    }
}

#[test]
pub(crate) fn a_key_that_cannot_be_looked_up_may_be_good() {
    let world = World::start();
    world.assert_active(&world.sign(&world.alice()));
    world.entra.rotate(OldKey::Kept).unwrap();
    world.entra.set_fault(Surface::Keys, Fault::Status(503));
    let token = world.sign(&world.alice());
    world.introspect(&token).assert_error(503, "temporarily_unavailable");
    world.entra.heal();
    eventually("recovery", || {
        world.clock.advance(Seconds::minutes(1));
        world.introspect(&token).status == 200
    });
    world.assert_active(&token);
}

#[test]
pub(crate) fn readiness_names_the_issuer_that_is_missing() {
    let world = World::start();
    let body = Request::get("/readyz?verbose").send(world.admin).json();
    assert_eq!(body["status"], "ready");
    let trusted: Vec<_> =
        body["issuers"].as_array().unwrap().iter().map(|i| &i["trusted"]).collect();
    assert_eq!(trusted, [&json!(true), &json!(true)]);
}
