//! Tokens that are swapped at every request: the same one is handed out again while it is good.

use serde_json::{Value, json};
use tessera::protocol::time::Seconds;

use super::{Tyk, assert_passed, assert_refused, object};
use crate::signed_answers::claims;
use crate::support::{BILLING_GATEWAY, ORDERS_API, Request, TYK, World};

/// The token that takes the place of the caller's.
#[track_caller]
fn swapped(reply: &Value) -> String {
    assert_passed(reply);
    let value = reply["request"]["set_headers"]["Authorization"].as_str().unwrap();
    value.strip_prefix("Bearer ").unwrap().to_owned()
}

fn issued(world: &World) -> u64 {
    world.counted("tessera_exchanges_total", &["result=\"issued\""])
}

#[test]
fn the_same_token_is_swapped_once_in_half_of_its_life() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let first = swapped(&tyk.dispatch("swapped", &token));
    tyk.world.clock.advance(Seconds::new(149));
    assert_eq!(swapped(&tyk.dispatch("swapped", &token)), first);
    assert_eq!(issued(&tyk.world), 1);
    tyk.world.clock.advance(Seconds::new(2));
    let second = swapped(&tyk.dispatch("swapped", &token));
    assert_ne!(second, first, "whoever gets one has half of its life left");
    assert_eq!(issued(&tyk.world), 2);
    let other = tyk.world.sign(&tyk.world.alice().claim("uti", "another"));
    assert_ne!(swapped(&tyk.dispatch("swapped", &other)), second, "each token has its own");
}

#[test]
fn what_was_asked_for_decides_which_one() {
    let swap = "  all: { client: tyk, audiences: [6731de76-14a6-49ae-97bc-6eba6914391e], \
                exchange: { resource: \"https://orders.internal\" } }\n";
    let world = World::configured(|text| text.replacen("apis:\n", &format!("apis:\n{swap}"), 1));
    let mut tyk = Tyk::beside(world);
    let token = tyk.world.sign(&tyk.world.alice());
    let (small, large) =
        (swapped(&tyk.dispatch("swapped", &token)), swapped(&tyk.dispatch("all", &token)));
    let scope = |token: &str| claims(token)["scope"].clone();
    assert_eq!(
        (scope(&small), scope(&large)),
        ("orders.read".into(), "orders.read orders.write".into())
    );
}

#[test]
fn a_revoked_one_is_not_handed_out_again() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let first = swapped(&tyk.dispatch("swapped", &token));
    let revoke = |token: &str| Request::form("/revocations", &[("token", token)]);
    assert_eq!(revoke(&first).send(tyk.world.admin).status, 200);
    let second = swapped(&tyk.dispatch("swapped", &token));
    assert_ne!(second, first);
    tyk.world.assert_active(&second);
    tyk.world.introspect(&first).assert_inactive();
    assert_eq!(revoke(&token).send(tyk.world.admin).status, 200);
    assert_refused(&tyk.dispatch("swapped", &token), 401);
    let client = Request::form("/revocations", &[("client", BILLING_GATEWAY.0)]);
    assert_eq!(client.send(tyk.world.admin).status, 200);
}

#[test]
fn one_whose_key_was_taken_out_is_not_handed_out_again() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let first = swapped(&tyk.dispatch("swapped", &token));
    let kid = crate::signed_answers::header(&first)["kid"].as_str().unwrap().to_owned();
    let retired = Request::form("/keys/retire", &[("kid", &kid)]).send(tyk.world.admin);
    assert_eq!(retired.status, 200, "{retired:?}");
    crate::support::eventually("another key", || {
        let answer = Request::get("/jwks").send(tyk.world.public);
        answer.status == 200 && !answer.text().contains(&kid)
    });
    let second = swapped(&tyk.dispatch("swapped", &token));
    assert_ne!(second, first);
    tyk.world.assert_active(&second);
}

#[test]
fn a_token_at_its_end_is_to_be_renewed() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice().claim("exp", tyk.world.clock_at(20)));
    tyk.world.assert_active(&token);
    let reply = tyk.dispatch("swapped", &token);
    assert_refused(&reply, 401);
    let challenge = &reply["request"]["return_overrides"]["headers"]["WWW-Authenticate"];
    assert!(challenge.as_str().unwrap().contains("error=\"invalid_token\""), "{challenge}");
}

#[test]
fn who_does_not_prove_anything_chooses_no_swap() {
    let mut tyk = Tyk::start();
    let bearer = format!("Bearer {}", tyk.world.sign(&tyk.world.alice()));
    let exchange = json!({ "resource": ORDERS_API, "scopes": ["orders.write"] });
    let mut asked = json!({ "tessera": { "api": "open", "exchange": exchange } });
    let reply = tyk.send(&object(&asked, &[("Authorization", &bearer)]));
    assert_refused(&reply, 403);
    asked["tessera"]["secret"] = TYK.1.into();
    let reply = tyk.send(&object(&asked, &[("Authorization", &bearer)]));
    assert_eq!(claims(&swapped(&reply))["scope"], "orders.write");
}
