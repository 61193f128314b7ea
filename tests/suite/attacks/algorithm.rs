//! §14.1: algorithm and signature.

use serde_json::json;
use tessera::dev::keys::{SigningKey, base64url, hs256};
use tessera::dev::tenant::OldKey;
use tessera::dev::token::raw_token;
use tessera::domain::rejection::Reason;

use super::{all_refused, parts, with_header};
use crate::support::World;

fn unsigned(world: &World, header: &str) -> String {
    raw_token(header.as_bytes(), &world.alice().payload(), |_| Vec::new())
}

#[test]
fn a01_a02_a03_no_algorithm_is_no_signature() {
    let world = World::start();
    let kid = world.entra.signing_key().kid().to_owned();
    let spellings = ["none", "None", "NONE", "nOnE", "none ", "n\\u006fne"];
    let good = world.sign(&world.alice());
    let tokens = spellings.into_iter().flat_map(|alg| {
        let header = format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"{kid}"}}"#);
        let bare = unsigned(&world, &header);
        let stale = format!("{bare}{}", parts(&good)[2]);
        [(format!("A01 {alg}"), bare), (format!("A03 {alg}"), stale)]
    });
    all_refused(&world, "A01 A02 A03", tokens);
}

#[test]
fn a04_a05_the_algorithm_is_one_exact_name() {
    let world = World::start();
    let kid = world.entra.signing_key().kid().to_owned();
    let headers = [
        String::new(),
        r#""alg":"","#.to_owned(),
        r#""alg":null,"#.to_owned(),
        r#""alg":1,"#.to_owned(),
        r#""alg":["RS256"],"#.to_owned(),
        r#""alg":"rs256","#.to_owned(),
        r#""alg":"Rs256","#.to_owned(),
        r#""alg":"RS256 ","#.to_owned(),
    ];
    let tokens = headers.into_iter().map(|alg| {
        let header = format!(r#"{{{alg}"typ":"JWT","kid":"{kid}"}}"#);
        let token = with_header(&world, &header);
        (header, token)
    });
    all_refused(&world, "A04 A05", tokens);
}

#[test]
fn a06_a07_a08_a_public_key_is_no_shared_secret() {
    let world = World::start();
    let key = world.entra.signing_key();
    let jwk = key.jwk();
    let modulus = jwk["n"].as_str().unwrap().to_owned();
    let secrets: [Vec<u8>; 6] = [
        key.public_pem().into_bytes(),
        key.public_pem().trim_end().as_bytes().to_vec(),
        key.public_der().to_vec(),
        jwk.to_string().into_bytes(),
        modulus.into_bytes(),
        Vec::new(),
    ];
    let tokens = secrets.iter().enumerate().flat_map(|(number, secret)| {
        ["HS256", "HS384", "HS512"].map(|alg| {
            let header = json!({ "typ": "JWT", "alg": alg, "kid": key.kid() }).to_string();
            let token = raw_token(header.as_bytes(), &world.alice().payload(), |input| {
                hs256(secret, input)
            });
            (format!("{alg} with secret {number}"), token)
        })
    });
    all_refused(&world, "A06 A07 A08 A11", tokens);
}

#[test]
fn a09_a10_a11_a_key_serves_one_algorithm() {
    let world = World::start();
    let key = world.entra.signing_key();
    let pss = key.as_ps256();
    let mut tokens = vec![("PS256 by the same key".to_owned(), world.alice().sign(&pss).unwrap())];
    for alg in ["RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "RS1", "ES256K", "RSA1_5"] {
        let header = json!({ "typ": "JWT", "alg": alg, "kid": key.kid() }).to_string();
        tokens.push((alg.to_owned(), with_header(&world, &header)));
    }
    let elliptic = SigningKey::ec().unwrap().named(key.kid());
    let claims = ["RS256", "ES256"].map(|alg| world.alice().header("alg", alg));
    tokens.extend(claims.map(|token| ("elliptic".to_owned(), token.sign(&elliptic).unwrap())));
    all_refused(&world, "A09 A10 A11", tokens);
    let swapped =
        with_header(&world, &json!({ "typ": "JWT", "alg": "RS512", "kid": key.kid() }).to_string());
    world.assert_refused(&swapped, Reason::AlgorithmNotAccepted);
}

#[test]
fn a18_a19_a_signature_has_its_one_length() {
    let world = World::start();
    let good = world.sign(&world.alice());
    let [header, payload, signature] = parts(&good);
    let key = world.entra.signing_key();
    let bytes = key.sign(format!("{header}.{payload}").as_bytes()).unwrap();
    assert_eq!(base64url(&bytes), signature);
    let variants = [
        ("empty", Vec::new()),
        ("one byte less", bytes[1..].to_vec()),
        ("one byte less at the end", bytes[..bytes.len() - 1].to_vec()),
        ("one byte more", [&[0], &bytes[..]].concat()),
        ("one byte more at the end", [&bytes[..], &[0]].concat()),
        ("all zero", vec![0; bytes.len()]),
        ("all ones", vec![0xff; bytes.len()]),
    ];
    let tokens = variants.map(|(what, signature)| {
        (what.to_owned(), format!("{header}.{payload}.{}", base64url(&signature)))
    });
    all_refused(&world, "A18 A19", tokens);
}

#[test]
fn a21_no_flipped_bit_survives() {
    let world = World::start();
    let good = world.sign(&world.alice());
    // Every letter once, by another letter of the alphabet; each changes at least one bit.
    let tokens = (0..good.len()).step_by(7).filter(|at| good.as_bytes()[*at] != b'.').map(|at| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        (format!("letter {at}"), String::from_utf8(bytes).unwrap())
    });
    all_refused(&world, "A21", tokens);
}

#[test]
fn a22_a_signature_belongs_to_its_token() {
    let world = World::start();
    let (one, other) = (world.sign(&world.alice()), world.sign(&world.alice_v1()));
    let [header, payload, _] = parts(&one);
    let mixed = format!("{header}.{payload}.{}", parts(&other)[2]);
    world.assert_refused(&mixed, Reason::SignatureInvalid);
}

#[test]
fn a23_a_retired_key_signs_nothing_any_more() {
    let world = World::start();
    let old = world.entra.signing_key();
    world.entra.rotate(OldKey::Dropped).unwrap();
    // A token of the new key makes the key set be fetched, and the old key leaves with the old set.
    world.assert_active(&world.sign(&world.alice()));
    let token = world.alice().sign(&old).unwrap();
    world.assert_refused(&token, Reason::KeyUnknown);
}

#[test]
fn a24_a25_a26_keys_that_must_not_sign_are_not_loaded() {
    let world = World::start();
    let (stranger, secret) = (SigningKey::pooled("stranger").unwrap(), b"a shared secret");
    let mut published = Vec::new();
    let mut publish = |name: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let mut jwk = stranger.named(name).jwk();
        change(&mut jwk);
        world.entra.publish(jwk);
        published.push((name.to_owned(), world.alice().sign(&stranger.named(name)).unwrap()));
    };
    publish("encrypts", &|jwk| jwk["use"] = "enc".into());
    publish("wraps", &|jwk| jwk["key_ops"] = json!(["wrapKey"]));
    publish("other-alg", &|jwk| jwk["alg"] = "RS512".into());
    publish("for-encryption", &|jwk| jwk["alg"] = "RSA-OAEP".into());
    publish("short", &|jwk| jwk["n"] = base64url(&[0xc1; 128]).into());
    publish("long", &|jwk| jwk["n"] = base64url(&[0xc1; 2048]).into());
    publish("small-exponent", &|jwk| jwk["e"] = "Aw".into());
    publish("even-exponent", &|jwk| jwk["e"] = base64url(&[1, 0, 0]).into());
    world.entra.publish(json!({
        "kty": "oct", "kid": "shared", "k": base64url(secret), "alg": "HS256", "use": "sig",
    }));
    let header = json!({ "typ": "JWT", "alg": "HS256", "kid": "shared" }).to_string();
    let shared =
        raw_token(header.as_bytes(), &world.alice().payload(), |input| hs256(secret, input));
    published.push(("shared".to_owned(), shared));
    all_refused(&world, "A20 A24 A25 A26", published);
}
