//! §14.7: one kind of JWT taken for another.

use serde_json::json;
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::dev::token::TokenBuilder;
use tessera::domain::rejection::Reason;

use super::{all_refused, named};
use crate::support::{ISSUER, Request, START, TYK, World, assertion_key};

#[test]
fn a130_an_id_token_opens_no_api() {
    let world = World::start();
    let id_token = world.entra.issuer(HOME_TENANT).id_token(&PORTAL, &ALICE);
    // Even where the app that signs in and the API are one registration.
    let same = id_token.clone().claim("aud", ORDERS.client_id);
    world.assert_refused(&world.sign(&same), Reason::IdToken);
    world.introspect(&world.sign(&id_token)).assert_inactive();
}

#[test]
fn a133_a_client_assertion_is_no_token() {
    let world = World::start();
    let token = TokenBuilder::client_assertion(TYK.0, ISSUER, "one", START);
    let typed = token.clone().header("typ", "client-authentication+jwt");
    let tokens = vec![
        ("signed by Entra".to_owned(), world.sign(&token)),
        ("typed".to_owned(), world.sign(&typed)),
        ("its own key".to_owned(), token.sign(&assertion_key()).unwrap()),
    ];
    all_refused(&world, "A133", tokens);
}

#[test]
fn a135_a136_events_are_no_tokens() {
    let world = World::start();
    let logout = json!({ "http://schemas.openid.net/event/backchannel-logout": {} });
    let security =
        json!({ "https://schemas.openid.net/secevent/caep/event-type/session-revoked": {} });
    let tokens = vec![
        world.alice().claim("events", logout.clone()),
        world.alice().claim("events", security.clone()),
        world.alice().header("typ", "logout+jwt").claim("events", logout),
        world.alice().header("typ", "secevent+jwt").claim("events", security),
    ];
    all_refused(&world, "A135 A136", named(&tokens, &world));
}

#[test]
fn a137_our_own_answer_is_no_token() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let fields = [("client_id", TYK.0), ("client_secret", TYK.1), ("token", token.as_str())];
    let signed = Request::introspect(&fields).signed().send(world.public);
    assert_eq!(signed.header("content-type"), Some("application/token-introspection+jwt"));
    all_refused(&world, "A137, JIR-13", [("as answered".to_owned(), signed.text())]);
}

#[test]
fn a132_a138_a139_a140_a141_other_types_are_refused() {
    let world = World::start();
    let types = [
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
    let tokens = types.map(|typ| (typ.to_owned(), world.sign(&world.alice().header("typ", typ))));
    all_refused(&world, "A132 A138 A139 A140 A141", tokens);
    let number = world.sign(&world.alice().header("typ", 7));
    world.introspect(&number).assert_inactive();
}

#[test]
fn a143_opaque_texts_are_unknown() {
    let world = World::start();
    let texts = ["tsr_a.b.c", "a.b.c", "tsr_0123456789", "%", "null", "undefined", "{}"];
    all_refused(&world, "A143 A240", texts.map(|text| (text.to_owned(), text.to_owned())));
}

#[test]
fn a_token_bound_to_a_key_is_not_taken_as_bearer() {
    let world = World::start();
    let bound =
        world.alice().claim("cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" }));
    world.assert_refused(&world.sign(&bound), Reason::ProofOfPossession);
}
