//! §14.1: algorithm and signature.

use serde_json::json;
use tessera::dev::keys::{SigningKey, base64url, hs256};
use tessera::dev::tenant::OldKey;
use tessera::dev::token::raw_token;
use tessera::domain::rejection::Reason;

use super::places::{Place, Stand};
use super::{attack, parts, world};

#[test]
fn a01_a02_a03_no_algorithm_is_no_signature() {
    let spellings = ["none", "None", "NONE", "nOnE", "none ", "n\\u006fne"];
    attack("A01 A02 A03").tries(|stand| {
        let (kid, good) = (stand.key().kid().to_owned(), stand.sign(&stand.good()));
        let tokens = spellings.into_iter().flat_map(|alg| {
            let header = format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"{kid}"}}"#);
            let bare = raw_token(header.as_bytes(), &stand.good().payload(), |_| Vec::new());
            let stale = format!("{bare}{}", parts(&good)[2]);
            [(format!("A01 {alg}"), bare), (format!("A03 {alg}"), stale)]
        });
        tokens.collect()
    });
}

#[test]
fn a04_a05_the_algorithm_is_one_exact_name() {
    let members = [
        "",
        r#""alg":"","#,
        r#""alg":null,"#,
        r#""alg":1,"#,
        r#""alg":["RS256"],"#,
        r#""alg":"rs256","#,
        r#""alg":"Rs256","#,
        r#""alg":"RS256 ","#,
    ];
    attack("A04 A05").tries(|stand| {
        let kid = stand.key().kid().to_owned();
        let tokens = members.map(|alg| {
            let header = format!(r#"{{{alg}"typ":"JWT","kid":"{kid}"}}"#);
            let token = stand.with_header(&header);
            (header, token)
        });
        tokens.to_vec()
    });
}

#[test]
fn a06_a07_a08_a_public_key_is_no_shared_secret() {
    attack("A06 A07 A08 A11").tries(|stand| {
        let key = stand.key();
        let jwk = key.jwk();
        let certificate = key.entra_jwk("x")["x5c"][0].as_str().unwrap().to_owned();
        let secrets: [Vec<u8>; 7] = [
            key.public_pem().into_bytes(),
            key.public_pem().trim_end().as_bytes().to_vec(),
            key.public_der().to_vec(),
            jwk.to_string().into_bytes(),
            jwk["n"].as_str().unwrap().as_bytes().to_vec(),
            certificate.into_bytes(),
            Vec::new(),
        ];
        let tokens = secrets.iter().enumerate().flat_map(|(number, secret)| {
            ["HS256", "HS384", "HS512"].map(|alg| {
                let header = json!({ "typ": "JWT", "alg": alg, "kid": key.kid() }).to_string();
                let payload = stand.good().payload();
                let token = raw_token(header.as_bytes(), &payload, |input| hs256(secret, input));
                (format!("{alg} with secret {number}"), token)
            })
        });
        tokens.collect()
    });
}

#[test]
fn a09_a10_a11_a_key_serves_one_algorithm() {
    let world = world();
    let others = ["RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "RS1", "ES256K", "RSA1_5"];
    attack("A09 A10 A11").tries_in(&world, |stand| {
        let key = stand.key();
        let pss = stand.good().sign(&key.as_ps256()).unwrap();
        let mut tokens = vec![("PS256 by the same key".to_owned(), pss)];
        for alg in others {
            let header = json!({ "typ": "JWT", "alg": alg, "kid": key.kid() }).to_string();
            tokens.push((alg.to_owned(), stand.with_header(&header)));
        }
        let elliptic = SigningKey::ec().unwrap().named(key.kid());
        for alg in ["RS256", "ES256"] {
            let token = stand.good().header("alg", alg).sign(&elliptic).unwrap();
            tokens.push((format!("elliptic as {alg}"), token));
        }
        tokens
    });
    let header =
        json!({ "typ": "JWT", "alg": "RS512", "kid": world.entra.signing_key().kid() }).to_string();
    let swapped = Stand::new(&world, Place::Introspected).with_header(&header);
    world.assert_refused(&swapped, Reason::AlgorithmNotAccepted);
}

#[test]
fn a18_a19_a_signature_has_its_one_length() {
    attack("A18 A19").tries(|stand| {
        let good = stand.sign(&stand.good());
        let [header, payload, signature] = parts(&good);
        let bytes = stand.key().sign(format!("{header}.{payload}").as_bytes()).unwrap();
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
        tokens.to_vec()
    });
}

/// Every so many bytes of a token's decoded parts, another bit of each; and as many of its letters.
fn flipped(good: &str, step: usize) -> Vec<(String, String)> {
    use base64::Engine as _;
    let decode = |part| base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(part).unwrap();
    let decoded = parts(good).map(decode);
    let mut tokens = Vec::new();
    for part in 0..decoded.len() {
        for at in (0..decoded[part].len()).step_by(step) {
            let mut changed = decoded.clone();
            changed[part][at] ^= 1 << (at / step % 8);
            let token = changed.map(|bytes| base64url(&bytes)).join(".");
            tokens.push((format!("part {part}, byte {at}"), token));
        }
    }
    for at in (0..good.len()).step_by(step * 4).filter(|at| good.as_bytes()[*at] != b'.') {
        let mut bytes = good.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        tokens.push((format!("letter {at}"), String::from_utf8(bytes).unwrap()));
    }
    tokens
}

#[test]
fn a21_no_flipped_bit_survives() {
    // A name of a key with another bit is an unknown one.
    attack("A21").fetching(3).tries(|stand| {
        let step = if stand.place == Place::Introspected { 3 } else { 23 };
        flipped(&stand.sign(&stand.good()), step)
    });
}

#[test]
fn a22_a_signature_belongs_to_its_token() {
    let world = world();
    attack("A22").tries_in(&world, |stand| {
        let (one, other) = (stand.sign(&stand.good()), stand.sign(&stand.good()));
        let ([header, payload, _], [_, _, signature]) = (parts(&one), parts(&other));
        vec![("mixed".to_owned(), format!("{header}.{payload}.{signature}"))]
    });
    let (one, other) = (world.sign(&world.alice()), world.sign(&world.alice_v1()));
    let [header, payload, _] = parts(&one);
    let mixed = format!("{header}.{payload}.{}", parts(&other)[2]);
    world.assert_refused(&mixed, Reason::SignatureInvalid);
}

#[test]
fn a23_a_retired_key_signs_nothing_any_more() {
    let world = world();
    let old = world.entra.signing_key();
    world.entra.rotate(OldKey::Dropped).unwrap();
    attack("A23").at(&Place::OF_ENTRA).fetching(2).tries_in(&world, |stand| {
        // A token of the new key makes the key set be fetched, and the old key leaves with the old
        // set.
        stand.accepts(&stand.sign(&stand.good()));
        vec![("the old key".to_owned(), stand.good().sign(&old).unwrap())]
    });
    world.assert_refused(&world.alice().sign(&old).unwrap(), Reason::KeyUnknown);
}
