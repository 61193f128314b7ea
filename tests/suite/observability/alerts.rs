//! The rules in a real Prometheus: all of them evaluate, and an alert fires for a real fault.

use super::prometheus::Prometheus;
use super::scene::Scene;
use super::{at_once, list};
use crate::support::process::wait_until;

#[test]
fn every_rule_evaluates_and_an_alert_fires_when_redis_is_killed() {
    let mut scene = Scene::start();
    let targets: Vec<_> = scene.replicas.all.iter().map(|replica| replica.admin).collect();
    let prometheus = Prometheus::watching(&targets, &at_once());
    let firing = |name: &str| {
        prometheus.query(&format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\"}}"))
    };
    let (mut round, promised) = (0, "job:tessera_slo_failed:budget_left == 1");
    wait_until("a budget for each of three promises", || {
        scene.round(round);
        round += 1;
        prometheus.query(promised).len() == 3
    });
    for group in list(&prometheus.get("/api/v1/rules", &[]), "groups") {
        for rule in list(group, "rules") {
            assert_eq!(rule["health"], "ok", "{rule}");
            if rule["type"] == "recording" {
                let name = rule["name"].as_str().unwrap();
                wait_until(name, || !prometheus.query(name).is_empty());
            }
        }
    }
    let disconnected = "TesseraStoreDisconnected";
    assert_eq!(firing(disconnected).len(), 0);
    scene.redis.kill();
    wait_until("an alert for each replica", || firing(disconnected).len() == 2);
    let alerts = prometheus.get("/api/v1/alerts", &[]);
    let mut told: Vec<_> = list(&alerts, "alerts")
        .iter()
        .filter(|alert| alert["labels"]["alertname"] == disconnected)
        .collect();
    told.sort_unstable_by_key(|alert| alert["labels"]["instance"].to_string());
    let mut addresses: Vec<_> = targets.iter().map(ToString::to_string).collect();
    addresses.sort_unstable();
    for (alert, address) in told.iter().zip(&addresses) {
        assert_eq!(alert["labels"]["severity"], "critical");
        assert_eq!(alert["labels"]["namespace"], "edge");
        let description = alert["annotations"]["description"].as_str().unwrap();
        assert!(
            description.starts_with(&format!("{address} of tessera cannot reach Redis.")),
            "{alert}"
        );
    }
    assert_eq!(told.len(), 2);
    for alert in list(&alerts, "alerts") {
        assert!(
            !alert["annotations"].to_string().contains("error"),
            "a text that cannot be made: {alert}"
        );
    }
    scene.redis.restart();
    wait_until("silence", || firing(disconnected).is_empty());
}
