//! The dashboard: what Grafana expects, and an answer of a real Prometheus to every query.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::prometheus::Prometheus;
use super::scene::Scene;
use super::{at_once, list};
use crate::gateways::root;

/// What has no answer by now has none.
const PATIENCE: Duration = Duration::from_mins(1);
/// What is empty here: no listener has TLS. `tls` reads that metric from one that has.
const EMPTY: &[&str] = &["Until certificates expire"];

/// One query of a panel.
#[derive(Debug)]
struct Target {
    panel: String,
    query: String,
    legend: String,
}

fn dashboard() -> Value {
    let text = fs::read_to_string(root().join("helm/tessera/files/dashboard.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Every query, with its variables filled in.
fn targets(dashboard: &Value) -> Vec<Target> {
    let filled = |query: &str| {
        let query = query.replace("$namespace", ".*").replace("$job", "tessera");
        let query = query.replace("$instance", ".*").replace("$__rate_interval", "10s");
        assert!(!query.contains('$'), "a variable that nobody fills in: {query}");
        query
    };
    let panels = list(dashboard, "panels").iter().filter(|panel| panel["type"] != "row");
    panels
        .flat_map(|panel| {
            list(panel, "targets").iter().map(|target| Target {
                panel: panel["title"].as_str().unwrap().to_owned(),
                query: filled(target["expr"].as_str().unwrap()),
                legend: target["legendFormat"].as_str().unwrap().to_owned(),
            })
        })
        .collect()
}

#[test]
fn it_is_what_grafana_expects() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39);
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard, "panels") {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels of one number: {panel}");
        let place = &panel["gridPos"];
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| place[name].as_u64().unwrap());
        assert!(x + w <= 24 && h > 0, "outside of the grid: {panel}");
        for column in x..x + w {
            for line in y..y + h {
                assert!(places.insert((column, line)), "two panels in one place: {panel}");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().unwrap().len() > 10, "{panel}");
        assert!(panel["fieldConfig"]["defaults"].is_object() && panel["options"].is_object());
        let source = serde_json::json!({ "type": "prometheus", "uid": "${datasource}" });
        assert_eq!(panel["datasource"], source);
        let letters: BTreeSet<_> = list(panel, "targets")
            .iter()
            .map(|target| {
                assert_eq!(target["datasource"], source);
                target["refId"].as_str().unwrap()
            })
            .collect();
        assert_eq!(letters.len(), list(panel, "targets").len());
    }
    let variables: Vec<_> =
        list(&dashboard["templating"], "list").iter().map(|one| &one["name"]).collect();
    assert_eq!(variables, ["datasource", "namespace", "job", "instance"]);
}

#[test]
fn a_real_prometheus_answers_every_query() {
    let scene = Scene::start();
    let watched: Vec<_> = scene.replicas.all.iter().map(|replica| replica.admin).collect();
    let prometheus = Prometheus::watching(&watched, &at_once());
    let all = targets(&dashboard());
    let expected = |target: &&Target| !EMPTY.contains(&&*target.panel);
    let mut open: Vec<_> = all.iter().filter(expected).collect();
    let (begun, mut round) = (Instant::now(), 0);
    while !open.is_empty() {
        assert!(begun.elapsed() < PATIENCE, "no answer: {open:#?}");
        scene.round(round);
        round += 1;
        open.retain(|target| {
            let found = prometheus.query(&target.query);
            for series in &found {
                // A label that is not there would be shown as nothing.
                for label in target.legend.split("{{").skip(1) {
                    let label = label.split("}}").next().unwrap();
                    assert!(series[label].is_string(), "no `{label}` in {series}: {target:?}");
                }
            }
            found.is_empty()
        });
    }
    for target in all.iter().filter(|target| !expected(target)) {
        assert_eq!(prometheus.query(&target.query), Vec::<Value>::new(), "{target:?}");
    }
    for query in super::pages::queries() {
        prometheus.query(&query);
    }
    for variable in list(&dashboard()["templating"], "list").iter().skip(1) {
        let query = variable["query"]["query"].as_str().unwrap();
        let inner = query.strip_prefix("label_values(").unwrap().strip_suffix(')').unwrap();
        let (selector, label) = inner.rsplit_once(", ").unwrap();
        let selector = selector.replace("$namespace", ".*").replace("$job", ".*");
        let values =
            prometheus.get(&format!("/api/v1/label/{label}/values"), &[("match[]", &selector)]);
        assert!(!values.as_array().unwrap().is_empty(), "{query}");
    }
}
