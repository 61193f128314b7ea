//! What one replica learns, does or makes, the others know.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::faults::{Fault, Surface};
use tessera::dev::people::{ALICE, CAROL, GOLD_CUSTOMERS, HOME_TENANT};
use tessera::dev::tenant::OldKey;
use tessera::protocol::jws::UnverifiedJwt;
use tessera::protocol::time::Seconds;

use super::{Replica, Replicas, SEAL, asserted, assertion, now, store};
use crate::cli::{run_with, text};
use crate::support::redis::{RedisServer, wait_until};
use crate::support::{
    ORDERS_API, Request, TASKS_API, TYK, World, assertion_key, summed, with_store,
};

/// The promise for a revocation that nothing is in the way of.
const BOUND: Duration = Duration::from_secs(5);

fn three() -> (RedisServer, Replicas) {
    let redis = RedisServer::start();
    let replicas = Replicas::start(3, &store(&redis.url(), ""));
    (redis, replicas)
}

/// Asserts that every one of `tokens` ends on every replica within the bound.
#[track_caller]
fn all_end(replicas: &Replicas, tokens: &[&str]) {
    let begun = Instant::now();
    for replica in &replicas.all {
        for token in tokens {
            wait_until("the end", || replica.verdict(token) == "inactive");
        }
    }
    assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
}

/// A247, for answers that are kept and for those that are not.
#[test]
fn a_revocation_by_whomever_ends_tokens_on_every_replica() {
    let (_redis, replicas) = three();
    let [one, two, three] = &replicas.all[..] else { panic!() };
    let principal = format!("{}.{HOME_TENANT}", ALICE.oid);
    for (named, value) in
        [("token", ""), ("tree", ""), ("principal", &*principal), ("client", "tyk")]
    {
        let alice = replicas.alice();
        let jwt = one.issued(&alice, ORDERS_API);
        let opaque = two.issued(&alice, TASKS_API);
        for replica in &replicas.all {
            for token in [&alice, &jwt, &opaque] {
                assert_eq!(replica.verdict(token), "active", "{named}");
            }
        }
        let value = if value.is_empty() { &alice } else { value };
        let answer = three.order(named, value);
        assert_eq!((answer.status, &answer.json()["everywhere"]), (200, &Value::Bool(true)));
        for token in [&jwt, &opaque] {
            assert_eq!(three.verdict(token), "inactive", "at once where it was ordered: {named}");
        }
        all_end(&replicas, &[&jwt, &opaque]);
        if named != "client" {
            all_end(&replicas, &[&alice]);
        }
        next_second();
    }
    let jwt = one.issued(&replicas.alice(), ORDERS_API);
    assert_eq!(two.revoke(&jwt).status, 200, "by the client, at another replica");
    all_end(&replicas, &[&jwt]);
}

/// What was issued in the second of a cut-off ends with it.
fn next_second() {
    let begun = now();
    wait_until("another second", || now() > begun);
}

#[test]
fn a_replica_that_joins_later_knows_what_was_revoked_and_issued_before() {
    let (_redis, mut replicas) = three();
    let alice = replicas.alice();
    let (opaque, revoked) = {
        let one = &replicas.all[0];
        let revoked = one.issued(&alice, ORDERS_API);
        assert_eq!(one.revoke(&revoked).status, 200);
        (one.issued(&alice, TASKS_API), revoked)
    };
    replicas.all.iter_mut().for_each(Replica::kill);
    let late = replicas.add();
    replicas.all.drain(..late);
    replicas.wait_until_ready();
    let late = &replicas.all[0];
    assert_eq!(late.verdict(&opaque), "active", "a token outlives whoever issued it");
    assert_eq!(late.verdict(&revoked), "inactive", "and so does its revocation");
}

#[test]
fn all_sign_with_the_same_keys_and_a_key_that_is_retired_ends_everywhere() {
    let (_redis, replicas) = three();
    let same = || {
        let first = replicas.all[0].published();
        first.len() == 4 && replicas.all.iter().all(|replica| replica.published() == first)
    };
    wait_until("four keys on each", same);
    let alice = replicas.alice();
    let jwt = replicas.all[0].issued(&alice, ORDERS_API);
    let kid = kid_of(&jwt);
    for replica in &replicas.all {
        assert_eq!(replica.verdict(&jwt), "active");
    }
    let answer = Request::form("/keys/retire", &[("kid", &kid)]).send(replicas.all[1].admin);
    assert_eq!(answer.status, 200, "{answer:?}");
    all_end(&replicas, &[&jwt]);
    wait_until("the same keys again", same);
    assert!(!replicas.all[2].published().contains(&kid));
    let next = replicas.all[2].issued(&alice, ORDERS_API);
    for replica in &replicas.all {
        assert_eq!(replica.verdict(&next), "active", "signed by the next key");
    }
    let environment = [("SEAL", SEAL), ("TYK_SECRET", TYK.1), ("GRAPH_SECRET", "x")];
    let kid = kid_of(&next);
    let order = ["keys", "retire", "--config", &replicas.file, &kid];
    let retired = run_with(&order, &environment);
    assert_eq!(retired.status.code(), Some(0), "{}", text(&retired.stderr));
    all_end(&replicas, &[&next]);
}

pub(super) fn kid_of(jwt: &str) -> String {
    UnverifiedJwt::parse(jwt).unwrap().header().kid.clone().unwrap()
}

#[test]
fn a209_an_assertion_that_was_used_at_one_replica_is_used_at_all() {
    let (_redis, replicas) = three();
    let assertion = assertion();
    assert_eq!(asserted(&replicas.all[0], &assertion).status, 200);
    for replica in &replicas.all {
        assert_eq!(asserted(replica, &assertion).status, 401, "A209");
    }
}

#[test]
fn a231_guesses_are_counted_over_all_replicas() {
    let (_redis, replicas) = three();
    let guess = |replica: &Replica| {
        Request::introspect(&[("token", "x")]).basic((TYK.0, "wrong")).send(replica.public).status
    };
    for replica in replicas.all.iter().cycle().take(9) {
        assert_eq!(guess(replica), 401);
    }
    assert_eq!(guess(&replicas.all[0]), 401, "the tenth");
    for replica in &replicas.all {
        wait_until("the end of patience", || guess(replica) == 429);
    }
}

#[test]
fn a38_keys_are_fetched_once_for_all_and_a_key_that_left_ends_everywhere() {
    let (_redis, replicas) = three();
    assert_eq!(replicas.entra.requests(Surface::Keys), 2, "one for each version of tokens");
    let alice = replicas.alice();
    for replica in &replicas.all {
        assert_eq!(replica.verdict(&alice), "active");
    }
    replicas.entra.rotate(OldKey::Dropped).unwrap();
    let next = replicas.alice();
    assert_eq!(replicas.all[0].verdict(&next), "active", "a new name makes one replica ask");
    assert_eq!(replicas.all[0].verdict(&alice), "inactive", "A250");
    all_end(&replicas, &[&alice]);
    for replica in &replicas.all {
        assert_eq!(replica.verdict(&next), "active");
    }
    let issuer = replicas.entra.issuer(HOME_TENANT);
    let invented = issuer.delegated(&PORTAL, &ALICE, &ORDERS, &["orders.read"]);
    let invented = invented.header("kid", "invented").sign(&assertion_key()).unwrap();
    for replica in &replicas.all {
        for _ in 0..20 {
            assert_eq!(replica.verdict(&invented), "inactive");
        }
    }
    assert_eq!(replicas.entra.requests(Surface::Keys), 3, "no more for any number of names");
}

#[test]
fn groups_are_asked_for_once_for_all() {
    let (_redis, replicas) = three();
    replicas.entra.set_groups(CAROL.oid, vec![GOLD_CUSTOMERS.to_owned()]);
    let carol = replicas.token_of(&CAROL);
    std::thread::scope(|scope| {
        for replica in &replicas.all {
            scope.spawn(|| {
                let body = replica.introspect(&carol).json();
                assert_eq!(body["policies"], json!(["gold"]), "{body}");
            });
        }
    });
    let path = format!("/v1.0/users/{}/getMemberGroups", CAROL.oid);
    assert_eq!(replicas.entra.requests_to(&path), 1);
}

#[test]
fn a_replica_that_starts_while_entra_is_down_serves() {
    let (_redis, mut replicas) = three();
    for surface in [Surface::Discovery, Surface::Keys] {
        replicas.entra.set_fault(surface, Fault::Status(500));
    }
    let late = replicas.add();
    replicas.wait_until_ready();
    assert_eq!(replicas.all[late].verdict(&replicas.alice()), "active");
}

#[test]
fn prepared_answers_are_shared_where_that_is_asked_for_and_end_all_the_same() {
    let redis = RedisServer::start();
    let replicas = Replicas::start(3, &store(&redis.url(), ", results: all"));
    let [one, two, three] = &replicas.all[..] else { panic!() };
    let alice = replicas.alice();
    let decided = |replica: &Replica| {
        let labels = [r#"result="active""#, r#"source="decided""#];
        summed(&replica.metrics(), "tessera_introspections_total", &labels)
    };
    let first = one.introspect(&alice);
    wait_until("the answer", || redis.command(&["KEYS", "{tessera}:answer:*"]).array().len() == 1);
    assert_eq!(two.introspect(&alice).text(), first.text());
    assert_eq!((decided(one), decided(two)), (1, 0));
    one.order("token", &alice);
    all_end(&replicas, &[&alice]);
    assert_eq!(three.verdict(&alice), "inactive", "though it is still kept");
    let other = replicas.alice();
    assert_eq!(one.verdict(&other), "active");
    wait_until("the answer", || redis.command(&["KEYS", "{tessera}:answer:*"]).array().len() == 2);
    replicas.entra.rotate(OldKey::Dropped).unwrap();
    assert_eq!(two.verdict(&replicas.alice()), "active");
    wait_until("the end of the key", || three.verdict(&other) == "inactive");
}

#[test]
fn the_log_is_trimmed_of_what_nothing_can_depend_on_any_more() {
    static SERVER: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);
    let url = SERVER.url();
    with_store(&format!("store: {{ redis: {{ url: \"{url}\" }}, sealing_key: {SEAL} }}\n"), || {
        let world = World::start();
        let revoke = || {
            let token = world.sign(&world.alice());
            let answer = Request::form("/revocations", &[("token", &token)]).send(world.admin);
            assert_eq!(answer.status, 200);
        };
        let length = || {
            let keys = SERVER.command(&["KEYS", "{tessera}:revocations:*"]);
            SERVER.command(&["XLEN", keys.array()[0].text()]).int()
        };
        (0..50).for_each(|_| revoke());
        assert!(length() >= 50, "{}", length());
        world.clock.advance(Seconds::hours(3));
        // Each is trimmed by what is written after it was read.
        wait_until("the log being short", || {
            revoke();
            length() < 10
        });
    });
}
