//! §14.3: serialization and encoding.

use serde_json::json;
use tessera::dev::keys::base64url;
use tessera::domain::rejection::Reason;

use super::{all_refused, parts, signed_raw, with_payload};
use crate::support::{Request, TYK, World};

#[test]
fn a50_a51_a52_a_token_is_three_parts() {
    let world = World::start();
    let good = world.sign(&world.alice());
    let [header, payload, signature] = parts(&good);
    let jwe = json!({ "alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 2_147_483_648_u32 });
    let jwe = base64url(jwe.to_string().as_bytes());
    let direct = base64url(br#"{"alg":"dir","enc":"A256GCM"}"#);
    let texts = [
        "opaque".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!(".{good}"),
        format!("{good}."),
        format!("{good}.{signature}"),
        format!("{jwe}.a.b.c.d"),
        format!("{direct}..b.c.d"),
        format!("{good}.{good}"),
        json!({ "payload": payload, "protected": header, "signature": signature }).to_string(),
        json!({ "payload": payload, "signatures": [{ "protected": header, "signature": signature }] })
            .to_string(),
        json!({ "payload": payload, "protected": "a.b.c", "signature": signature }).to_string(),
    ];
    all_refused(&world, "A50 A51 A52", texts.map(|text| (text.clone(), text)));
}

#[test]
fn a53_a54_a55_a57_a_token_has_one_spelling() {
    let world = World::start();
    let good = world.sign(&world.alice());
    let [header, payload, signature] = parts(&good);
    let spellings = [
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}==.{signature}"),
        format!("{good}="),
        format!("{good}=="),
        format!(" {good}"),
        format!("{good} "),
        format!("{good}\n"),
        format!("\t{good}"),
        format!("{header}. {payload}.{signature}"),
        format!("{header}.{payload}\r\n.{signature}"),
        format!("{good}\u{200b}"),
        format!("Bearer {good}"),
        format!("\"{good}\""),
        good.replace('.', "%2e"),
        good.replacen('e', "%65", 1),
    ];
    all_refused(&world, "A53 A55 A57", spellings.map(|text| (text.clone(), text)));
    let standard = signature.replace('-', "+").replace('_', "/");
    assert_ne!(standard, signature, "256 bytes without `-` and `_` would be a rare accident");
    world.assert_refused(&format!("{header}.{payload}.{standard}"), Reason::TokenMalformed);
    // Not escaped, `+` is a space to a form.
    let body =
        format!("client_id={}&client_secret={}&token={header}.{payload}.{standard}", TYK.0, TYK.1);
    Request::body("/introspect", body).send(world.public).assert_inactive();
}

#[test]
fn a56_unused_bits_are_zero() {
    let world = World::start();
    let good = world.sign(&world.alice());
    // 256 bytes leave four bits in the last letter, and two that must be zero.
    let last = good.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    let tokens = [1, 2, 3].map(|bits| {
        let other = alphabet.chars().nth(at + bits).unwrap();
        (format!("{bits}"), format!("{}{other}", &good[..good.len() - 1]))
    });
    all_refused(&world, "A56", tokens);
}

#[test]
fn a58_each_claim_comes_once() {
    let world = World::start();
    let twice = [
        r#""sub":"other","#,
        r#""exp":1,"#,
        r#""aud":"other","#,
        r#""iss":"other","#,
        r#""\u0073ub":"other","#,
        r#""a":{"b":1,"b":2},"#,
    ];
    let tokens = twice.map(|member| {
        let token = with_payload(&world, |text| text.replacen('{', &format!("{{{member}"), 1));
        (member.to_owned(), token)
    });
    all_refused(&world, "A58", tokens);
}

#[test]
fn a59_a64_a66_a_payload_is_one_json_object_in_utf8() {
    let world = World::start();
    let (key, alice) = (world.entra.signing_key(), world.alice());
    let header = alice.header_for(&key);
    let good = String::from_utf8(alice.payload()).unwrap();
    let open = |member: &str| good.replacen('{', &format!("{{{member},"), 1).into_bytes();
    let mut latin = good.clone().into_bytes();
    latin.splice(1..1, b"\"x\":\"\xff\",".iter().copied());
    let mut overlong = good.clone().into_bytes();
    overlong.splice(1..1, b"\"x\":\"\xc0\xaf\",".iter().copied());
    let payloads: Vec<Vec<u8>> = vec![
        latin,
        overlong,
        open(r#""x":"\ud800""#),
        good.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        format!("\u{feff}{good}").into_bytes(),
        open(r#""x":NaN"#),
        open(r#""x":Infinity"#),
        open("/* x */"),
        open("'x':1"),
        good.replacen('}', ",}", 1).into_bytes(),
        format!("{good}{{}}").into_bytes(),
        format!("{good} x").into_bytes(),
        Vec::new(),
        b"{}".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        format!("[{good}]").into_bytes(),
    ];
    let tokens = payloads.into_iter().enumerate();
    let tokens = tokens
        .map(|(number, payload)| (format!("{number}"), signed_raw(&world, &header, &payload)));
    all_refused(&world, "A59 A64 A66", tokens.collect::<Vec<_>>());
}

#[test]
fn a60_a61_a62_size_has_bounds() {
    let world = World::start();
    let open = |member: String| with_payload(&world, |text| text.replacen('{', &member, 1));
    let deep = format!("{{\"x\":{}{},", "[".repeat(6_000), "]".repeat(6_000));
    let little_too_deep = format!("{{\"x\":{}{},", "[".repeat(16), "]".repeat(16));
    let wide = (0..600).map(|number| format!("\"m{number}\":1")).collect::<Vec<_>>().join(",");
    let tokens = [
        ("depth 6000".to_owned(), open(deep)),
        ("depth 17".to_owned(), open(little_too_deep)),
        ("600 members".to_owned(), open(format!("{{{wide},"))),
        ("32 KiB".to_owned(), open(format!("{{\"x\":\"{}\",", "x".repeat(25 * 1024)))),
    ];
    all_refused(&world, "A60 A61 A62", tokens);
}

#[test]
fn a63_numbers_are_not_trusted() {
    let world = World::start();
    for number in ["1e400", "-1e400", "1E+999"] {
        for claim in ["exp", "iat", "nbf"] {
            let token = with_payload(&world, |text| {
                let value = world.alice().claims()[claim].to_string();
                text.replacen(&format!("\"{claim}\":{value}"), &format!("\"{claim}\":{number}"), 1)
            });
            world.introspect(&token).assert_inactive();
        }
    }
    let digits = "9".repeat(400);
    for number in ["-0", "0.1", &digits] {
        let token =
            with_payload(&world, |text| text.replacen('{', &format!("{{\"x\":{number},"), 1));
        assert_eq!(world.introspect(&token).status, 200, "A63 {number}: an answer, no panic");
    }
    world.assert_active(&world.sign(&world.alice()));
}

#[test]
fn a65_look_alike_letters_are_other_letters() {
    let world = World::start();
    let issuer = world.alice().claims()["iss"].as_str().unwrap().to_owned();
    let audience = world.alice().claims()["aud"].as_str().unwrap().to_owned();
    let tokens = [
        ("Cyrillic o in iss", "iss", issuer.replacen('0', "о", 1)),
        ("full-width digit in aud", "aud", audience.replacen('6', "６", 1)),
        ("soft hyphen in aud", "aud", audience.replacen('-', "\u{ad}-", 1)),
    ]
    .map(|(what, claim, value)| (what.to_owned(), super::with_claim(&world, claim, value)));
    all_refused(&world, "A65", tokens);
}
