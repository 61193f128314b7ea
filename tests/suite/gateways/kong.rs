//! Kong Gateway, whose plugin `openid-connect` is not to be had: the requests of its published
//! schema and documentation, with the settings of `examples/kong`.

use serde_json::{Value, json};

use super::{DEV_SECRET, adapted, credentials, form, replay};
use crate::exchange::{ACCESS_TOKEN, GRANT};
use crate::signed_answers::claims;
use crate::support::{Answer, ORDERS_API, Request, TYK, World};

/// A head as Kong's HTTP client writes it, for the media type that `introspection_accept` names.
fn head(target: &str, accept: &str, client: (&str, &str)) -> String {
    format!(
        "POST {target} HTTP/1.1\nHost: 127.0.0.1:8080\nUser-Agent: lua-resty-http/0.17.2 (Lua) \
         ngx_lua/10028\nAccept: {accept}\nContent-Type: application/x-www-form-urlencoded\n\
         Authorization: Basic {}",
        credentials(client)
    )
}

/// Introspection: `introspection_token_param_name` and `introspection_hint` as they are by default.
fn introspect(world: &World, token: &str, accept: &str) -> Answer {
    let fields = [("token", token), ("token_type_hint", "access_token")];
    replay(world.public, &form(&head("/introspect", accept, TYK), &fields))
}

/// The exchange: `audience` as in `token_exchange.request`, and these scopes.
fn exchange(world: &World, token: &str, scope: &str) -> Answer {
    let fields = [
        ("grant_type", GRANT),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
        ("audience", ORDERS_API),
        ("scope", scope),
    ];
    replay(world.public, &form(&head("/token", "application/json", TYK), &fields))
}

#[test]
fn it_is_told_what_its_settings_look_at() {
    let text = adapted("kong/introspection.yaml", &[(DEV_SECRET, TYK.1)]);
    let world = World::start();
    let alice = world.sign(&world.alice());
    let answer = introspect(&world, &alice, "application/json");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let body = answer.json();
    assert_eq!(body["active"], true, "introspection_check_active");
    assert!(body["scope"].as_str().unwrap().split(' ').any(|scope| scope == "orders.read"));
    let listed =
        text.split_once("upstream_headers_claims: [").unwrap().1.split_once(']').unwrap().0;
    for claim in listed.split(", ").filter(|claim| *claim != "act_sub") {
        assert!(body[claim].is_string(), "{claim}: {body}");
    }
    assert!(body["exp"].is_u64(), "what it would cache by");
    introspect(&world, "x", "application/json").assert_inactive();
}

#[test]
fn it_may_have_the_answer_signed() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let media_type = "application/token-introspection+jwt";
    let answer = introspect(&world, &alice, media_type);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(media_type)));
    let said = claims(&answer.text());
    assert_eq!(
        (&said["aud"], &said["token_introspection"]["active"]),
        (&json!("tyk"), &json!(true))
    );
}

#[test]
fn it_gets_a_token_that_it_can_verify() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let answer = exchange(&world, &alice, "orders.read");
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(300)));
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(claims(token)["aud"], ORDERS_API, "audience_required");
    let keys = Request::get("/jwks").send(world.public).json();
    let kid = crate::signed_answers::header(token)["kid"].clone();
    let published = keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid);
    assert!(published, "extra_jwks_uris: {keys}");
}

/// Without scopes of its own, the plugin asks for those of its setting `scopes`.
#[test]
fn its_default_scope_is_refused() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    exchange(&world, &alice, "openid").assert_error(400, "invalid_scope");
}

#[test]
fn a_revoked_token_gives_neither_a_yes_nor_another_token() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    assert!(introspect(&world, &alice, "application/json").is_active());
    let revoked = Request::form("/revocations", &[("token", &alice)]).send(world.admin);
    assert_eq!(revoked.status, 200, "{revoked:?}");
    introspect(&world, &alice, "application/json").assert_inactive();
    let answer = exchange(&world, &alice, "orders.read");
    answer.assert_error(400, "invalid_request");
    assert_eq!(answer.json().get("access_token"), None::<&Value>);
}
