//! Tokens that were minted here, forged, altered and misused (A12…A16, A56, A131, A133, A137, A143).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tessera::dev::keys::SigningKey;
use tessera::dev::token::TokenBuilder;
use tessera::domain::rejection::Reason;
use tessera::protocol::client_auth::JWT_BEARER;

use super::places::Place;
use super::{attack, parts};
use crate::exchange::{ID_TOKEN, fields, refused, token, with};
use crate::support::{
    ISSUER, ORDERS_API, PLANNER, Request, SIGNER, START, TASKS_API, TYK, World, assertion_key,
};

/// The order of the curve P-256 (SEC 2 §2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

fn minted(world: &World) -> (String, Vec<u8>) {
    let alice = world.sign(&world.alice());
    let minted = token(world, TYK, &fields(&alice, ORDERS_API));
    let (input, signature) = minted.rsplit_once('.').unwrap();
    (input.to_owned(), BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap())
}

fn signed(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// What is no signature by the key of `good`, and resembles one.
fn spoiled(good: &[u8]) -> [Vec<u8>; 16] {
    let (r, s) = good.split_at(32);
    let (zero, above) = ([0; 32], [0xff; 32]);
    let der = [&[0x30, 0x44, 0x02, 0x20][..], r, &[0x02, 0x20], s].concat();
    [
        [0; 64].to_vec(),
        [&zero[..], s].concat(),
        [r, &zero].concat(),
        [&ORDER[..], s].concat(),
        [r, &ORDER].concat(),
        [ORDER, ORDER].concat(),
        [&above[..], s].concat(),
        [r, &above].concat(),
        [s, r].concat(),
        der,
        good[..63].to_vec(),
        [good, &[0]].concat(),
        [&[0], good].concat(),
        [good, s].concat(),
        [good, &[0; 68]].concat(),
        Vec::new(),
    ]
}

/// Each of them after `input`.
fn forged(input: &str, good: &[u8]) -> Vec<(String, String)> {
    let tokens = spoiled(good).into_iter().enumerate();
    tokens.map(|(number, bad)| (format!("signature {number}"), signed(input, &bad))).collect()
}

#[test]
fn a12_to_a15_a_signature_is_two_numbers_in_range_and_nothing_else() {
    let world = World::start();
    let (input, good) = minted(&world);
    world.assert_active(&signed(&input, &good));
    attack("A12 A13 A14 A15").at(&Place::OF_USERS).tries_in(&world, |_| forged(&input, &good));
    for (_, forged) in forged(&input, &good) {
        let asked = fields(&forged, ORDERS_API);
        refused(&world, PLANNER, &asked, ("invalid_request", "subject_rejected"));
    }
}

#[test]
fn a12_to_a15_nor_is_it_in_an_assertion() {
    let key = SigningKey::ec().unwrap();
    let client = format!("  elliptic: {{ jwks: {{ keys: [{}] }} }}\nmapping:\n", key.jwk());
    let world = World::configured(|usual| usual.replacen("mapping:\n", &client, 1));
    let assertion = |jti| TokenBuilder::client_assertion("elliptic", ISSUER, jti, START);
    let token = assertion("spoiled").sign(&key).unwrap();
    let (input, _) = token.rsplit_once('.').unwrap();
    let good = BASE64_URL_SAFE_NO_PAD.decode(parts(&token)[2]).unwrap();
    attack("A12 A13 A14 A15")
        .at(&[Place::Assertion, Place::Actor])
        .tries_in(&world, |_| forged(input, &good));
    let proof = [("client_assertion", token.as_str()), ("client_assertion_type", JWT_BEARER)];
    let asked = [&[("token", "x")][..], &proof].concat();
    // None of them has used it up.
    Request::introspect(&asked).send(world.public).assert_inactive();
}

/// The order minus a number below it.
fn complement(number: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 32];
    let mut borrow = 0;
    for at in (0..32).rev() {
        let digit = i32::from(ORDER[at]) - i32::from(number[at]) - borrow;
        borrow = i32::from(digit < 0);
        out[at] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    out
}

#[test]
fn a16_a56_p14_a_revoked_token_does_not_revive_under_another_spelling() {
    let world = World::start();
    let (input, good) = minted(&world);
    let (r, s) = good.split_at(32);
    let twin = signed(&input, &[r, &complement(s)].concat());
    let first = signed(&input, &good);
    world.assert_active(&twin);
    let fields = [("token", first.as_str())];
    assert_eq!(Request::form("/revoke", &fields).basic(TYK).send(world.public).status, 200);
    let last = first.as_bytes()[first.len() - 1];
    let loose = |letter: char| format!("{}{letter}", &first[..first.len() - 1]);
    let spelled = ('A'..='Z').filter(|letter| *letter as u8 != last).map(loose);
    for again in [first.clone(), twin, format!("{first}=")].into_iter().chain(spelled) {
        world.introspect(&again).assert_inactive();
    }
}

#[test]
fn a131_a133_a137_one_kind_of_token_is_not_taken_for_another() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let own = token(&world, TYK, &fields(&alice, ORDERS_API));
    let as_id = with(fields(&own, ORDERS_API), "subject_token_type", ID_TOKEN);
    refused(&world, PLANNER, &as_id, ("invalid_request", "subject_rejected"));
    let assertion = TokenBuilder::client_assertion(SIGNER, ISSUER, "subject", START);
    let assertion = assertion.sign(&assertion_key()).unwrap();
    refused(&world, TYK, &fields(&assertion, ORDERS_API), ("invalid_request", "subject_rejected"));
    let answer = Request::introspect(&[("token", &alice)]).basic(TYK).signed().send(world.public);
    let replayed = answer.text();
    world.assert_refused(&replayed, Reason::TypeNotAccepted);
    refused(&world, TYK, &fields(&replayed, ORDERS_API), ("invalid_request", "subject_rejected"));
    let bearer = Request::introspect(&[("token", &alice)]).bearer(&own).send(world.public);
    bearer.assert_error(401, "invalid_token");
}

#[test]
fn a143_a240_a_prefix_says_which_tokens_are_opaque() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let opaque = token(&world, TYK, &fields(&alice, TASKS_API));
    for wrong in [
        format!("tsr_{alice}"),
        format!("TSR_{}", &opaque[4..]),
        opaque[4..].to_owned(),
        format!("{opaque}="),
        format!("{opaque}A"),
        opaque[..opaque.len() - 1].to_owned(),
        "tsr_".to_owned(),
        "tsr_a.b.c".to_owned(),
    ] {
        world.introspect(&wrong).assert_inactive();
    }
    world.assert_active(&opaque);
}
