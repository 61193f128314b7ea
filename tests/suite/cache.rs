//! What is remembered, and what ends that (§14.10; the rules of the design).

use std::sync::Barrier;
use std::thread;

use serde_json::json;
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::faults::Surface;
use tessera::dev::people::{CAROL, HOME_TENANT};
use tessera::dev::tenant::OldKey;
use tessera::protocol::time::Seconds;

use crate::support::{BILLING_GATEWAY, Request, TYK, World};

fn hits(world: &World, result: &str, source: &str) -> u64 {
    let labels = [format!("result=\"{result}\""), format!("source=\"{source}\"")];
    world.counted("tessera_introspections_total", &[&labels[0], &labels[1]])
}

#[test]
pub(crate) fn p8_a_remembered_answer_is_the_same_answer() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let (first, second) = (world.introspect(&token), world.introspect(&token));
    assert_eq!(first.bytes(), second.bytes());
    assert_eq!((hits(&world, "active", "decided"), hits(&world, "active", "memory")), (1, 1));
}

#[test]
pub(crate) fn a242_a255_what_one_caller_warmed_no_other_sees() {
    let world = World::start();
    let (orders, billing) = (world.sign(&world.alice()), world.sign(&world.alice_v1()));
    world.assert_active(&orders);
    world.assert_active(&billing);
    world.introspect_as(BILLING_GATEWAY, &orders).assert_inactive();
    let own = world.introspect_as(BILLING_GATEWAY, &billing).json();
    assert_eq!(own["active"], true);
    world.assert_active(&orders);
}

#[test]
pub(crate) fn a244_the_whole_token_is_the_key() {
    let world = World::start();
    let good = world.sign(&world.alice());
    world.assert_active(&good);
    for other in [format!("{good}A"), good[..good.len() - 1].to_owned(), good.replace('e', "f")] {
        world.introspect(&other).assert_inactive();
    }
}

#[test]
pub(crate) fn a245_a_refusal_is_forgotten_before_it_can_be_wrong() {
    let world = World::start();
    let now = world.alice().claims()["nbf"].as_i64().unwrap();
    let early = world.sign(&world.alice().claim("nbf", now + 62));
    world.introspect(&early).assert_inactive();
    world.introspect(&early).assert_inactive();
    world.clock.advance(Seconds::new(2));
    world.assert_active(&early);
    let rotated = world.entra.rotate(OldKey::Kept).unwrap();
    let fresh = world.alice().sign(&rotated).unwrap();
    world.assert_active(&fresh);
}

#[test]
pub(crate) fn a246_nothing_outlives_its_token() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let expires = world.assert_active(&token)["exp"].as_i64().unwrap();
    let left = expires - world.alice().claims()["iat"].as_i64().unwrap();
    world.clock.advance(Seconds::new(left - 1));
    world.assert_active(&token);
    world.clock.advance(Seconds::new(61));
    world.introspect(&token).assert_inactive();
}

#[test]
pub(crate) fn a250_an_answer_ends_with_its_key() {
    let world = World::start();
    let (old, key) = (world.sign(&world.alice()), world.entra.signing_key());
    world.assert_active(&old);
    world.entra.rotate(OldKey::Dropped).unwrap();
    // A token by the new key makes the set known; the old key is gone with it.
    world.assert_active(&world.sign(&world.alice()));
    world.introspect(&old).assert_inactive();
    world.introspect(&world.alice().sign(&key).unwrap()).assert_inactive();
}

#[test]
pub(crate) fn a243_one_state_for_both_forms() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let plain = world.introspect(&token).json();
    let signed = Request::introspect(&[("token", &token)]).basic(TYK).signed().send(world.public);
    assert_eq!(crate::signed_answers::claims(&signed.text())["token_introspection"], plain);
    let hint = Request::introspect(&[("token", &token), ("token_type_hint", "refresh_token")]);
    assert_eq!(hint.basic(TYK).send(world.public).json(), plain);
}

#[test]
pub(crate) fn many_askers_for_one_cold_token_cause_one_of_everything() {
    let world = World::start();
    let token =
        world.entra.issuer(HOME_TENANT).delegated(&PORTAL, &CAROL, &ORDERS, &["orders.read"]);
    let token = world.sign(&token);
    let (askers, start) = (24, Barrier::new(24));
    let before = world.entra.requests(Surface::Keys);
    thread::scope(|scope| {
        for _ in 0..askers {
            scope.spawn(|| {
                start.wait();
                assert_eq!(world.introspect(&token).json()["policies"], json!(["gold"]));
            });
        }
    });
    let memberships = format!("/v1.0/users/{}/getMemberGroups", CAROL.oid);
    let graph = world.entra.requests_to(&memberships);
    assert_eq!(graph, 1, "one look-up");
    assert!(world.entra.requests(Surface::Keys) - before <= 2, "one fetch for each issuer");
    assert_eq!(hits(&world, "active", "decided"), 1);
    assert_eq!(hits(&world, "active", "memory"), askers - 1);
}

#[test]
pub(crate) fn a38_good_tokens_pass_while_unknown_keys_are_named() {
    let world = World::start();
    let good = world.sign(&world.alice());
    world.assert_active(&good);
    let before = world.entra.requests(Surface::Keys);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..100 {
                let token = world.alice().header("kid", format!("random-{number}"));
                world.introspect(&world.sign(&token)).assert_inactive();
            }
        });
        for _ in 0..100 {
            assert_eq!(world.introspect(&good).json()["active"], true);
        }
        for _ in 0..20 {
            assert_eq!(world.introspect(&world.sign(&world.alice())).json()["active"], true);
        }
    });
    assert!(world.entra.requests(Surface::Keys) - before <= 1, "A38");
}
