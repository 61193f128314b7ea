//! §14.6: audience.

use serde_json::{Value, json};
use tessera::dev::apps::{BILLING, GATEWAY, LEDGER, ORDERS, PORTAL, TESSERA};
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::domain::rejection::Reason;

use super::places::Place;
use super::{attack, world};
use crate::support::{BILLING_GATEWAY, NOBODY};

#[test]
fn a110_a111_a113_an_audience_is_compared_exactly() {
    let world = world();
    attack("A110 A111 A113").tries_in(&world, |stand| {
        let good = stand.text("aud");
        let values: [Value; 17] = [
            json!([]),
            json!(""),
            json!(null),
            json!(7),
            json!({ "aud": good }),
            json!([[good]]),
            json!([good, 1]),
            json!([good, ""]),
            json!(format!("{good}.evil")),
            json!(format!("{good}/")),
            json!(good.to_uppercase()),
            json!(good[1..]),
            json!("*"),
            json!("api://elsewhere"),
            json!(format!("x://{good}")),
            json!(format!("{good} {}", BILLING.uri)),
            json!(format!("{good},{}", BILLING.uri)),
        ];
        let absent = stand.signed([stand.good().without("aud")]);
        [stand.with_claim("aud", values), absent].concat()
    });
    attack("A113")
        .at(&Place::OF_USERS)
        .tries_in(&world, |stand| stand.signed([world.alice_v1().claim("aud", "api://billing/")]));
    let ledger = world.entra.issuer(HOME_TENANT);
    let ledger = ledger.delegated(&PORTAL, &ALICE, &LEDGER, &["ledger.read"]);
    world.assert_refused(&world.sign(&ledger), Reason::AudienceNotAccepted);
    world.assert_refused(&world.sign(&world.alice().without("aud")), Reason::ClaimMissing);
}

#[test]
fn a112_one_of_several_audiences_is_enough_but_for_an_assertion() {
    let world = world();
    let audiences = json!(["api://somewhere-else", ORDERS.client_id]);
    let token = world.sign(&world.alice().claim("aud", audiences.clone()));
    let body = world.assert_active(&token);
    assert_eq!(body["aud"], audiences, "INT-16");
    attack("A112").at(&[Place::Assertion, Place::Account]).tries_in(&world, |stand| {
        let good = stand.text("aud");
        stand.with_claim("aud", [json!([good, "https://other.example"]), json!([good, good])])
    });
}

#[test]
fn a114_a115_a_caller_sees_only_its_own_audiences() {
    let world = world();
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
    let world = world();
    let gateway = world.entra.issuer(HOME_TENANT).app_only(&GATEWAY, &TESSERA);
    world.assert_refused(&world.sign(&gateway), Reason::AudienceNotAccepted);
    // Nor does one for an API prove who calls or acts.
    attack("A116 A165").at(&[Place::Actor, Place::Bearer]).tries_in(&world, |stand| {
        let billing = stand.good().claim("aud", BILLING.uri);
        let agent = tessera::dev::apps::INVOICE_AGENT;
        let orders = world.entra.issuer(HOME_TENANT).app_only(&agent, &ORDERS);
        stand.signed([billing, orders])
    });
}
