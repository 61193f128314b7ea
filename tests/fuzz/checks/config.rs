//! Configuration files: whole and valid, or a report that says where each problem is, in plain
//! lines, without any secret.

use std::path::Path;

use tessera::config::{self, Config, Environment, PlainSecrets, Problem, Report};
use tessera::domain::tenant::Tenant;
use tessera::service::snapshot::Snapshot;

/// What every reference stands for.
const SECRET: &str = "0b1c2d3e4f5a69788796a5b4c3d2e1f00b1c2d3e4f5a69788796a5b4c3d2e1f0";

struct Known;

impl Environment for Known {
    fn variable(&self, _: &str) -> Result<String, String> {
        Ok(SECRET.to_owned())
    }

    fn file(&self, _: &Path) -> Result<String, String> {
        Ok(format!("{SECRET}\n"))
    }
}

fn load(text: &str) -> Result<Config, Report> {
    config::load(text, "tessera.yaml", &Known, PlainSecrets::Refused)
}

/// `data` is a file.
pub(crate) fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let first = load(text);
    match &first {
        Ok(config) => whole(config),
        Err(report) => plain(report, text),
    }
    match (&first, load(text)) {
        (Ok(one), Ok(other)) => assert_eq!(one.digest, other.digest),
        (Err(one), Err(other)) => assert_eq!(*one, other),
        _ => panic!("good, and not"),
    }
    // A comment above changes nothing but the numbers of lines.
    if !text.starts_with(['\u{feff}', '%']) {
        match (&first, load(&format!("# a comment\n{text}"))) {
            (Ok(_), Ok(_)) => {}
            (Err(one), Err(other)) => moved(one, &other),
            (_, second) => panic!("a comment makes it {second:?}"),
        }
    }
    first.is_ok()
}

fn whole(config: &Config) {
    assert!(!config.tenants.is_empty() && !config.clients.is_empty());
    assert!(!format!("{config:?}").contains(SECRET), "a secret is shown");
    let snapshot = Snapshot::of(config);
    for client in &config.clients {
        assert_eq!(snapshot.caller(&client.id).map(|caller| &caller.client.id), Some(&client.id));
        let resources = client.exchange.iter().map(|rule| &rule.resource);
        for resource in resources.chain(&client.default_resource) {
            assert!(snapshot.resource(resource).is_some(), "{resource}");
        }
    }
    for api in &config.apis {
        assert!(snapshot.caller(&api.client).is_some(), "{}", api.name);
    }
    let mut issuers: Vec<_> = config.tenants.iter().map(Tenant::v2_issuer).collect();
    issuers.sort_unstable();
    issuers.dedup();
    assert_eq!(issuers.len(), config.tenants.len(), "one tenant twice");
    drop(config.guarded_by_network());
}

fn plain(report: &Report, text: &str) {
    assert!(!report.problems.is_empty());
    // A carriage return alone ends a line too (YAML 1.2, §5.4).
    let lines = u64::try_from(text.matches(['\n', '\r']).count()).unwrap() + 2;
    for Problem { line, message, hint, path } in &report.problems {
        assert!(*line <= lines, "line {line} of {lines}");
        for shown in [Some(message), hint.as_ref(), Some(path)].into_iter().flatten() {
            assert!(!shown.contains(char::is_control), "{shown:?}");
            assert!(!shown.contains(SECRET), "a secret is shown: {shown}");
            assert!(shown.len() < 2000, "{} bytes", shown.len());
        }
    }
    let shown = report.to_string();
    assert_eq!(shown.lines().count(), report.problems.len());
}

fn moved(one: &Report, other: &Report) {
    assert_eq!(one.problems.len(), other.problems.len());
    for (above, below) in one.problems.iter().zip(&other.problems) {
        let lines = (above.line, below.line);
        assert!(lines.1 == lines.0 + 1 || lines.0 <= 1 && lines.1 <= 2, "{lines:?}");
        assert_eq!(above.path, below.path);
        // Other lines are told of by number.
        let words = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
        assert_eq!(words(&above.message), words(&below.message));
    }
}
