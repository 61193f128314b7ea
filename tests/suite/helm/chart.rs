//! The chart as a whole: its version, its values, and what its page says of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use super::{LEAST, chart, good, helm};
use crate::gateways::root;

fn read(name: &str) -> String {
    fs::read_to_string(chart().join(name)).unwrap()
}

fn templates() -> String {
    let mut all = String::new();
    for folder in ["templates", "templates/tests"] {
        let files = fs::read_dir(chart().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        for file in files.filter(|path| path.is_file()) {
            all.push_str(&fs::read_to_string(file).unwrap());
        }
    }
    all
}

#[test]
fn the_chart_runs_this_version() {
    let chart: Value = serde_saphyr::from_str(&read("Chart.yaml")).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"), "released together");
    assert!(chart.get("dependencies").is_none(), "nothing is fetched when it is installed");
}

/// One value: its name, its default as it stands there, and what the comment says.
struct Row {
    name: String,
    default: String,
    meaning: String,
}

/// The values that a comment beginning with `--` describes, and the names of those that none does.
fn described(values: &str) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut bare) = (Vec::new(), Vec::new());
    let mut parents: Vec<(usize, String)> = Vec::new();
    let mut meaning: Option<String> = None;
    // Deeper lines belong to a value that is described as a whole.
    let mut whole: Option<usize> = None;
    for line in values.lines() {
        let inner = line.trim_start();
        let indent = line.len() - inner.len();
        if inner.is_empty() || whole.is_some_and(|depth| indent > depth) {
            continue;
        }
        if let Some(text) = inner.strip_prefix("# -- ") {
            meaning = Some(text.to_owned());
        } else if let Some(text) = inner.strip_prefix("# ") {
            if let Some(meaning) = &mut meaning {
                *meaning += " ";
                *meaning += text;
            }
        } else {
            let (key, value) = inner.split_once(':').unwrap();
            parents.retain(|(depth, _)| *depth < indent);
            let above = parents.iter().map(|(_, name)| name.as_str());
            let path = above.chain([key]).collect::<Vec<_>>().join(".");
            let default = value.trim().to_owned();
            whole = None;
            match meaning.take() {
                Some(meaning) => {
                    whole = Some(indent);
                    let default = if default.is_empty() { "…".to_owned() } else { default };
                    rows.push(Row { name: path, default, meaning });
                }
                None if default.is_empty() => parents.push((indent, key.to_owned())),
                None => bare.push(path),
            }
        }
    }
    (rows, bare)
}

#[test]
fn every_value_is_described_and_the_page_says_the_same() {
    let (rows, bare) = described(&read("values.yaml"));
    assert!(bare.is_empty(), "no comment says what these are for: {bare:?}");
    assert!(rows.len() > 100, "{}", rows.len());
    let mut table = String::from("| value | default | meaning |\n|---|---|---|\n");
    for Row { name, default, meaning } in &rows {
        let meaning = meaning.replace('|', "\\|");
        writeln!(table, "| `{name}` | `{default}` | {meaning} |").unwrap();
    }
    if !read("README.md").contains(&table) {
        let written = root().join("target/helm-values.md");
        fs::write(&written, table).unwrap();
        panic!(
            "README.md has another table than values.yaml; the right one is {}",
            written.display()
        );
    }
}

/// Whether templates read this value: by its whole name, or a section that it is in, and then its
/// name in that.
fn is_used(name: &str, templates: &str) -> bool {
    let parts: Vec<_> = name.split('.').collect();
    (1..=parts.len()).any(|length| {
        let (above, below) = parts.split_at(length);
        let above = above.join(".");
        let whole = [".Values.", "$v."].iter().any(|root| {
            templates.match_indices(&format!("{root}{above}")).any(|(at, found)| {
                let next = templates[at + found.len()..].chars().next();
                // `$v.redis.mode` is no use of `redis` as a whole.
                next.is_none_or(|next| !next.is_alphanumeric() && next != '.')
            })
        });
        let named = |part: &&str| {
            templates.contains(&format!(".{part}")) || templates.contains(&format!("\"{part}\""))
        };
        whole && below.iter().all(named)
    })
}

#[test]
fn every_value_is_used_and_every_use_is_a_value() {
    let templates = templates();
    let (rows, _) = described(&read("values.yaml"));
    let unused: Vec<_> =
        rows.iter().map(|row| &row.name).filter(|name| !is_used(name, &templates)).collect();
    assert!(unused.is_empty(), "{unused:?}");
    assert!(!is_used("redis.nothing", &templates), "this test would find nothing");

    let values: Value = serde_saphyr::from_str(&read("values.yaml")).unwrap();
    for root in [".Values.", "$v."] {
        for (at, _) in templates.match_indices(root) {
            let path = &templates[at + root.len()..];
            let end = path.find(|letter: char| !letter.is_alphanumeric() && letter != '.');
            let path = path[..end.unwrap()].trim_end_matches('.');
            let free = ["config.", "secrets."].iter().any(|free| path.starts_with(free));
            let found = path.split('.').try_fold(&values, |value, name| value.get(name));
            assert!(free || found.is_some(), "{path} is no value");
        }
    }
}

/// The schema names every value, and no others.
#[test]
fn the_schema_knows_the_same_values() {
    fn names(value: &Value, at: &str, found: &mut BTreeSet<String>) {
        for (name, value) in value.as_object().into_iter().flatten() {
            found.insert(format!("{at}{name}"));
            names(value, &format!("{at}{name}."), found);
        }
    }
    fn allowed(schema: &Value, at: &str, found: &mut BTreeSet<String>) {
        if schema["additionalProperties"] != false {
            return;
        }
        for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
            found.insert(format!("{at}{name}"));
            allowed(inner, &format!("{at}{name}."), found);
        }
    }
    let values: Value = serde_saphyr::from_str(&read("values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
    names(&values, "", &mut ours);
    allowed(&schema, "", &mut theirs);
    theirs.remove("global");
    let missing: Vec<_> = theirs.difference(&ours).collect();
    assert!(missing.is_empty(), "in the schema alone: {missing:?}");
}

/// What is said after the installation: where to look, and what is not yet fit for production.
#[test]
fn the_notes_say_what_to_mind() {
    let notes = |more: &[&str]| -> String {
        let install = ["install", "one", ".", "--namespace", "identity", "--dry-run=client"];
        let written = good(&helm("4.1.4", &[&install[..], more].concat()));
        written.split_once("NOTES:").unwrap().1.to_owned()
    };
    let least = notes(&LEAST);
    assert!(
        least.contains("get secret one-tessera -o jsonpath='{.data.client-secret}'"),
        "{least}"
    );
    for warning in ["issuer: not set", "replicaCount: one replica", "redis.mode: nothing is kept"] {
        assert!(least.contains(warning), "{warning}: {least}");
    }
    let digest = format!("image.digest=sha256:{}", "0".repeat(64));
    let ready = notes(&["-f", "ci/redis-standalone-tls-values.yaml", "--set", &digest]);
    assert!(!ready.contains("Mind:"), "{ready}");
    let plain =
        notes(&["-f", "ci/redis-cluster-values.yaml", "--set", "networkPolicy.enabled=false"]);
    for warning in ["redis.tls.enabled: off", "networkPolicy.enabled: off"] {
        assert!(plain.contains(warning), "{warning}: {plain}");
    }
}
