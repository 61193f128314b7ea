//! §14.2: header injection.

use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::{Value, json};
use tessera::dev::faults::Surface;
use tessera::dev::keys::SigningKey;
use tessera::domain::rejection::Reason;

use super::{all_refused, signed_raw, with_header};
use crate::support::World;

#[test]
fn a30_a31_a32_a_token_never_says_where_its_key_is() {
    let world = World::start();
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let place = format!("http://{}/keys", trap.local_addr().unwrap());
    world.assert_active(&world.sign(&world.alice()));
    let before = world.entra.requests(Surface::Keys);
    let (own, entra) = (SigningKey::pooled("stranger").unwrap(), world.entra.signing_key());
    let certificate = own.entra_jwk("x")["x5c"].clone();
    let sources: [(&str, Value); 6] = [
        ("jwk", own.jwk()),
        ("jku", place.clone().into()),
        ("jku", format!("{}@{}", world.entra.authority(), trap.local_addr().unwrap()).into()),
        ("jku", format!("{}/redirect?to={place}", world.entra.authority()).into()),
        ("x5u", place.into()),
        ("x5c", certificate),
    ];
    let tokens = sources.into_iter().flat_map(|(name, value)| {
        let token = world.alice().header(name, value);
        let theirs = token.sign(&own.named(entra.kid())).unwrap();
        [(format!("{name}, signed by another"), theirs)]
    });
    all_refused(&world, "A30 A31 A32", tokens.collect::<Vec<_>>());
    let asked = trap.accept().map_err(|error| error.kind()).map(drop);
    assert_eq!(asked, Err(ErrorKind::WouldBlock), "A31: nothing was asked");
    assert_eq!(world.entra.requests(Surface::Keys), before, "A31: nor Entra, once more");
}

#[test]
fn a33_a34_a35_a_key_name_is_only_a_name() {
    let world = World::start();
    let names: Vec<Value> = vec![
        "../../../dev/null".into(),
        "/proc/self/environ".into(),
        "..\\..\\windows\\win.ini".into(),
        "' UNION SELECT 'k'--".into(),
        "*)(uid=*".into(),
        "{\"$gt\":\"\"}".into(),
        ";id".into(),
        1.into(),
        Value::Null,
        json!({ "kid": 1 }),
        json!([world.entra.signing_key().kid()]),
        "".into(),
        "k".repeat(10_240).into(),
        "a\0b".into(),
        "a\r\nlevel=error".into(),
        "\u{202e}abc".into(),
    ];
    let tokens = names.into_iter().map(|kid| {
        let token = world.sign(&world.alice().header("kid", kid.clone()));
        (kid.to_string().chars().take(40).collect(), token)
    });
    all_refused(&world, "A33 A34 A35", tokens);
}

#[test]
fn a36_a_key_has_to_be_named() {
    let world = World::start();
    let token = world.sign(&world.alice().without_header("kid"));
    world.assert_refused(&token, Reason::KidMissing);
}

#[test]
fn a38_unknown_key_names_cost_one_fetch() {
    let world = World::start();
    world.assert_active(&world.sign(&world.alice()));
    let before = world.entra.requests(Surface::Keys);
    let key = world.entra.signing_key();
    let tokens = (0..200).map(|number| {
        let kid = format!("unknown-{number}");
        let token = world.alice().header("kid", kid.clone()).sign(&key).unwrap();
        (kid, token)
    });
    all_refused(&world, "A38", tokens.collect::<Vec<_>>());
    let asked = world.entra.requests(Surface::Keys) - before;
    assert!(asked <= 1, "A38: {asked} fetches within one cooldown");
}

#[test]
fn a39_a40_a41_a43_what_changes_the_reading_is_refused() {
    let world = World::start();
    let kid = world.entra.signing_key().kid().to_owned();
    let members = [
        r#""crit":["foo"],"foo":1"#,
        r#""crit":[]"#,
        r#""crit":"exp""#,
        r#""crit":["foo","foo"],"foo":1"#,
        r#""crit":["absent"]"#,
        r#""crit":["alg"]"#,
        r#""crit":null"#,
        r#""b64":false,"crit":["b64"]"#,
        r#""b64":false"#,
        r#""zip":"DEF""#,
        r#""enc":"A256GCM""#,
        r#""p2c":2147483647"#,
    ];
    let tokens = members.map(|member| {
        let header = format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{kid}",{member}}}"#);
        (member.to_owned(), with_header(&world, &header))
    });
    all_refused(&world, "A39 A40 A41 A43", tokens);
}

#[test]
fn a42_a46_a_header_is_one_object_with_each_member_once() {
    let world = World::start();
    let kid = world.entra.signing_key().kid().to_owned();
    let good = format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{kid}"}}"#);
    let headers = [
        format!(r#"{{"alg":"none","alg":"RS256","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"RS256","alg":"none","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"RS256","kid":"x","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"RS256","kid":"{kid}","\u006bid":"{kid}"}}"#),
        format!("\u{feff}{good}"),
        format!("{good}x"),
        format!("{good}{good}"),
        format!("[{good}]"),
        r#""RS256""#.to_owned(),
        "null".to_owned(),
        String::new(),
    ];
    let tokens = headers.map(|header| {
        let token = with_header(&world, &header);
        (header, token)
    });
    all_refused(&world, "A42 A46", tokens);
    assert_eq!(world.introspect(&with_header(&world, &good)).json()["active"], true);
}

#[test]
fn a44_a_token_within_a_token_is_none() {
    let world = World::start();
    let (inner, key) = (world.sign(&world.alice()), world.entra.signing_key());
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": key.kid(), "cty": "JWT" });
    let nested = signed_raw(&world, header.to_string().as_bytes(), inner.as_bytes());
    let declared = world.sign(&world.alice().header("cty", "JWT"));
    all_refused(&world, "A44", [("nested".to_owned(), nested), ("cty".to_owned(), declared)]);
}

#[test]
fn a45_a_token_for_graph_is_for_graph() {
    let world = World::start();
    let token = world.sign(&world.alice_v1().header("nonce", "AQABAAAAAAD"));
    world.assert_refused(&token, Reason::GraphToken);
}
