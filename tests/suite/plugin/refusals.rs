//! What does not pass: status and challenge (RFC 6750 §3), and where the metadata is (RFC 9728).

use serde_json::{Value, json};
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::faults::{Fault, Surface};
use tessera::dev::people::{ALICE, BOB, HOME_TENANT};
use tessera::protocol::time::Seconds;

use super::{Tyk, asking, assert_passed, assert_refused, object};
use crate::support::{ORDERS_API, Request, World, eventually};

/// The challenge, if there is one.
fn challenge(reply: &Value) -> Option<&str> {
    reply["request"]["return_overrides"]["headers"]["WWW-Authenticate"].as_str()
}

#[test]
fn without_a_token_the_caller_is_told_what_is_needed() {
    let mut tyk = Tyk::start();
    for headers in [&[][..], &[("Authorization", "Basic YTpi")], &[("Authorization", "Bearer ")]] {
        let reply = tyk.send(&object(&asking("orders"), headers));
        assert_refused(&reply, 401);
        // No error code where there was no token (RFC 6750 §3.1).
        assert_eq!(challenge(&reply), Some("Bearer realm=\"orders\", scope=\"orders.read\""));
    }
    let reply = tyk.send(&object(&asking("swapped"), &[]));
    let expected = "Bearer realm=\"swapped\", resource_metadata=\
                    \"https://sts.example.com/.well-known/oauth-protected-resource/swapped\"";
    assert_eq!(challenge(&reply), Some(expected), "PRM-02");
}

#[test]
fn a_bad_token_is_invalid_whatever_is_wrong_with_it() {
    let mut tyk = Tyk::start();
    let alice = tyk.world.alice();
    let expired = alice.clone().claim("exp", tyk.world.clock_at(-600));
    let other = alice.clone().claim("aud", "someone-else");
    let billing = tyk.world.sign(&tyk.world.alice_v1());
    tyk.world.assert_active(&billing);
    let tampered = tyk.world.sign(&alice).replace("eyJ", "eyK");
    let bad = [tyk.world.sign(&expired), tyk.world.sign(&other), billing, tampered, "x".to_owned()];
    for token in bad {
        let reply = tyk.dispatch("orders", &token);
        assert_refused(&reply, 401);
        let expected = "Bearer realm=\"orders\", error=\"invalid_token\"";
        assert_eq!(challenge(&reply), Some(expected), "{reply}");
        assert!(!reply["request"]["return_overrides"].to_string().contains(&token));
    }
}

#[test]
fn a_token_with_too_small_a_scope_is_told_which_one() {
    let mut tyk = Tyk::start();
    let issuer = tyk.world.entra.issuer(HOME_TENANT);
    let small = tyk.world.sign(&issuer.delegated(&PORTAL, &ALICE, &ORDERS, &["orders.write"]));
    tyk.world.assert_active(&small);
    let reply = tyk.dispatch("orders", &small);
    assert_refused(&reply, 403);
    let expected = "Bearer realm=\"orders\", error=\"insufficient_scope\", scope=\"orders.read\"";
    assert_eq!(challenge(&reply), Some(expected));
}

#[test]
fn without_a_policy_nobody_gets_an_unlimited_session() {
    let mut tyk = Tyk::start();
    let issuer = tyk.world.entra.issuer(HOME_TENANT);
    let bob = tyk.world.sign(&issuer.delegated(&PORTAL, &BOB, &ORDERS, &["orders.read"]));
    assert_eq!(tyk.world.assert_active(&bob)["policies"], json!([]));
    let reply = tyk.dispatch("orders", &bob);
    assert_refused(&reply, 403);
    assert_eq!(challenge(&reply), None, "another token would not help");
}

#[test]
fn a_swap_that_may_not_be_lets_nothing_through() {
    let mut tyk = Tyk::start();
    let bearer = format!("Bearer {}", tyk.world.sign(&tyk.world.alice()));
    let exchanges = [
        json!({ "resource": "https://nowhere.internal" }),
        json!({ "resource": ORDERS_API, "scopes": ["orders.export"] }),
        json!({ "resource": ORDERS_API, "scopes": ["a b"] }),
        json!({ "resource": "" }),
    ];
    for exchange in exchanges {
        let mut asked = asking("orders");
        asked["tessera"]["exchange"] = exchange.clone();
        let reply = tyk.send(&object(&asked, &[("Authorization", &bearer)]));
        assert_refused(&reply, 403);
        let unswapped = &reply["request"]["set_headers"]["Authorization"];
        assert_eq!(*unswapped, json!(null), "{exchange}");
    }
}

#[test]
fn a_revoked_token_is_refused_by_the_very_next_call() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    for _ in 0..3 {
        assert_passed(&tyk.dispatch("orders", &token));
        assert_passed(&tyk.dispatch("swapped", &token));
    }
    let revoked = Request::form("/revocations", &[("token", &token)]).send(tyk.world.admin);
    assert_eq!(revoked.status, 200);
    assert_refused(&tyk.dispatch("orders", &token), 401);
    assert_refused(&tyk.dispatch("swapped", &token), 401);
    assert_refused(&tyk.dispatch("open", &token), 401);
}

#[test]
fn what_expires_is_refused_from_that_second_on() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice().claim("exp", tyk.world.clock_at(120)));
    assert_passed(&tyk.dispatch("orders", &token));
    // Entra's clock and ours may differ by a minute; the session ends when the token says so.
    tyk.world.clock.advance(Seconds::new(181));
    assert_refused(&tyk.dispatch("orders", &token), 401);
}

#[test]
fn a_decision_that_comes_too_late_is_a_refusal_that_tyk_understands() {
    let world = World::start();
    world.entra.set_fault(Surface::Keys, Fault::Hang);
    world.clock.advance(Seconds::hours(25));
    let mut tyk = Tyk::beside(world);
    let token = tyk.world.sign(&tyk.world.alice());
    let reply = tyk.dispatch("orders", &token);
    tyk.world.entra.heal();
    assert_refused(&reply, 503);
}

#[test]
fn what_cannot_be_known_is_neither_yes_nor_no() {
    let world = World::start();
    world.entra.set_fault(Surface::Keys, Fault::Status(500));
    // Whatever was fetched before is too old now.
    world.clock.advance(Seconds::hours(25));
    let mut tyk = Tyk::beside(world);
    let token = tyk.world.sign(&tyk.world.alice());
    let mut reply = json!(null);
    eventually("an outage", || {
        reply = tyk.dispatch("orders", &token);
        reply["request"]["return_overrides"]["response_code"] == 503
    });
    assert_refused(&reply, 503);
    assert_eq!(challenge(&reply), None, "the token may well be good");
    assert_eq!(reply["request"]["return_overrides"]["headers"]["Retry-After"], "5");
}
