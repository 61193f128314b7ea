//! The same members for every kind of Entra token (ENT-01…ENT-12).

use serde_json::{Value, json};
use tessera::dev::apps::{BILLING, INVOICE_AGENT, ORDERS, PORTAL, REPORTING};
use tessera::dev::faults::{Fault, Surface};
use tessera::dev::people::{
    AGENT_USER, ALICE, BOB, CAROL, DAVE, GOLD_CUSTOMERS, HOME_TENANT, PARTNER_TENANT, Person,
};
use tessera::dev::token::TokenBuilder;
use tessera::protocol::time::Seconds;

use crate::support::{World, and_partner};

fn user(world: &World, person: &Person) -> TokenBuilder {
    let issuer = world.entra.issuer(person.tenant);
    issuer.delegated(&PORTAL, person, &ORDERS, &["orders.read"])
}

/// The answer, with the members that every kind has checked.
fn context(world: &World, token: &TokenBuilder) -> Value {
    let body = world.assert_active(&world.sign(token));
    for member in ["iss", "sub", "client_id", "scope", "tenant", "principal", "principal_type"] {
        assert!(body[member].is_string(), "{member}: {body}");
    }
    for member in ["roles", "policies"] {
        assert!(body[member].is_array(), "{member}: {body}");
    }
    for member in ["principal", "principal_type"] {
        assert_eq!(body["identity"][member], body[member]);
    }
    assert_eq!(
        (&body["identity"]["source"], &body["identity"]["hop"]),
        (&json!("entra"), &json!(0))
    );
    assert!(
        body["identity"]["groups_overage"].is_boolean() && body["identity"]["grants"].is_array()
    );
    body
}

#[test]
pub(crate) fn v1_and_v2_tokens_of_one_person_have_one_principal() {
    let world = World::start();
    let v2 = context(&world, &world.alice());
    let v1 = context(&world, &world.alice_v1());
    assert_eq!(v1["principal"], v2["principal"], "ENT-08");
    assert_eq!(v1["principal"], format!("{}.{HOME_TENANT}", ALICE.oid));
    assert_eq!(v1["iss"], format!("https://sts.windows.net/{HOME_TENANT}/"), "ENT-01");
    assert_eq!((&v1["aud"], &v2["aud"]), (&json!(BILLING.uri), &json!(ORDERS.client_id)), "ENT-05");
    assert_eq!(v1["client_id"], v2["client_id"], "`appid` and `azp` are one thing");
    assert_eq!((&v1["acr"], &v1["amr"]), (&json!("1"), &json!(["pwd"])));
    assert!(v2.get("acr").is_none(), "what a token does not have is not made up");
}

#[test]
pub(crate) fn a_guest_is_a_user_of_this_tenant() {
    let world = World::start();
    let body = context(&world, &user(&world, &BOB));
    assert_eq!((&body["principal_type"], &body["tenant"]), (&json!("user"), &json!(HOME_TENANT)));
    assert_eq!(body["groups"], json!([]), "no groups, which is known");
    assert_eq!(body["identity"]["groups_overage"], false);
}

#[test]
pub(crate) fn an_application_alone_is_a_service() {
    let world = World::start();
    let body = context(&world, &world.entra.issuer(HOME_TENANT).app_only(&REPORTING, &ORDERS));
    assert_eq!(body["principal_type"], "service", "ENT-07");
    assert_eq!(body["principal"], format!("{}.{HOME_TENANT}", REPORTING.oid));
    assert_eq!((&body["scope"], &body["roles"]), (&json!(""), &json!(["Orders.Read.All"])));
    assert!(body.get("act").is_none());
}

#[test]
pub(crate) fn an_agent_is_an_agent_alone_and_by_its_own_account() {
    let world = World::start();
    let issuer = world.entra.issuer(HOME_TENANT);
    let alone = context(&world, &issuer.app_only(&INVOICE_AGENT, &ORDERS));
    assert_eq!(alone["principal_type"], "agent");
    assert_eq!(alone["scope"], "", "`/` says nothing");
    assert_eq!(alone["policies"], json!(["agent-limited"]));
    let account = issuer.delegated(&INVOICE_AGENT, &AGENT_USER, &ORDERS, &["orders.read"]);
    let account = context(&world, &account);
    assert_eq!(account["principal_type"], "agent", "`idtyp` says user, but nobody sits there");
    assert_eq!(account["principal"], format!("{}.{HOME_TENANT}", AGENT_USER.oid));
}

#[test]
pub(crate) fn an_agent_that_acts_for_a_person_is_named_as_actor() {
    let world = World::start();
    let issuer = world.entra.issuer(HOME_TENANT);
    let token = issuer.delegated(&INVOICE_AGENT, &ALICE, &ORDERS, &["orders.read"]);
    let body = context(&world, &token);
    let agent = format!("{}.{HOME_TENANT}", INVOICE_AGENT.client_id);
    assert_eq!(body["principal"], format!("{}.{HOME_TENANT}", ALICE.oid));
    assert_eq!(body["principal_type"], "user");
    assert_eq!(body["act"]["sub"], agent);
    assert_eq!(body["act_sub"], agent, "for readers that cannot read objects");
}

#[test]
pub(crate) fn tenants_stand_side_by_side() {
    let world = World::configured(and_partner);
    let alice = context(&world, &world.alice());
    let dave = context(&world, &user(&world, &DAVE));
    assert_eq!((&alice["tenant"], &dave["tenant"]), (&json!(HOME_TENANT), &json!(PARTNER_TENANT)));
    assert_ne!(alice["iss"], dave["iss"]);
}

#[test]
pub(crate) fn groups_that_entra_left_out_are_asked_for() {
    let world = World::start();
    let body = context(&world, &user(&world, &CAROL));
    let groups = body["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 250, "ENT-10");
    assert!(groups.contains(&json!(GOLD_CUSTOMERS)));
    assert_eq!(body["policies"], json!(["gold"]));
    assert_eq!(body["identity"]["groups_overage"], false);
}

#[test]
pub(crate) fn groups_that_nobody_tells_are_unknown_and_not_empty() {
    let without_graph = World::configured(|text| {
        text.lines()
            .filter(|line| !line.trim().starts_with("graph:"))
            .collect::<Vec<_>>()
            .join("\n")
    });
    let outage = World::start();
    outage.entra.set_fault(Surface::Graph, Fault::Status(503));
    for world in [&without_graph, &outage] {
        let body = context(world, &user(world, &CAROL));
        assert!(body.get("groups").is_none(), "ENT-10 {body}");
        assert_eq!(body["identity"]["groups_overage"], true, "ENT-10");
        assert_eq!(body["policies"], json!([]), "ignorance can only grant less");
    }
    // When Graph is back, so are the groups: an answer without them is not kept for long.
    outage.entra.heal();
    outage.clock.advance(Seconds::minutes(5));
    assert_eq!(context(&outage, &user(&outage, &CAROL))["policies"], json!(["gold"]));
}
