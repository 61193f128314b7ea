//! RFC 7662, requirement by requirement (INT-01…INT-30).
//!
//! INT-06 (TLS) is the ingress's. INT-08, INT-20 and INT-21 are also in `attacks::audience`, INT-24
//! in `client_authentication`: wrong credentials are slowed; tokens are signed and cannot be guessed.

use serde_json::{Value, json};
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::faults::{Fault, Surface};
use tessera::dev::people::HOME_TENANT;

use crate::support::{NOBODY, Request, SIGNER, START, TYK, World};

#[test]
fn int_01_int_12_int_26_a_form_gets_one_json_object() {
    let world = World::start();
    let answer = world.introspect(&world.sign(&world.alice()));
    answer.assert_clean();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.json()["active"], Value::Bool(true), "INT-12");
}

#[test]
fn int_02_the_token_is_required() {
    let world = World::start();
    for body in ["", "token=", "token", "Token=x", "a=1"] {
        let request = Request::body("/introspect", body).basic(TYK);
        request.send(world.public).assert_error(400, "invalid_request");
    }
}

#[test]
fn int_03_int_04_hints_and_unknown_parameters_change_nothing() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let plain = world.introspect(&token);
    for extra in [
        "token_type_hint=access_token",
        "token_type_hint=refresh_token",
        "token_type_hint=xyz",
        "x=y",
    ] {
        let body = format!("token={token}&{extra}");
        let answer = Request::body("/introspect", body).basic(TYK).send(world.public);
        assert_eq!(answer.bytes(), plain.bytes(), "{extra}");
    }
}

#[test]
fn int_07_int_09_int_10_callers_prove_who_they_are() {
    let world = World::start();
    Request::introspect(&[("token", "x")]).send(world.public).assert_error(401, "invalid_client");
    let wrong = Request::introspect(&[("token", "x")]).basic((TYK.0, "wrong"));
    wrong.send(world.public).assert_error(401, "invalid_client");
    let wrong = Request::introspect(&[("token", "x")]).bearer("wrong");
    wrong.send(world.public).assert_error(401, "invalid_token");
}

#[test]
fn int_08_int_11_int_13_int_29_every_refusal_is_one_and_the_same() {
    let world = World::start();
    let good = world.sign(&world.alice());
    world.introspect_as(NOBODY, &good).assert_inactive();
    let tokens = [
        "x".to_owned(),
        format!("{good}x"),
        world.sign(&world.alice().claim("exp", START.seconds() - 61)),
        world.sign(&world.alice().claim("aud", "other")),
        world.sign(&world.alice().claim("iss", "https://other.example")),
        world.sign(&world.alice().without("oid")),
    ];
    let names = |token: &str| {
        let answer = world.introspect(token);
        answer.assert_inactive();
        answer.names()
    };
    let first = names(&tokens[0]);
    for token in &tokens {
        assert_eq!(names(token), first, "INT-29: the same headers");
        assert_eq!(names(token), first, "INT-29: and again, remembered");
    }
}

#[test]
fn int_14_int_15_int_16_int_17_members_have_their_types() {
    let world = World::start();
    let token = world.alice().claim("iat", 1_795_435_200.9).claim("exp", 1_795_436_000.9);
    let body = world.assert_active(&world.sign(&token.claim("nbf", 1_795_435_199.1)));
    assert_eq!(body["exp"], json!(1_795_436_000), "INT-14: floored");
    assert_eq!(body["iat"], json!(1_795_435_200), "INT-14: floored");
    assert_eq!(body["nbf"], json!(1_795_435_200), "INT-14: rounded up");
    assert_eq!(body["scope"], "orders.read orders.write orders.export", "INT-15");
    for member in ["iss", "sub", "aud", "client_id", "jti", "token_type", "tenant", "principal"] {
        assert!(body[member].is_string(), "INT-16 {member}");
    }
    assert_eq!(body["token_type"], "Bearer", "INT-17");
}

#[test]
fn int_18_the_context_has_exactly_these_members() {
    let world = World::start();
    let body = world.assert_active(&world.sign(&world.alice()));
    let mut members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    let expected = [
        "active",
        "aud",
        "client_id",
        "exp",
        "groups",
        "iat",
        "identity",
        "iss",
        "jti",
        "nbf",
        "policies",
        "principal",
        "principal_type",
        "roles",
        "scope",
        "sub",
        "tenant",
        "token_type",
    ];
    assert_eq!(members, expected);
    assert_eq!(body["iss"], format!("{}/{HOME_TENANT}/v2.0", world.entra.authority()));
    assert_eq!(
        (&body["aud"], &body["client_id"]),
        (&json!(ORDERS.client_id), &json!(PORTAL.client_id))
    );
    assert_eq!(body["policies"], json!(["gold", "approvals"]));
    assert_eq!(body["roles"], json!(["Orders.Approver", "approver"]));
    assert_eq!(body["identity"]["grants"], json!(["gold-customers", "approvers"]));
    assert_eq!(body["identity"]["principal"], body["principal"]);
}

#[test]
fn int_19_int_23_an_answer_ends_with_its_token() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let expires = world.assert_active(&token)["exp"].as_i64().unwrap();
    let at = |seconds| world.clock.set(tessera::protocol::time::UnixTime::from_seconds(seconds));
    at(expires - 1);
    world.assert_active(&token);
    at(expires + 60);
    world.introspect(&token).assert_inactive();
}

#[test]
fn int_22_personal_data_is_released_by_name_only() {
    let world = World::start();
    let token = world.sign(&world.alice().claim("email", "alice@contoso.example"));
    let body = world.assert_active(&token);
    for member in ["username", "email", "name"] {
        assert!(body.get(member).is_none(), "INT-22, A255 {member}");
    }
    assert!(!body.to_string().contains("alice@"), "INT-22");
    let assertion = tessera::dev::token::TokenBuilder::client_assertion(
        SIGNER,
        crate::support::ISSUER,
        "1",
        START,
    );
    let assertion = assertion.sign(&crate::support::assertion_key()).unwrap();
    let fields = [
        ("token", token.as_str()),
        ("client_assertion", &assertion),
        ("client_assertion_type", tessera::protocol::client_auth::JWT_BEARER),
    ];
    let body = Request::introspect(&fields).send(world.public).json();
    assert_eq!(body["username"], "alice@contoso.example");
    assert_eq!(body["email"], "alice@contoso.example");
    assert_eq!(body["name"], "Alice Example");
}

#[test]
fn int_25_no_answer_may_be_cached() {
    let world = World::start();
    for request in [
        Request::introspect(&[("token", "x")]).basic(TYK),
        Request::introspect(&[("token", "x")]),
        Request::get("/introspect"),
        Request::get("/nothing"),
        Request::form("/token", &[("grant_type", "x")]).basic(TYK),
        Request::form("/revoke", &[("token", "x")]).basic(TYK),
    ] {
        request.send(world.public).assert_clean();
    }
}

#[test]
fn int_27_int_28_what_cannot_be_known_is_503() {
    let world = World::start();
    world.entra.set_fault(Surface::Discovery, Fault::Status(500));
    world.entra.set_fault(Surface::Keys, Fault::Status(500));
    let fresh = World::unready(|text| {
        let own = text.lines().find(|line| line.trim().starts_with("authority:")).unwrap();
        text.replacen(own, &format!("    authority: {}", world.entra.authority()), 1)
    });
    let answer = fresh.introspect(&world.sign(&world.alice()));
    answer.assert_error(503, "temporarily_unavailable");
    assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0, "INT-28");
    fresh.introspect("x").assert_inactive();
}
