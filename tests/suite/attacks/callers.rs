//! §14.9: whoever is not let in is told of once, whatever was wrong, and cannot fill the log.

use std::net::Ipv4Addr;

use tessera::dev::apps::{INVOICE_AGENT, TESSERA};
use tessera::dev::people::HOME_TENANT;
use tessera::dev::token::TokenBuilder;
use tessera::protocol::client_auth::JWT_BEARER;

use super::places::elsewhere;
use super::sightings::{Asked, assert_told_once};
use crate::exchange::fields;
use crate::support::{ISSUER, ORDERS_API, Request, SIGNER, START, TYK, World, assertion_key, logs};

const ENDPOINTS: [&str; 3] = ["/introspect", "/token", "/revoke"];

/// A request that would be good but for who asks.
fn request(endpoint: &str, alice: &str, more: &[(&str, &str)]) -> Request {
    let token = if endpoint == "/introspect" { alice } else { "x" };
    let asked = [fields(alice, ORDERS_API), vec![("token", token)], more.to_vec()].concat();
    Request::form(endpoint, &asked)
}

/// Ways to fail to say who one is, with the secret or token that came with each.
fn failures(endpoint: &str, alice: &str) -> Vec<(&'static str, String, Request)> {
    let assertion = TokenBuilder::client_assertion(SIGNER, ISSUER, endpoint, START);
    let assertion = assertion.sign(&assertion_key()).unwrap();
    let guessed = "a-secret-that-nobody-was-ever-given-77d1";
    let of = |more: &[(&str, &str)]| request(endpoint, alice, more);
    let header = |value: &str| of(&[]).header("Authorization", value);
    let post = |id| of(&[("client_id", id), ("client_secret", guessed)]);
    let (token, kind) = (("client_assertion", &*assertion), ("client_assertion_type", JWT_BEARER));
    let spiffe = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
    let requests = [
        ("A201 unknown client", of(&[]).basic(("nobody-here", guessed))),
        ("A201 wrong secret", of(&[]).basic((TYK.0, guessed))),
        ("A201 unknown client, in the body", post("nobody-here")),
        ("A201 wrong secret, in the body", post(TYK.0)),
        ("A202 nothing after the scheme", header("Basic")),
        ("A202 no base64", header(&format!("Basic {guessed}!!!"))),
        ("A202 no colon", header("Basic Zm9vZm9vZm9vZm9vZm9vZm9vZm9v")),
        ("A202 no UTF-8", header("Basic /zo/")),
        ("A202 another scheme", header(&format!("Digest {guessed}"))),
        ("A202 no token", header("Bearer")),
        ("A205 Basic beside an assertion", of(&[token, kind]).basic(TYK)),
        ("A205 a secret beside an assertion", of(&[token, kind, ("client_secret", guessed)])),
        ("A207 another client's assertion", of(&[token, kind, ("client_id", TYK.0)])),
        ("A212 no type", of(&[token])),
        ("A212 no assertion", of(&[kind])),
        ("A212 another type", of(&[token, ("client_assertion_type", spiffe)])),
        ("A233 a person's token", header(&format!("Bearer {alice}"))),
    ];
    let secret = |what: &str| match what {
        what if what.contains("assertion") || what.starts_with("A212") => assertion.clone(),
        what if what.starts_with("A233") => alice.to_owned(),
        _ => guessed.to_owned(),
    };
    requests.into_iter().map(|(what, request)| (what, secret(what), request)).collect()
}

#[test]
fn a201_a202_a205_a207_a212_a233_whoever_is_not_let_in_is_told_of_once() {
    let world = World::start();
    let (alice, asked) = (world.sign(&world.alice()), Asked::now(&world));
    for endpoint in ENDPOINTS {
        for (what, secret, request) in failures(endpoint, &alice) {
            let (what, name) = (format!("{endpoint}: {what}"), logs::watched());
            let request = request.header("X-Request-Id", &name);
            let answer = request.send_from(elsewhere(), world.public);
            answer.assert_clean();
            assert_eq!(answer.status, 401, "{what}: {answer:?}");
            assert_told_once(&what, &logs::about(&name), &secret, true);
            let good = self::request(endpoint, &alice, &[]).basic(TYK).send(world.public);
            assert_eq!(good.status, 200, "{what}: {good:?}");
        }
    }
    asked.assert_no_more_than(0, "callers", &world);
    // The token in question vouches for whoever asks about it.
    let agent = world.entra.issuer(HOME_TENANT).app_only(&INVOICE_AGENT, &TESSERA);
    let (agent, name) = (world.sign(&agent), logs::watched());
    let itself = Request::introspect(&[("token", &agent)]).bearer(&agent);
    let answer = itself.header("X-Request-Id", &name).send_from(elsewhere(), world.public);
    answer.assert_error(401, "invalid_token");
    assert_told_once("A233", &logs::about(&name), &agent, true);
}

#[test]
fn a231_a202_nonsense_is_slowed_like_guesses_and_fills_no_log() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let (from, name) = (elsewhere(), logs::watched());
    let nonsense = |from: Ipv4Addr| {
        let request = request("/introspect", &alice, &[]).header("Authorization", "Basic ?");
        request.header("X-Request-Id", &name).send_from(from, world.public)
    };
    let answers: Vec<_> = (0..50).map(|_| nonsense(from).status).collect();
    assert_eq!(answers[0], 401);
    assert_eq!(answers[49], 429, "A231: {answers:?}");
    assert!(logs::about(&name).len() <= 10, "a line for each that was answered, and no more");
    assert_eq!(nonsense(elsewhere()).status, 401, "another address is not to blame");
    let good = request("/introspect", &alice, &[]).basic(TYK);
    assert!(good.send_from(from, world.public).is_active(), "nor is a client at the same one");
}
