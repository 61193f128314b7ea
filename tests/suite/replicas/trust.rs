//! Redis is not trusted: whoever reads it learns nothing, and whoever writes it gains nothing.

use tessera::dev::people::{ALICE, CAROL, HOME_TENANT};

use super::{NEXT_SEAL, PASSWORD, Replica, Replicas, SEAL, store};
use crate::cli::{run_with, text};
use crate::support::redis::{RedisServer, Reply, wait_until};
use crate::support::{ORDERS_API, Request, TASKS_API, TYK};

/// Everything that Redis holds, as text: names and values.
fn everything(redis: &RedisServer) -> String {
    let mut all = String::new();
    for key in keys(redis) {
        let value = match redis.command(&["TYPE", &key]).text() {
            "stream" => redis.command(&["XRANGE", &key, "-", "+"]),
            _ => redis.command(&["GET", &key]),
        };
        all.extend([key, format!(" {value:?}\n")]);
    }
    all
}

fn keys(redis: &RedisServer) -> Vec<String> {
    let keys = redis.command(&["KEYS", "*"]);
    keys.array().iter().map(|key| key.text().to_owned()).collect()
}

/// A253: an opaque token is found by its hash, so there is nothing to guess piece by piece.
#[test]
fn nothing_in_redis_says_anything_and_nothing_stays_for_ever() {
    let redis = RedisServer::start();
    let replicas = Replicas::start(2, &store(&redis.url(), ", results: all"));
    let [one, two] = &replicas.all[..] else { panic!() };
    let (alice, carol) = (replicas.alice(), replicas.token_of(&CAROL));
    let (jwt, opaque) = (one.issued(&alice, ORDERS_API), one.issued(&alice, TASKS_API));
    for token in [&alice, &carol, &jwt, &opaque] {
        assert_eq!(two.verdict(token), "active");
    }
    two.order("token", &jwt);
    wait_until("all kinds of entries", || {
        let keys = keys(&redis).join(" ");
        let kinds =
            [":opaque:", ":keys:", ":groups:", ":answer:", ":revocations:", ":signing-keys"];
        kinds.iter().all(|kind| keys.contains(kind))
    });
    let all = everything(&redis);
    let payload = alice.split('.').nth(1).unwrap();
    let kids = one.published();
    let mut secrets =
        vec![payload, &opaque[4..], ALICE.oid, CAROL.oid, HOME_TENANT, "pkcs8", "gold"];
    secrets.extend(["orders", "tyk", "kid", "keys\"", TYK.1, SEAL]);
    secrets.extend(kids.iter().map(String::as_str));
    for secret in secrets {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
    // These are one each, and bounded.
    let lasting = ["{tessera}:signing-keys", "{tessera}:news"];
    for key in keys(&redis) {
        assert!(key.starts_with("{tessera}:"), "one slot of a cluster: {key}");
        let ends = redis.command(&["TTL", &key]).int() > 0;
        assert_eq!(ends, !lasting.contains(&&*key), "{key}");
    }
    let logs = replicas.logs();
    for secret in [payload, &opaque[4..], TYK.1, SEAL] {
        assert!(!logs.contains(secret), "{secret} in {logs}");
    }
}

#[test]
fn an_entry_that_was_swapped_or_altered_is_an_outage_and_never_an_answer() {
    let redis = RedisServer::start();
    let mut replicas = Replicas::start(1, &store(&redis.url(), ""));
    let (alice, carol) = (replicas.alice(), replicas.token_of(&CAROL));
    let opaque = |replicas: &Replicas| -> (String, String) {
        let before = keys(&redis);
        let token = replicas.all[0].issued(&alice, TASKS_API);
        let key = keys(&redis).into_iter().find(|key| !before.contains(key)).unwrap();
        (token, key)
    };
    let (mine, my_key) = opaque(&replicas);
    let (other, other_key) = opaque(&replicas);
    redis.command(&["COPY", &other_key, "kept"]);
    assert_eq!(redis.command(&["COPY", &my_key, &other_key, "REPLACE"]), Reply::Int(1));
    let fresh = replicas.add();
    replicas.wait_until_ready();
    assert_eq!(replicas.all[fresh].verdict(&other), "503", "another's entry under its name");
    assert_eq!(replicas.all[fresh].verdict(&mine), "active");
    redis.command(&["SET", &my_key, r#"{"iss":"https://sts.example.com"}"#]);
    let late = replicas.add();
    replicas.wait_until_ready();
    assert_eq!(replicas.all[late].verdict(&mine), "503", "a forged one");
    assert_eq!(replicas.all[late].verdict(&carol), "active", "others are answered");
    redis.command(&["COPY", "kept", &other_key, "REPLACE"]);
    assert_eq!(replicas.all[late].verdict(&other), "active", "and it is good again");
}

/// What is done to the log of this name, in words and in deed.
type Damage<'a> = (&'a str, &'a dyn Fn(&str));

/// The present log.
fn log_of(redis: &RedisServer) -> String {
    let name = redis.command(&["GETRANGE", "{tessera}:generation", "0", "15"]);
    format!("{{tessera}}:revocations:{}", name.text())
}

#[test]
fn a_log_that_was_damaged_is_written_anew_by_those_who_know_it() {
    let redis = RedisServer::start();
    let mut replicas = Replicas::start(2, &store(&redis.url(), ""));
    let alice = replicas.alice();
    let revoked = |replicas: &Replicas| {
        let token = replicas.all[0].issued(&alice, ORDERS_API);
        assert_eq!(replicas.all[0].revoke(&token).status, 200);
        token
    };
    let mut ended: Vec<_> = (0..3).map(|_| revoked(&replicas)).collect();
    let last = |log: &str| {
        let last = redis.command(&["XREVRANGE", log, "+", "-", "COUNT", "1"]);
        last.array()[0].array()[0].text().to_owned()
    };
    let damages: [Damage<'_>; 10] = [
        ("an entry that says nothing at its end", &|log| {
            drop(redis.command(&["XADD", log, "1000-0", "s", "forged"]));
        }),
        ("gone", &|log| drop(redis.command(&["DEL", log]))),
        ("something else in its place", &|log| drop(redis.command(&["SET", log, "x"]))),
        ("its name forged", &|_| {
            drop(redis.command(&["SET", "{tessera}:generation", "0123456789abcdefforged"]));
        }),
        ("the seal of its name altered", &|_| {
            let name = redis.command(&["GETRANGE", "{tessera}:generation", "0", "15"]);
            let forged = format!("{}forged", name.text());
            redis.command(&["SET", "{tessera}:generation", &forged]);
        }),
        ("its name something else", &|_| {
            redis.command(&["DEL", "{tessera}:generation"]);
            redis.command(&["RPUSH", "{tessera}:generation", "x"]);
        }),
        ("its beginning gone", &|log| drop(redis.command(&["XTRIM", log, "MAXLEN", "2"]))),
        ("an entry of its middle gone", &|log| {
            let entries = redis.command(&["XRANGE", log, "-", "+"]);
            let middle = &entries.array()[entries.array().len() / 2];
            redis.command(&["XDEL", log, middle.array()[0].text()]);
        }),
        ("its last entry gone", &|log| drop(redis.command(&["XDEL", log, &last(log)]))),
        ("its last entry gone, and its number given back", &|log| {
            redis.command(&["XDEL", log, &last(log)]);
            redis.command(&["XSETID", log, &last(log)]);
        }),
    ];
    for (what, damage) in damages {
        damage(&log_of(&redis));
        // Whatever is written next goes to a log that is whole.
        ended.push(revoked(&replicas));
        replicas.wait_until_current();
        let late = replicas.add();
        replicas.wait_until_ready();
        for token in &ended {
            let verdict = replicas.all[late].verdict(token);
            assert_eq!(verdict, "inactive", "{what}: {}", replicas.logs());
        }
        replicas.all[late].kill();
        replicas.all.truncate(late);
    }
}

#[test]
fn whoever_knows_nothing_believes_no_damaged_log() {
    let redis = RedisServer::start();
    let mut replicas = Replicas::start(1, &store(&redis.url(), ""));
    let alice = replicas.alice();
    for _ in 0..3 {
        let token = replicas.all[0].issued(&alice, ORDERS_API);
        assert_eq!(replicas.all[0].revoke(&token).status, 200);
    }
    replicas.all[0].kill();
    let log = log_of(&redis);
    let entries = redis.command(&["XRANGE", &log, "-", "+"]);
    let entries: Vec<_> =
        entries.array().iter().map(|entry| entry.array()[0].text().to_owned()).collect();
    redis.command(&["COPY", &log, "whole"]);
    // One of the first, of the middle, and the last.
    for entry in [&entries[entries.len() - 3], &entries[entries.len() - 2], entries.last().unwrap()]
    {
        redis.command(&["XDEL", &log, entry]);
        let late = replicas.add();
        let stranger = &replicas.all[late];
        let complaint = format!("entry {} of the log", entry.trim_end_matches("-0"));
        wait_until("a complaint", || stranger.ready().1.to_string().contains(&complaint));
        assert_eq!(stranger.ready().0, 503);
        assert_eq!(stranger.verdict(&alice), "503", "it does not know what was revoked");
        redis.command(&["COPY", "whole", &log, "REPLACE"]);
        wait_until("readiness", || stranger.ready().0 == 200);
        replicas.all[late].kill();
        replicas.all.truncate(late);
    }
}

#[test]
fn the_sealing_key_is_changed_while_replicas_run() {
    let redis = RedisServer::start();
    let mut replicas = Replicas::start(1, &store(&redis.url(), ""));
    let alice = replicas.alice();
    let opaque = replicas.all[0].issued(&alice, TASKS_API);
    let revoked = replicas.all[0].issued(&alice, ORDERS_API);
    assert_eq!(replicas.all[0].revoke(&revoked).status, 200);
    let keys = replicas.all[0].published();
    let both = "previous_sealing_key: \"${env:PREVIOUS}\" }";
    let with_both = format!("{}, {both}", store(&redis.url(), "").trim_end_matches(" }"));
    replicas.reconfigure(&with_both);
    // Each step while the replica of the step before still runs.
    for step in [vec![SEAL, NEXT_SEAL], vec![NEXT_SEAL, SEAL], vec![NEXT_SEAL]] {
        if step.len() == 1 {
            replicas.reconfigure(&store(&redis.url(), ""));
        }
        let environment: Vec<_> = ["SEAL", "PREVIOUS"].into_iter().zip(step).collect();
        replicas.all.push(Replica::start(&replicas.file, &environment));
        replicas.wait_until_ready();
        replicas.wait_until_current();
        let issued = replicas.all[1].issued(&alice, TASKS_API);
        for replica in &replicas.all {
            assert_eq!(replica.verdict(&issued), "active");
            assert_eq!(replica.verdict(&revoked), "inactive", "{}", replicas.logs());
            assert_eq!(replica.published(), replicas.all[0].published());
        }
        replicas.all[0].kill();
        replicas.all.remove(0);
    }
    assert!(keys.iter().all(|kid| replicas.all[0].published().contains(kid)), "no key is lost");
    assert_eq!(replicas.all[0].verdict(&opaque), "503", "sealed with a key that is gone");
}

#[test]
fn another_sealing_key_opens_nothing_and_says_so() {
    let redis = RedisServer::start();
    let mut replicas = Replicas::start(1, &store(&redis.url(), ""));
    let stranger = replicas.add_with("SEAL", NEXT_SEAL);
    let (stranger, good) = (&replicas.all[stranger], &replicas.all[0]);
    wait_until("a complaint", || {
        stranger.ready().1["store"]["last_error"]
            .as_str()
            .is_some_and(|why| why.contains("sealing_key"))
    });
    let check = ["check", "--online", "--config", &replicas.file];
    let checked = run_with(&check, &[("SEAL", NEXT_SEAL), ("GRAPH_SECRET", "x")]);
    assert_eq!(checked.status.code(), Some(1));
    let told = text(&checked.stdout);
    assert!(told.contains("redis: FAILED") && told.contains("store.sealing_key"), "{told}");
    assert_eq!((stranger.ready().0, &*stranger.verdict(&replicas.alice())), (503, "503"));
    assert_eq!(good.verdict(&good.issued(&replicas.alice(), TASKS_API)), "active", "undisturbed");
}

#[test]
fn a_wrong_password_is_told_and_is_repeated_nowhere() {
    let redis = RedisServer::start_with(&["--requirepass", "another"]);
    let mut replicas =
        Replicas::none(&store(&redis.url(), ", password: \"${env:REDIS_PASSWORD}\""));
    let refused = replicas.add();
    let refused = &replicas.all[refused];
    wait_until("a complaint", || {
        let ready = refused.ready().1.to_string();
        ready.contains("WRONGPASS")
            || ready.contains("AuthenticationFailed")
            || ready.to_lowercase().contains("password")
    });
    assert_eq!(refused.verdict(&replicas.alice()), "503");
    assert!(!refused.log.lock().unwrap().contains(PASSWORD));
    assert!(!refused.ready().1.to_string().contains(PASSWORD));
}

#[test]
fn a_ring_that_is_put_back_brings_back_no_key_that_was_taken_out() {
    let redis = RedisServer::start();
    let replicas = Replicas::start(2, &store(&redis.url(), ""));
    let [one, two] = &replicas.all[..] else { panic!() };
    wait_until("four keys", || one.published().len() == 4 && two.published() == one.published());
    let stolen = super::sharing::kid_of(&one.issued(&replicas.alice(), ORDERS_API));
    let ring = "{tessera}:signing-keys";
    redis.command(&["COPY", ring, "old"]);
    let order = |path: &str, fields: &[(&str, &str)]| {
        let answer = Request::form(path, fields).send(one.admin);
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    order("/keys/retire", &[("kid", &stolen)]);
    // Only what a replica was told of can it hold on to: before that, an older ring is all it knows.
    wait_until("the order everywhere", || !two.published().contains(&stolen));
    for _ in 0..5 {
        // Whatever is done to the ring is done to the one that we know.
        redis.command(&["COPY", "old", ring, "REPLACE"]);
        order("/keys/rotate", &[("algorithm", "RS256")]);
        for replica in &replicas.all {
            assert!(!replica.published().contains(&stolen));
        }
    }
    redis.command(&["SET", ring, "junk"]);
    let kept = || redis.command(&["STRLEN", ring]).int() > 100;
    wait_until("the ring being kept again", kept);
    wait_until("agreement", || one.published() == two.published());
    assert_eq!(two.verdict(&one.issued(&replicas.alice(), ORDERS_API)), "active");
}
