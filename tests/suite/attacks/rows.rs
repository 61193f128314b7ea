//! Every row of the attack matrix is tried by a test that names it, or needs what is not built.
//!
//! A test names a row by its own name (`a01_…`, `a12_to_a15_…`) or in the comment right above it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rows, from the first of each run to its last.
const ROWS: [(u16, u16); 11] = [
    (1, 26),    // algorithm and signature
    (30, 46),   // header injection
    (50, 66),   // serialization and encoding
    (70, 84),   // time claims
    (90, 106),  // issuer, tenant, key ownership
    (110, 120), // audience
    (130, 144), // one kind of JWT for another
    (150, 185), // exchange
    (200, 233), // client authentication and HTTP
    (240, 255), // oracle, caching, revocation
    (260, 268), // receiver of security events
];

const NO_RECEIVER: &str =
    "no security events are received: there is no endpoint, no stream and no transmitter";
const NO_DPOP: &str = "no DPoP: no proof is read, and a token that is bound to a key is refused \
     (A180), never taken as bearer";

/// Rows that need what is not built, and what that is.
const NOT_BUILT: [(u16, &str); 15] = [
    (84, NO_RECEIVER),
    (142, NO_RECEIVER),
    (182, "no subject token is for one use: an exchange uses nothing up but an actor's assertion"),
    (214, "no client is known by a certificate: mutual TLS ends at the ingress (A213)"),
    (229, NO_DPOP),
    (230, NO_DPOP),
    (260, NO_RECEIVER),
    (261, NO_RECEIVER),
    (262, NO_RECEIVER),
    (263, NO_RECEIVER),
    (264, NO_RECEIVER),
    (265, NO_RECEIVER),
    (266, NO_RECEIVER),
    (267, NO_RECEIVER),
    (268, NO_RECEIVER),
];

/// Every file of Rust under these folders.
fn sources(folders: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut files = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files
}

/// The number of a row, after the letter that all of them have.
fn number(text: &str) -> Option<u16> {
    let written = (2..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| written)
}

/// The rows in the name of a test.
fn named(name: &str) -> BTreeSet<u16> {
    let mut rows = BTreeSet::new();
    let (mut last, mut range) = (None, false);
    for word in name.split('_') {
        let row = word.strip_prefix('a').and_then(number);
        match (row, last) {
            (Some(row), Some(first)) if range => rows.extend(first..=row),
            _ => rows.extend(row),
        }
        range = word == "to" && last.is_some();
        // Only what stands right before `to` begins a range.
        last = if range { last } else { row };
    }
    rows
}

/// The rows in a comment.
fn told(comment: &str) -> BTreeSet<u16> {
    let words = comment.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix('A').and_then(number)).collect()
}

/// The name of the function that begins in this line.
fn function(line: &str) -> Option<&str> {
    let line = line.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("async ");
    line.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// The rows that the tests in `text` name, with the names of those tests.
fn tests(text: &str) -> Vec<(String, BTreeSet<u16>)> {
    let mut found = Vec::new();
    let (mut comment, mut is_test) = (BTreeSet::new(), false);
    for line in text.lines() {
        let line = line.trim();
        if let Some(name) = function(line).filter(|_| is_test) {
            comment.extend(named(name));
            found.push((name.to_owned(), comment));
        } else if line.starts_with("///") {
            comment.extend(told(line));
            continue;
        } else if line.starts_with("#[") {
            is_test |= line.ends_with("test]");
            continue;
        }
        (comment, is_test) = (BTreeSet::new(), false);
    }
    found
}

#[test]
fn every_row_is_tried_or_stands_in_the_list() {
    let all: BTreeSet<_> = ROWS.into_iter().flat_map(|(first, last)| first..=last).collect();
    assert_eq!(all.len(), 213, "the matrix");
    let mut tried = BTreeMap::<u16, Vec<String>>::new();
    for file in sources(&["tests", "src"]) {
        for (name, rows) in tests(&fs::read_to_string(&file).unwrap()) {
            for row in rows {
                assert!(all.contains(&row), "{}: {name}: there is no A{row:02}", file.display());
                tried.entry(row).or_default().push(name.clone());
            }
        }
    }
    let left_out: BTreeMap<_, _> = NOT_BUILT.into_iter().collect();
    assert_eq!(left_out.len(), NOT_BUILT.len(), "a row is listed twice");
    for row in &all {
        match (tried.get(row), left_out.get(row)) {
            (None, None) => panic!("A{row:02} is tried by no test, and is not in the list"),
            (Some(tests), Some(_)) => panic!("A{row:02} is in the list, and tried by {tests:?}"),
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
    assert!(left_out.keys().all(|row| all.contains(row)), "no such row");
    assert!(left_out.values().all(|why| why.len() > 40), "the reason");
}

#[test]
fn names_and_comments_of_tests_are_read_as_they_are_meant() {
    let rows = |text: &str| tests(text).into_iter().flat_map(|(_, rows)| rows).collect::<Vec<_>>();
    assert_eq!(rows("#[test]\nfn a01_a102_x_a_b_a7_rs256_a1234() {"), [1, 102]);
    assert_eq!(rows("#[test]\nfn a12_to_a15_to_the_a20_end() {"), [12, 13, 14, 15, 20]);
    assert_eq!(rows("/// A31, and A255.\n#[tokio::test]\nasync fn x() {"), [31, 255]);
    assert_eq!(rows("#[test]\n#[ignore]\npub(crate) fn a30_x(one in any()) {"), [30]);
    for no_test in ["fn a01_x() {", "/// A01\nfn x() {", "#[test]\n\nfn a01_x() {"] {
        assert!(rows(no_test).is_empty(), "{no_test}");
    }
}
