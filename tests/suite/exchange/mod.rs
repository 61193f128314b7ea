//! Token exchange (RFC 8693): the requests of standards §3 and the abuse of §14.8, over sockets.

mod abuse;
mod callers;
pub(crate) mod chains;
mod properties;
mod reasons;
pub(crate) mod requests;
pub(crate) mod revocation;

use serde_json::Value;

use crate::support::{Answer, ORDERS_API, Request, TYK, World};

pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
pub(crate) const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// The fields of a good request for `resource`.
pub(crate) fn fields<'a>(subject: &'a str, resource: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", GRANT),
        ("subject_token", subject),
        ("subject_token_type", ACCESS_TOKEN),
        ("resource", resource),
    ]
}

/// `fields` with one of them replaced, added, or, when empty, removed.
pub(crate) fn with<'a>(
    mut fields: Vec<(&'a str, &'a str)>,
    name: &'a str,
    value: &'a str,
) -> Vec<(&'a str, &'a str)> {
    fields.retain(|(known, _)| *known != name);
    if !value.is_empty() {
        fields.push((name, value));
    }
    fields
}

/// Sends `fields` to the token endpoint as a client with a secret.
pub(crate) fn ask(world: &World, client: (&str, &str), fields: &[(&str, &str)]) -> Answer {
    let answer = Request::form("/token", fields).basic(client).send(world.public);
    answer.assert_clean();
    answer
}

/// Exchanges, and gives the answer, which must be good (TEX-20, TEX-22…TEX-26).
#[track_caller]
pub(crate) fn exchanged(world: &World, client: (&str, &str), fields: &[(&str, &str)]) -> Value {
    let answer = ask(world, client, fields);
    assert_eq!(answer.status, 200, "{answer:?} {}", world.rehearse(client.0, fields));
    assert_eq!(answer.header("content-type"), Some("application/json"), "TEX-20");
    let body = answer.json();
    let mut members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    let known = ["access_token", "expires_in", "issued_token_type", "scope", "token_type"];
    assert_eq!(members, known, "TEX-20, TEX-24: no refresh token");
    assert_eq!(body["token_type"], "Bearer", "TEX-21");
    assert!(body["expires_in"].is_u64(), "TEX-22: an integer literal: {body}");
    body
}

/// The token that an exchange gives.
#[track_caller]
pub(crate) fn token(world: &World, client: (&str, &str), fields: &[(&str, &str)]) -> String {
    exchanged(world, client, fields)["access_token"].as_str().unwrap().to_owned()
}

/// Asserts that the caller is told `code` alone and the operator `reason`, and that a good request
/// is answered all the same.
#[track_caller]
pub(crate) fn refused(
    world: &World,
    client: (&str, &str),
    fields: &[(&str, &str)],
    (code, reason): (&str, &str),
) {
    let story = world.rehearse(client.0, fields);
    assert_eq!(story["refused"]["reason"], reason, "{story}");
    assert_eq!(story["refused"]["error"], code, "{story}");
    ask(world, client, fields).assert_error(400, code);
    let alice = world.sign(&world.alice());
    exchanged(world, TYK, &self::fields(&alice, ORDERS_API));
}
