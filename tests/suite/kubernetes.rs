//! Agents that run in Kubernetes call with the token of their service account (standards §5.6).
//!
//! The look-alike's own key set stands in for the cluster's: it can be rotated and broken.

use serde_json::json;
use tessera::dev::cluster::{Account, ROBOT, token};
use tessera::dev::keys::SigningKey;
use tessera::dev::people::HOME_TENANT;
use tessera::dev::tenant::OldKey;
use tessera::dev::token::TokenBuilder;
use tessera::ports::Clock as _;
use tessera::protocol::client_auth::JWT_BEARER;
use tessera::protocol::time::Seconds;

use crate::exchange::{JWT, fields};
use crate::signed_answers::claims;
use crate::support::{Answer, ISSUER, ORDERS_API, Request, TYK, World, eventually};

/// The issuer of the cluster.
pub(crate) const CLUSTER: &str = "https://cluster.example/id";

/// With a cluster whose keys are at `place` below the look-alike, and the robot as a client of it.
fn configured(text: &str, place: &str) -> String {
    let authority = text.lines().find_map(|line| line.trim().strip_prefix("authority: ")).unwrap();
    let Account { namespace, name, uid } = ROBOT;
    let orders = tessera::dev::apps::ORDERS.client_id;
    let robot = format!(
        "clients:\n  robot:\n    kubernetes: {{ cluster: prod, namespace: {namespace}, \
         service_account: {name}, uid: {uid} }}\n    introspect: {{ audiences: [{orders}] }}\n    \
         exchange: [{{ resource: \"{ORDERS_API}\", scopes: [orders.read], subjects: [user] }}]\n"
    );
    let cluster = format!(
        "clusters:\n  prod: {{ issuer: \"{CLUSTER}\", jwks_uri: \"{authority}{place}\" }}\n"
    );
    text.replace("clients:\n", &format!("{cluster}{robot}"))
        .replace("callers: [tyk, orders-api", "callers: [robot, tyk, orders-api")
        .replace("actors: [invoice-agent", "actors: [robot, invoice-agent")
}

/// With a cluster that signs by the look-alike's keys.
pub(crate) fn world() -> World {
    World::configured(|text| configured(text, &format!("/{HOME_TENANT}/discovery/v2.0/keys")))
}

fn robot(world: &World) -> TokenBuilder {
    token(CLUSTER, &ROBOT, ISSUER, world.clock.now())
}

fn call(world: &World, assertion: &str, more: &[(&str, &str)]) -> Answer {
    let alice = world.sign(&world.alice());
    let own = [
        ("token", alice.as_str()),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion),
    ];
    Request::introspect(&[&own, more].concat()).send(world.public)
}

#[test]
fn a_service_account_calls_with_its_token_as_often_as_it_likes() {
    let world = world();
    let own = world.sign(&robot(&world));
    for more in [vec![], vec![], vec![("client_id", "robot")]] {
        let answer = call(&world, &own, &more);
        assert!(answer.is_active(), "A209: reuse is allowed {answer:?}");
    }
    call(&world, &own, &[("client_id", "tyk")]).assert_error(401, "invalid_client");
    let alice = world.sign(&world.alice());
    let asked = [
        fields(&alice, ORDERS_API),
        vec![("client_assertion_type", JWT_BEARER), ("client_assertion", own.as_str())],
    ];
    let answer = Request::form("/token", &asked.concat()).send(world.public);
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = claims(answer.json()["access_token"].as_str().unwrap());
    assert_eq!(said["act"], json!({ "iss": ISSUER, "sub": "robot" }));
}

#[test]
fn a_gateway_presents_an_agents_account_as_the_actor() {
    let world = world();
    let (alice, own) = (world.sign(&world.alice()), world.sign(&robot(&world)));
    let asked =
        [fields(&alice, ORDERS_API), vec![("actor_token", &own), ("actor_token_type", JWT)]];
    let said = claims(&crate::exchange::token(&world, TYK, &asked.concat()));
    assert_eq!((&said["act_sub"], &said["client_id"]), (&json!("robot"), &json!("tyk")));
}

#[test]
fn whatever_is_not_the_accounts_own_token_for_us_lets_nobody_in() {
    let world = world();
    let now = world.clock_at(0);
    let other = |uid: &'static str, namespace: &'static str| {
        token(CLUSTER, &Account { uid, namespace, ..ROBOT }, ISSUER, world.clock.now())
    };
    for (wrong, token) in [
        ("uid", other("00000000-0000-4000-8000-000000000009", ROBOT.namespace)),
        ("namespace", other(ROBOT.uid, "default")),
        ("audience", robot(&world).claim("aud", json!([ISSUER, "https://kubernetes.default.svc"]))),
        ("API server", robot(&world).claim("aud", "https://kubernetes.default.svc")),
        ("lifetime", robot(&world).claim("exp", now + 86_401)),
        ("expired", robot(&world).claim("exp", now - 61).claim("iat", now - 3600)),
        ("issuer", robot(&world).claim("iss", "https://other.example")),
        ("kid", robot(&world).header("kid", "unknown")),
        ("no kid", robot(&world).without_header("kid")),
    ] {
        let answer = call(&world, &world.sign(&token), &[]);
        assert_eq!(answer.status, 401, "{wrong} {answer:?}");
        answer.assert_error(401, "invalid_client");
    }
    let stranger = SigningKey::pooled("stranger").unwrap();
    let forged = stranger.named(world.entra.signing_key().kid());
    call(&world, &robot(&world).sign(&forged).unwrap(), &[]).assert_error(401, "invalid_client");
    world.clock.advance(Seconds::minutes(10));
    assert!(call(&world, &world.sign(&robot(&world)), &[]).is_active(), "and it still may call");
}

#[test]
fn rotated_keys_are_taken_up_and_missing_ones_are_no_refusal() {
    let world = world();
    assert!(call(&world, &world.sign(&robot(&world)), &[]).is_active());
    world.entra.rotate(OldKey::Dropped).unwrap();
    assert!(call(&world, &world.sign(&robot(&world)), &[]).is_active(), "an unknown kid asks once");
    let broken = World::configured(|text| configured(text, "/nowhere"));
    let answer = call(&broken, &broken.sign(&robot(&broken)), &[]);
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(broken.readiness(), 200, "a cluster's keys let few in, and shut nobody out");
    broken.assert_active(&broken.sign(&broken.alice()));
    eventually("a report about it", || {
        broken
            .metrics()
            .contains("tessera_key_set_trusted{issuer=\"prod\",version=\"kubernetes\"} 0")
    });
}
