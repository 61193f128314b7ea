//! What a change of values does to running pods: nothing, unless a restart is needed.

use serde_json::Value;

use super::with;

/// The pods' template: when it changes, all pods are replaced.
fn template(more: &[&str]) -> Value {
    with(more).deployment()["spec"]["template"].clone()
}

#[test]
fn what_is_taken_up_live_leaves_pods_alone() {
    let now = template(&[]);
    for live in [
        &["--set", "config.log.level=debug"][..],
        &["--set", "entra.audiences={api://invoices}"],
        &["--set", "issuer=https://sts.example.com"],
        &["--set", "config.key_sets.refresh=30m"],
        &["--set", "config.audit.introspections=all"],
        &["--set", "config.clients.tyk.introspect.release={username}"],
        &["--set", "networkPolicy.enabled=false"],
        &["--set", "serviceMonitor.enabled=true"],
    ] {
        assert_eq!(template(live), now, "{live:?}");
    }
}

#[test]
fn what_needs_a_restart_makes_new_pods() {
    let now = template(&[]);
    for change in [
        &["--set", "listeners.public.port=8081"][..],
        &["--set", "config.cache.bytes=128MiB"],
        &["--set", "config.log.format=human"],
        &["--set", "config.audit.to=stdout"],
        &["--set", "config.traces.endpoint=http://collector:4318"],
        &["--set", "config.signing.rotate=48h"],
        &["--set", "shutdown.drainSeconds=20"],
        &["--set", "redis.mode=standalone", "--set", "redis.hosts={redis:6379}"],
        &["--set", "image.tag=next"],
    ] {
        assert_ne!(template(change), now, "{change:?}");
    }
}

#[test]
fn another_version_of_the_chart_alone_leaves_pods_alone() {
    let labels = template(&[]);
    let labels = labels["metadata"]["labels"].as_object().unwrap();
    assert!(!labels.contains_key("helm.sh/chart"), "{labels:?}");
}
