//! §14.1: keys that an issuer publishes, and that must not sign.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tessera::dev::keys::{SigningKey, base64url, hs256};
use tessera::dev::token::raw_token;
use tessera::domain::rejection::Reason;

use super::attack;
use super::places::{Place, Stand};
use crate::support::World;

/// A way to sign, and under which name.
type Signer<'s> = (&'s str, &'s str, &'s dyn Fn(&[u8]) -> Vec<u8>);

/// Tokens that are good but for who signed them.
fn signed_by(stand: &Stand<'_>, signers: &[Signer<'_>]) -> Vec<(String, String)> {
    let tokens = signers.iter().map(|(kid, alg, sign)| {
        let header = json!({ "typ": "JWT", "alg": alg, "kid": kid }).to_string();
        let token = raw_token(header.as_bytes(), &stand.good().payload(), sign);
        ((*kid).to_owned(), token)
    });
    tokens.collect()
}

/// Tries them all where Entra's tokens are good; the keys are as unknown as if they were not there,
/// unless the algorithm alone is a reason.
#[track_caller]
fn none_is_loaded(row: &str, world: &World, signers: &[Signer<'_>]) {
    attack(row).at(&Place::OF_ENTRA).fetching(2).tries_in(world, |stand| signed_by(stand, signers));
    let again = signed_by(&Stand::new(world, Place::Introspected), signers);
    for ((_, alg, _), (_, token)) in signers.iter().zip(again) {
        let acceptable = *alg == "RS256";
        let reason = if acceptable { Reason::KeyUnknown } else { Reason::AlgorithmNotAccepted };
        world.assert_refused(&token, reason);
    }
}

/// A20 too: where no key with a small exponent is loaded, there is nothing to forge a padding for.
#[test]
fn a24_a25_a26_keys_that_must_not_sign_are_not_loaded() {
    let world = World::start();
    let (stranger, secret) = (SigningKey::pooled("stranger").unwrap(), b"a shared secret");
    let spoiled: [(&str, Value); 9] = [
        ("encrypts", json!({ "use": "enc" })),
        ("wraps", json!({ "key_ops": ["wrapKey"] })),
        ("other-alg", json!({ "alg": "RS512" })),
        ("for-encryption", json!({ "alg": "RSA-OAEP" })),
        ("short", json!({ "n": base64url(&[0xc1; 128]) })),
        ("long", json!({ "n": base64url(&[0xc1; 2048]) })),
        ("small-exponent", json!({ "e": "Aw" })),
        ("even-exponent", json!({ "e": base64url(&[1, 0, 0]) })),
        ("no-exponent", json!({ "e": "" })),
    ];
    for (name, change) in &spoiled {
        let mut jwk = stranger.named(name).jwk();
        jwk.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        world.entra.publish(jwk);
    }
    world.entra.publish(json!({
        "kty": "oct", "kid": "shared", "k": base64url(secret), "alg": "HS256", "use": "sig",
    }));
    let sign = |input: &[u8]| stranger.sign(input).unwrap();
    let shared = |input: &[u8]| hs256(secret, input);
    let mut signers: Vec<Signer<'_>> =
        spoiled.iter().map(|(name, _)| (*name, "RS256", &sign as &dyn Fn(&[u8]) -> _)).collect();
    signers.push(("shared", "HS256", &shared));
    none_is_loaded("A20 A24 A25 A26", &world, &signers);
}

/// The order of the base point of Curve25519, with the lowest byte first (RFC 8032 §5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The same signature with another S, which only a careless verifier takes.
fn malleated(signature: &[u8]) -> Vec<u8> {
    let mut twin = signature.to_vec();
    let mut carry = 0_u16;
    for (at, digit) in ORDER.into_iter().enumerate() {
        let sum = u16::from(twin[32 + at]) + u16::from(digit) + carry;
        [twin[32 + at], _] = sum.to_le_bytes();
        carry = sum >> 8;
    }
    twin
}

#[test]
fn a17_no_edwards_key_signs_anything() {
    let world = World::start();
    let pair = Ed25519KeyPair::generate().unwrap();
    let mut identity = [0; 32];
    identity[0] = 1;
    let points: [(&str, &[u8]); 2] =
        [("edwards", pair.public_key().as_ref()), ("small-order", &identity)];
    for (name, point) in points {
        world.entra.publish(json!({
            "kty": "OKP", "crv": "Ed25519", "kid": name, "use": "sig", "alg": "EdDSA",
            "x": base64url(point),
        }));
    }
    let sign = |input: &[u8]| pair.sign(input).as_ref().to_vec();
    let again = |input: &[u8]| malleated(&sign(input));
    // For a key of small order this holds over every text, if S may be zero.
    let trivial = |_: &[u8]| [identity, [0; 32]].concat();
    let signers: [Signer<'_>; 5] = [
        ("edwards", "RS256", &sign),
        ("edwards", "EdDSA", &sign),
        ("edwards", "Ed25519", &sign),
        ("edwards", "EdDSA", &again),
        ("small-order", "EdDSA", &trivial),
    ];
    none_is_loaded("A17", &world, &signers);
}
