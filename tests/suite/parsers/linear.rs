//! What a parser costs grows as what it reads, up to the limits (P15): counted in instructions by
//! callgrind, which a busy machine does not reach, and never by a clock.

use std::hint::black_box;
use std::process::Command;

use tessera::protocol::json::Object;
use tessera::protocol::jwk::{KeySet, KeyUse};
use tessera::protocol::jws::UnverifiedJwt;
use tessera::protocol::params::{Form, decode};

use crate::cli::Folder;

/// Of each text there is one of a quarter of the size, so this much work is linear. What is the same
/// for every size makes it less, tables that grow a little more; a quadratic one would be 16 times.
const AT_MOST: f64 = 5.0;

/// A kind of text (but for scopes, of which there are 64 at most): its name, one of so many parts, the most parts, and who reads it.
type Kind = (&'static str, fn(usize) -> String, usize, fn(&str) -> bool);

const KINDS: [Kind; 9] = [
    ("one long text", |n| format!(r#"{{"a":"{}"}}"#, "x".repeat(n)), 20_000, object),
    ("escapes", |n| format!(r#"{{"a":"{}"}}"#, "\\u0061".repeat(n)), 4_000, object),
    ("members", |n| members(n, ""), 512, object),
    ("members with long names", |n| members(n, "a-name-that-all-of-them-begin-with-"), 400, object),
    ("numbers", |n| format!(r#"{{"a":[{}1.5e3]}}"#, "-12.25e-3,".repeat(n)), 2_000, object),
    (
        "lists in lists",
        |n| format!(r#"{{"a":[{}1]}}"#, format!("{}{},", "[".repeat(14), "]".repeat(14)).repeat(n)),
        800,
        object,
    ),
    ("tokens", |n| token(&members(n, "")), 512, |text| UnverifiedJwt::parse(text).is_ok()),
    ("percents", |n| "%41%2b+".repeat(n), 6_000, |text| decode(text.as_bytes()).is_ok()),
    (
        "parameters",
        |n| (0..n).map(|at| format!("p{at}={}", "v".repeat(500))).collect::<Vec<_>>().join("&"),
        64,
        |text| Form::parse(text.as_bytes()).is_ok(),
    ),
];

fn object(text: &str) -> bool {
    Object::parse(text.as_bytes()).is_ok()
}

fn members(count: usize, prefix: &str) -> String {
    let members: Vec<_> = (0..count).map(|at| format!("\"{prefix}{at}\":0")).collect();
    format!("{{{}}}", members.join(","))
}

fn token(payload: &str) -> String {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.{}", part(r#"{"alg":"RS256","kid":"k"}"#), part(payload), part("signature"))
}

/// What is counted, as callgrind calls it.
const COUNTED: &str = "suite::parsers::linear::counted_reading";

/// The reading of one text, and nothing else.
#[inline(never)]
fn counted_reading(read: fn(&str) -> bool, text: &str) -> bool {
    black_box(read(black_box(text)))
}

/// Runs under callgrind alone: reads every text, a quarter of it and the whole.
#[test]
#[ignore = "the next test runs it under callgrind"]
fn texts_are_read() {
    for (name, text, most, read) in KINDS {
        for count in [most / 4, most] {
            assert!(counted_reading(read, &text(count)), "{name} {count}");
        }
    }
    assert!(KeySet::parse(br#"{"keys":[]}"#, KeyUse::Client).is_err());
}

#[test]
fn p15_reading_costs_as_much_as_there_is_to_read() {
    let folder = Folder::new("linear");
    let file = format!("{}/counted", folder.path());
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--zero-before={COUNTED}")])
        .arg(format!("--dump-after={COUNTED}"))
        .arg(format!("--callgrind-out-file={file}"))
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "parsers::linear::texts_are_read", "--test-threads=1"])
        .output()
        .expect("valgrind is installed: make test does it");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    // One file of each reading, in their order.
    let counts: Vec<f64> =
        (1..=KINDS.len() * 2).map(|number| count(&format!("{file}.{number}"))).collect();
    for ((name, ..), pair) in KINDS.iter().zip(counts.chunks(2)) {
        let (quarter, whole) = (pair[0], pair[1]);
        assert!(quarter > 500.0, "{name}: {quarter} instructions were counted");
        let times = whole / quarter;
        assert!(times > 1.5 && times < AT_MOST, "{name}: {quarter} and {whole}, {times:.1} times");
    }
}

/// The instructions in one of callgrind's files.
fn count(file: &str) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let line = text.lines().find_map(|line| line.strip_prefix("totals: "));
    line.unwrap_or_else(|| panic!("{text}")).trim().parse().unwrap()
}
