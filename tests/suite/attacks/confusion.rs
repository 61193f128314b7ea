//! §14.7: one kind of JWT taken for another.

use serde_json::json;
use tessera::dev::apps::{INVOICE_AGENT, ORDERS, PORTAL, TESSERA};
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::dev::token::TokenBuilder;
use tessera::domain::rejection::Reason;

use super::places::Place;
use super::{attack, world};
use crate::exchange::{ask, fields, token, with};
use crate::support::{ISSUER, ORDERS_API, Request, START, TASKS_API, TYK, assertion_key};

#[test]
fn a130_an_id_token_opens_no_api() {
    let world = world();
    let issuer = world.entra.issuer(HOME_TENANT);
    let id_token = issuer.id_token(&PORTAL, &ALICE);
    // Even where the app that signs in and the API are one registration.
    let same = id_token.clone().claim("aud", ORDERS.client_id);
    let agents = issuer.id_token(&INVOICE_AGENT, &ALICE);
    let to_us = agents.clone().claim("aud", TESSERA.uri);
    let tokens = [&id_token, &same, &agents, &to_us].map(|token| world.sign(token));
    attack("A130 A134").tries_in(&world, |_| {
        let named =
            |(number, token): (usize, &String)| (format!("ID token {number}"), token.clone());
        tokens.iter().enumerate().map(named).collect()
    });
    world.assert_refused(&world.sign(&same.claim("uti", "another")), Reason::IdToken);
}

#[test]
fn a133_a_client_assertion_is_no_token() {
    attack("A133").at(&Place::OF_USERS).tries(|stand| {
        let token = TokenBuilder::client_assertion(TYK.0, ISSUER, "one", START);
        let typed = token.clone().header("typ", "client-authentication+jwt");
        let own = token.sign(&assertion_key()).unwrap();
        let mut tokens = stand.signed([token, typed]);
        tokens.push(("its own key".to_owned(), own));
        tokens
    });
}

#[test]
fn a135_a136_events_are_no_tokens() {
    let logout = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let security =
        json!({ "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {} });
    attack("A135 A136").tries(|stand| {
        stand.signed([
            stand.good().claim("events", logout.clone()),
            stand.good().claim("events", security.clone()),
            stand.good().header("typ", "logout+jwt").claim("events", logout.clone()),
            stand.good().header("typ", "secevent+jwt").claim("events", security.clone()),
            stand.good().header("typ", "logout+jwt"),
            stand.good().header("typ", "secevent+jwt"),
        ])
    });
}

#[test]
fn a137_our_own_answer_is_no_token() {
    let world = world();
    let token = world.sign(&world.alice());
    let fields = [("client_id", TYK.0), ("client_secret", TYK.1), ("token", token.as_str())];
    let signed = Request::introspect(&fields).signed().send(world.public);
    assert_eq!(signed.header("content-type"), Some("application/token-introspection+jwt"));
    let signed = signed.text();
    attack("A137, JIR-13").tries_in(&world, |_| vec![("as answered".to_owned(), signed.clone())]);
}

#[test]
fn a131_a134_what_was_minted_here_proves_no_client() {
    let world = world();
    let alice = world.sign(&world.alice());
    let minted = [ORDERS_API, TASKS_API]
        .map(|resource| (resource.to_owned(), token(&world, TYK, &fields(&alice, resource))));
    attack("A131 A134")
        .at(&[Place::Actor, Place::Assertion, Place::Bearer])
        .tries_in(&world, |_| minted.to_vec());
}

#[test]
fn a132_a138_a139_a140_a141_other_types_are_refused() {
    let types = [
        "at+jwt",
        "at+jwt2",
        "dpop+jwt",
        "txntoken+jwt",
        "oauth-id-jag+jwt",
        "statuslist+jwt",
        "oauth-client-attestation+jwt",
        "oauth-client-attestation-pop+jwt",
        "token-introspection+jwt",
        "client-authentication+jwt",
        "application/at+jwt;x=1",
        "",
    ];
    attack("A132 A138 A139 A140 A141").tries(|stand| {
        let number = stand.good().header("typ", 7);
        let good_here =
            |typ: &str| stand.place == Place::Assertion && typ == "client-authentication+jwt";
        let types = types.into_iter().filter(|typ| !good_here(typ));
        stand.signed(types.map(|typ| stand.good().header("typ", typ)).chain([number]))
    });
}

#[test]
fn a143_opaque_texts_are_unknown() {
    let texts = ["tsr_a.b.c", "a.b.c", "tsr_0123456789", "tsr_", "%", "null", "undefined", "{}"];
    attack("A143 A240").tries(|_| texts.map(|text| (text.to_owned(), text.to_owned())).to_vec());
}

#[test]
fn a144_a_refresh_token_is_no_subject() {
    let world = world();
    let alice = world.sign(&world.alice());
    for kind in ["refresh_token", "saml1", "saml2", "txn_token", "id-jag"] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        let asked = with(fields(&alice, ORDERS_API), "subject_token_type", &kind);
        ask(&world, TYK, &asked).assert_error(400, "invalid_request");
        let actor = vec![("actor_token", alice.as_str()), ("actor_token_type", kind.as_str())];
        let asked = [fields(&alice, ORDERS_API), actor].concat();
        ask(&world, TYK, &asked).assert_error(400, "invalid_request");
    }
    assert_eq!(ask(&world, TYK, &fields(&alice, ORDERS_API)).status, 200);
}

/// A180.
#[test]
fn a_token_bound_to_a_key_is_not_taken_as_bearer() {
    let world = world();
    let bound = json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" });
    let token = world.sign(&world.alice().claim("cnf", bound.clone()));
    world.assert_refused(&token, Reason::ProofOfPossession);
    let kinds =
        [bound, json!({ "x5t#S256": "A4I" }), json!({ "kid": "k" }), json!({}), json!(null)];
    attack("A180")
        .at(&Place::OF_ENTRA)
        .tries_in(&world, |stand| stand.with_claim("cnf", kinds.clone()));
}
