//! agentgateway, which cannot be had here: what its `oauthTokenExchange` sends and reads, as its
//! source has it, with the settings of `examples/agentgateway`.

use serde_json::json;
use tessera::dev::apps::{INVOICE_AGENT, TESSERA};
use tessera::dev::people::HOME_TENANT;
use tessera::dev::token::TokenBuilder;
use tessera::protocol::client_auth::JWT_BEARER;

use super::{DEV_SECRET, adapted, credentials, form, replay};
use crate::exchange::{ACCESS_TOKEN, GRANT};
use crate::signed_answers::claims;
use crate::support::{
    Answer, ISSUER, ORDERS_API, Request, SIGNER, START, TYK, World, assertion_key,
};

const HEAD: &str = "POST /token HTTP/1.1\nhost: 127.0.0.1:8080\ncontent-type: \
                    application/x-www-form-urlencoded\naccept: application/json";

/// The fields in its order: grant, subject, actor, audiences, scope, resources, client.
fn fields<'a>(subject: &'a str, actor: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let grant =
        [("grant_type", GRANT), ("subject_token", subject), ("subject_token_type", ACCESS_TOKEN)];
    [&grant, actor, &[("scope", "orders.read"), ("resource", ORDERS_API)]].concat()
}

/// `clientSecretBasic`: each half encoded as in a form, which changes nothing in this secret.
fn exchange(world: &World, fields: &[(&str, &str)]) -> Answer {
    let head = format!("{HEAD}\nauthorization: Basic {}", credentials(TYK));
    replay(world.public, &form(&head, fields))
}

/// What it reads of the answer, or else takes for a fault of the backend (502).
fn read(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert!(body["token_type"].as_str().unwrap().eq_ignore_ascii_case("Bearer"), "{body}");
    assert!(body["expires_in"].is_u64(), "{body}");
    // Compared with `requestedTokenType` where that is set.
    assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
    body["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn the_example_is_the_one_that_is_replayed() {
    let text = adapted("agentgateway/token-exchange.yaml", &[(DEV_SECRET, TYK.1)]);
    for line in [
        "path: /token",
        "method: clientSecretBasic",
        "resources: [https://orders.internal]",
        "scopes: [orders.read]",
    ] {
        assert!(text.contains(line), "{line}");
    }
}

#[test]
fn it_swaps_a_users_token() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let said = claims(&read(&exchange(&world, &fields(&alice, &[]))));
    assert_eq!((&said["aud"], &said["scope"]), (&json!(ORDERS_API), &json!("orders.read")));
    assert_eq!(said["act"], json!({ "iss": ISSUER, "sub": "tyk" }));
}

#[test]
fn it_may_name_an_audience_a_type_and_an_actor() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let agent = world.entra.issuer(HOME_TENANT).app_only(&INVOICE_AGENT, &TESSERA);
    let agent = world.sign(&agent);
    let more = [
        ("actor_token", agent.as_str()),
        ("actor_token_type", ACCESS_TOKEN),
        ("requested_token_type", ACCESS_TOKEN),
        ("audience", ORDERS_API),
    ];
    let said = claims(&read(&exchange(&world, &fields(&alice, &more))));
    assert_eq!(said["act_sub"], "invoice-agent", "{said}");
}

#[test]
fn it_may_prove_itself_by_body_or_by_signature() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let post = [("client_id", TYK.0), ("client_secret", TYK.1)];
    read(&replay(world.public, &form(HEAD, &[fields(&alice, &[]), post.to_vec()].concat())));
    // `assertionAudience` is tessera's `issuer`.
    let assertion = TokenBuilder::client_assertion(SIGNER, ISSUER, "once", START);
    let assertion = assertion.sign(&assertion_key()).unwrap();
    let signed = [
        ("client_id", SIGNER),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion.as_str()),
    ];
    let asked = [fields(&alice, &[]), signed.to_vec()].concat();
    let said = claims(&read(&replay(world.public, &form(HEAD, &asked))));
    assert_eq!(said["act_sub"], SIGNER);
}

/// It tells its caller 400 for our 400, 500 for 401, and 502 for 503.
#[test]
fn it_can_tell_whose_fault_a_refusal_is() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    exchange(&world, &fields("x", &[])).assert_error(400, "invalid_request");
    let wrong = format!("{HEAD}\nauthorization: Basic {}", credentials((TYK.0, "wrong")));
    let answer = replay(world.public, &form(&wrong, &fields(&alice, &[])));
    answer.assert_error(401, "invalid_client");
    let revoked = Request::form("/revocations", &[("token", &alice)]).send(world.admin);
    assert_eq!(revoked.status, 200, "{revoked:?}");
    exchange(&world, &fields(&alice, &[])).assert_error(400, "invalid_request");
}
