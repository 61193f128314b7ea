//! §14.6: audience.

use serde_json::{Value, json};
use tessera::dev::apps::{BILLING, GATEWAY, LEDGER, ORDERS, PORTAL, TESSERA};
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::domain::rejection::Reason;

use super::{all_refused, named, with_claim};
use crate::support::{BILLING_GATEWAY, NOBODY, World};

#[test]
fn a110_a111_a113_an_audience_is_compared_exactly() {
    let world = World::start();
    let ledger = world.entra.issuer(HOME_TENANT);
    let ledger = ledger.delegated(&PORTAL, &ALICE, &LEDGER, &["ledger.read"]);
    world.assert_refused(&world.sign(&ledger), Reason::AudienceNotAccepted);
    world.assert_refused(&world.sign(&world.alice().without("aud")), Reason::ClaimMissing);
    let orders = ORDERS.client_id;
    let values: Vec<Value> = vec![
        json!([]),
        json!(""),
        json!(null),
        json!(7),
        json!({ "aud": orders }),
        json!([[orders]]),
        json!([orders, 1]),
        json!(format!("{orders}.evil")),
        json!(format!("{orders}/")),
        json!(orders.to_uppercase()),
        json!(orders[1..]),
        json!("*"),
        json!(format!("api://{orders}")),
        json!(format!("{orders} {}", BILLING.uri)),
    ];
    let tokens: Vec<_> =
        values.into_iter().map(|value| world.alice().claim("aud", value)).collect();
    all_refused(&world, "A111 A113", named(&tokens, &world));
    let billing = world.alice_v1().claim("aud", "api://billing/");
    all_refused(&world, "A113", named(&[billing], &world));
}

#[test]
fn a112_one_of_several_audiences_is_enough() {
    let world = World::start();
    let audiences = json!(["api://somewhere-else", ORDERS.client_id]);
    let body = world.assert_active(&with_claim(&world, "aud", audiences.clone()));
    assert_eq!(body["aud"], audiences, "INT-16");
}

#[test]
fn a114_a115_a_caller_sees_only_its_own_audiences() {
    let world = World::start();
    let (orders, billing) = (world.sign(&world.alice()), world.sign(&world.alice_v1()));
    let answer = world.introspect_as(BILLING_GATEWAY, &billing);
    assert_eq!(answer.json()["active"], true);
    world.introspect_as(BILLING_GATEWAY, &orders).assert_inactive();
    world.assert_active(&orders);
    world.introspect_as(BILLING_GATEWAY, &orders).assert_inactive();
    world.introspect_as(NOBODY, &billing).assert_inactive();
}

#[test]
fn a116_a_token_for_tessera_opens_no_api() {
    let world = World::start();
    let gateway = world.entra.issuer(HOME_TENANT).app_only(&GATEWAY, &TESSERA);
    world.assert_refused(&world.sign(&gateway), Reason::AudienceNotAccepted);
}
