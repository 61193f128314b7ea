//! Alerts, dashboard and runbook: held against each other, and against a real Prometheus that
//! watches running processes.

mod alerts;
mod dashboard;
mod lint;
mod names;
mod pages;
mod prometheus;
mod scene;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::gateways::root;

/// One alert, as the rules have it.
struct Alert {
    name: String,
    rule: Value,
}

/// The rules, as they stand in the file.
fn rules_text() -> String {
    fs::read_to_string(root().join("helm/tessera/files/rules.yaml")).unwrap()
}

/// The rules, looked at each second, without a wait.
fn at_once() -> String {
    let lines: Vec<_> = rules_text()
        .lines()
        .map(|line| match line.trim_start().split_once(": ") {
            Some(("for" | "interval", _)) => {
                let indent = &line[..line.len() - line.trim_start().len()];
                let (key, value) =
                    if line.contains("for:") { ("for", "0s") } else { ("interval", "1s") };
                format!("{indent}{key}: {value}")
            }
            _ => line.to_owned(),
        })
        .collect();
    lines.join("\n")
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// What stands under `name`, which must be there.
#[track_caller]
fn list<'v>(value: &'v Value, name: &str) -> &'v Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("no list `{name}` in {value}"))
}

/// Every recording rule and every alert.
fn rules() -> Vec<Value> {
    let groups = yaml(&rules_text());
    list(&groups, "groups").iter().flat_map(|group| list(group, "rules").clone()).collect()
}

fn alerts() -> Vec<Alert> {
    let named = |rule: Value| {
        let name = rule["alert"].as_str()?.to_owned();
        Some(Alert { name, rule })
    };
    let alerts: Vec<_> = rules().into_iter().filter_map(named).collect();
    assert!(!alerts.is_empty());
    alerts
}

/// The cases of the rules, file by file.
fn cases() -> Vec<PathBuf> {
    let folder = fs::read_dir(root().join("tests/rules")).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    assert!(!files.is_empty());
    files
}
