//! Our parsers beside others: what they accept is what a strict reader accepts, and means the same
//! (P13); and what they cost grows as what they read (P15).

mod linear;
mod strict;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};
use proptest::prelude::*;
use proptest::sample::select;
use tessera::protocol::json::{Json, Object};
use tessera::protocol::jws::UnverifiedJwt;

use strict::{Refused, Strict};

/// Whether ours has read the same.
fn same(ours: &Json, strict: &Strict) -> bool {
    match (ours, strict) {
        (Json::Null, Strict::Null) => true,
        (Json::Bool(one), Strict::Bool(other)) => one == other,
        (Json::String(one), Strict::Text(other)) => one == other,
        (Json::Number(one), Strict::Number(other)) => {
            let (text, wanted) = (one.to_string(), other.parse::<f64>().unwrap());
            // A whole number is exact where it fits; a float may differ in its last bit.
            let exact = other.parse::<i64>().is_ok() || other.parse::<u64>().is_ok();
            let found = one.as_f64().unwrap();
            let close = (found - wanted).abs() <= wanted.abs() * 2e-15;
            if exact && other != "-0" { text == *other } else { close }
        }
        (Json::Array(one), Strict::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Json::Object(one), Strict::Members(other)) => same_members(one, other),
        _ => false,
    }
}

fn same_members(ours: &Object, strict: &[(String, Strict)]) -> bool {
    ours.members().count() == strict.len()
        && ours
            .members()
            .zip(strict)
            .all(|((name, one), (known, other))| name == known && same(one, other))
}

/// Whether ours has read the same as `serde_json`.
fn same_as_serde(ours: &Json, theirs: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (ours, theirs) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(one), Value::Bool(other)) => one == other,
        (Json::String(one), Value::String(other)) => one == other,
        (Json::Number(one), Value::Number(other)) => one == other,
        (Json::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| same_as_serde(one, other))
        }
        (Json::Object(one), Value::Object(other)) => {
            one.members().count() == other.len()
                && one.members().all(|(name, one)| {
                    other.get(name).is_some_and(|other| same_as_serde(one, other))
                })
        }
        _ => false,
    }
}

/// One text, read by three.
fn agree(text: &[u8]) -> Result<bool, TestCaseError> {
    let ours = Object::parse(text);
    match (&ours, strict::json(text)) {
        (Ok(ours), Ok(Strict::Members(members))) => {
            prop_assert!(same_members(ours, &members), "{ours:?}");
        }
        (Ok(ours), other) => prop_assert!(false, "{ours:?} {other:?}"),
        // Whoever may refuse, may accept as well: but then it means what it says.
        (Err(_), Ok(Strict::Members(_))) => prop_assert!(false, "refused without need: {:?}", ours),
        (Err(_), _) => {}
    }
    if let Ok(ours) = &ours {
        let theirs = serde_json::from_slice(text);
        let theirs: serde_json::Value =
            theirs.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!(same_as_serde(&Json::Object(ours.clone()), &theirs));
    }
    Ok(ours.is_ok())
}

/// Texts that are worth to be where they do not belong.
const ODD: [&str; 26] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "0",
    "-",
    ".",
    "e",
    "1e999",
    "\u{0}",
    "\u{1f}",
    "\u{7f}",
    "\u{feff}",
    "\\ud800",
    "\\udc00",
    "\\u0000",
    "ü",
    "\u{1f511}",
    "null",
    "NaN",
    "//",
    " ",
];

/// A value, written as JSON with white space and escapes wherever they may be.
fn written() -> impl Strategy<Value = String> {
    let space = || select(vec!["", "", "", " ", "\n", "\t\r "]);
    let letter = select(vec![
        "a",
        "b",
        "/",
        "\\/",
        "\\\"",
        "\\\\",
        "\\n",
        "\\u0061",
        "\\u00e9",
        "é",
        "\\ud83d\\udd11",
        "\u{1f511}",
        "\u{7f}",
    ]);
    let text = proptest::collection::vec(letter, 0..4)
        .prop_map(|letters| format!("\"{}\"", letters.concat()));
    let number = "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,3})?([eE][-+]?[0-9]{1,2})?";
    let leaf = prop_oneof![
        select(vec!["null", "true", "false"]).prop_map(str::to_owned),
        number,
        text.clone(),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let item = (space(), inner, space()).prop_map(|(before, item, after)| [before, &item, after].concat());
        let member = (space(), text.clone(), space(), item.clone())
            .prop_map(|(before, name, after, item)| [before, &name, after, ":", &item].concat());
        prop_oneof![
            1 => proptest::collection::vec(item, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            3 => proptest::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// Changes at places that are chosen when the length is known.
type Edits = Vec<(usize, Option<&'static str>)>;

fn edits() -> impl Strategy<Value = Edits> {
    let edit = (any::<usize>(), proptest::option::weighted(0.7, select(&ODD)));
    prop_oneof![2 => Just(Vec::new()), 3 => proptest::collection::vec(edit, 1..4)]
}

/// With these put in, or, where there is nothing to put in, a byte taken out.
fn edited(text: &str, edits: &Edits) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, more) in edits {
        let at = at % (bytes.len() + 1);
        match more {
            Some(more) => drop(bytes.splice(at..at, more.bytes())),
            None if at < bytes.len() => drop(bytes.remove(at)),
            None => {}
        }
    }
    bytes
}

/// A header that may be one.
fn header() -> impl Strategy<Value = String> {
    let known = select(vec![
        r#"{"alg":"RS256","typ":"JWT","kid":"k"}"#,
        r#"{"alg":"ES256"}"#,
        r#"{"kid":"k"}"#,
        r#"{"alg":1}"#,
        r#"{"alg":"RS256","crit":[]}"#,
        r#"{"alg":"RS256","b64":false}"#,
        r#"{"alg":"RS256","kid":""}"#,
        r#"{"alg":"RS256","kid":"é"}"#,
        r#"{"alg":"RS256","alg":"none"}"#,
        r#"{"alg":"RS256","\u0061lg":"none"}"#,
        r#"{"alg":"RS256","x5t#S256":null}"#,
        r#"{"alg":"none","cty":"JWT"}"#,
        "[]",
        "",
    ]);
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => written()]
}

fn encoded(text: &[u8], way: usize) -> String {
    match way % 8 {
        0 => BASE64_URL_SAFE.encode(text),
        1 => BASE64_STANDARD.encode(text),
        _ => BASE64_URL_SAFE_NO_PAD.encode(text),
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn p13_json_is_read_as_a_strict_reader_and_serde_json_read_it(text in written(), edits in edits()) {
        agree(&edited(&text, &edits))?;
        // As an object, so that more than refusals are compared.
        agree(&edited(&format!("{{\"a\":{text}}}"), &edits))?;
    }

    #[test]
    fn p13_what_is_nearly_json_is_refused_alike(text in r#"[\[\]{}:,"\\0-9eE+. ntrulfas-]{0,40}"#, bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
        agree(text.as_bytes())?;
        agree(&[b"{\"a\":", text.as_bytes(), b"}"].concat())?;
        agree(&[b"{\"", &*bytes, b"\":1}"].concat())?;
    }

    #[test]
    fn p13_a_compact_token_is_read_as_a_strict_reader_reads_it(
        header in header(), payload in written(), signature in proptest::collection::vec(any::<u8>(), 0..5),
        ways in (0_usize..64, 0_usize..64, 0_usize..64), edits in edits(), spoilt in any::<bool>(),
    ) {
        let payload = format!("{{\"a\":{payload}}}");
        let parts = [encoded(header.as_bytes(), ways.0), encoded(payload.as_bytes(), ways.1), encoded(&signature, ways.2)];
        let whole = parts.join(".");
        let bytes = if spoilt { edited(&whole, &edits) } else { whole.into_bytes() };
        let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
        match (UnverifiedJwt::parse(&text), strict::jwt(&text)) {
            (Ok(ours), Some((header, payload))) => {
                prop_assert!(same(&Json::Object(ours.unverified_claims().clone()), &payload));
                let alg = Strict::Text(ours.header().alg.clone());
                prop_assert_eq!(header.get("alg"), Some(&alg));
                let kid = ours.header().kid.clone().map(Strict::Text);
                prop_assert_eq!(header.get("kid"), kid.as_ref());
            }
            (Err(_), None) => {}
            (ours, strict) => prop_assert!(false, "{ours:?} {strict:?}"),
        }
    }
}

/// Texts at the edge of what may be, which chance would not find.
#[test]
fn p13_at_the_limits_our_parsers_agree_with_the_strict_one() {
    let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let wide = |count: usize| {
        let members: Vec<_> = (0..count).map(|number| format!("\"m{number}\":0")).collect();
        format!("{{{}}}", members.join(","))
    };
    let twice = |count: usize| wide(count).replacen('{', "{\"m1\":0,", 1);
    for (text, accepted) in [
        (nested(15), true),
        (nested(16), false),
        (wide(512), true),
        (wide(513), false),
        (twice(40), false),
        (twice(300), false),
        (twice(1), true),
        (r#"{"a":1e308}"#.to_owned(), true),
        (r#"{"a":1e309}"#.to_owned(), false),
        (r#"{"a":18446744073709551616}"#.to_owned(), true),
        (r#"{"a":-0}"#.to_owned(), true),
        ("{} {}".to_owned(), false),
        (r#"{"a":1,"\u0061":2}"#.to_owned(), false),
        ("\u{feff}{}".to_owned(), false),
        (String::new(), false),
    ] {
        assert_eq!(agree(text.as_bytes()).unwrap(), accepted, "{text}");
    }
    let token = |header: usize, payload: usize| {
        let header = format!(r#"{{"alg":"RS256","x":"{}"}}"#, "h".repeat(header - 22));
        let payload = format!(r#"{{"x":"{}"}}"#, "p".repeat(payload - 8));
        format!(
            "{}.{}.",
            BASE64_URL_SAFE_NO_PAD.encode(header),
            BASE64_URL_SAFE_NO_PAD.encode(payload)
        )
    };
    for (header, payload, accepted) in
        [(4096, 9, true), (4097, 9, false), (22, 24_500, true), (22, 24_576, false)]
    {
        let text = token(header, payload);
        assert_eq!(strict::jwt(&text).is_some(), accepted, "{header} {payload}");
        assert_eq!(UnverifiedJwt::parse(&text).is_ok(), accepted, "{header} {payload}");
    }
    assert_eq!(strict::json(b"{\"a\":1e400}"), Err(Refused::TooLarge));
}
