//! What is remembered outlives a change that does not bear on it, and no other.

use std::fs;

use tessera::dev::apps::{GATEWAY, ORDERS, PORTAL};
use tessera::dev::faults::Surface;
use tessera::dev::people::{CAROL, HOME_TENANT};

use super::{KONG, Service};
use crate::exchange::fields;
use crate::support::process::wait_until;
use crate::support::{Answer, Request};

const NEXT_SECRET: &str = "kong-live-secret-of-tomorrow-77d1e0c35";
const API: &str = "https://orders.internal";

/// How many introspections were decided, and not remembered.
fn decided(service: &Service) -> u64 {
    let text = Request::get("/metrics").send(service.admin).text();
    let lines = text.lines().filter(|line| {
        line.starts_with("tessera_introspections_total{") && line.contains("source=\"decided\"")
    });
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// With a resource that `tyk` and `gateway` exchange tokens for, and an API whose tokens are swapped.
fn exchanging(text: &str) -> String {
    let (orders, gateway) = (ORDERS.client_id, GATEWAY.client_id);
    let rule = format!(
        "    exchange: [{{ resource: \"{API}\", scopes: [read], subjects: [user], \
         grants: [everybody] }}]\n"
    );
    let more = format!(
        "  gateway:\n    entra_app: {gateway}\n    introspect: {{ audiences: [{orders}] }}\n\
         resources:\n  {API}: {{ scopes: {{ read: [orders.read] }}, callers: [tyk] }}\n\
         apis:\n  swapped: {{ client: tyk, audiences: [{orders}], \
         exchange: {{ resource: \"{API}\", scopes: [read] }} }}\n"
    );
    let text = text.replacen("  kong:\n", &format!("{rule}  kong:\n"), 1);
    text.replacen("mapping:\n", &format!("{more}mapping:\n"), 1)
}

#[test]
fn an_answer_outlives_what_does_not_bear_on_it() {
    let service = Service::start("answers");
    let carol =
        service.entra.issuer(HOME_TENANT).delegated(&PORTAL, &CAROL, &ORDERS, &["orders.read"]);
    let carol = service.entra.sign(&carol).unwrap();
    let tokens = [service.token(), carol];
    let groups = format!("/v1.0/users/{}/getMemberGroups", CAROL.oid);
    let ask = || tokens.iter().for_each(|token| drop(service.active(token)));
    ask();
    let keys = service.entra.requests(Surface::Keys);
    let seen = || (decided(&service), service.entra.requests_to(&groups));
    assert_eq!(seen(), (2, 1));
    service.change(|text| text.replace("level: info", "level: debug"));
    service.change(|text| format!("# A comment.\n{text}"));
    service.change(|text| text.replacen("] }\nmapping", "], phantom: true }\nmapping", 1));
    service.after(|| fs::write(service.path("kong"), NEXT_SECRET).unwrap());
    service.change(|text| format!("{text}key_sets: {{ refresh: 2h }}\n"));
    ask();
    assert_eq!(seen(), (2, 1), "nothing was decided anew");
    service.change(|text| text.replace("p-1", "p-2"));
    ask();
    assert_eq!(seen(), (4, 1), "decided anew, by groups that are still known");
    assert_eq!(service.entra.requests(Surface::Keys), keys, "no keys were asked for");
    assert!(service.ask((KONG.0, NEXT_SECRET), &tokens[0]).is_active());
}

#[test]
fn a_swapped_token_ends_with_what_it_was_swapped_by() {
    let service = Service::configured("swaps", |text| exchanging(&text));
    let token = service.token();
    let swap = || -> Result<String, u16> {
        let answer = Request::get("/verify/swapped").gateway(super::TYK).bearer(&token);
        let answer = answer.send(service.public);
        let swapped = answer.header("authorization").filter(|_| answer.status == 200);
        swapped.map(str::to_owned).ok_or(answer.status)
    };
    let first = swap().unwrap();
    assert_eq!(swap().unwrap(), first, "handed out again");
    service.change(|text| text.replace("level: info", "level: debug"));
    service.change(|text| text.replacen("] }\nresources", "], phantom: true }\nresources", 1));
    assert_eq!(swap().unwrap(), first, "nothing that bears on it has changed");
    service.change(|text| text.replace("callers: [tyk] }", "callers: [tyk], ttl: 1m }"));
    let second = swap().unwrap();
    assert_ne!(second, first);
    service.change(|text| text.replace("callers: [tyk]", "callers: [kong]"));
    assert_eq!(swap(), Err(403), "the resource's owner does not let it in any more");
    service.change(|text| text.replace("callers: [kong]", "callers: [tyk]"));
    assert_ne!(swap().unwrap(), second, "what was taken away does not come back");
    assert!(service.ask(super::TYK, first.strip_prefix("Bearer ").unwrap()).status == 200);
}

#[test]
fn a_subject_token_is_held_against_the_rules_in_force() {
    let service = Service::configured("subjects", |text| exchanging(&text));
    let token = service.token();
    let exchange = || -> Answer {
        Request::form("/token", &fields(&token, API)).basic(super::TYK).send(service.public)
    };
    assert_eq!(exchange().status, 200, "{:?}", exchange());
    service.change(|text| text.replace("principal_type: [user]", "principal_type: [agent]"));
    assert_eq!(exchange().status, 400, "the rule `everybody` matches it no more");
    service.change(|text| text.replace("principal_type: [agent]", "principal_type: [user]"));
    assert_eq!(exchange().status, 200);
    service.change(|text| text.replace("read: [orders.read]", "read: [orders.delete]"));
    assert_eq!(exchange().status, 400, "nothing earns the scope");
}

#[test]
fn a_caller_known_by_its_own_token_is_the_one_that_is_registered_now() {
    let service = Service::configured("callers", |text| exchanging(&text));
    let issuer = service.entra.issuer(HOME_TENANT);
    let own = issuer.app_only(&GATEWAY, &tessera::dev::apps::TESSERA);
    let (own, token) = (service.entra.sign(&own).unwrap(), service.token());
    let ask = || Request::introspect(&[("token", &token)]).bearer(&own).send(service.public);
    assert!(ask().is_active());
    service.change(|text| text.replace("level: info", "level: debug"));
    assert!(ask().is_active());
    service.change(|text| {
        let (before, rest) = text.split_once("  gateway:\n").unwrap();
        let (_, rest) = rest.split_once("resources:\n").unwrap();
        format!("{before}  gateway:\n    entra_app: {}\nresources:\n{rest}", GATEWAY.client_id)
    });
    ask().assert_inactive();
    service.change(|text| text.replace(GATEWAY.client_id, "00000000-1111-4222-8333-444444444444"));
    assert_eq!(ask().status, 401, "another application is the client now");
    wait_until("the answer to others", || service.ask(KONG, &token).is_active());
}
