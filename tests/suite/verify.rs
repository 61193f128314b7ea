//! `/verify/NAME`: forward authentication over HTTP. What real gateways do with the answers is in
//! `gateways`.

use tessera::dev::apps::GATEWAY;
use tessera::dev::people::HOME_TENANT;

use crate::support::{Answer, BILLING_GATEWAY, ORDERS_API, Request, TYK, World};

const HEADERS: [&str; 9] = [
    "x-tessera-principal",
    "x-tessera-principal-type",
    "x-tessera-tenant",
    "x-tessera-subject",
    "x-tessera-client",
    "x-tessera-actor",
    "x-tessera-scope",
    "x-tessera-roles",
    "x-tessera-policies",
];

fn verify(world: &World, path: &str, token: &str) -> Answer {
    Request::get(path).bearer(token).gateway(TYK).send(world.public)
}

#[test]
fn a_good_token_passes_with_every_identity_header() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let told = world.assert_active(&token);
    let answer = verify(&world, "/verify/orders", &token);
    assert_eq!((answer.status, answer.text()), (200, String::new()));
    for name in HEADERS {
        assert!(answer.header(name).is_some(), "{name} replaces what the caller sent");
    }
    assert_eq!(answer.header("x-tessera-actor"), Some(""));
    assert_eq!(answer.header("x-tessera-principal"), told["principal"].as_str());
    assert_eq!(answer.header("x-tessera-policies"), Some("gold,approvals"));
    assert_eq!(answer.header("x-tessera-roles"), Some("Orders.Approver approver"));
    let onward = format!("Bearer {token}");
    assert_eq!(answer.header("authorization"), Some(&*onward), "for gateways that take it over");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn whatever_the_caller_asks_for_the_name_alone_counts() {
    let world = World::start();
    let token = world.sign(&world.alice());
    for path in ["/verify/orders/", "/verify/orders/v1/x?y=1", "/verify/orders/../swapped/x"] {
        for method in ["GET", "POST", "DELETE", "PROPFIND"] {
            let request = Request::get(path).method(method).bearer(&token).gateway(TYK);
            let answer = request.send(world.public);
            assert_eq!(answer.status, 200, "{method} {path}");
            let onward = format!("Bearer {token}");
            assert_eq!(answer.header("authorization"), Some(&*onward), "another API: {path}");
        }
    }
    for path in ["/verify", "/verify/", "/verify/nowhere", "/verify/orders%2Fx", "/verifyorders"] {
        assert_eq!(verify(&world, path, &token).status, 404, "{path}");
    }
}

#[test]
fn the_token_is_swapped_where_the_api_wants_that() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let answer = verify(&world, "/verify/swapped", &token);
    assert_eq!(answer.status, 200, "{answer:?}");
    let swapped = answer.header("authorization").unwrap().strip_prefix("Bearer ").unwrap();
    assert_eq!(world.assert_active(swapped)["aud"], ORDERS_API);
}

#[test]
fn refusals_carry_their_challenge() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let none = Request::get("/verify/swapped").gateway(TYK).send(world.public);
    none.assert_error(401, "token_required");
    let metadata = "Bearer realm=\"swapped\", resource_metadata=\
                    \"https://sts.example.com/.well-known/oauth-protected-resource/swapped\"";
    assert_eq!(none.header("www-authenticate"), Some(metadata), "PRM-02");
    let bad = verify(&world, "/verify/orders", "x");
    bad.assert_error(401, "invalid_token");
    let two = Request::get("/verify/orders").bearer(&token).bearer(&token).gateway(TYK);
    two.send(world.public).assert_error(400, "invalid_request");
    verify(&world, "/verify/orders?access_token=x", &token).assert_error(400, "invalid_request");
    Request::form("/revocations", &[("token", &token)]).send(world.admin);
    verify(&world, "/verify/orders", &token).assert_error(401, "invalid_token");
}

#[test]
fn only_the_gateway_of_the_api_is_answered() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let ask = || Request::get("/verify/orders").bearer(&token);
    let wrong = [
        ask(),
        ask().gateway((TYK.0, "wrong")),
        ask().gateway(("nobody-here", TYK.1)),
        ask().gateway(BILLING_GATEWAY),
        ask().gateway(TYK).gateway(TYK),
        ask().header("Tessera-Authorization", "Basic"),
        ask().header("Tessera-Authorization", ""),
        ask().header("Tessera-Authorization", "Digest a"),
        // The caller's own token says nothing about the gateway.
        ask().header("Tessera-Authorization", &format!("Bearer {token}")),
    ];
    for request in wrong {
        let answer = request.send(world.public);
        assert_eq!(answer.status, 403, "{request:?}");
        assert_eq!(answer.header("www-authenticate"), None, "not about the caller's token");
        for name in HEADERS {
            assert_eq!(answer.header(name), None);
        }
    }
    // Nor is it told whether a token is good (INT-05), or which APIs there are.
    let bad = Request::get("/verify/orders").bearer("x").send(world.public);
    assert_eq!(bad.status, 403);
    let nowhere = Request::get("/verify/nowhere").bearer("x").send(world.public);
    assert_eq!(nowhere.status, 403);
}

#[test]
fn a_gateway_may_prove_itself_by_its_own_entra_token() {
    let world = World::configured(|text| {
        let mine = format!(
            "  mine: {{ client: gateway, audiences: [{}], policies: optional, guard: network }}\n",
            tessera::dev::apps::ORDERS.client_id
        );
        text.replacen("apis:\n", &format!("apis:\n{mine}"), 1)
    });
    let token = world.sign(&world.alice());
    let own = world.entra.issuer(HOME_TENANT).app_only(&GATEWAY, &tessera::dev::apps::TESSERA);
    let own = format!("Bearer {}", world.sign(&own));
    let ask = |path: &str| Request::get(path).bearer(&token).header("Tessera-Authorization", &own);
    assert_eq!(ask("/verify/mine").send(world.public).status, 200);
    assert_eq!(ask("/verify/orders").send(world.public).status, 403, "that is tyk's");
}

#[test]
fn the_metadata_of_a_protected_resource_is_where_clients_look() {
    let world = World::start();
    let named = "/.well-known/oauth-protected-resource/swapped";
    let answer = Request::get(named).send(world.public);
    assert_eq!(answer.status, 200, "PRM-01");
    let body = answer.json();
    assert_eq!(body["resource"], "https://api.example.com/orders");
    assert_eq!(body["bearer_methods_supported"], serde_json::json!(["header"]));
    let server = body["authorization_servers"][0].as_str().unwrap();
    assert!(server.ends_with(&format!("/{HOME_TENANT}/v2.0")), "{server}");
    assert_eq!(body.get("scopes_supported"), None, "no member without a value");
    let other = World::configured(|text| {
        let minted = format!(
            "  backend: {{ client: tyk, audiences: [\"{ORDERS_API}\"], resource: \"{ORDERS_API}\" }}\n"
        );
        text.replacen("apis:\n", &format!("apis:\n{minted}"), 1)
    });
    let backend = Request::get("/.well-known/oauth-protected-resource/backend");
    let backend = backend.send(other.public).json();
    assert_eq!(backend["authorization_servers"], serde_json::json!([crate::support::ISSUER]));
    let scopes = serde_json::json!(["orders.export", "orders.read", "orders.write"]);
    assert_eq!(backend["scopes_supported"], scopes, "all that can be had");
    // Where a client looks by itself, at the API's own host (RFC 9728 §3.1).
    let derived = "/.well-known/oauth-protected-resource/orders";
    let at = |host: &str| Request::get(derived).header("Host", host).send(world.public);
    assert_eq!(at("api.example.com").json(), body);
    assert_eq!(at("other.example.com").status, 404);
    let forwarded = Request::get(derived).header("Host", "other.example.com");
    let forwarded = forwarded.header("X-Forwarded-Host", "api.example.com").send(world.public);
    assert_eq!(forwarded.status, 404, "a cache would keep it for the other host");
    assert_eq!(answer.header("vary"), Some("Host"));
    for path in [
        derived,
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/open",
    ] {
        assert_eq!(Request::get(path).send(world.public).status, 404, "{path}");
    }
    let posted = Request::get(named).method("POST").send(world.public);
    assert_eq!(posted.status, 405);
}

#[test]
fn a_client_that_looks_by_itself_finds_its_own_resource() {
    let world = World::configured(|text| {
        let orders = "  orders: { client: tyk, ";
        let named = format!("{orders}resource: \"https://api.example.com/v2\", ");
        let whole = "  whole: { client: tyk, audiences: [6731de76-14a6-49ae-97bc-6eba6914391e], \
                     resource: \"https://whole.example.com/\" }\n";
        text.replacen(orders, &named, 1).replacen("apis:\n", &format!("apis:\n{whole}"), 1)
    });
    let at = |path: &str, host: &str| {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        Request::get(&path).header("Host", host).send(world.public).json()["resource"].clone()
    };
    // The name of one API is the path of another.
    assert_eq!(at("/orders", "api.example.com"), "https://api.example.com/orders");
    assert_eq!(at("/orders", "sts.example.com"), "https://api.example.com/v2");
    assert_eq!(at("", "whole.example.com"), "https://whole.example.com/", "RFC 9728 §3.1");
}

#[test]
fn the_service_names_the_resources_that_take_its_tokens() {
    let server = crate::support::ISSUER;
    let world = World::configured(|text| {
        let before = "    resource: https://api.example.com/orders\n";
        text.replace(before, &format!("{before}    authorization_servers: [{server}]\n"))
    });
    let document = "/.well-known/oauth-authorization-server";
    let body = Request::get(document).send(world.public).json();
    assert_eq!(body["protected_resources"], serde_json::json!(["https://api.example.com/orders"]));
    let none = Request::get(document).send(World::start().public).json();
    assert_eq!(none.get("protected_resources"), None, "PRM-03");
}

#[test]
fn the_operator_is_told_which_apis_a_token_opens_and_what_bars_the_others() {
    let world = World::start();
    let story = world.explain(&world.sign(&world.alice_v1()));
    let told = |name: &str| {
        let apis = story["apis"].as_array().unwrap();
        apis.iter().find(|api| api["api"] == name).unwrap().clone()
    };
    assert_eq!(told("open")["admitted"], true);
    let orders = told("orders");
    assert_eq!((&orders["admitted"], &orders["barred_by"]), (&false.into(), &"audience".into()));
    assert_eq!(orders["found"], tessera::dev::apps::BILLING.uri);
    let story = world.explain(&world.sign(&world.alice().claim("scp", "orders.write")));
    let orders = &story["apis"].as_array().unwrap()[1];
    assert_eq!((&orders["api"], &orders["barred_by"]), (&"orders".into(), &"scope".into()));
    assert_eq!(orders["expected"], "orders.read");
    assert_eq!(story["apis"][2]["swapped_for"], ORDERS_API);
}

/// The page for people is held against what is done.
const PAGE: &str = include_str!("../../docs/gateways.md");

#[test]
fn the_page_lists_the_headers_and_its_example_is_good() {
    let named: Vec<_> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| `X-Tessera-"))
        .flat_map(|line| line.split(" | ").next().unwrap().split("`, `"))
        .map(|name| {
            format!(
                "x-tessera-{}",
                name.trim_matches('`').to_ascii_lowercase().replace("x-tessera-", "")
            )
        })
        .collect();
    assert_eq!(named, HEADERS);
    let example = PAGE.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let whole = include_str!("../../docs/configuration.md");
    let whole = whole.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let (before, rest) = whole.split_once("apis:").unwrap();
    let (_, after) = rest.split_once("\nmapping:").unwrap();
    let text = format!("{before}{example}\nmapping:{after}");
    crate::configuration::assert_good(&text);
}
