//! §14.3: serialization and encoding.

use serde_json::json;
use tessera::dev::keys::base64url;
use tessera::domain::rejection::Reason;

use super::places::{Place, Stand};
use super::{attack, parts, world};
use crate::exchange::{ask, fields, with};
use crate::support::{ORDERS_API, Request, TYK};

/// Texts that are their own description.
fn texts(texts: impl IntoIterator<Item = String>) -> Vec<(String, String)> {
    texts.into_iter().map(|text| (text.clone(), text)).collect()
}

/// Well signed tokens, each with these members written before all others.
fn opened_with<'m>(
    stand: &Stand<'_>,
    members: impl IntoIterator<Item = &'m str>,
) -> Vec<(String, String)> {
    let token = |member: &str| {
        let open = format!("{{{member}");
        let token = stand.with_payload(|text| text.replacen('{', &open, 1));
        (member.chars().take(60).collect(), token)
    };
    members.into_iter().map(token).collect()
}

#[test]
fn a50_a51_a52_a_token_is_three_parts() {
    let jwe = json!({ "alg": "PBES2-HS256+A128KW", "enc": "A256GCM", "p2c": 2_147_483_648_u32 });
    let jwe = base64url(jwe.to_string().as_bytes());
    let direct = base64url(br#"{"alg":"dir","enc":"A256GCM"}"#);
    attack("A50 A51 A52").tries(|stand| {
        let good = stand.sign(&stand.good());
        let [header, payload, signature] = parts(&good);
        let signatures = json!([{ "protected": header, "signature": signature }]);
        texts([
            "opaque".to_owned(),
            ".".to_owned(),
            "..".to_owned(),
            format!("{header}.{payload}"),
            format!("{header}.{payload}."),
            format!(".{good}"),
            format!("{good}."),
            format!("{good}.{signature}"),
            format!("{good}..{signature}"),
            format!("{jwe}.a.b.c.d"),
            format!("{direct}..b.c.d"),
            format!("{good}.{good}"),
            json!({ "payload": payload, "protected": header, "signature": signature }).to_string(),
            json!({ "payload": payload, "signatures": signatures }).to_string(),
            json!({ "payload": payload, "protected": "a.b.c", "signature": signature }).to_string(),
        ])
    });
}

#[test]
fn a53_a54_a55_a57_a_token_has_one_spelling() {
    let world = world();
    attack("A53 A54 A55 A57").tries_in(&world, |stand| {
        let good = stand.sign(&stand.good());
        let [header, payload, signature] = parts(&good);
        let standard = signature.replace('-', "+").replace('_', "/");
        assert_ne!(standard, signature, "256 bytes without `-` and `_` would be a rare accident");
        texts([
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
            format!("{header}.{payload}.{standard}"),
        ])
    });
    let good = world.sign(&world.alice());
    let [header, payload, signature] = parts(&good);
    let standard = signature.replace('-', "+").replace('_', "/");
    world.assert_refused(&format!("{header}.{payload}.{standard}"), Reason::TokenMalformed);
    // Not escaped, `+` is a space to a form.
    let body =
        format!("client_id={}&client_secret={}&token={header}.{payload}.{standard}", TYK.0, TYK.1);
    Request::body("/introspect", body).send(world.public).assert_inactive();
}

#[test]
fn a56_unused_bits_are_zero() {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    attack("A56").tries(|stand| {
        let good = stand.sign(&stand.good());
        // 256 bytes leave two bits for the last letter, and four that must be zero.
        let at = alphabet.find(good.chars().last().unwrap()).unwrap();
        let tokens = [1, 2, 3].map(|bits| {
            let other = alphabet.chars().nth(at + bits).unwrap();
            (format!("{bits}"), format!("{}{other}", &good[..good.len() - 1]))
        });
        tokens.to_vec()
    });
}

#[test]
fn a58_each_claim_comes_once() {
    let twice = [
        r#""sub":"other","#,
        r#""exp":1,"#,
        r#""aud":"other","#,
        r#""iss":"other","#,
        r#""\u0073ub":"other","#,
        r#""a":{"b":1,"b":2},"#,
        r#""act":{"sub":"a","sub":"b"},"#,
    ];
    attack("A58").tries(|stand| opened_with(stand, twice));
}

#[test]
fn a59_a64_a66_a_payload_is_one_json_object_in_utf8() {
    attack("A59 A64 A66").tries(|stand| {
        let good = String::from_utf8(stand.good().payload()).unwrap();
        let header = stand.good().header_for(&stand.key());
        let open = |member: &str| good.replacen('{', &format!("{{{member},"), 1).into_bytes();
        let with_bytes = |bytes: &[u8]| {
            let mut payload = good.clone().into_bytes();
            payload.splice(1..1, [b"\"x\":\"", bytes, b"\","].concat());
            payload
        };
        let payloads: [Vec<u8>; 18] = [
            with_bytes(b"\xff"),
            with_bytes(b"\xc0\xaf"),
            with_bytes(b"\xed\xa0\x80"),
            open(r#""x":"\ud800""#),
            good.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            format!("\u{feff}{good}").into_bytes(),
            open(r#""x":NaN"#),
            open(r#""x":Infinity"#),
            open("/* x */"),
            open("'x':1"),
            format!("{},}}", &good[..good.len() - 1]).into_bytes(),
            format!("{good}{{}}").into_bytes(),
            format!("{good} x").into_bytes(),
            Vec::new(),
            b"{}".to_vec(),
            b"[]".to_vec(),
            b"null".to_vec(),
            format!("[{good}]").into_bytes(),
        ];
        let tokens = payloads.into_iter().enumerate().map(|(number, payload)| {
            (format!("payload {number}"), stand.signed_raw(&header, &payload))
        });
        tokens.collect()
    });
}

#[test]
fn a60_a61_a62_size_has_bounds() {
    let numbered = |count: u32| (0..count).map(|number| format!("\"m{number}\":1"));
    let (wide, entries) = (numbered(600).collect::<Vec<_>>().join(","), vec!["\"a\""; 6_000]);
    let members = [
        format!("\"x\":{}{},", "[".repeat(6_000), "]".repeat(6_000)),
        format!("\"x\":{}1{},", "{\"y\":".repeat(3_000), "}".repeat(3_000)),
        format!("\"x\":{}{},", "[".repeat(16), "]".repeat(16)),
        format!("{wide},"),
        // The audience is there twice, and the first is wide.
        format!("\"aud\":[{}],", entries.join(",")),
        format!("\"scp\":\"{}\",", "a ".repeat(13_000)),
        format!("\"x\":\"{}\",", "x".repeat(25 * 1024)),
    ];
    attack("A60 A61 A62").tries(|stand| opened_with(stand, members.iter().map(String::as_str)));
    let audience = vec!["a"; 2_000];
    attack("A61").tries(|stand| stand.signed([stand.good().claim("aud", audience.clone())]));
}

#[test]
fn a63_numbers_are_not_trusted() {
    let digits = "9".repeat(400);
    attack("A63").tries(|stand| {
        let numbers = ["1e400", "-1e400", "1E+999", "-0.5", &digits];
        let token = |claim: &str, number: &str| {
            let value = stand.good().claims()[claim].to_string();
            let (old, new) = (format!("\"{claim}\":{value}"), format!("\"{claim}\":{number}"));
            (format!("{claim} {number}"), stand.with_payload(|text| text.replacen(&old, &new, 1)))
        };
        let each = |number| ["exp", "iat", "nbf"].map(|claim| token(claim, number));
        numbers.into_iter().flat_map(each).collect()
    });
    let world = world();
    for number in ["-0", "0.1", &digits] {
        let stand = Stand::new(&world, Place::Introspected);
        let open = format!("{{\"x\":{number},");
        let token = stand.with_payload(|text| text.replacen('{', &open, 1));
        assert_eq!(world.introspect(&token).status, 200, "A63 {number}: an answer, no panic");
    }
    world.assert_active(&world.sign(&world.alice()));
}

/// The same text to the eye: one letter is another one, or is not seen.
fn look_alikes(text: &str) -> Vec<String> {
    let full_width = |letter: char| char::from_u32(u32::from(letter) + 0xfee0).unwrap();
    let (first, last) = (text.chars().next().unwrap(), text.chars().last().unwrap());
    let mut alike = vec![
        format!("{}{}", full_width(first), &text[1..]),
        format!("{}{}", &text[..text.len() - 1], full_width(last)),
        format!("\u{ad}{text}"),
        format!("{text}\u{200d}"),
        format!("{text}\u{301}"),
    ];
    let cyrillic = [('a', 'а'), ('c', 'с'), ('e', 'е'), ('o', 'о'), ('p', 'р')];
    let swapped = cyrillic.map(|(latin, other)| text.replacen(latin, &other.to_string(), 1));
    alike.extend(swapped.into_iter().filter(|swapped| swapped != text));
    alike
}

#[test]
fn a65_look_alike_letters_are_other_letters() {
    attack("A65").tries(|stand| {
        let of = |claim| stand.with_claim(claim, look_alikes(&stand.text(claim)));
        ["iss", "aud"].into_iter().flat_map(of).collect()
    });
    let world = world();
    let alice = world.sign(&world.alice());
    for scope in look_alikes("orders.read") {
        let asked = with(fields(&alice, ORDERS_API), "scope", &scope);
        ask(&world, TYK, &asked).assert_error(400, "invalid_scope");
    }
    for target in look_alikes(ORDERS_API) {
        ask(&world, TYK, &fields(&alice, &target)).assert_error(400, "invalid_target");
    }
}
