//! The keys that sign what we issue: no token is unverifiable because of a rotation.

use std::sync::Arc;

use serde_json::Value;
use tessera::protocol::jwk::{KeySet, KeyUse};
use tessera::protocol::jws::UnverifiedJwt;
use tessera::protocol::time::Seconds;

use crate::cli::{Folder, run, text};
use crate::exchange::{fields, token};
use crate::signed_answers::header;
use crate::support::{ORDERS_API, PLAIN_API, Request, TYK, World, eventually};

fn published(world: &World) -> Value {
    let answer = Request::get("/jwks").send(world.public);
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    answer.json()
}

/// Whether the token verifies by what is published now.
fn verifies(world: &World, token: &str) -> bool {
    let document = published(world).to_string();
    let keys = KeySet::parse(document.as_bytes(), KeyUse::Client).unwrap();
    let jwt = UnverifiedJwt::parse(token).unwrap();
    let named = keys.keys().iter().find(|key| key.kid() == jwt.header().kid.as_deref());
    let key = named.map(Arc::clone);
    key.is_some_and(|key| jwt.verify(key).is_ok())
}

fn states(world: &World, state: &str) -> Vec<String> {
    let keys = Request::get("/keys").send(world.admin).json();
    let keys = keys["keys"].as_array().unwrap().clone();
    let named = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    keys.iter().filter(|key| key["state"] == state).map(named).collect()
}

fn next_are_made(world: &World) {
    eventually("the next keys", || states(world, "next").len() == 2);
}

#[test]
fn the_next_key_is_published_ahead_and_the_retired_one_kept_while_its_tokens_live() {
    let world = World::start();
    next_are_made(&world);
    let (old, coming) = (states(&world, "active"), states(&world, "next"));
    let listed = published(&world)["keys"].as_array().unwrap().len();
    assert_eq!(listed, 4, "of each algorithm the present and the next key");
    world.clock.advance(Seconds::hours(720));
    eventually("rotation by schedule", || states(&world, "active") == coming);
    next_are_made(&world);
    assert_eq!(states(&world, "retired"), old);
    let alice = world.sign(&world.alice());
    let fresh = token(&world, TYK, &fields(&alice, ORDERS_API));
    assert!(coming.contains(&header(&fresh)["kid"].as_str().unwrap().to_owned()));
    assert!(verifies(&world, &fresh));
    world.clock.advance(Seconds::hours(2));
    eventually("the retired keys are gone", || states(&world, "retired").is_empty());
}

#[test]
fn an_order_to_rotate_waits_until_gateways_can_have_seen_the_key() {
    let world = World::start();
    next_are_made(&world);
    let alice = world.sign(&world.alice());
    let issued = token(&world, TYK, &fields(&alice, ORDERS_API));
    let order = || Request::form("/keys/rotate", &[("algorithm", "ES256")]).send(world.admin);
    assert_eq!(order().json()["rotations"][0]["rotated"], false);
    world.clock.advance(Seconds::hours(24));
    let alice = world.sign(&world.alice());
    let between = token(&world, TYK, &fields(&alice, ORDERS_API));
    eventually("the ordered rotation", || states(&world, "retired").len() == 1);
    assert!(verifies(&world, &issued) && verifies(&world, &between));
    world.assert_active(&between);
    let after = token(&world, TYK, &fields(&alice, ORDERS_API));
    assert_ne!(header(&after)["kid"], header(&issued)["kid"]);
    assert!(verifies(&world, &after));
    let wrong = Request::form("/keys/rotate", &[("algorithm", "none")]).send(world.admin);
    wrong.assert_error(400, "invalid_request");
}

#[test]
fn a_key_that_others_may_hold_leaves_at_once_and_its_tokens_end() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let (elliptic, by_rsa) = (
        token(&world, TYK, &fields(&alice, ORDERS_API)),
        token(&world, TYK, &fields(&alice, PLAIN_API)),
    );
    world.assert_active(&elliptic);
    let kid = header(&elliptic)["kid"].as_str().unwrap().to_owned();
    let retire = |kid: &str| Request::form("/keys/retire", &[("kid", kid)]).send(world.admin);
    assert_eq!(retire(&kid).status, 200);
    assert!(!published(&world).to_string().contains(&kid));
    world.introspect(&elliptic).assert_inactive();
    world.assert_active(&by_rsa);
    world.assert_active(&token(&world, TYK, &fields(&alice, ORDERS_API)));
    retire(&kid).assert_error(404, "not_found");
}

const SEAL: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn kept_in(folder: &Folder) -> impl Fn(&str) -> String + '_ {
    move |text| {
        let path = folder.path();
        format!("{text}store: {{ sealing_key: \"{SEAL}\" }}\nsigning: {{ folder: {path} }}\n")
    }
}

#[test]
fn keys_in_a_folder_survive_a_restart_and_are_sealed() {
    let folder = Folder::new("keys");
    let world = World::configured(kept_in(&folder));
    let alice = world.sign(&world.alice());
    let issued = token(&world, TYK, &fields(&alice, ORDERS_API));
    let before = published(&world);
    drop(world);
    let world = World::configured(kept_in(&folder));
    assert!(verifies(&world, &issued));
    world.assert_active(&issued);
    assert_eq!(published(&world)["keys"][0], before["keys"][0]);
    for revoked in [&issued, &alice] {
        Request::form("/revocations", &[("token", revoked)]).send(world.admin);
    }
    drop(world);
    let world = World::configured(kept_in(&folder));
    for revoked in [&issued, &alice] {
        world.introspect(revoked).assert_inactive();
    }
    world.assert_active(&world.sign(&world.alice()));
    let sealed = std::fs::read(format!("{}/signing-keys.sealed", folder.path())).unwrap();
    let text = String::from_utf8_lossy(&sealed).into_owned();
    assert!(!text.contains("pkcs8") && !text.contains("kid"), "sealed");
}

#[test]
fn the_command_rotates_the_keys_of_a_running_service() {
    let folder = Folder::new("keys-command");
    let world = World::configured(kept_in(&folder));
    next_are_made(&world);
    let file = folder.file("tessera.yaml", &kept_config(&folder));
    let list = run(&["keys", "list", "--json", "--config", &file]);
    let list: Value = serde_json::from_str(&text(&list.stdout)).unwrap();
    assert_eq!(list["keys"].as_array().unwrap().len(), 4);
    let kid = list["keys"][0]["kid"].as_str().unwrap().to_owned();
    assert_eq!(list["keys"][0]["state"], "active");
    let retired = run(&["keys", "retire", "--config", &file, &kid]);
    assert_eq!(retired.status.code(), Some(0), "{}", text(&retired.stderr));
    eventually("the service takes it up", || !published(&world).to_string().contains(&kid));
    let again = run(&["keys", "retire", "--config", &file, &kid]);
    assert_eq!(again.status.code(), Some(2), "{}", text(&again.stderr));
    let rotated = run(&["keys", "rotate", "--config", &file]);
    assert!(text(&rotated.stdout).contains("ES256: "), "{}", text(&rotated.stderr));
}

/// A file for the commands, with the sealing key by reference as it must be.
fn kept_config(folder: &Folder) -> String {
    let seal = folder.file("seal", SEAL);
    let own = tessera::dev::configuration::for_orders("http://127.0.0.1:1");
    let path = folder.path();
    format!("{own}store: {{ sealing_key: \"${{file:{seal}}}\" }}\nsigning: {{ folder: {path} }}\n")
}

#[test]
fn a_file_that_does_not_open_stops_the_start_and_is_left_alone() {
    let folder = Folder::new("keys-damaged");
    drop(World::configured(kept_in(&folder)));
    let path = format!("{}/signing-keys.sealed", folder.path());
    let good = std::fs::read(&path).unwrap();
    let mut altered = good.clone();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    let file = folder.file("tessera.yaml", &kept_config(&folder));
    for (bytes, seal) in [(altered, None), (good, Some("f".repeat(64)))] {
        std::fs::write(&path, &bytes).unwrap();
        if let Some(seal) = seal {
            folder.file("seal", &seal);
        }
        let listed = run(&["keys", "list", "--config", &file]);
        assert_eq!(listed.status.code(), Some(1));
        let said = text(&listed.stderr);
        assert!(said.contains("opens it") && said.contains("signing-keys.sealed"), "{said}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "never overwritten");
    }
}
