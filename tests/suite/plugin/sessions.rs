//! What passes: the session, the policies, the headers, the swap.

use serde_json::json;
use tessera::dev::apps::INVOICE_AGENT;
use tessera::dev::apps::ORDERS;
use tessera::dev::people::{ALICE, BOB, HOME_TENANT};
use tessera::protocol::ids::Fingerprint;

use super::{Tyk, asking, assert_passed, assert_refused, object};
use crate::exchange::{fields, token};
use crate::support::{ORDERS_API, TASKS_API, TYK, World};

#[test]
fn a_good_token_becomes_a_session_with_its_policies() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let told = tyk.world.assert_active(&token);
    let reply = tyk.dispatch("orders", &token);
    assert_passed(&reply);
    let session = &reply["session"];
    assert_eq!(session["apply_policies"], json!(["gold", "approvals"]));
    assert_eq!(session["apply_policies"], told["policies"], "as introspection says");
    assert_eq!(session["expires"], told["exp"], "no longer than the token");
    let life = told["exp"].as_i64().unwrap() - tyk.world.clock_at(0);
    assert_eq!(session["session_lifetime"], life);
    assert_eq!(session["org_id"], "shop");
    assert_eq!(session["access_rights"], json!(null), "its policies give them");
    // Zero: a Tyk with an id extractor asks here all the same, at every request.
    assert_eq!(session["id_extractor_deadline"], json!(null));
    let meta = &session["metadata"];
    for name in ["principal", "principal_type", "tenant", "sub", "client_id", "scope"] {
        assert_eq!(meta[name], told[name], "{name}");
    }
    assert_eq!(meta["policies"], "gold,approvals");
    assert_eq!(meta["act_sub"], json!(null));
}

#[test]
fn the_object_comes_back_as_it_was_but_for_what_is_meant() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let sent = object(&asking("orders"), &[("Authorization", &format!("Bearer {token}"))]);
    let mut reply = tyk.send(&sent);
    let request = reply["request"].as_object_mut().unwrap();
    let headers = request.remove("set_headers").unwrap();
    let removed = request.remove("delete_headers").unwrap();
    assert_eq!(headers["X-Tessera-Principal"], ALICE_PRINCIPAL);
    // Tyk tells us the first of several, and would send all of them on.
    assert_eq!(headers["Authorization"], format!("Bearer {token}"), "and nothing beside it");
    assert_eq!(headers["X-Tessera-Actor"], json!(null), "nobody acts");
    assert_eq!(removed.as_array().unwrap().len(), 9, "nobody can say so himself: {removed}");
    let reply = reply.as_object_mut().unwrap();
    assert!(reply.remove("session").is_some());
    assert_eq!(json!(reply), sent, "Tyk takes over address, body and all the rest");
}

const ALICE_PRINCIPAL: &str =
    "11111111-2222-3333-4444-555555555555.8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

#[test]
fn the_key_is_of_the_caller_and_never_the_token() {
    let mut tyk = Tyk::start();
    let (first, second) = (tyk.world.alice(), tyk.world.alice().claim("uti", "another"));
    let (first, second) = (tyk.world.sign(&first), tyk.world.sign(&second));
    assert_ne!(first, second);
    let mut key = |api: &str, token: &str| {
        let reply = tyk.dispatch(api, token);
        assert_passed(&reply);
        reply["session"]["metadata"]["token"].as_str().unwrap().to_owned()
    };
    let alice = key("orders", &first);
    assert_eq!(alice, key("orders", &second), "quotas go on with a new token");
    assert_eq!(alice, key("open", &first), "and at another API");
    assert!(!first.contains(&alice) && !alice.contains(ALICE_PRINCIPAL), "{alice}");
    // Where Tyk asks for keys, each is one: it must not follow from what others know.
    let known = Fingerprint::of(format!("session\n{ALICE_PRINCIPAL}\n").as_bytes());
    let known = u128::from_be_bytes(known.first());
    assert_ne!(alice, format!("tessera-{known:032x}"));
    let (bob, agent) = {
        let issuer = tyk.world.entra.issuer(HOME_TENANT);
        let portal = &tessera::dev::apps::PORTAL;
        let bob = issuer.delegated(portal, &BOB, &ORDERS, &["orders.read"]);
        let agent = issuer.delegated(&INVOICE_AGENT, &ALICE, &ORDERS, &["orders.read"]);
        (tyk.world.sign(&bob), tyk.world.sign(&agent))
    };
    let mut key = |token: &str| {
        let reply = tyk.dispatch("open", token);
        assert_passed(&reply);
        reply["session"]["metadata"].clone()
    };
    let (bob, agent) = (key(&bob), key(&agent));
    assert_ne!(bob["token"], alice.as_str());
    assert_ne!(agent["token"], alice.as_str(), "an agent does not use up its user's quota");
    assert_eq!(agent["principal"], ALICE_PRINCIPAL);
    assert!(agent["act_sub"].as_str().is_some_and(|actor| actor.ends_with(HOME_TENANT)));
}

#[test]
fn one_call_decides_and_swaps_the_token() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let reply = tyk.dispatch("swapped", &token);
    assert_passed(&reply);
    let swapped = reply["request"]["set_headers"]["Authorization"].as_str().unwrap();
    let swapped = swapped.strip_prefix("Bearer ").unwrap();
    assert_ne!(swapped, token);
    let told = tyk.world.assert_active(swapped);
    assert_eq!((&told["aud"], &told["scope"]), (&json!(ORDERS_API), &json!("orders.read")));
    assert_eq!(told["act"]["sub"], TYK.0, "who acts is told to the API");
    assert_eq!(told["principal"], ALICE_PRINCIPAL);
}

#[test]
fn an_api_may_ask_for_its_own_swap() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let bearer = format!("Bearer {token}");
    let mut asked = asking("orders");
    asked["tessera"]["exchange"] = json!({ "resource": ORDERS_API, "scopes": ["orders.write"] });
    let reply = tyk.send(&object(&asked, &[("Authorization", &bearer)]));
    assert_passed(&reply);
    let swapped = reply["request"]["set_headers"]["Authorization"].as_str().unwrap();
    let told = tyk.world.assert_active(swapped.strip_prefix("Bearer ").unwrap());
    assert_eq!(told["scope"], "orders.write");
    asked["tessera"]["exchange"] = json!({ "resource": ORDERS_API });
    let reply = tyk.send(&object(&asked, &[("Authorization", &bearer)]));
    assert_passed(&reply);
}

#[test]
fn who_earns_no_policy_may_call_that_api_and_no_other() {
    let mut tyk =
        Tyk::beside(World::configured(|text| text.split("mapping:\n").next().unwrap().to_owned()));
    let token = tyk.world.sign(&tyk.world.alice());
    let reply = tyk.dispatch("open", &token);
    assert_passed(&reply);
    assert_eq!(reply["session"]["apply_policies"], json!(null));
    let right = json!({ "0f3a": { "api_id": "0f3a", "versions": ["Default"] } });
    assert_eq!(reply["session"]["access_rights"], right, "not every API of the gateway");
}

#[test]
fn what_the_caller_says_about_himself_goes_in_whatever_spelling() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let forged = ["X-Tessera-Principal", "X-Tessera-Actor", "X_Tessera_Actor", "X.TESSERA.Scope"];
    let bearer = format!("Bearer {token}");
    let headers: Vec<_> = forged.iter().map(|name| (*name, "root")).collect();
    let headers = [&headers[..], &[("Authorization", &*bearer)]].concat();
    let reply = tyk.send(&object(&asking("orders"), &headers));
    assert_passed(&reply);
    let removed = reply["request"]["delete_headers"].as_array().unwrap();
    for name in forged {
        assert!(removed.contains(&json!(name)), "{name}: {removed:?}");
    }
    // Tyk can be told to take names literally: then only those spelled as Go does are replaced.
    for name in reply["request"]["set_headers"].as_object().unwrap().keys() {
        let spelled =
            name.split('-').all(|word| word.starts_with(|c: char| c.is_ascii_uppercase()));
        assert!(spelled, "{name}");
    }
}

#[test]
fn nobody_hides_for_whom_he_acts() {
    let mut tyk = Tyk::start();
    let bearer = format!("Bearer {}", tyk.world.sign(&tyk.world.alice()));
    for (value, status) in
        [("close, X-Tessera-Actor", Some(400)), ("authorization", Some(400)), ("keep-alive", None)]
    {
        let headers = [("Authorization", &*bearer), ("Connection", value)];
        let reply = tyk.send(&object(&asking("orders"), &headers));
        match status {
            // Tyk removes what it names from the request, after the plugin has set it.
            Some(status) => assert_refused(&reply, status),
            None => assert_passed(&reply),
        }
    }
}

#[test]
fn an_opaque_token_is_as_good() {
    let text = |text: &str| {
        let tasks =
            format!("  tasks: {{ client: tyk, audiences: [{TASKS_API}], policies: optional }}\n");
        text.replacen("apis:\n", &format!("apis:\n{tasks}"), 1)
    };
    let mut tyk = Tyk::beside(World::configured(text));
    let alice = tyk.world.sign(&tyk.world.alice());
    let handle = token(&tyk.world, TYK, &fields(&alice, TASKS_API));
    let reply = tyk.dispatch("tasks", &handle);
    assert_passed(&reply);
    assert_eq!(reply["session"]["metadata"]["act_sub"], TYK.0);
}
