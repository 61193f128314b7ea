//! The reference page says what the program reads: every key, type and default, and nothing else.

use std::path::Path;

use tessera::config::schema::{Key, SECTIONS, Section};
use tessera::config::{Environment, PlainSecrets, load};

const PAGE: &str = include_str!("../../docs/configuration.md");

/// Has every variable and file that the page refers to.
struct Anything;

impl Environment for Anything {
    fn variable(&self, name: &str) -> Result<String, String> {
        Ok(format!("{name:_<40}"))
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Ok(KEY_SET.to_owned()),
            Some("hex") => {
                // Each file another key.
                let name = path.display().to_string();
                Ok(format!("{:064x}", name.len()))
            }
            Some("pem") => Ok(PEM.to_owned()),
            Some("crt") if path.ends_with("ca.crt") => Ok(TLS[2].to_owned()),
            Some("crt") => Ok(TLS[0].to_owned()),
            Some("key") => Ok(TLS[1].to_owned()),
            _ => Ok(path.display().to_string().replace('/', "-") + &"-".repeat(40)),
        }
    }
}

/// A certificate and its key, as far as the page is concerned.
const PEM: &str = "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n";

/// A listener's certificate, its key, and who vouches for it.
const TLS: [&str; 3] = [
    include_str!("../../src/config/tests/tls/server.crt"),
    include_str!("../../src/config/tests/tls/server.key"),
    include_str!("../../src/config/tests/tls/ca.crt"),
];

const KEY_SET: &str = r#"{"keys":[{"kty":"EC","crv":"P-256",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

fn heading(section: &Section) -> String {
    match section.path {
        "" => "### The file".to_owned(),
        path => format!("### `{path}`"),
    }
}

#[test]
fn the_page_has_every_section_with_exactly_its_keys() {
    let mut expected = Vec::new();
    for section in SECTIONS {
        let (heading, table) = (heading(section), section.table());
        let after = PAGE.split_once(&format!("\n{heading}\n"));
        let part = after.map_or("", |(_, rest)| rest.split("\n#").next().unwrap());
        assert!(part.contains(&table), "{heading} should have this table:\n\n{table}");
        expected.extend(table.lines().map(str::to_owned));
    }
    let on_page: Vec<_> = PAGE.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(on_page, expected, "the page has these tables, in this order, and no other");
    let headings = PAGE.lines().filter(|line| line.starts_with("### ")).count();
    assert_eq!(headings, SECTIONS.len(), "a heading for each section and no other");
}

/// Asserts that a file of this text would be taken.
#[track_caller]
pub(crate) fn assert_good(text: &str) {
    let loaded = load(text, "example", &Anything, PlainSecrets::Refused);
    assert!(loaded.is_ok(), "{}\n{text}", loaded.unwrap_err());
}

#[test]
fn every_example_on_the_page_is_a_good_file() {
    let examples: Vec<_> = PAGE
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("the block ends").0)
        .collect();
    assert!(!examples.is_empty());
    for example in examples {
        assert_good(example);
    }
}

#[test]
fn the_first_two_examples_show_every_key() {
    let mut examples = PAGE.split("```yaml\n").skip(1);
    let complete = examples.next().expect("an example");
    let several = examples.next().expect("the one for several replicas");
    for section in SECTIONS {
        for Key { name, .. } in section.keys {
            // A folder and a Redis cannot stand in one file.
            let shared = section.path == "store.redis" || *name == "redis";
            let example = if shared { several } else { complete };
            assert!(example.contains(&format!("{name}:")), "{name}");
        }
    }
}
