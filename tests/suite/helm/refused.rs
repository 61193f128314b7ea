//! Values that are refused, each with the name of what to change.

use super::{LEAST, template};
use crate::cli::text;

/// What is set beside the least, and what the refusal must name.
const GUARDS: &[(&str, &str)] = &[
    ("entra.tenant=", "entra.tenant"),
    ("entra.audience=", "entra.audience"),
    ("replicaCount=2", "redis.mode"),
    ("autoscaling.enabled=true", "redis.mode"),
    ("entra.graph.clientId=0f6d4a5e-9a57-4c0f-8f0e-2b1f4f1c7a11", "entra.graph.existingSecret"),
    ("config.listen.public=0.0.0.0:80", "config.listen"),
    ("config.shutdown.drain=1s", "config.shutdown"),
    ("client.enabled=false", "client.enabled"),
    ("sealing.previousKey=old", "sealing.previousKey"),
    ("redis.username=me,redis.mode=standalone,redis.hosts={a:1}", "redis.username"),
    ("redis.mode=standalone,redis.hosts={a:1,b:2}", "redis.hosts"),
    ("redis.mode=cluster,redis.hosts={a:1},redis.database=1", "redis.database"),
    (
        "redis.mode=standalone,redis.hosts={a:1},redis.tls.certificateKey=tls.crt",
        "redis.tls.certificateKey",
    ),
    ("redis.sentinel.passwordKey=p", "redis.sentinel.passwordKey"),
    ("redis.mode=standalone,redis.hosts={a:1},persistence.enabled=true", "persistence.enabled"),
    ("persistence.enabled=true,replicaCount=2", "redis.mode"),
    ("config.cache.bytes=448MiB", "resources.limits.memory"),
    ("config.cache.bytes=1073741824", "resources.limits.memory"),
    ("config.cache.bytes=1GiB,resources.limits.memory=1Gi", "resources.limits.memory"),
    ("listeners.public.port=9090", "listeners.admin.port"),
    ("listeners.tyk.enabled=true", "networkPolicy.gateways"),
    ("listeners.envoy.enabled=true", "networkPolicy.gateways"),
    (
        "redis.mode=standalone,redis.hosts={a:1},replicaCount=2,podDisruptionBudget.minAvailable=2",
        "podDisruptionBudget.minAvailable",
    ),
    (
        "redis.mode=standalone,redis.hosts={a:1},autoscaling.enabled=true,autoscaling.maxReplicas=1",
        "autoscaling.maxReplicas",
    ),
    (
        "workloadIdentity.enabled=true,serviceAccount.create=false,\
         workloadIdentity.clientId=0f6d4a5e-9a57-4c0f-8f0e-2b1f4f1c7a11",
        "workloadIdentity.enabled",
    ),
    ("ingress.enabled=true", "ingress.hosts"),
    ("httpRoute.enabled=true", "httpRoute.parentRefs"),
];

/// What is set beside the least, and where the schema must say no.
const SCHEMA: &[(&str, &str)] = &[
    ("replicaCuont=2", "replicaCuont"),
    ("redis.tsl.enabled=true", "tsl"),
    ("listeners.public.prot=1", "prot"),
    ("issuer=http://sts.example.com", "/issuer"),
    ("issuer=https://sts.example.com/", "/issuer"),
    ("entra.tenant=contoso.onmicrosoft.com", "/entra/tenant"),
    ("entra.audiences=api://orders", "/entra/audiences"),
    ("entra.authority=germany", "/entra/authority"),
    ("client.name=a b", "/client/name"),
    ("config.clients.tyk.secret=hunter2", "/config/clients/tyk/secret"),
    ("config.store.redis.password=hunter2", "/config/store/redis/password"),
    ("config.store.sealing_key=hunter2", "/config/store/sealing_key"),
    ("config.audit.key=hunter2", "/config/audit/key"),
    ("config.traces.headers.authorization=hunter2", "/config/traces/headers/authorization"),
    ("secrets.client.existingSecret=mine", "client"),
    ("secrets.a.existingSecret=mine,secrets.a.volume.csi.driver=b", "/secrets/a"),
    ("secrets.a.value=hunter2", "/secrets/a"),
    ("redis.mode=replicated", "/redis/mode"),
    ("redis.mode=standalone", "/redis/hosts"),
    ("redis.mode=sentinel,redis.hosts={a:1}", "/redis/sentinel/master"),
    ("redis.hosts={redis://a:1}", "/redis/hosts/0"),
    ("redis.hosts={user:password@a:1}", "/redis/hosts/0"),
    ("redis.whenUnreachable=ignore", "/redis/whenUnreachable"),
    ("redis.results=some", "/redis/results"),
    ("redis.prefix=Tessera", "/redis/prefix"),
    ("listeners.public.port=80", "/listeners/public/port"),
    ("listeners.admin.service.type=LoadBalancer", "type"),
    ("listeners.admin.tls.clientCaKey=ca.crt", "clientCaKey"),
    ("listeners.public.service.type=ExternalName", "/listeners/public/service/type"),
    ("shutdown.graceSeconds=0", "/shutdown/graceSeconds"),
    (
        "autoscaling.targetCPUUtilizationPercentage=101",
        "/autoscaling/targetCPUUtilizationPercentage",
    ),
    ("image.digest=sha256:abc", "/image/digest"),
    ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
    ("workloadIdentity.enabled=true", "/workloadIdentity/clientId"),
    ("workloadIdentity.tokenExpirationSeconds=60", "/workloadIdentity/tokenExpirationSeconds"),
    ("persistence.size=lots", "/persistence/size"),
    ("networkPolicy.exceptCidrs={169.254.169.254}", "/networkPolicy/exceptCidrs/0"),
    ("ingress.hosts={https://sts.example.com}", "/ingress/hosts/0"),
    ("serviceMonitor.interval=often", "/serviceMonitor/interval"),
    ("prometheusRule.runbookBase=docs", "/prometheusRule/runbookBase"),
];

/// Both Helms say no, name it, and repeat no secret.
#[track_caller]
fn refused(set: &str, named: &str) {
    for version in ["4.1.4", "3.18.0"] {
        let output = template(version, &[&LEAST[..], &["--set", set]].concat());
        assert!(!output.status.success(), "{set}: taken by Helm {version}");
        let said = text(&output.stderr);
        // Helm 3 and 4 spell the place in their own ways: `redis.mode`, `/redis/mode`.
        let (said, dotted) =
            (said.replace('/', "."), named.trim_start_matches('/').replace('/', "."));
        assert!(said.contains(&dotted), "{set}: {named} is not named by Helm {version}: {said}");
        assert!(!said.contains("hunter2"), "{set}: {said}");
    }
}

#[test]
fn what_cannot_work_is_refused_with_the_value_to_change() {
    for (set, named) in GUARDS {
        refused(set, named);
    }
}

#[test]
fn what_is_misspelt_or_out_of_range_is_refused_by_the_schema() {
    for (set, named) in SCHEMA {
        refused(set, named);
    }
}
