//! Envoy's external authorization by gRPC, by a client library of others over a real socket. What a
//! real Envoy does with the answers is in `gateways`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::people::{ALICE, HOME_TENANT};

use crate::support::grpc::{Grpc, Status};
use crate::support::{ORDERS_API, Request, TYK, World};

struct Envoy {
    world: World,
    grpc: Grpc,
}

impl Envoy {
    fn start() -> Self {
        let world = World::start();
        let grpc = Grpc::envoy(world.envoy.as_ref());
        Self { world, grpc }
    }

    fn check(&mut self, route: &Value, headers: &Value) -> Value {
        self.send(&request(route, headers))
    }

    fn send(&mut self, message: &Value) -> Value {
        self.grpc.call("Check", message).unwrap()
    }

    fn alice(&self) -> String {
        self.world.sign(&self.world.alice())
    }
}

/// A check as Envoy sends it: names of headers in lower case.
fn request(route: &Value, headers: &Value) -> Value {
    json!({ "attributes": {
        "request": { "http": {
            "id": "1", "method": "GET", "path": "/orders/7?verbose=1", "host": "api.example.com",
            "scheme": "http", "headers": headers,
        } },
        "context_extensions": route,
    } })
}

fn route(api: &str) -> Value {
    json!({ "api": api, "secret": TYK.1 })
}

fn bearer(token: &str) -> Value {
    json!({ "authorization": format!("Bearer {token}"), "x-tessera-actor": "root" })
}

/// The value of a header in an answer; each at most once, and in the place of any other.
fn header<'r>(headers: &'r Value, name: &str) -> Option<&'r str> {
    const OVERWRITE_IF_EXISTS_OR_ADD: i64 = 2;
    let all = headers.as_array().map_or(&[][..], Vec::as_slice);
    let mut named = all.iter().filter(|header| header["header"]["key"] == name);
    let found = named.next()?;
    assert!(named.next().is_none(), "{name} twice: {headers}");
    assert_eq!(found["append_action"], OVERWRITE_IF_EXISTS_OR_ADD, "{found}");
    found["header"]["value"].as_str()
}

#[track_caller]
fn assert_denied<'r>(reply: &'r Value, status: i64, error: &str) -> &'r Value {
    assert_ne!(reply["status"]["code"], 0, "{reply}");
    assert!(!reply["status"]["code"].is_null(), "no code is 0, and 0 means pass: {reply}");
    assert!(reply["ok_response"].is_null());
    let denied = &reply["denied_response"];
    assert_eq!(denied["status"]["code"], status, "{reply}");
    let body: Value = serde_json::from_str(denied["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["error"], error);
    assert_eq!(header(&denied["headers"], "cache-control"), Some("no-store"));
    &denied["headers"]
}

#[test]
fn a_good_token_passes_with_the_identity_of_its_bearer() {
    let mut envoy = Envoy::start();
    let token = envoy.alice();
    let told = envoy.world.assert_active(&token);
    let reply = envoy.check(&route("orders"), &bearer(&token));
    assert!(reply["status"]["code"].is_null() && reply["denied_response"].is_null(), "{reply}");
    let ok = &reply["ok_response"];
    let value = |name: &str| header(&ok["headers"], name).map(|value| json!(value));
    assert_eq!(value("x-tessera-principal").as_ref(), Some(&told["principal"]));
    assert_eq!(value("x-tessera-scope").as_ref(), Some(&told["scope"]));
    assert_eq!(value("x-tessera-policies"), Some(json!("gold,approvals")));
    let onward = json!(format!("Bearer {token}"));
    assert_eq!(value("authorization"), Some(onward), "it goes on, and nothing beside it");
    let removed = ok["headers_to_remove"].as_array().unwrap();
    assert!(removed.contains(&json!("x-tessera-actor")), "a forged one too");
    let forged = json!({ "authorization": format!("Bearer {token}"), "x_tessera_actor": "root" });
    let reply = envoy.check(&route("orders"), &forged);
    let removed = reply["ok_response"]["headers_to_remove"].as_array().unwrap();
    assert!(removed.contains(&json!("x_tessera_actor")));
    let hiding =
        json!({ "authorization": format!("Bearer {token}"), "connection": "x-tessera-actor" });
    assert_denied(&envoy.check(&route("orders"), &hiding), 400, "invalid_request");
}

#[test]
fn the_token_is_swapped_where_the_api_wants_that() {
    let mut envoy = Envoy::start();
    let token = envoy.alice();
    let reply = envoy.check(&route("swapped"), &bearer(&token));
    let swapped = header(&reply["ok_response"]["headers"], "authorization").unwrap();
    let told = envoy.world.assert_active(swapped.strip_prefix("Bearer ").unwrap());
    assert_eq!(told["aud"], ORDERS_API);
}

#[test]
fn refusals_are_http() {
    let mut envoy = Envoy::start();
    let token = envoy.alice();
    let reply = envoy.check(&route("orders"), &json!({}));
    let headers = assert_denied(&reply, 401, "token_required");
    let expected = "Bearer realm=\"orders\", scope=\"orders.read\"";
    assert_eq!(header(headers, "www-authenticate"), Some(expected));
    let reply = envoy.check(&route("orders"), &bearer("x"));
    let headers = assert_denied(&reply, 401, "invalid_token");
    let expected = "Bearer realm=\"orders\", error=\"invalid_token\"";
    assert_eq!(header(headers, "www-authenticate"), Some(expected));
    let issuer = envoy.world.entra.issuer(HOME_TENANT);
    let small = envoy.world.sign(&issuer.delegated(&PORTAL, &ALICE, &ORDERS, &["orders.write"]));
    let reply = envoy.check(&route("orders"), &bearer(&small));
    assert_denied(&reply, 403, "insufficient_scope");
    Request::form("/revocations", &[("token", &token)]).send(envoy.world.admin);
    let reply = envoy.check(&route("orders"), &bearer(&token));
    assert_denied(&reply, 401, "invalid_token");
}

#[test]
fn two_tokens_are_refused_however_envoy_tells_headers() {
    let mut envoy = Envoy::start();
    let token = envoy.alice();
    let joined = json!({ "authorization": format!("Bearer {token},Bearer {token}") });
    assert_denied(&envoy.check(&route("orders"), &joined), 400, "invalid_request");
    let mut raw = request(&route("orders"), &json!({}));
    let value =
        |value: &str| json!({ "key": "authorization", "raw_value": BASE64_STANDARD.encode(value) });
    let good = value(&format!("Bearer {token}"));
    raw["attributes"]["request"]["http"]["header_map"] = json!({ "headers": [good] });
    let reply = envoy.send(&raw);
    assert!(!reply["ok_response"].is_null(), "encode_raw_headers: {reply}");
    raw["attributes"]["request"]["http"]["header_map"] = json!({ "headers": [good, good] });
    assert_denied(&envoy.send(&raw), 400, "invalid_request");
    let mut in_address = request(&route("orders"), &bearer(&token));
    in_address["attributes"]["request"]["http"]["path"] = json!("/x?access%5Ftoken=a");
    assert_denied(&envoy.send(&in_address), 400, "invalid_request");
}

#[test]
fn a_route_that_does_not_say_what_is_meant_opens_nothing() {
    let mut envoy = Envoy::start();
    let headers = bearer(&envoy.alice());
    for (wrong, status, error) in [
        (json!({}), 500, "server_error"),
        (json!({ "secret": TYK.1 }), 500, "server_error"),
        (json!({ "api": "nowhere", "secret": TYK.1 }), 500, "server_error"),
        (json!({ "api": "orders" }), 403, "access_denied"),
        (json!({ "api": "orders", "secret": "wrong" }), 403, "access_denied"),
    ] {
        assert_denied(&envoy.check(&wrong, &headers), status, error);
    }
    for wrong in
        [json!({}), json!({ "attributes": {} }), json!({ "attributes": { "request": {} } })]
    {
        assert_denied(&envoy.send(&wrong), 500, "server_error");
    }
    assert_eq!(envoy.grpc.raw("Check", b"\xff\xff"), Err(Status(13)));
    let reply = envoy.check(&json!({ "api": "open" }), &headers);
    assert!(!reply["ok_response"].is_null(), "the network is its guard: {reply}");
}
