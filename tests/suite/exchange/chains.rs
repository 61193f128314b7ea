//! From agent to agent: the chain grows, is never lost, and ends somewhere.

use serde_json::json;
use tessera::dev::apps::{INVOICE_AGENT, ORDERS, TESSERA};
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::protocol::time::Seconds;

use super::{exchanged, fields, refused, token, with};
use crate::signed_answers::claims;
use crate::support::{ISSUER, ORDERS_API, PLANNER, Request, TASKS_API, TYK, World};

/// Alice's token, exchanged by the invoice agent for the tasks that the planner works on.
fn through_the_agent(world: &World) -> String {
    let issuer = world.entra.issuer(HOME_TENANT);
    let agent = world.sign(&issuer.app_only(&INVOICE_AGENT, &TESSERA));
    let alice = world.sign(&world.alice());
    let asked = fields(&alice, TASKS_API);
    let answer = Request::form("/token", &asked).bearer(&agent).send(world.public);
    assert_eq!(answer.status, 200, "{answer:?} {}", world.rehearse("invoice-agent", &asked));
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

#[test]
pub(crate) fn tex_41_p5_the_present_actor_stands_on_those_before() {
    let world = World::start();
    let first = through_the_agent(&world);
    let second = token(&world, PLANNER, &fields(&first, ORDERS_API));
    let context = world.assert_active(&second);
    let chain = json!({
        "iss": ISSUER, "sub": "planner", "act": { "iss": ISSUER, "sub": "invoice-agent" },
    });
    assert_eq!(context["act"], chain, "TEX-41, TEX-43");
    assert_eq!(context["act_sub"], "planner");
    assert_eq!(context["identity"]["hop"], 2);
    assert_eq!(context["principal"], format!("{}.{HOME_TENANT}", ALICE.oid), "P4");
    assert_eq!(context["scope"], "orders.read", "P2");
    assert_eq!(context["policies"], json!(["gold", "approvals"]), "as mapped at the sign-in");
}

#[test]
pub(crate) fn an_agent_that_entra_names_as_acting_is_in_the_chain_once() {
    let world = World::start();
    let issuer = world.entra.issuer(HOME_TENANT);
    let agent = world.sign(&issuer.app_only(&INVOICE_AGENT, &TESSERA));
    let for_alice =
        world.sign(&issuer.delegated(&INVOICE_AGENT, &ALICE, &ORDERS, &["orders.read"]));
    let asked = fields(&for_alice, ORDERS_API);
    let answer = Request::form("/token", &asked).bearer(&agent).send(world.public);
    let said = claims(answer.json()["access_token"].as_str().unwrap());
    assert_eq!(said["act"], json!({ "iss": ISSUER, "sub": "invoice-agent" }));
    let said = claims(&token(&world, TYK, &asked));
    let named = format!("{}.{HOME_TENANT}", INVOICE_AGENT.client_id);
    assert_eq!((&said["act"]["sub"], &said["act"]["act"]["sub"]), (&json!("tyk"), &json!(named)));
}

#[test]
pub(crate) fn a169_nobody_is_in_a_chain_twice() {
    let world = World::start();
    let first = through_the_agent(&world);
    let second = token(&world, PLANNER, &fields(&first, ORDERS_API));
    let again = fields(&second, ORDERS_API);
    refused(&world, PLANNER, &again, ("invalid_request", "chain_loop"));
}

#[test]
pub(crate) fn a168_a173_a175_hops_are_bounded_and_no_exchange_renews() {
    let world = World::configured(|text| {
        text.replace(
            "impersonate: true }",
            "impersonate: true, from: [plain, 6731de76-14a6-49ae-97bc-6eba6914391e] }",
        )
    });
    let root = world.sign(&world.alice().claim("exp", world.clock_at(50)));
    let (mut subject, mut hops) = (root, 0);
    loop {
        let asked = fields(&subject, "plain");
        let story = world.rehearse(TYK.0, &asked);
        if story["issued"] == false {
            refused(&world, TYK, &asked, ("invalid_request", "chain_too_long"));
            break;
        }
        let body = exchanged(&world, TYK, &asked);
        subject = body["access_token"].as_str().unwrap().to_owned();
        assert!(claims(&subject)["exp"].as_i64() <= Some(world.clock_at(50)), "A175, P1");
        world.clock.advance(Seconds::new(1));
        hops += 1;
    }
    assert_eq!(hops, 4, "A173: standards §16");
}

#[test]
pub(crate) fn a_token_for_the_same_resource_may_be_narrowed_and_never_widened() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let narrow = with(fields(&alice, ORDERS_API), "scope", "orders.write");
    let narrow = token(&world, TYK, &narrow);
    let wider = fields(&narrow, ORDERS_API);
    refused(&world, PLANNER, &wider, ("invalid_scope", "scope_empty"));
    let asked = with(wider, "scope", "orders.read");
    refused(&world, PLANNER, &asked, ("invalid_scope", "scope_not_held"));
}
