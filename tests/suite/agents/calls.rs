//! An agent calls an API through a gateway: what works, what is refused, and what it does then.

use serde_json::{Value, json};
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::people::{ALICE, BOB, HOME_TENANT};

use super::rig::{Agent, Rig};
use crate::exchange;
use crate::support::{ORDERS_API, PLANNER, Request, TASKS_API};

const TOKEN: &str = "/token";

/// What the API answered to each call.
fn orders(said: &str) -> Vec<Value> {
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn alice_principal() -> String {
    format!("{}.{HOME_TENANT}", ALICE.oid)
}

#[test]
fn the_api_learns_who_acts_for_whom_and_sees_neither_the_users_token_nor_the_agents() {
    let rig = Rig::start();
    let alice = rig.world.sign(&rig.world.alice());
    for agent in Agent::ALL {
        rig.api.forget();
        let url = rig.url("/reads/42");
        let ended = rig.run(
            agent,
            &alice,
            &["call", &url, "--resource", ORDERS_API, "--scope", "orders.read"],
        );
        assert_eq!(ended.code, Some(0), "{agent:?} {ended:?}");
        let told = json!({
            "path": "/reads/42", "for": alice_principal(), "by": "invoice-agent",
            "scope": "orders.read",
        });
        assert_eq!(orders(&ended.said), [told]);
        let tokens = rig.api.tokens();
        let [token] = tokens.as_slice() else { panic!("one call: {tokens:?}") };
        assert_ne!(*token, alice);
        let about = rig.world.assert_active(token);
        assert_eq!(about["act"]["sub"], "invoice-agent");
        assert_eq!((&about["aud"], &about["scope"]), (&json!(ORDERS_API), &json!("orders.read")));
    }
}

#[test]
fn an_agent_that_another_agent_calls_keeps_the_chain() {
    let rig = Rig::start();
    let alice = rig.world.sign(&rig.world.alice());
    let planners = exchange::token(&rig.world, PLANNER, &exchange::fields(&alice, TASKS_API));
    for agent in Agent::ALL {
        rig.api.forget();
        let ended =
            rig.run(agent, &planners, &["call", &rig.url("/reads/42"), "--resource", ORDERS_API]);
        assert_eq!(ended.code, Some(0), "{agent:?} {ended:?}");
        let act = rig.world.assert_active(&rig.api.tokens()[0])["act"].clone();
        assert_eq!((&act["sub"], &act["act"]["sub"]), (&json!("invoice-agent"), &json!("planner")));
    }
}

#[test]
fn a_token_is_used_until_shortly_before_its_end() {
    let rig = Rig::start();
    let soon = rig.world.clock_at(30);
    let (lasting, ending) = (rig.world.alice(), rig.world.alice().claim("exp", soon));
    for agent in Agent::ALL {
        for (user, tokens) in [(&lasting, 1), (&ending, 3)] {
            let before = rig.issued();
            rig.sts.forget();
            let urls = ["/reads/1", "/reads/2", "/reads/3"].map(|path| rig.url(path));
            let ended = rig.run(
                agent,
                &rig.world.sign(user),
                &["call", &urls[0], &urls[1], &urls[2], "--resource", ORDERS_API],
            );
            assert_eq!((ended.code, orders(&ended.said).len()), (Some(0), 3), "{ended:?}");
            assert_eq!(rig.issued() - before, tokens, "{agent:?} {ended:?}");
            assert_eq!(rig.sts.count("/.well-known/oauth-authorization-server"), 1);
            let own = ended.log.matches("token of the agent's own").count();
            assert_eq!(own, 1, "its own token is kept too: {}", ended.log);
        }
    }
}

#[test]
fn a_resource_that_it_may_not_have_is_given_up() {
    let rig = Rig::start();
    let alice = rig.world.sign(&rig.world.alice());
    for agent in Agent::ALL {
        rig.sts.forget();
        let unknown = "https://payroll.internal";
        let ended = rig.run(agent, &alice, &["call", &rig.url("/reads/42"), "--resource", unknown]);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert!(ended.log.contains("gets no tokens for https://payroll.internal"), "{ended:?}");
        assert_eq!((rig.sts.count(TOKEN), rig.front.seen().len()), (1, 0), "invalid_target");
    }
}

#[test]
fn scopes_that_cannot_be_had_are_left_out_and_no_other_is_taken_along() {
    let rig = Rig::start();
    let alice = rig.world.sign(&rig.world.alice());
    for agent in Agent::ALL {
        let call = |path: &str, scopes: &[&str]| {
            let url = rig.url(path);
            let scopes: Vec<_> = scopes.iter().flat_map(|scope| ["--scope", scope]).collect();
            let call = ["call", url.as_str(), "--resource", ORDERS_API];
            rig.run(agent, &alice, &[&call[..], &scopes].concat())
        };
        let ended = call("/reads/42", &["orders.read", "orders.export"]);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(orders(&ended.said)[0]["scope"], "orders.read", "write is not asked for");
        rig.front.forget();
        let ended = call("/reads/42", &["orders.export"]);
        assert_eq!((ended.code, rig.front.seen().len()), (Some(4), 0), "{ended:?}");
        assert!(ended.log.contains("orders.export cannot be had"), "what to ask for {ended:?}");
    }
}

#[test]
fn when_the_users_token_has_ended_the_user_is_asked_and_nobody_else() {
    let rig = Rig::start();
    let expired = rig.world.sign(&rig.world.alice().claim("exp", rig.world.clock_at(-61)));
    for agent in Agent::ALL {
        rig.sts.forget();
        let (one, two) = (rig.url("/reads/1"), rig.url("/reads/2"));
        let ended = rig.run(agent, &expired, &["call", &one, &two, "--resource", ORDERS_API]);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(ended.log.contains("must sign in again"), "{ended:?}");
        assert_eq!((rig.sts.count(TOKEN), rig.front.seen().len()), (1, 0), "it does not loop");
    }
}

#[test]
fn a_user_who_is_revoked_between_two_calls_is_asked_to_sign_in() {
    let rig = Rig::start();
    for (number, agent) in Agent::ALL.into_iter().enumerate() {
        let alice = rig.world.alice().claim("uti", format!("alice-{number}"));
        let alice = rig.world.sign(&alice);
        let (admin, token, mut calls) = (rig.world.admin, alice.clone(), 0);
        rig.sts.forget();
        rig.front.first(move |_| {
            calls += 1;
            if calls == 2 {
                let revoked = Request::form("/revocations", &[("token", &token)]).send(admin);
                assert_eq!(revoked.status, 200, "{revoked:?}");
            }
            None
        });
        let (one, two) = (rig.url("/reads/1"), rig.url("/reads/2"));
        let ended = rig.run(agent, &alice, &["call", &one, &two, "--resource", ORDERS_API]);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert_eq!(orders(&ended.said).len(), 1, "the first call was good: {ended:?}");
        assert_eq!((rig.sts.count(TOKEN), rig.front.seen().len()), (2, 2), "{ended:?}");
    }
}

#[test]
fn a_token_that_ends_early_is_replaced_once() {
    let rig = Rig::start();
    let alice = rig.world.sign(&rig.world.alice());
    for agent in Agent::ALL {
        rig.sts.forget();
        let (admin, mut calls) = (rig.world.admin, 0);
        // The operator ends everything that the agent got, after the first call.
        rig.front.first(move |received| {
            calls += 1;
            if calls == 2 {
                let token = received.header("authorization").unwrap().split(' ').nth(1).unwrap();
                let revoked = Request::form("/revocations", &[("token", token)]).send(admin);
                assert_eq!(revoked.status, 200, "{revoked:?}");
            }
            None
        });
        let (one, two) = (rig.url("/reads/1"), rig.url("/reads/2"));
        let ended = rig.run(agent, &alice, &["call", &one, &two, "--resource", ORDERS_API]);
        assert_eq!((ended.code, orders(&ended.said).len()), (Some(0), 2), "{ended:?}");
        assert_eq!((rig.sts.count(TOKEN), rig.front.seen().len()), (2, 3));
    }
}

#[test]
fn when_the_api_wants_a_scope_more_it_is_asked_for_once() {
    let rig = Rig::start();
    let alice = rig.world.sign(&rig.world.alice());
    let bob =
        rig.world.entra.issuer(HOME_TENANT).delegated(&PORTAL, &BOB, &ORDERS, &["orders.read"]);
    let bob = rig.world.sign(&bob);
    for agent in Agent::ALL {
        let call = |user: &str, path: &str| {
            rig.sts.forget();
            rig.front.forget();
            let url = rig.url(path);
            rig.run(
                agent,
                user,
                &["call", &url, "--resource", ORDERS_API, "--scope", "orders.read"],
            )
        };
        let ended = call(&alice, "/changes/42");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(orders(&ended.said)[0]["scope"], "orders.read orders.write");
        assert_eq!((rig.sts.count(TOKEN), rig.front.seen().len()), (2, 2), "{ended:?}");
        for (user, path) in [(&bob, "/changes/42"), (&alice, "/exports/42")] {
            let ended = call(user, path);
            assert_eq!(ended.code, Some(4), "she, or the agent, may not: {ended:?}");
            assert!(ended.log.contains("cannot be had"), "{ended:?}");
            assert_eq!((rig.sts.count(TOKEN), rig.front.seen().len()), (2, 1), "{ended:?}");
        }
    }
}
