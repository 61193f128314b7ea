//! The roads from Tyk that need no plugin: introspection by its External OAuth middleware, its JWT
//! middleware on tokens minted here, and the token exchange of its enterprise edition. Requests are
//! spelled as Tyk spells them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::dev::token::TokenBuilder;
use tessera::protocol::client_auth::JWT_BEARER;

use crate::exchange::{ACCESS_TOKEN, GRANT, fields, token};
use crate::signed_answers::{claims, header};
use crate::support::{
    Answer, ISSUER, ORDERS_API, PLAIN_API, Request, SIGNER, START, TASKS_API, TYK, World,
    assertion_key,
};

/// A form as Go's `url.Values.Encode` writes it, sorted by name, and with the headers of its client.
fn go_form(target: &str, fields: &[(&str, &str)]) -> Request {
    let mut fields = fields.to_vec();
    fields.sort_by_key(|(name, _)| *name);
    Request::form(target, &fields)
        .header("User-Agent", "Go-http-client/1.1")
        .header("Accept-Encoding", "gzip")
}

/// As `gateway/mw_external_oauth.go` asks: credentials in the body, no `Accept`, no hint.
fn external_oauth(world: &World, token: &str) -> Answer {
    let fields = [("client_id", TYK.0), ("client_secret", TYK.1), ("token", token)];
    go_form("/introspect", &fields).send(world.public)
}

#[test]
fn tyk_01_tyk_02_tyk_04_external_oauth_reads_a_boolean_and_an_identity() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let jwt = token(&world, TYK, &fields(&alice, ORDERS_API));
    let handle = token(&world, TYK, &fields(&alice, TASKS_API));
    for good in [&alice, &jwt, &handle] {
        let answer = external_oauth(&world, good);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        let body = answer.json();
        assert_eq!(body["active"], Value::Bool(true), "TYK-02: anything else ends its handler");
        for identity in ["sub", "principal"] {
            assert!(body[identity].as_str().is_some_and(|text| !text.is_empty()), "TYK-04");
        }
        assert!(body["exp"].is_i64());
    }
    for bad in ["x", "", " ", "a.b.c", &alice[..alice.len() - 3], "tsr_unknown"] {
        let answer = external_oauth(&world, bad);
        // An empty token is a malformed request of Tyk's caller, which Tyk never sends.
        if bad.trim().is_empty() {
            assert_ne!(answer.json()["active"], true);
            continue;
        }
        answer.assert_inactive();
    }
}

/// The policies that Tyk's JWT middleware applies: the base policy is the first claim that is a
/// non-empty string; of the scope claim, a string or an array of strings, every mapped entry adds one.
fn policies_at_tyk(claims: &Value, mapping: &[(&str, &str)]) -> Vec<String> {
    let mut applied = Vec::new();
    applied.extend(claims["pol"].as_str().filter(|base| !base.is_empty()).map(str::to_owned));
    let scopes: Vec<&str> = match &claims["policies"] {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(entries) => entries.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    for (scope, policy) in mapping {
        let new = scopes.contains(scope) && !applied.iter().any(|known| known == policy);
        applied.extend(new.then(|| (*policy).to_owned()));
    }
    applied
}

#[test]
fn the_jwt_middleware_finds_key_policies_and_identity_in_a_minted_token() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let keys = Request::get("/jwks").send(world.public).json();
    for (resource, algorithm) in [(ORDERS_API, "ES256"), (PLAIN_API, "RS256")] {
        let jwt = token(&world, TYK, &fields(&alice, resource));
        let (head, said) = (header(&jwt), claims(&jwt));
        assert_eq!((&head["alg"], &head["typ"]), (&json!(algorithm), &json!("at+jwt")));
        let kid = head["kid"].as_str().expect("Tyk finds the key by it");
        let named = keys["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == kid);
        assert_eq!(named.count(), 1);
        assert_eq!(said["pol"], "gold", "one policy, as one string");
        assert_eq!(policies_at_tyk(&said, &[]), ["gold"]);
        let mapping = [("gold", "gold"), ("approvals", "approvals"), ("silver", "silver")];
        assert_eq!(policies_at_tyk(&said, &mapping), ["gold", "approvals"], "all that were earned");
        // `$tyk_context.jwt_claims_NAME` is empty for objects: what upstreams need is flat text.
        let flat = ["principal", "principal_type", "tenant", "sub", "client_id", "scope", "iss"];
        for name in flat {
            assert!(said[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        }
        assert_eq!(said["principal"], format!("{}.{HOME_TENANT}", ALICE.oid), "unique everywhere");
        assert!(said["exp"].is_i64(), "Tyk takes a token without one for good");
        assert!(said["aud"].is_string());
    }
    let acting = token(&world, TYK, &fields(&alice, ORDERS_API));
    assert_eq!(claims(&acting)["act_sub"], TYK.0);
}

#[test]
fn who_earns_no_policy_has_no_claim_that_names_one() {
    let world = World::configured(|text| text.split("mapping:\n").next().unwrap().to_owned());
    let alice = world.sign(&world.alice());
    let said = claims(&token(&world, TYK, &fields(&alice, ORDERS_API)));
    assert_eq!(said.get("pol"), None, "Tyk refuses: no policy at all");
    assert_eq!(policies_at_tyk(&said, &[("gold", "gold")]), Vec::<String>::new());
}

#[test]
fn the_jwt_middleware_finds_the_keys_by_discovery() {
    let world = World::start();
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let document = Request::get(path).send(world.public).json();
        assert_eq!(document["issuer"], ISSUER);
        assert_eq!(document["jwks_uri"], format!("{ISSUER}/jwks"));
    }
}

/// The fields as `ee/middleware/oauth2tokenexchange/exchange.go` sends them: one text as audience
/// and as resource, never an actor token.
fn tyk_exchange<'a>(subject: &'a str, audience: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", GRANT),
        ("subject_token", subject),
        ("subject_token_type", ACCESS_TOKEN),
        ("audience", audience),
        ("resource", audience),
        ("scope", "orders.read"),
    ]
}

/// `SetBasicAuth`: name and secret as they stand, not form-encoded first.
fn set_basic_auth(request: Request, (name, secret): (&str, &str)) -> Request {
    let value = BASE64_STANDARD.encode(format!("{name}:{secret}"));
    request.header("Authorization", &format!("Basic {value}"))
}

/// What the gateway reads of an answer; a number with a fraction would not be read.
fn read(answer: &Answer) -> (String, i64) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let expires = body["expires_in"].as_i64().expect("an integer");
    (body["access_token"].as_str().expect("a token").to_owned(), expires)
}

#[test]
fn tyk_05_tyk_06_the_enterprise_exchange_is_answered_as_it_is_sent() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let asked = tyk_exchange(&alice, ORDERS_API);
    let basic = set_basic_auth(go_form("/token", &asked), TYK).send(world.public);
    let (swapped, expires) = read(&basic);
    assert_eq!((claims(&swapped)["aud"].as_str(), expires), (Some(ORDERS_API), 300));
    assert!(expires > 30, "less than its safety margin would never be cached");
    let post = [&asked[..], &[("client_id", TYK.0), ("client_secret", TYK.1)]].concat();
    read(&go_form("/token", &post).send(world.public));
    let mut plain = tyk_exchange(&alice, PLAIN_API);
    plain.retain(|(name, _)| *name != "scope");
    read(&set_basic_auth(go_form("/token", &plain), TYK).send(world.public));
}

/// Of the certificate that Tyk signs with; registered beside the key.
const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

/// As `clientassertion.go` makes it: RS256, the certificate's thumbprint and no `kid`, five minutes,
/// addressed to the token endpoint.
fn tyk_assertion(jti: &str, audience: &str) -> TokenBuilder {
    TokenBuilder::client_assertion(SIGNER, audience, jti, START)
        .claim("exp", START.seconds() + 300)
        .without_header("kid")
        .header("x5t#S256", THUMBPRINT)
}

#[test]
fn tyk_05_its_assertions_are_taken_where_the_client_is_configured_so() {
    let world = |audience: &str| {
        let line = format!("  {SIGNER}:\n    assertion_audience: {audience}\n");
        let (plain, mut printed) = (assertion_key().jwk(), assertion_key().jwk());
        printed["x5t#S256"] = THUMBPRINT.into();
        World::configured(|text| {
            text.replacen(&format!("  {SIGNER}:\n"), &line, 1).replacen(
                &plain.to_string(),
                &printed.to_string(),
                1,
            )
        })
    };
    let endpoint = format!("{ISSUER}/token");
    let ask = |world: &World, assertion: &TokenBuilder| {
        let alice = world.sign(&world.alice());
        let assertion = assertion.sign(&assertion_key()).unwrap();
        let asked = tyk_exchange(&alice, ORDERS_API);
        let proof = [
            ("client_id", SIGNER),
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", &*assertion),
        ];
        go_form("/token", &[&asked[..], &proof].concat()).send(world.public)
    };
    let strict = world("issuer");
    ask(&strict, &tyk_assertion("a", &endpoint)).assert_error(401, "invalid_client");
    read(&ask(&strict, &tyk_assertion("b", ISSUER)));
    let lenient = world("token_endpoint");
    read(&ask(&lenient, &tyk_assertion("c", &endpoint)));
    read(&ask(&lenient, &tyk_assertion("d", ISSUER)));
    for other in
        [format!("{ISSUER}/tokens"), format!("{ISSUER}/introspect"), format!("{ISSUER}x/token")]
    {
        ask(&lenient, &tyk_assertion(&other, &other)).assert_error(401, "invalid_client");
    }
    let several = tyk_assertion("e", "x").claim("aud", json!([ISSUER, endpoint]));
    ask(&lenient, &several).assert_error(401, "invalid_client");
}

#[test]
fn tyk_08_errors_can_be_relayed_in_a_header() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let wrong = |asked: &[(&str, &str)], code: &str| {
        let answer = set_basic_auth(go_form("/token", asked), TYK).send(world.public);
        answer.assert_error(400, code);
        let text = answer.json()["error_description"].as_str().unwrap().to_owned();
        assert!(!text.contains(&alice) && !text.contains("nowhere"), "{text}");
    };
    wrong(&tyk_exchange(&alice, "https://nowhere.internal/\r\nX: y"), "invalid_target");
    wrong(&tyk_exchange("x\r\n", ORDERS_API), "invalid_request");
    let mut scope = tyk_exchange(&alice, ORDERS_API);
    scope.retain(|(name, _)| *name != "scope");
    scope.push(("scope", "orders.export"));
    wrong(&scope, "invalid_scope");
    let ended = world.sign(&world.alice().claim("exp", world.clock_at(-600)));
    wrong(&tyk_exchange(&ended, ORDERS_API), "invalid_request");
}
