//! The pages of those who run it: what they point at is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{read, root};

const PAGES: [&str; 5] = ["container", "limits", "threat-model", "upgrading", "rotation"];

/// The names of all functions in the tests, and of test functions in the product.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root().join("tests/suite"), root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.extend(tests_in(&fs::read_to_string(path).unwrap()));
            }
        }
    }
    found
}

fn tests_in(text: &str) -> Vec<String> {
    let mut pending = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if ["#[test]", "#[tokio::test]", "#[actix_web::test]"].contains(&line) {
            pending = true;
        } else if let Some((_, name)) = line.split_once("fn ").filter(|_| pending) {
            found.push(name.split(['(', '<']).next().unwrap().to_owned());
            pending = false;
        }
    }
    found
}

/// Everything between single backticks.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    page.split('`').skip(1).step_by(2)
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let (known, page) = (tests(), read("docs/threat-model.md"));
    assert!(known.len() > 300, "{}", known.len());
    let mut named = BTreeSet::new();
    // Threats, and before them the boundaries.
    let boundaries = page.lines().skip_while(|line| !line.starts_with("| boundary")).skip(2);
    let boundaries: Vec<_> = boundaries.take_while(|line| line.starts_with("| ")).collect();
    assert!(boundaries.len() >= 6, "{boundaries:?}");
    let threats = page.lines().filter(|line| line.starts_with("| T"));
    for row in threats.chain(boundaries) {
        let guarded = row.rsplit('|').nth(1).unwrap();
        let tests: Vec<_> = quoted(guarded).collect();
        assert!(!tests.is_empty(), "nothing guards: {row}");
        for name in tests {
            assert!(known.contains(name), "no such test: `{name}`");
            named.insert(name);
        }
    }
    assert!(named.len() >= 60, "{}", named.len());
}

#[test]
fn every_link_of_these_pages_leads_somewhere() {
    let mut seen = 0;
    for page in PAGES {
        let text = read(&format!("docs/{page}.md"));
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            if file.starts_with("https://") {
                continue;
            }
            let name = if file.is_empty() { format!("{page}.md") } else { file.to_owned() };
            let path = root().join("docs").join(name);
            assert!(path.exists(), "{page}: {link}");
            assert!(section.is_empty() || has_heading(&path, section), "{page}: {link}");
            seen += 1;
        }
    }
    assert!(seen >= 15, "{seen}");
}

fn has_heading(page: &Path, anchor: &str) -> bool {
    let text = fs::read_to_string(page).unwrap();
    let titles = text.lines().filter(|line| line.starts_with('#'));
    let anchors = titles.map(|title| {
        let kept = title.trim_start_matches('#').trim().to_lowercase();
        let kept: String =
            kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect();
        kept.replace(' ', "-")
    });
    anchors.into_iter().any(|known| known == anchor)
}
