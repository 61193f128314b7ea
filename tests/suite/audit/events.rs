//! One record for each thing that has to be accounted for.

use serde_json::json;
use tessera::dev::apps::GATEWAY;
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::protocol::ids::Fingerprint;

use super::{Recorded, assert_whole, names};
use crate::exchange::{ask, fields, token, with};
use crate::support::{NOBODY, ORDERS_API, PLANNER, Request, TASKS_API, TYK, World, eventually};

fn principal() -> String {
    format!("{}.{HOME_TENANT}", ALICE.oid)
}

fn digest(token: &str) -> String {
    Fingerprint::of(token.as_bytes()).to_string()
}

fn verify(world: &World, name: &str, token: &str) -> u16 {
    Request::get(&format!("/verify/{name}")).bearer(token).gateway(TYK).send(world.public).status
}

#[test]
fn a_token_that_is_issued_is_on_record_with_its_whole_history() {
    let recorded = Recorded::start("issued");
    let world = &recorded.world;
    let alice = world.sign(&world.alice());
    let asked = with(fields(&alice, TASKS_API), "scope", "tasks.run");
    let request = Request::form("/token", &asked).basic(TYK).header("X-Request-Id", "call-7");
    let answer = request.send(world.public);
    let first = answer.json()["access_token"].as_str().unwrap().to_owned();
    // No waiting: who has the token finds the record.
    let record = recorded.one("token_issued");
    for (name, value) in [
        ("outcome", json!("success")),
        ("door", json!("public")),
        ("request", json!("call-7")),
        ("client", json!(TYK.0)),
        ("principal", json!(principal())),
        ("principal_type", json!("user")),
        ("tenant", json!(HOME_TENANT)),
        ("actors", json!([TYK.0])),
        ("resource", json!([TASKS_API])),
        ("scopes_asked", json!(["tasks.run"])),
        ("scopes", json!(["tasks.run"])),
        ("fingerprint", json!(digest(&first))),
        ("subject_fingerprint", json!(digest(&alice))),
        ("hop", json!(1)),
    ] {
        assert_eq!(record[name], value, "{name} in {record:#}");
    }
    assert!(record["rule"].is_string() && record["expires"].is_i64(), "{record:#}");
    token(world, PLANNER, &with(fields(&first, ORDERS_API), "scope", "orders.read"));
    let next = &recorded.all("token_issued")[1];
    assert_eq!(next["subject_token"], record["token"], "one follows from the other");
    assert_eq!(next["actors"], json!([PLANNER.0, TYK.0]), "on whose behalf");
    assert_eq!(next["hop"], 2);
    assert_whole(&[&recorded.file]);
}

#[test]
fn an_exchange_that_is_refused_tells_why_and_for_whom() {
    let recorded = Recorded::start("refused");
    let world = &recorded.world;
    let alice = world.sign(&world.alice());
    let asked = with(fields(&alice, ORDERS_API), "scope", "orders.export");
    ask(world, TYK, &asked).assert_error(400, "invalid_scope");
    let record = recorded.one("exchange_refused");
    assert_eq!(record["outcome"], "refused");
    assert_eq!(record["reason"], "scope_not_permitted");
    assert_eq!(record["principal"], principal());
    assert_eq!(record["resource"], json!([ORDERS_API]));
    assert_eq!(record["scopes_asked"], json!(["orders.export"]));
    assert!(!names(&record).contains("token"), "{record:#}");
    // A bad subject token is nobody's.
    let bad = format!("{}AAAA", &alice[..alice.len() - 4]);
    ask(world, TYK, &fields(&bad, ORDERS_API)).assert_error(400, "invalid_request");
    eventually("the second", || recorded.all("exchange_refused").len() == 2);
    let record = &recorded.all("exchange_refused")[1];
    assert_eq!(record["reason"], "subject_rejected");
    assert_eq!(record["subject_fingerprint"], digest(&bad));
    assert!(!names(record).contains("principal"), "{record:#}");
}

#[test]
fn introspections_are_recorded_as_the_configuration_says() {
    for (choice, expected) in [("all", 4), ("decisions", 2), ("off", 0)] {
        let recorded =
            Recorded::with(&format!("introspected-{choice}"), &format!("introspections: {choice}"));
        let world = &recorded.world;
        let alice = world.sign(&world.alice());
        for _ in 0..2 {
            world.assert_active(&alice);
            world.introspect("x").assert_inactive();
        }
        // What comes later is written later.
        ask(world, TYK, &fields(&alice, TASKS_API));
        let all = recorded.all("introspected");
        assert_eq!(all.len(), expected, "{choice}: {all:#?}");
        if let [first, second, ..] = &*all {
            assert_eq!(
                (&first["outcome"], &first["principal"]),
                (&json!("success"), &json!(principal()))
            );
            assert_eq!(first["fingerprint"], digest(&alice));
            assert_eq!(second["reason"], "token_malformed");
        }
    }
}

#[test]
fn whoever_is_not_let_in_is_named_if_somebody_is_called_so() {
    let recorded = Recorded::start("authentication");
    let wrong = "wrong-secret-0b8e5d2f9c714a36d1a9";
    let introspect = Request::introspect(&[("token", "x")]);
    introspect.basic((TYK.0, wrong)).send(recorded.world.public);
    let record = recorded.one("authentication_failed");
    assert_eq!(record["client"], TYK.0);
    assert_eq!(record["method"], "client_secret_basic");
    assert_eq!(record["source"], "127.0.0.1");
    assert_eq!(record["reason"], "credentials_invalid");
    // Name and secret mixed up: what nobody is called is not told.
    Request::introspect(&[("token", "x")]).basic((wrong, TYK.0)).send(recorded.world.public);
    eventually("the second", || recorded.all("authentication_failed").len() == 2);
    assert!(!names(&recorded.all("authentication_failed")[1]).contains("client"));
    // Credentials that cannot even be read.
    let unread = Request::introspect(&[("token", "x")]).header("Authorization", "Basic ?");
    unread.send(recorded.world.public).assert_error(401, "invalid_client");
    eventually("the third", || recorded.all("authentication_failed").len() == 3);
    let record = &recorded.all("authentication_failed")[2];
    assert_eq!(record["detail"], "credentials that cannot be read");
    assert!(!names(record).contains("client"), "{record:#}");
    assert!(!std::fs::read_to_string(&recorded.file).unwrap().contains(wrong));
}

#[test]
fn gateways_are_told_no_on_record() {
    let recorded = Recorded::start("gateways");
    let world = &recorded.world;
    let billing = world.sign(&world.alice_v1());
    assert_eq!(verify(world, "orders", &billing), 401);
    let record = recorded.one("request_refused");
    assert_eq!((&record["api"], &record["door"]), (&json!("orders"), &json!("verify")));
    assert_eq!(
        (&record["reason"], &record["principal"]),
        (&json!("audience"), &json!(principal()))
    );
    let alice = world.sign(&world.alice());
    assert_eq!(verify(world, "swapped", &alice), 200);
    let record = recorded.one("token_issued");
    assert_eq!((&record["api"], &record["door"]), (&json!("swapped"), &json!("verify")));
    assert_eq!(verify(world, "swapped", &alice), 200);
    assert_eq!(recorded.all("token_issued").len(), 1, "the same token was handed out again");
}

#[test]
fn revocations_are_on_record_whoever_ordered_them() {
    let recorded = Recorded::start("revoked");
    let world = &recorded.world;
    let alice = world.sign(&world.alice());
    let issued = token(world, TYK, &fields(&alice, TASKS_API));
    let named = recorded.one("token_issued")["token"].clone();
    let revoke = |client, token: &str| {
        Request::form("/revoke", &[("token", token)]).basic(client).send(world.public).status
    };
    assert_eq!(revoke(PLANNER, &issued), 400);
    assert_eq!(recorded.one("revocation_refused")["reason"], "issued_to_another_client");
    assert_eq!(revoke(TYK, &issued), 200);
    let record = recorded.one("revoked");
    assert_eq!((&record["token"], &record["client"]), (&named, &json!(TYK.0)));
    for (name, value) in [("token", &*alice), ("principal", &principal()), ("client", NOBODY.0)] {
        let order = Request::form("/revocations", &[(name, value)]).send(world.admin);
        assert_eq!(order.status, 200, "{order:?}");
    }
    eventually("all", || recorded.all("revoked").len() == 4);
    let by_operator = &recorded.all("revoked")[1..];
    assert!(by_operator.iter().all(|record| record["door"] == "admin"), "{by_operator:#?}");
    let details: Vec<_> = by_operator.iter().map(|record| record["detail"].clone()).collect();
    assert_eq!(details, ["token", "principal", "client"]);
    assert_eq!(by_operator[1]["revoked_principal"], principal());
    assert_eq!(by_operator[2]["revoked_client"], NOBODY.0);
    assert!(by_operator[2]["issued_up_to"].is_i64(), "{by_operator:#?}");
    assert!(by_operator.iter().all(|record| !names(record).contains("client")), "nobody knows who");
    Request::form("/revocations", &[("token", "x")]).send(world.admin);
    eventually("the refusal", || recorded.all("revocation_refused").len() == 2);
}

#[test]
fn what_happens_to_keys_is_on_record_by_order_or_not() {
    let recorded = Recorded::start("keys");
    eventually("the first keys", || recorded.all("key_changed").len() == 4);
    let keys = Request::get("/keys").send(recorded.world.admin).json();
    let kid = keys["keys"][0]["kid"].as_str().unwrap();
    let known = recorded.all("key_changed");
    let told = known.iter().any(|record| record["detail"].as_str().unwrap().contains(kid));
    assert!(told, "{known:#?}");
    Request::form("/keys/rotate", &[]).send(recorded.world.admin);
    assert_eq!(recorded.one("key_rotation_ordered")["door"], "admin");
    Request::form("/keys/retire", &[("kid", kid)]).send(recorded.world.admin);
    assert_eq!(recorded.one("key_retirement_ordered")["detail"], kid);
    let gone = |detail: &str| detail.contains(kid) && detail.ends_with("gone");
    let is_gone = || {
        let changes = recorded.all("key_changed");
        changes.iter().any(|record| gone(record["detail"].as_str().unwrap()))
    };
    eventually("the key is gone", is_gone);
    Request::form("/keys/retire", &[("kid", "nobody's")]).send(recorded.world.admin);
    eventually("the refusal", || recorded.all("key_retirement_ordered").len() == 2);
    assert_eq!(recorded.all("key_retirement_ordered")[1]["reason"], "no_such_key");
}

#[test]
fn a_run_begins_and_ends_on_record_and_the_next_goes_on() {
    let folder = crate::cli::Folder::new("audit-runs");
    let file = format!("{}/audit.jsonl", folder.path());
    let section = format!("audit: {{ to: file, file: {file} }}\n");
    for run in 1..=2 {
        drop(World::configured(|usual| format!("{usual}{section}")));
        let records = super::records(&std::fs::read_to_string(&file).unwrap());
        let count = |event: &str| records.iter().filter(|record| record["event"] == event).count();
        assert_eq!((count("started"), count("stopped")), (run, run), "{records:#?}");
    }
    let said = assert_whole(&[&file]);
    assert_eq!(said.matches("chain ").count(), 1, "{said}");
    assert!(!said.contains("open") && !said.contains("began"), "{said}");
}

#[test]
fn the_trail_holds_no_token_no_secret_and_no_name() {
    let recorded = Recorded::with("secrets", "introspections: all");
    let world = &recorded.world;
    let alice = world.sign(&world.alice());
    let agent = world.sign(&world.entra.issuer(HOME_TENANT).delegated(
        &GATEWAY,
        &ALICE,
        &tessera::dev::apps::ORDERS,
        &["orders.read"],
    ));
    let mut secrets = vec![alice.clone(), agent.clone(), TYK.1.to_owned(), PLANNER.1.to_owned()];
    world.assert_active(&alice);
    world.introspect(&agent);
    secrets.push(token(world, TYK, &fields(&alice, TASKS_API)));
    secrets.push(token(world, TYK, &fields(&alice, ORDERS_API)));
    // A token where none belongs.
    ask(world, TYK, &with(fields(&alice, ORDERS_API), "scope", &alice));
    ask(world, TYK, &with(fields(&alice, ORDERS_API), "resource", &alice));
    ask(world, TYK, &with(fields(&alice, ORDERS_API), "scope", TYK.1));
    Request::introspect(&[("token", &alice)]).basic((TYK.0, "a-wrong-secret")).send(world.public);
    verify(world, "swapped", &alice);
    Request::form("/revocations", &[("token", &*alice)]).send(world.admin);
    eventually("the last", || !recorded.all("revoked").is_empty());
    let trail = std::fs::read_to_string(&recorded.file).unwrap();
    for secret in secrets {
        let (one, other) = secret.split_at(secret.len() / 2);
        assert!(!trail.contains(one) && !trail.contains(other), "{secret}");
        // No part of a JWT either.
        for part in secret.split('.').filter(|part| part.len() > 24) {
            assert!(!trail.contains(&part[..24]), "{part}");
        }
    }
    for name in [ALICE.username, ALICE.name.1, "a-wrong-secret"] {
        assert!(!trail.contains(name), "{name}");
    }
}
