//! Whatever is named in the rules, on the dashboard and in the pages is exported; which
//! `docs/metrics.md` lists, and another test holds against the export.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::{list, rules};
use crate::gateways::root;

/// Labels that Prometheus and rules add.
const OTHERS: [&str; 8] =
    ["alertname", "alertstate", "instance", "job", "le", "namespace", "severity", "slo"];

/// Each metric of the reference, with the rest of its line, where its labels and values stand.
fn reference() -> BTreeMap<String, String> {
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let lines = page.lines().filter_map(|line| line.strip_prefix("| `"));
    lines
        .map(|line| line.split_once('`').unwrap())
        .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
        .collect()
}

fn is_part_of_a_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'
}

/// Every word of a text that is the name of a metric, with what follows it.
fn metrics(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for prefix in ["tessera_", "process_"] {
        for (begin, _) in text.match_indices(prefix) {
            let begins =
                text[..begin].chars().next_back().is_none_or(|before| !is_part_of_a_name(before));
            let rest = &text[begin..];
            let end = rest.find(|letter| !is_part_of_a_name(letter)).unwrap_or(rest.len());
            // `tessera_slo_` are our own recordings; a brace within a word stands for several.
            if begins && !rest[..end].ends_with('_') {
                found.push((&rest[..end], &rest[end..]));
            }
        }
    }
    found
}

/// The metric that a name belongs to: histograms have three.
fn family<'n>(name: &'n str, known: &BTreeMap<String, String>) -> &'n str {
    let of_histogram = |suffix: &str| {
        name.strip_suffix(suffix)
            .filter(|base| known.get(*base).is_some_and(|line| line.contains("| histogram |")))
    };
    ["_bucket", "_count", "_sum"].into_iter().find_map(of_histogram).unwrap_or(name)
}

/// The matchers of a selector: label, operator, value.
fn matchers(rest: &str) -> Vec<(String, String, String)> {
    let Some(selector) = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()) else {
        return Vec::new();
    };
    let one = |matcher: &str| {
        let (label, rest) = matcher.split_at(matcher.find(['=', '!']).unwrap());
        let (operator, value) = rest.split_at(rest.find('"').unwrap());
        (label.trim().to_owned(), operator.to_owned(), value.trim_matches('"').to_owned())
    };
    selector.split("\",").filter(|part| !part.trim().is_empty()).map(one).collect()
}

fn assert_known(place: &str, text: &str, known: &BTreeMap<String, String>) {
    for (name, rest) in metrics(text) {
        let family = family(name, known);
        let line = known.get(family).unwrap_or_else(|| panic!("{place}: no metric `{family}`"));
        for (label, operator, value) in matchers(rest) {
            if OTHERS.contains(&&*label) {
                continue;
            }
            assert!(
                line.contains(&format!("`{label}`")),
                "{place}: `{family}` has no `{label}`: {line}"
            );
            if !value.contains(['.', '$', '|', '/']) && operator != "=~" {
                assert!(
                    line.contains(&format!("`{value}`")),
                    "{place}: {label}=\"{value}\"? {line}"
                );
            }
        }
    }
}

#[test]
fn every_metric_that_is_named_is_exported() {
    let known = reference();
    let expressions: Vec<_> =
        rules().iter().map(|rule| rule["expr"].as_str().unwrap().to_owned()).collect();
    for expression in &expressions {
        assert_known("rules.yaml", expression, &known);
    }
    let text = fs::read_to_string(root().join("helm/tessera/files/dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let shown: Vec<_> = list(&dashboard, "panels")
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten()
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    for expression in &shown {
        assert_known("dashboard.json", expression, &known);
    }
    for page in ["runbook.md", "slo.md", "dashboard.md"] {
        assert_known(page, &fs::read_to_string(root().join("docs").join(page)).unwrap(), &known);
    }
}

#[test]
fn every_recording_that_is_named_is_recorded() {
    let rules = rules();
    let recorded: Vec<_> = rules.iter().filter_map(|rule| rule["record"].as_str()).collect();
    let folder = root().join("helm/tessera/files");
    let texts = ["rules.yaml", "dashboard.json"].map(|name| fs::read_to_string(folder.join(name)));
    for text in texts {
        let text = text.unwrap();
        let named: Vec<_> = text.match_indices("job:").collect();
        assert!(!named.is_empty());
        for (begin, _) in named {
            let rest = &text[begin..];
            let end = rest.find(|letter| !is_part_of_a_name(letter)).unwrap_or(rest.len());
            assert!(recorded.contains(&&rest[..end]), "{}", &rest[..end]);
        }
    }
}

#[test]
fn names_and_labels_are_found() {
    let found = metrics(
        r#"sum(rate(tessera_a_total{x="1",y!~"b|c"}[5m])) / process_b - job:tessera_slo_c"#,
    );
    assert_eq!(found.iter().map(|one| one.0).collect::<Vec<_>>(), ["tessera_a_total", "process_b"]);
    let of = |label: &str, operator: &str, value: &str| {
        (label.to_owned(), operator.to_owned(), value.to_owned())
    };
    assert_eq!(matchers(found[0].1), [of("x", "=", "1"), of("y", "!~", "b|c")]);
}
