//! Helm's linter, Kubernetes' schemas, and those of the operators whose objects the chart makes.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::thread;

use serde_json::{Value, json};

use super::{RENDERED, chart, good, helm, objects, template, value_files};
use crate::cli::text;
use crate::gateways::root;

/// The oldest that the chart supports, one between, and the newest.
const KUBERNETES: [&str; 3] = ["1.29", "1.33", "1.37"];

/// What Kubernetes itself does not know.
const CUSTOM: [&str; 3] = ["HTTPRoute", "PrometheusRule", "ServiceMonitor"];

/// A program that reads objects and says what it checked.
fn checked(command: &mut Command, given: &[(&str, &Value)]) -> Vec<String> {
    let mut process = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = given
        .iter()
        .map(|(place, object)| json!({ "where": place, "object": object }).to_string() + "\n")
        .collect();
    let mut input = process.stdin.take().unwrap();
    let writer = thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    writer.join().unwrap().unwrap();
    text(&output.stdout).lines().map(str::to_owned).collect()
}

fn kubernetes() -> Command {
    let mut command = Command::new("python3");
    command
        .arg(root().join("tests/clients/kubernetes.py"))
        .args(KUBERNETES)
        .env("PYTHONPATH", root().join("target/tools/kubernetes-1.37.0"));
    command
}

fn custom_resources() -> Command {
    let mut command = Command::new("node");
    command.arg(root().join("tests/clients/custom_resources.mjs"));
    command
}

fn of_kinds(custom: bool) -> Vec<(&'static str, &'static Value)> {
    let is_custom = |object: &Value| CUSTOM.contains(&object["kind"].as_str().unwrap());
    RENDERED
        .iter()
        .flat_map(|one| one.objects.iter().map(|object| (one.name.as_str(), object)))
        .filter(|(_, object)| is_custom(object) == custom)
        .collect()
}

#[test]
fn kubernetes_takes_every_object() {
    let given = of_kinds(false);
    let good = checked(&mut kubernetes(), &given);
    assert_eq!(good.len(), given.len() * KUBERNETES.len());
    let kinds: BTreeSet<_> = good.iter().filter_map(|line| line.split(' ').next()).collect();
    let expected = [
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Ingress",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Pod",
        "PodDisruptionBudget",
        "Secret",
        "Service",
        "ServiceAccount",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn operators_take_every_custom_resource() {
    let given = of_kinds(true);
    let good = checked(&mut custom_resources(), &given);
    assert_eq!(good.len(), given.len());
    let kinds: BTreeSet<_> = good.iter().map(String::as_str).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), CUSTOM);
}

/// Or the two tests above would prove nothing.
#[test]
fn the_schemas_notice_what_is_wrong() {
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" },
        "spec": { "containers": [{ "name": "a", "image": "a", "imagePolicy": "Always" }] } });
    let monitor = json!({ "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor",
        "metadata": { "name": "a" }, "spec": { "selector": {}, "endpoints": [{ "port": 1 }] } });
    for (mut program, object, word) in
        [(kubernetes(), pod, "imagePolicy"), (custom_resources(), monitor, "port")]
    {
        let mut process = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let line = json!({ "where": "a test", "object": object });
        process.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(word), "{}", text(&output.stderr));
    }
}

#[test]
fn both_helms_lint_and_render_alike() {
    let each = |(name, path): (String, std::path::PathBuf)| {
        let path = path.to_str().unwrap();
        for version in ["4.1.4", "3.18.0"] {
            let linted = helm(version, &["lint", "--strict", ".", "-f", path]);
            assert!(linted.status.success(), "{name}, Helm {version}: {}", text(&linted.stdout));
        }
        // What is made anew each time differs, and nothing else.
        let fixed = |written: &str| -> Vec<Value> {
            objects(written).into_iter().filter(|object| object["kind"] != "Secret").collect()
        };
        let old = fixed(&good(&template("3.18.0", &["-f", path, "--kube-version", "1.29.0"])));
        let new = &RENDERED.iter().find(|one| one.name == name).unwrap().text;
        assert_eq!(old, fixed(new), "{name}");
    };
    let all: Vec<_> =
        value_files().into_iter().map(|one| thread::spawn(move || each(one))).collect();
    for one in all {
        one.join().unwrap();
    }
}

#[test]
fn an_older_kubernetes_is_refused() {
    let output = template("4.1.4", &["-f", "ci/default-values.yaml", "--kube-version", "1.28.0"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("1.29"), "{}", text(&output.stderr));
    assert!(chart().join("Chart.yaml").exists());
}
