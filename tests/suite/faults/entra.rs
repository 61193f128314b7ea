//! Entra slow, or telling what must not be believed.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tessera::dev::faults::{Fault, Surface};
use tessera::dev::keys::SigningKey;
use tessera::dev::people::{HOME_TENANT, PARTNER_TENANT};
use tessera::dev::tenant::OldKey;
use tessera::domain::tenant::TokenVersion;
use tessera::protocol::jwk::MAX_KEYS;
use tessera::protocol::time::Seconds;

use crate::exchange::{ask, fields};
use crate::support::{Answer, ORDERS_API, TYK, World, eventually};

/// Longest that anybody is kept waiting, on a busy machine.
const SLOWEST: Duration = Duration::from_secs(8);

/// One metric of the v2 issuer of the home tenant.
fn of_issuer(world: &World, name: &str) -> u64 {
    world.metric(&format!("{name}{{issuer=\"{HOME_TENANT}\",version=\"2.0\"}}"))
}

fn lie(value: &Value) -> Fault {
    Fault::Garbage(value.to_string().into())
}

/// The v2 discovery document of the home tenant, with one member changed.
fn document(world: &World, member: &str, value: &str) -> Fault {
    let base = world.entra.authority();
    let mut document = json!({
        "issuer": format!("{base}/{HOME_TENANT}/v2.0"),
        "jwks_uri": format!("{base}/{HOME_TENANT}/discovery/v2.0/keys"),
        "authorization_endpoint": format!("{base}/authorize"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    document[member] = value.into();
    lie(&document)
}

/// The keys as they are, behind others.
fn keys_behind(world: &World, others: Vec<Value>) -> Fault {
    let mut set = world.entra.key_set(HOME_TENANT, TokenVersion::V2).unwrap();
    let keys = set["keys"].as_array_mut().unwrap();
    keys.splice(0..0, others);
    lie(&set)
}

/// A key of somebody else, under `kid`.
fn stranger(world: &World, kid: &str) -> Value {
    let issuer = format!("{}/{HOME_TENANT}/v2.0", world.entra.authority());
    SigningKey::pooled("stranger").unwrap().named(kid).entra_jwk(&issuer)
}

#[test]
fn a251_what_entra_must_not_say_changes_nothing_and_is_counted() {
    let world = World::start();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    nobody.set_nonblocking(true).unwrap();
    let elsewhere = format!("http://{}/keys", nobody.local_addr().unwrap());
    let kid = world.entra.signing_key().kid().to_owned();
    let base = world.entra.authority().to_owned();
    let many = (0..MAX_KEYS).map(|number| stranger(&world, &format!("key-{number}"))).collect();
    let huge = (0..10_000).map(|number| stranger(&world, &format!("key-{number}"))).collect();
    let lies = [
        (Surface::Discovery, document(&world, "issuer", &format!("{base}/{PARTNER_TENANT}/v2.0"))),
        (Surface::Discovery, document(&world, "issuer", "https://sts.example.com")),
        (Surface::Discovery, document(&world, "jwks_uri", &elsewhere)),
        (Surface::Discovery, document(&world, "jwks_uri", "file:///etc/passwd")),
        (Surface::Discovery, Fault::Redirect(elsewhere.clone())),
        (Surface::Discovery, Fault::WrongContentType),
        (Surface::Keys, Fault::Redirect(elsewhere)),
        (Surface::Keys, keys_behind(&world, vec![stranger(&world, &kid)])),
        (Surface::Keys, keys_behind(&world, many)),
        (Surface::Keys, keys_behind(&world, huge)),
    ];
    for (surface, lie) in lies {
        let told = format!("{surface:?} {lie:.200?}");
        let good = matches!(lie, Fault::WrongContentType);
        world.entra.set_fault(surface, lie);
        let before = world.entra.requests(surface);
        world.clock.advance(Seconds::minutes(61));
        eventually("a refresh", || world.entra.requests(surface) >= before + 2);
        if !good {
            eventually("a failure", || of_issuer(&world, "tessera_key_set_failures") > 0);
        }
        // Nobody who is asked elsewhere has a say, and no key of theirs signs anything.
        world.assert_active(&world.sign(&world.alice()));
        let forged = SigningKey::pooled("stranger").unwrap().named(&kid);
        world.introspect(&world.alice().sign(&forged).unwrap()).assert_inactive();
        assert_eq!(of_issuer(&world, "tessera_key_set_trusted"), 1, "{told}");
        assert_eq!(world.readiness(), 200, "{told}");
        world.entra.heal();
        eventually("recovery", || {
            world.clock.advance(Seconds::minutes(1));
            of_issuer(&world, "tessera_key_set_failures") == 0
        });
    }
    assert_eq!(nobody.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody else was asked");
}

#[test]
fn the_same_key_twice_is_one_key() {
    let world = World::start();
    let issuer = format!("{}/{HOME_TENANT}/v2.0", world.entra.authority());
    let again = world.entra.signing_key().entra_jwk(&issuer);
    let unusable = json!({ "kty": "oct", "kid": world.entra.signing_key().kid(), "k": "AAAA" });
    world.entra.set_fault(Surface::Keys, keys_behind(&world, vec![unusable, again]));
    let before = world.entra.requests(Surface::Keys);
    world.clock.advance(Seconds::minutes(61));
    eventually("a refresh", || world.entra.requests(Surface::Keys) >= before + 2);
    eventually("the set", || of_issuer(&world, "tessera_key_set_keys") == 2);
    world.assert_active(&world.sign(&world.alice()));
}

#[test]
fn nobody_waits_for_long_when_entra_is_slow_and_known_tokens_do_not_wait_at_all() {
    let world = &World::start();
    let known = world.sign(&world.alice());
    world.assert_active(&known);
    world.entra.rotate(OldKey::Kept).unwrap();
    world.entra.set_fault(Surface::Keys, Fault::Hang);
    let by_new_key = &world.sign(&world.alice());
    thread::scope(|scope| {
        let timed = |ask: &dyn Fn() -> Answer| {
            let begun = Instant::now();
            (ask().status, begun.elapsed())
        };
        let introspects = scope.spawn(move || timed(&|| world.introspect(by_new_key)));
        let exchanges =
            scope.spawn(move || timed(&|| ask(world, TYK, &fields(by_new_key, ORDERS_API))));
        for _ in 0..50 {
            let begun = Instant::now();
            assert!(world.introspect(&known).is_active());
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        }
        for waited in [introspects, exchanges] {
            let (status, time) = waited.join().unwrap();
            assert_eq!(status, 503, "INT-28: it may well be good");
            assert!(time < SLOWEST, "{time:?}");
        }
    });
    assert_eq!(of_issuer(world, "tessera_key_set_trusted"), 1);
    // What was asked for comes at last, and is there for whoever asks next.
    world.entra.heal();
    eventually("the new key", || {
        world.clock.advance(Seconds::new(1));
        world.introspect(&world.sign(&world.alice())).is_active()
    });
}

#[test]
fn without_keys_a_slow_entra_is_503_in_time_and_then_ready() {
    let world = World::start();
    world.entra.set_fault(Surface::Discovery, Fault::Hang);
    world.clock.advance(Seconds::hours(25));
    let token = world.sign(&world.alice());
    assert_eq!(world.readiness(), 503);
    assert_eq!(of_issuer(&world, "tessera_key_set_trusted"), 0);
    let begun = Instant::now();
    world.introspect(&token).assert_error(503, "temporarily_unavailable");
    assert!(begun.elapsed() < SLOWEST, "{:?}", begun.elapsed());
    world.entra.heal();
    eventually("readiness", || {
        world.clock.advance(Seconds::new(1));
        world.readiness() == 200
    });
    world.assert_active(&world.sign(&world.alice()));
}
