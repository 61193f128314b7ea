//! What a request may look like, and what comes back.

use serde_json::json;
use tessera::dev::apps::{INVOICE_AGENT, ORDERS, PORTAL, REPORTING, TESSERA};
use tessera::dev::people::{ALICE, HOME_TENANT};

use super::{ACCESS_TOKEN, GRANT, ID_TOKEN, JWT, ask, exchanged, fields, refused, token, with};
use crate::signed_answers::{claims, header};
use crate::support::{ISSUER, ORDERS_API, PLAIN_API, Request, START, TASKS_API, TYK, World};

#[test]
pub(crate) fn tex_20_to_26_a_gateway_swaps_a_users_token_for_one_of_the_backend() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let asked = with(fields(&alice, ORDERS_API), "scope", "orders.read");
    let body = exchanged(&world, TYK, &asked);
    assert_eq!(body["issued_token_type"], ACCESS_TOKEN, "TEX-26");
    assert_eq!((&body["expires_in"], &body["scope"]), (&json!(300), &json!("orders.read")));
    let jwt = body["access_token"].as_str().unwrap();
    let head = header(jwt);
    assert_eq!((&head["typ"], &head["alg"]), (&json!("at+jwt"), &json!("ES256")), "ATJ-02");
    let said = claims(jwt);
    assert_eq!(said["iss"], ISSUER, "META-04");
    assert_eq!(said["aud"], ORDERS_API, "ATJ-08, P3");
    assert_eq!(said["sub"], format!("{}.{HOME_TENANT}", ALICE.oid), "P4");
    assert_eq!(said["client_id"], "tyk", "TEX-44");
    assert_eq!(said["scope"], "orders.read", "TEX-44");
    assert_eq!(said["act"], json!({ "iss": ISSUER, "sub": "tyk" }), "TEX-40, TEX-46");
    assert_eq!(said["act_sub"], "tyk");
    assert_eq!(said["exp"].as_i64(), Some(START.seconds() + 300));
    assert_eq!(said["policies"], json!(["gold", "approvals"]));
    for absent in ["groups", "roles", "name", "email", "aio", "rh", "username"] {
        assert!(said.get(absent).is_none(), "TEX-49 {absent}");
    }
}

#[test]
pub(crate) fn int_20_introspection_tells_the_same_of_a_jwt_and_of_an_opaque_token() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let jwt = token(&world, TYK, &fields(&alice, ORDERS_API));
    let opaque = token(&world, TYK, &fields(&alice, TASKS_API));
    assert!(opaque.starts_with("tsr_") && opaque.len() == 47, "ERR-11 {opaque}");
    let (one, other) = (world.assert_active(&jwt), world.assert_active(&opaque));
    let names = |context: &serde_json::Value| -> Vec<String> {
        context.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(names(&one), names(&other));
    for same in ["iss", "sub", "client_id", "act", "act_sub", "policies", "principal", "tenant"] {
        assert_eq!(one[same], other[same], "{same}");
    }
    assert_eq!(
        (&one["scope"], &other["scope"]),
        (&json!("orders.read orders.write"), &json!("tasks.run"))
    );
    assert_eq!(other["identity"]["source"], "tessera");
    assert_eq!(other["identity"]["hop"], 1);
    let hint = ["access_token", "refresh_token", "xyz"];
    for hint in hint {
        let asked = [("token", opaque.as_str()), ("token_type_hint", hint)];
        let answer = Request::introspect(&asked).basic(TYK).send(world.public);
        assert_eq!(answer.json(), other, "INT-03");
    }
}

#[test]
pub(crate) fn a_gateway_may_ask_for_the_jwt_behind_an_opaque_token() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let opaque = token(&world, TYK, &fields(&alice, TASKS_API));
    let phantom = |token: &str| {
        let asked = Request::introspect(&[("token", token)]).basic(TYK);
        asked.header("Accept", "application/jwt").send(world.public)
    };
    let answer = phantom(&opaque);
    answer.assert_clean();
    assert_eq!(answer.header("content-type"), Some("application/jwt"));
    let jwt = answer.text();
    let context = world.assert_active(&opaque);
    assert_eq!(claims(&jwt)["jti"], context["jti"]);
    assert_eq!(world.assert_active(&jwt)["act"], context["act"], "it is good by itself");
    phantom("tsr_unknown").assert_inactive();
    assert_eq!(phantom(&alice).json()["active"], true, "JSON for what has no JWT behind it");
}

#[test]
pub(crate) fn tex_05_tex_13_targets_come_in_the_forms_that_gateways_send() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let bare = with(fields(&alice, ORDERS_API), "resource", "");
    let both =
        |name: &'static str| [bare.clone(), vec![("audience", name), ("resource", name)]].concat();
    for asked in [
        both(ORDERS_API),
        both(PLAIN_API),
        with(bare.clone(), "audience", ORDERS_API),
        [fields(&alice, ORDERS_API), vec![("resource", ORDERS_API)]].concat(),
    ] {
        let jwt = token(&world, TYK, &asked);
        let named = asked.iter().find(|(name, _)| ["audience", "resource"].contains(name));
        assert_eq!(claims(&jwt)["aud"], named.unwrap().1, "TEX-13");
    }
    let jwt = token(&world, TYK, &bare);
    assert_eq!(claims(&jwt)["aud"], ORDERS_API, "TEX-14: the default");
    let post = [bare, vec![("client_id", TYK.0), ("client_secret", TYK.1)]].concat();
    let answer = Request::form("/token", &post).send(world.public);
    assert_eq!(answer.status, 200, "client_secret_post {answer:?}");
}

#[test]
pub(crate) fn rs256_and_a_shorter_life_by_resource_and_impersonation_by_rule() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let body = exchanged(&world, TYK, &fields(&alice, PLAIN_API));
    let jwt = body["access_token"].as_str().unwrap();
    assert_eq!(header(jwt)["alg"], "RS256", "ATJ-01");
    assert_eq!(body["expires_in"], 60);
    let said = claims(jwt);
    assert!(said.get("act").is_none(), "TEX-46: allowed by name");
    assert_eq!(said["roles"], json!(["Orders.Approver", "approver"]), "released by the resource");
    assert_eq!(said["groups"].as_array().unwrap().len(), 2);
    world.assert_active(jwt);
}

#[test]
pub(crate) fn tex_01_tex_02_tex_03_tex_08_tex_12_what_is_not_a_request_is_refused() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let good = || fields(&alice, ORDERS_API);
    let told = |asked: Vec<(&str, &str)>, code: &str| {
        ask(&world, TYK, &asked).assert_error(400, code);
    };
    told(with(good(), "grant_type", ""), "invalid_request");
    for grant in ["client_credentials", "urn:ietf:params:oauth:grant-type:Token-Exchange"] {
        told(with(good(), "grant_type", grant), "unsupported_grant_type");
    }
    told(with(good(), "subject_token", ""), "invalid_request");
    told(with(good(), "subject_token_type", ""), "invalid_request");
    for kind in ["access_token", "urn:ietf:params:oauth:token-type:saml2", "urn:x"] {
        told(with(good(), "subject_token_type", kind), "invalid_request");
    }
    told(with(good(), "actor_token", "x"), "invalid_request");
    told(with(good(), "actor_token_type", JWT), "invalid_request");
    for twice in ["subject_token", "scope", "grant_type"] {
        told([good(), vec![(twice, "a"), (twice, "b")]].concat(), "invalid_request");
    }
    let more = [good(), vec![("actor_token", ""), ("actor_token_type", ""), ("x", "y")]].concat();
    exchanged(&world, TYK, &more);
    told(with(good(), "authorization_details", "[]"), "invalid_authorization_details");
    let answer = Request::form("/token?scope=admin", &good()).basic(TYK).send(world.public);
    answer.assert_error(400, "invalid_request");
    let get = Request::get("/token").send(world.public);
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")), "A224");
}

#[test]
pub(crate) fn tex_10_tex_11_only_clients_with_rules_may_ask() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let asked = fields(&alice, ORDERS_API);
    Request::form("/token", &asked).send(world.public).assert_error(401, "invalid_client");
    let named = [asked.clone(), vec![("client_id", "tyk")]].concat();
    Request::form("/token", &named).send(world.public).assert_error(401, "invalid_client");
    let answer = ask(&world, crate::support::BILLING_GATEWAY, &asked);
    answer.assert_error(400, "unauthorized_client");
}

#[test]
pub(crate) fn app_only_subjects_are_exchanged_by_their_roles() {
    let world = World::start();
    let issuer = world.entra.issuer(HOME_TENANT);
    let job = world.sign(&issuer.app_only(&REPORTING, &ORDERS));
    let said = claims(&token(&world, TYK, &fields(&job, ORDERS_API)));
    assert_eq!(
        (&said["scope"], &said["principal_type"]),
        (&json!("orders.read"), &json!("service"))
    );
    let asked = with(fields(&job, ORDERS_API), "scope", "orders.write");
    refused(&world, TYK, &asked, ("invalid_scope", "scope_not_held"));
}

#[test]
pub(crate) fn an_agent_calls_with_its_own_entra_token_and_may_present_its_users_id_token() {
    let world = World::start();
    let issuer = world.entra.issuer(HOME_TENANT);
    let agent = world.sign(&issuer.app_only(&INVOICE_AGENT, &TESSERA));
    let alice = world.sign(&world.alice());
    let asked = fields(&alice, ORDERS_API);
    let send =
        |asked: &[(&str, &str)]| Request::form("/token", asked).bearer(&agent).send(world.public);
    let answer = send(&asked);
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = claims(answer.json()["access_token"].as_str().unwrap());
    assert_eq!(said["act"], json!({ "iss": ISSUER, "sub": "invoice-agent" }));
    let id = world.sign(&issuer.id_token(&INVOICE_AGENT, &ALICE));
    let told = with(fields(&id, ORDERS_API), "subject_token_type", ID_TOKEN);
    send(&told).assert_error(400, "invalid_scope");
    let other = world.sign(&issuer.id_token(&PORTAL, &ALICE));
    let told = with(fields(&other, ORDERS_API), "subject_token_type", ID_TOKEN);
    send(&told).assert_error(400, "invalid_request");
    send(&with(fields(&id, ORDERS_API), "grant_type", GRANT)).assert_error(400, "invalid_request");
    let told = with(fields(&alice, ORDERS_API), "subject_token_type", ID_TOKEN);
    send(&told).assert_error(400, "invalid_request");
    let contradicted = [asked, vec![("client_id", "tyk")]].concat();
    assert_eq!(send(&contradicted).status, 401, "a token of another client");
}

#[test]
pub(crate) fn a_request_is_rehearsed_without_issuing_anything() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let story = world.rehearse("tyk", &fields(&alice, ORDERS_API));
    assert_eq!(
        (&story["issued"], &story["rule"]),
        (&json!(true), &json!("tyk/https://orders.internal"))
    );
    assert_eq!(story["token"]["scope"], "orders.read orders.write");
    let asked = with(fields(&alice, ORDERS_API), "scope", "orders.export");
    let story = world.rehearse("tyk", &asked);
    assert_eq!(story["refused"]["reason"], "scope_not_permitted");
    assert!(story["refused"]["remedy"].as_str().unwrap().contains("rule"), "{story}");
    let outcome = |check: usize| story["checks"][check]["outcome"].clone();
    assert_eq!([outcome(5), outcome(6), outcome(7)], ["passed", "failed", "not_reached"]);
}
