//! Revocation (RFC 7009 and the operator's): everything that came from a revoked token ends with it.

use std::sync::Barrier;

use serde_json::json;
use tessera::dev::apps::INVOICE_AGENT;
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::domain::rejection::Reason;
use tessera::protocol::time::Seconds;

use super::{ask, fields, refused, token};
use crate::support::{Answer, ORDERS_API, PLANNER, Request, TASKS_API, TYK, World};

fn revoke(world: &World, client: (&str, &str), token: &str) -> Answer {
    let answer = Request::form("/revoke", &[("token", token)]).basic(client).send(world.public);
    answer.assert_clean();
    answer
}

fn order(world: &World, fields: &[(&str, &str)]) -> Answer {
    let answer = Request::form("/revocations", fields).send(world.admin);
    answer.assert_clean();
    answer
}

/// A token of each generation: Alice's own, the gateway's, and the planner's.
fn family(world: &World) -> [String; 3] {
    let alice = world.sign(&world.alice());
    let first = token(world, TYK, &fields(&alice, TASKS_API));
    let second = token(world, PLANNER, &fields(&first, ORDERS_API));
    for good in [&alice, &first, &second] {
        world.assert_active(good);
    }
    [alice, first, second]
}

#[test]
pub(crate) fn rev_02_to_rev_06_a_client_revokes_what_it_got_and_its_descendants_end() {
    let world = World::start();
    let [alice, first, second] = family(&world);
    revoke(&world, PLANNER, &first).assert_error(400, "invalid_grant");
    revoke(&world, TYK, &alice).assert_error(400, "unsupported_token_type");
    world.assert_active(&second);
    let answer = revoke(&world, TYK, &first);
    assert_eq!((answer.status, answer.bytes()), (200, &b""[..]), "REV-06");
    for ended in [&first, &second] {
        world.assert_refused(ended, Reason::Revoked);
    }
    world.assert_active(&alice);
    for nothing in [first.as_str(), "tsr_unknown", "not a token", "a.b.c"] {
        assert_eq!(revoke(&world, TYK, nothing).status, 200, "REV-04 {nothing}");
    }
    let hint = [("token", second.as_str()), ("token_type_hint", "refresh_token")];
    let hinted = Request::form("/revoke", &hint).basic(PLANNER).send(world.public);
    assert_eq!(hinted.status, 200, "REV-02");
    Request::form("/revoke", &hint).send(world.public).assert_error(401, "invalid_client");
    revoke_by_get(&world);
}

fn revoke_by_get(world: &World) {
    let answer = Request::get("/revoke").send(world.public);
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "REV-09");
}

#[test]
pub(crate) fn a_revoked_token_extends_no_chain() {
    let world = World::start();
    let [_, first, _] = family(&world);
    revoke(&world, TYK, &first);
    let asked = fields(&first, ORDERS_API);
    refused(&world, PLANNER, &asked, ("invalid_request", "subject_rejected"));
}

#[test]
pub(crate) fn a184_an_operator_ends_the_sign_in_and_all_that_came_from_it_in_one_write() {
    let world = World::start();
    let [alice, first, second] = family(&world);
    let answer = order(&world, &[("token", &alice)]);
    assert_eq!((answer.status, &answer.json()["revoked"]), (200, &json!("token")));
    for ended in [&alice, &first, &second] {
        world.assert_refused(ended, Reason::Revoked);
    }
    assert_eq!(order(&world, &[("token", &alice)]).json()["why"], "it has ended");
    assert_eq!(world.metric("tessera_revocations_total{kind=\"token\"}"), 1);
}

#[test]
pub(crate) fn a_whole_tree_ends_by_any_of_its_leaves() {
    let world = World::start();
    let [alice, first, second] = family(&world);
    let sibling = token(&world, TYK, &fields(&alice, ORDERS_API));
    order(&world, &[("token", &second)]);
    world.assert_refused(&second, Reason::Revoked);
    world.assert_active(&first);
    let answer = order(&world, &[("tree", &sibling)]);
    assert_eq!(answer.status, 200, "{answer:?}");
    for ended in [&alice, &first, &sibling] {
        world.assert_refused(ended, Reason::Revoked);
    }
}

#[test]
pub(crate) fn a248_a_principal_is_cut_off_up_to_a_moment_and_a_new_sign_in_is_not_hurt() {
    let world = World::start();
    let family = family(&world);
    let principal = format!("{}.{HOME_TENANT}", ALICE.oid);
    world.clock.advance(Seconds::new(10));
    let answer = order(&world, &[("principal", &principal)]);
    assert_eq!(answer.json()["issued_up_to"], world.clock_at(0));
    for ended in &family {
        world.introspect(ended).assert_inactive();
    }
    world.clock.advance(Seconds::new(1));
    let again = world.sign(&world.alice());
    world.assert_active(&again);
    world.assert_active(&token(&world, TYK, &fields(&again, ORDERS_API)));
    world.introspect(&family[2]).assert_inactive();
}

#[test]
pub(crate) fn a_client_is_cut_off_with_everything_it_took_part_in() {
    let world = World::start();
    let [alice, first, second] = family(&world);
    world.clock.advance(Seconds::new(10));
    assert_eq!(order(&world, &[("client", TYK.0)]).status, 200);
    for ended in [&first, &second] {
        world.assert_refused(ended, Reason::Revoked);
    }
    world.assert_active(&alice);
    world.clock.advance(Seconds::new(1));
    world.assert_active(&token(&world, TYK, &fields(&alice, ORDERS_API)));
}

#[test]
pub(crate) fn a233_a_revoked_bearer_lets_nobody_in() {
    let world = World::start();
    let issuer = world.entra.issuer(HOME_TENANT);
    let agent = world.sign(&issuer.app_only(&INVOICE_AGENT, &tessera::dev::apps::TESSERA));
    let alice = world.sign(&world.alice());
    let call = || Request::introspect(&[("token", &alice)]).bearer(&agent).send(world.public);
    assert!(call().is_active());
    assert_eq!(order(&world, &[("client", "invoice-agent")]).status, 200);
    call().assert_error(401, "invalid_token");
}

#[test]
pub(crate) fn orders_that_name_nothing_or_too_much_are_refused() {
    let world = World::start();
    let later = world.clock_at(60).to_string();
    for fields in [
        vec![],
        vec![("principal", "alice@contoso.example")],
        vec![("client", "nobody-knows")],
        vec![("client", "tyk"), ("token", "x")],
        vec![("client", "tyk"), ("issued_up_to", later.as_str())],
        vec![("client", "tyk"), ("issued_up_to", "now")],
    ] {
        order(&world, &fields).assert_error(400, "invalid_request");
    }
    let answer = order(&world, &[("token", "a.b.c")]);
    assert_eq!((answer.status, &answer.json()["reason"]), (400, &json!("token_malformed")));
    let alice = world.sign(&world.alice());
    world.assert_active(&alice);
}

#[test]
pub(crate) fn a183_p14_a_race_between_revocation_and_exchange_leaves_nothing_alive() {
    let world = World::start();
    for _ in 0..20 {
        let alice = world.sign(&world.alice());
        let first = token(&world, TYK, &fields(&alice, TASKS_API));
        let start = Barrier::new(3);
        let answers = std::thread::scope(|threads| {
            let race = || {
                start.wait();
                ask(&world, PLANNER, &fields(&first, ORDERS_API))
            };
            let racers = [threads.spawn(race), threads.spawn(race)];
            start.wait();
            assert_eq!(revoke(&world, TYK, &first).status, 200);
            racers.map(|racer| racer.join().unwrap())
        });
        for answer in answers {
            if answer.status == 200 {
                let child = answer.json()["access_token"].as_str().unwrap().to_owned();
                world.introspect(&child).assert_inactive();
            }
        }
        world.introspect(&first).assert_inactive();
    }
}

#[test]
pub(crate) fn many_revocations_leave_good_answers_in_the_cache() {
    let world = World::start();
    let good = world.sign(&world.alice());
    world.assert_active(&good);
    let recalled = || {
        let labels = ["result=\"active\"", "source=\"memory\""];
        world.counted("tessera_introspections_total", &labels)
    };
    let before = recalled();
    for _ in 0..5 {
        let other = token(&world, TYK, &fields(&good, ORDERS_API));
        revoke(&world, TYK, &other);
        world.assert_active(&good);
    }
    assert_eq!(recalled() - before, 5, "held against the new marks, not decided anew");
}
