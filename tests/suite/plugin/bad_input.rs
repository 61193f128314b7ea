//! Messages that are wrong: each gets a refusal that Tyk understands, and none passes.

use serde_json::json;

use super::{Tyk, asking, assert_passed, assert_refused, object};
use crate::support::grpc::Status;
use crate::support::{BILLING_GATEWAY, TYK};

/// gRPC codes, by their registered numbers.
const OUT_OF_RANGE: i64 = 11;
const UNIMPLEMENTED: i64 = 12;
const INTERNAL: i64 = 13;

#[test]
fn two_tokens_are_refused_however_they_come() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let bearer = format!("Bearer {token}");
    let joined = format!("Bearer {token}, Bearer {token}");
    let beside = format!("Basic YTpi, Bearer {token}");
    let twice = [("Authorization", &*bearer), ("authorization", &*bearer)];
    for headers in [&twice[..], &[("Authorization", &*joined)], &[("Authorization", &*beside)]] {
        let reply = tyk.send(&object(&asking("orders"), headers));
        assert_refused(&reply, 400);
        let challenge = &reply["request"]["return_overrides"]["headers"]["WWW-Authenticate"];
        assert_eq!(*challenge, "Bearer realm=\"orders\", error=\"invalid_request\"");
    }
    let mut in_address = object(&asking("orders"), &[("Authorization", &bearer)]);
    in_address["request"]["params"] = json!({ "access_token": token });
    assert_refused(&tyk.send(&in_address), 400);
    in_address["request"]["headers"] = json!({});
    assert_refused(&tyk.send(&in_address), 400);
}

#[test]
fn another_hook_is_not_authentication() {
    let mut tyk = Tyk::start();
    let bearer = format!("Bearer {}", tyk.world.sign(&tyk.world.alice()));
    let mut sent = object(&asking("orders"), &[("Authorization", &bearer)]);
    for hook in ["Unknown", "Pre", "Post", "PostKeyAuth", "Response"] {
        sent["hook_type"] = json!(hook);
        // What Tyk knows about the caller by then must not come back as ours.
        sent["session"] = json!({ "apply_policies": ["gold"], "metadata": { "token": "k" } });
        // After the API has answered, Tyk reads nothing but this: without it, nobody is answered.
        sent["response"] = json!({ "status_code": 200, "body": "secret" });
        let reply = tyk.send(&sent);
        assert_refused(&reply, 500);
        assert_eq!(reply["response"], json!(null));
    }
    sent["hook_type"] = json!(77);
    assert_refused(&tyk.send(&sent), 500);
    assert!(
        tyk.world.metric("tessera_gateway_misuses_total{gateway=\"tyk\",problem=\"hook\"}") >= 6
    );
}

#[test]
fn a_message_without_its_parts_is_refused() {
    let mut tyk = Tyk::start();
    let bearer = format!("Bearer {}", tyk.world.sign(&tyk.world.alice()));
    let good = object(&asking("orders"), &[("Authorization", &bearer)]);
    assert_passed(&tyk.send(&good));
    assert_refused(&tyk.send(&json!({})), 500);
    for part in ["request", "spec", "hook_type"] {
        let mut broken = good.clone();
        broken.as_object_mut().unwrap().remove(part);
        assert_refused(&tyk.send(&broken), 500);
    }
    let mut bare = good.clone();
    bare["request"] = json!({ "headers": { "Authorization": bearer } });
    // No Tyk sends a request without overrides, and none survives an answer without them.
    assert_passed(&tyk.send(&bare));
}

#[test]
fn a_definition_that_does_not_say_what_is_meant_opens_nothing() {
    let mut tyk = Tyk::start();
    let bearer = format!("Bearer {}", tyk.world.sign(&tyk.world.alice()));
    let secret = TYK.1;
    let wrong = [
        (json!({}), 500),
        (json!({ "other": 1 }), 500),
        (json!({ "tessera": null }), 500),
        (json!({ "tessera": "orders" }), 500),
        (json!({ "tessera": { "secret": secret } }), 500),
        (json!({ "tessera": { "api": "nowhere", "secret": secret } }), 500),
        (json!({ "tessera": { "api": "", "secret": secret } }), 500),
        (json!({ "tessera": { "api": "orders", "secret": secret, "exchnage": {} } }), 500),
        (json!({ "tessera": { "api": "orders", "secret": secret, "exchange": true } }), 500),
        (json!({ "tessera": { "api": "orders", "secret": secret, "exchange": {} } }), 500),
        (json!({ "tessera": { "api": "orders" } }), 403),
        (json!({ "tessera": { "api": "orders", "secret": "" } }), 403),
        (json!({ "tessera": { "api": "orders", "secret": &secret[1..] } }), 403),
        (json!({ "tessera": { "api": "orders", "secret": BILLING_GATEWAY.1 } }), 403),
        // A secret that is not needed must still be right.
        (json!({ "tessera": { "api": "open", "secret": "wrong" } }), 403),
    ];
    for (config, status) in wrong {
        let reply = tyk.send(&object(&config, &[("Authorization", &bearer)]));
        assert_refused(&reply, status);
        let told = &reply["request"]["return_overrides"]["response_error"];
        assert!(!told.to_string().contains(secret), "{told}");
    }
    let mut torn = object(&asking("orders"), &[("Authorization", &bearer)]);
    for text in ["", "{", "null", "[]", "{\"tessera\":{\"api\":\"orders\",\"api\":\"open\"}}"] {
        torn["spec"]["config_data"] = json!(text);
        assert_refused(&tyk.send(&torn), 500);
    }
    let reply = tyk.send(&object(
        &json!({ "tessera": { "api": "open" }, "other": { "plugin": true } }),
        &[("Authorization", &bearer)],
    ));
    assert_passed(&reply);
}

#[test]
fn bytes_that_are_no_message_get_a_status() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let broken: [&[u8]; 5] = [
        b"\xff\xff\xff\xff",
        // A field that says it is longer than the message.
        b"\x12\x7fTesseraAuth",
        // A text that is not UTF-8.
        b"\x12\x02\xc3\x28",
        // A wrong wire type for `request`.
        b"\x18\x01",
        // A group, which nobody writes any more.
        b"\x0b\x0b\x0b\x0b",
    ];
    for bytes in broken {
        assert_eq!(tyk.grpc.raw("Dispatch", bytes), Err(Status(INTERNAL)), "{bytes:?}");
    }
    // An empty message is one, of another hook.
    assert_refused(&tyk.grpc.raw("Dispatch", b"").unwrap(), 500);
    assert_passed(&tyk.dispatch("orders", &token));
}

#[test]
fn what_is_huge_is_refused_and_costs_nobody_else() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let bearer = format!("Bearer {token}");
    let mut large = object(&asking("orders"), &[("Authorization", &bearer)]);
    large["request"]["body"] = json!("x".repeat(3 * 1024 * 1024));
    assert_passed(&tyk.send(&large));
    large["request"]["body"] = json!("x".repeat(5 * 1024 * 1024));
    assert_eq!(tyk.try_send(&large), Err(Status(OUT_OF_RANGE)), "as large as Tyk sends by default");
    let huge = format!("Bearer {}", "a".repeat(1024 * 1024));
    assert_refused(&tyk.send(&object(&asking("orders"), &[("Authorization", &huge)])), 401);
    assert_passed(&tyk.dispatch("orders", &token));
}

#[test]
fn other_methods_and_events() {
    let mut tyk = Tyk::start();
    let payload = json!({ "payload": "{\"event\":\"AuthFailure\"}" });
    assert_eq!(tyk.grpc.call("DispatchEvent", &payload), Ok(json!({})));
    let unknown = tyk.grpc.raw("Shutdown", b"");
    assert_eq!(unknown, Err(Status(UNIMPLEMENTED)));
}
