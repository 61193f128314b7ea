//! §14.2: header injection.

use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::{Value, json};
use tessera::dev::keys::SigningKey;
use tessera::domain::rejection::Reason;

use super::places::Place;
use super::{attack, world};

#[test]
fn a30_a31_a32_a_token_never_says_where_its_key_is() {
    let world = world();
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let (host, authority) = (trap.local_addr().unwrap(), world.entra.authority());
    let place = format!("http://{host}/keys");
    let own = SigningKey::pooled("stranger").unwrap();
    let certificate = own.entra_jwk("x")["x5c"].clone();
    let sources: [(&str, Value); 6] = [
        ("jwk", own.jwk()),
        ("jku", place.clone().into()),
        ("jku", format!("{authority}@{host}").into()),
        ("jku", format!("{authority}/redirect?to={place}").into()),
        ("x5u", place.into()),
        ("x5c", certificate),
    ];
    attack("A30 A31 A32").tries_in(&world, |stand| {
        let key = own.named(stand.key().kid());
        let tokens = sources.iter().map(|(name, value)| {
            let token = stand.good().header(name, value.clone()).sign(&key).unwrap();
            (format!("{name}: {value}"), token)
        });
        tokens.collect()
    });
    let asked = trap.accept().map_err(|error| error.kind()).map(drop);
    assert_eq!(asked, Err(ErrorKind::WouldBlock), "A31: nothing was asked");
}

#[test]
fn a33_a34_a35_a_key_name_is_only_a_name() {
    attack("A33 A34 A35").fetching(3).tries(|stand| {
        let names: [Value; 18] = [
            "../../../dev/null".into(),
            "/proc/self/environ".into(),
            "..\\..\\windows\\win.ini".into(),
            "' UNION SELECT 'k'--".into(),
            "*)(uid=*".into(),
            "{\"$gt\":\"\"}".into(),
            ";id".into(),
            "${jndi:ldap://127.0.0.1/a}".into(),
            1.into(),
            Value::Null,
            json!({ "kid": 1 }),
            json!([stand.key().kid()]),
            "".into(),
            "k".repeat(10_240).into(),
            "a\0b".into(),
            "a\r\nlevel=error".into(),
            "\u{202e}abc\u{2028}\u{1b}[31m".into(),
            // A whole token, where a name belongs.
            stand.sign(&stand.good()).into(),
        ];
        let tokens = names.into_iter().map(|kid| {
            let token = stand.sign(&stand.good().header("kid", kid.clone()));
            (kid.to_string().chars().take(40).collect(), token)
        });
        tokens.collect()
    });
}

#[test]
fn a36_a_key_has_to_be_named() {
    let world = world();
    attack("A36").tries_in(&world, |stand| {
        stand.signed([stand.good().without_header("kid").without_header("x5t")])
    });
    let token = world.sign(&world.alice().without_header("kid"));
    world.assert_refused(&token, Reason::KidMissing);
}

#[test]
fn a38_unknown_key_names_cost_one_fetch() {
    attack("A38").fetching(3).tries(|stand| {
        let count = if stand.place == Place::Introspected { 200 } else { 30 };
        let unknown = |number| stand.good().header("kid", format!("unknown-{number}"));
        stand.signed((0..count).map(unknown))
    });
}

#[test]
fn a39_a40_a41_a43_what_changes_the_reading_is_refused() {
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
    attack("A39 A40 A41 A43").tries(|stand| {
        let kid = stand.key().kid().to_owned();
        let tokens = members.map(|member| {
            let header = format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{kid}",{member}}}"#);
            (member.to_owned(), stand.with_header(&header))
        });
        tokens.to_vec()
    });
}

#[test]
fn a42_a46_a_header_is_one_object_with_each_member_once() {
    attack("A42 A46").tries(|stand| {
        let kid = stand.key().kid().to_owned();
        let good = format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{kid}"}}"#);
        stand.accepts(&stand.with_header(&good));
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
            let token = stand.with_header(&header);
            (header, token)
        });
        tokens.to_vec()
    });
}

#[test]
fn a44_a_token_within_a_token_is_none() {
    attack("A44").tries(|stand| {
        let (inner, key) = (stand.sign(&stand.good()), stand.key());
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": key.kid(), "cty": "JWT" });
        let nested = stand.signed_raw(header.to_string().as_bytes(), inner.as_bytes());
        let bare = stand.signed_raw(&stand.good().header_for(&key), inner.as_bytes());
        let declared = stand.sign(&stand.good().header("cty", "JWT"));
        [("nested", nested), ("undeclared", bare), ("cty", declared)]
            .map(|(what, token)| (what.to_owned(), token))
            .to_vec()
    });
}

#[test]
fn a45_a_token_for_graph_is_for_graph() {
    let world = world();
    let token = world.sign(&world.alice_v1().header("nonce", "AQABAAAAAAD"));
    world.assert_refused(&token, Reason::GraphToken);
    attack("A45")
        .at(&Place::OF_ENTRA)
        .tries_in(&world, |stand| stand.signed([stand.good().header("nonce", "AQABAAAAAAD")]));
}
