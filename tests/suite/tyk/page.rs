//! `docs/tyk.md` says what the code says, and its commands do what they say.

use std::process::{Command, Stdio};

use strum::VariantArray as _;
use tessera::domain::tyk::Fault;

use super::SECRETS;
use crate::cli::{Folder, text};

const PAGE: &str = include_str!("../../../docs/tyk.md");

fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    let after = PAGE.split(begin.as_str()).skip(1);
    after.map(|rest| rest.split_once("```").unwrap().0).collect()
}

#[test]
fn the_page_lists_every_finding() {
    let line = |fault: &Fault| {
        let (name, severity) = (fault.as_str(), fault.severity().as_str());
        format!("| `{name}` | {severity} | {} | {} |", fault.meaning(), fault.remedy())
    };
    let expected: Vec<_> = Fault::VARIANTS.iter().map(line).collect();
    let (_, table) = PAGE.split_once("## What the doctor finds").unwrap();
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows, expected);
}

#[test]
fn every_command_on_the_page_works_and_writes_the_files_that_it_names() {
    let folder = Folder::new("tyk-page");
    let [config] = blocks("yaml")[..] else { panic!("one configuration") };
    folder.file("tessera.yaml", config);
    let lines: Vec<_> = blocks("console").into_iter().flat_map(str::lines).collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    for line in lines {
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("tessera"), "{line}");
        let ended = Command::new(env!("CARGO_BIN_EXE_tessera"))
            .args(words)
            .envs(SECRETS)
            .env_remove("TESSERA_CONFIG")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(0), "{line}: {}", text(&ended.stderr));
        if line.contains("doctor") {
            assert!(text(&ended.stdout).contains(" 0 errors, 0 warnings"));
        }
    }
    let named = PAGE.split('`').filter(|part| part.starts_with("tyk/"));
    let named: Vec<_> = named.collect();
    assert_eq!(named.len(), 4, "{named:?}");
    for name in named {
        assert!(std::path::Path::new(folder.path()).join(name).is_file(), "{name}");
    }
    let orders =
        std::fs::read_to_string(format!("{}/tyk/apps/orders.json", folder.path())).unwrap();
    let orders: serde_json::Value = serde_json::from_str(&orders).unwrap();
    let shown = PAGE.split('`').find(|part| part.starts_with("{\"tessera\":")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(shown).unwrap(), orders["config_data"]);
}
