//! RFC 9701: the answer as a JWT, signed for the one who asked (JIR-01…JIR-14).
//!
//! Not built: encryption (JIR-10).

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tessera::protocol::jwk::{KeySet, KeyUse};
use tessera::protocol::jws::UnverifiedJwt;

use crate::support::{Answer, BILLING_GATEWAY, ISSUER, Request, START, TYK, World};

fn part(token: &str, number: usize) -> Value {
    let text = token.split('.').nth(number).expect("three parts");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// The header of a signed answer, as it stands.
pub(crate) fn header(token: &str) -> Value {
    part(token, 0)
}

/// The claims of a signed answer, as they stand.
pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

fn ask(world: &World, client: (&str, &str), token: &str) -> Answer {
    Request::introspect(&[("token", token)]).basic(client).signed().send(world.public)
}

#[test]
pub(crate) fn jir_03_jir_04_jir_06_an_answer_is_signed_for_the_one_who_asked() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let plain = world.introspect(&token).json();
    let answer = ask(&world, TYK, &token);
    answer.assert_clean();
    assert_eq!(answer.header("content-type"), Some("application/token-introspection+jwt"));
    let jwt = answer.text();
    let keys = Request::get("/jwks").send(world.public);
    assert_eq!(keys.header("content-type"), Some("application/jwk-set+json"));
    let keys = KeySet::parse(keys.bytes(), KeyUse::Client).unwrap();
    let read = UnverifiedJwt::parse(&jwt).unwrap();
    let kid = read.header().kid.clone();
    let key = keys.keys().iter().find(|key| key.kid() == kid.as_deref()).expect("published");
    read.verify(Arc::clone(key)).expect("a good signature");
    let header = part(&jwt, 0);
    assert_eq!(header["typ"], "token-introspection+jwt", "JIR-03");
    assert_eq!(header["alg"], "RS256", "JIR-09");
    let expected = json!({
        "iss": ISSUER, "aud": TYK.0, "iat": START.seconds(), "token_introspection": plain,
    });
    assert_eq!(claims(&jwt), expected, "JIR-04, JIR-06, A243");
}

#[test]
pub(crate) fn jir_05_jir_08_a_refusal_says_nothing_more_when_signed() {
    let world = World::start();
    let (orders, billing) = (world.sign(&world.alice()), world.sign(&world.alice_v1()));
    let inactive = json!({ "active": false });
    assert_eq!(claims(&ask(&world, TYK, "x").text())["token_introspection"], inactive, "JIR-05");
    let foreign = ask(&world, BILLING_GATEWAY, &orders);
    assert_eq!(claims(&foreign.text())["token_introspection"], inactive, "JIR-08");
    assert_eq!(claims(&foreign.text())["aud"], BILLING_GATEWAY.0, "JIR-04");
    let own = ask(&world, BILLING_GATEWAY, &billing);
    assert_eq!(claims(&own.text())["token_introspection"]["active"], true);
}

#[test]
pub(crate) fn jir_01_json_is_given_to_all_who_do_not_ask() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let request = Request::introspect(&[("token", &token)]).basic(TYK);
    for accept in
        ["*/*", "application/json", "text/html", "application/token-introspection+jwt;q=0"]
    {
        let answer = request.clone().header("Accept", accept).send(world.public);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{accept}");
    }
}

#[test]
pub(crate) fn jir_02_who_does_not_authenticate_gets_400() {
    let world = World::start();
    let nobody = Request::introspect(&[("token", "x")]).signed().send(world.public);
    nobody.assert_error(400, "invalid_client");
    let wrong = ask(&world, (TYK.0, "wrong"), "x");
    wrong.assert_error(401, "invalid_client");
}

#[test]
pub(crate) fn jir_14_errors_stay_json() {
    let world = World::start();
    let empty = Request::introspect(&[]).basic(TYK).signed().send(world.public);
    empty.assert_error(400, "invalid_request");
}
