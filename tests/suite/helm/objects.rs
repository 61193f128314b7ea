//! What operators rely on, in every object of every set of values.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{RENDERED, Rendered, list, rendered, with};

/// Every `(name, spec of a pod)`: the service's, and the test's.
fn pods(one: &Rendered) -> Vec<(String, &Value)> {
    let mut pods = vec![(format!("{} server", one.name), one.pod())];
    pods.extend(one.all("Pod").map(|pod| (format!("{} test", one.name), &pod["spec"])));
    pods
}

#[test]
fn pods_satisfy_the_restricted_standard_and_more() {
    for (place, pod) in RENDERED.iter().flat_map(pods) {
        let security = &pod["securityContext"];
        assert_eq!(security["runAsNonRoot"], true, "{place}");
        assert_eq!(security["runAsUser"], 65532, "{place}");
        assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault", "{place}");
        assert_eq!(pod["automountServiceAccountToken"], false, "{place}");
        assert_eq!(pod["enableServiceLinks"], false, "{place}");
        for member in ["hostNetwork", "hostPID", "hostIPC"] {
            assert!(pod.get(member).is_none(), "{place}: {member}");
        }
        let containers = list(&pod["containers"]).chain(list(&pod["initContainers"]));
        for container in containers {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false, "{place}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{place}");
            assert_eq!(security["capabilities"], json!({ "drop": ["ALL"] }), "{place}");
            let limits = &container["resources"]["limits"];
            assert!(limits["memory"].is_string(), "{place}: memory without bound");
            assert!(limits.get("cpu").is_none(), "{place}: throttled");
            for mount in list(&container["volumeMounts"]) {
                assert!(mount.get("subPath").is_none(), "{place}: a mount that never changes");
                let path = mount["mountPath"].as_str().unwrap();
                let writes = path.starts_with("/var/lib/tessera") || path.starts_with("/var/log/");
                assert!(writes || mount["readOnly"] == true, "{place}: {path}");
            }
        }
        let ours: BTreeSet<_> = list(&pod["volumes"]).map(|one| &one["name"]).map(text).collect();
        let mounted: BTreeSet<_> = list(&pod["containers"])
            .flat_map(|container| list(&container["volumeMounts"]))
            .map(|mount| text(&mount["name"]))
            .collect();
        assert_eq!(ours, mounted, "{place}: volumes, and what is mounted");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn has(labels: &Value, wanted: &Value) -> bool {
    let wanted = wanted.as_object().unwrap();
    !wanted.is_empty() && wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
}

#[test]
fn selectors_mean_the_pods_that_serve_and_no_others() {
    for one in RENDERED.iter() {
        let labels = &one.deployment()["spec"]["template"]["metadata"]["labels"];
        let tests: Vec<_> = one.all("Pod").map(|pod| &pod["metadata"]["labels"]).collect();
        assert_eq!(tests.len(), 1);
        let services = one.all("Service").map(|service| &service["spec"]["selector"]);
        let budgets = ["Deployment", "PodDisruptionBudget"];
        let budgets = budgets.iter().flat_map(|kind| one.all(kind));
        let budgets = budgets.map(|object| &object["spec"]["selector"]["matchLabels"]);
        let policies = one.all("NetworkPolicy");
        let policies = policies.map(|policy| &policy["spec"]["podSelector"]["matchLabels"]);
        let spread = list(&one.pod()["topologySpreadConstraints"]);
        let spread = spread.map(|constraint| &constraint["labelSelector"]["matchLabels"]);
        let mut seen = 0;
        for selector in services.chain(budgets).chain(policies).chain(spread) {
            assert!(has(labels, selector), "{}: {selector}", one.name);
            assert!(!has(tests[0], selector), "{}: {selector} means the test too", one.name);
            seen += 1;
        }
        assert!(seen >= 4, "{}: {seen}", one.name);
        for scaler in one.all("HorizontalPodAutoscaler") {
            let target = &scaler["spec"]["scaleTargetRef"]["name"];
            assert_eq!(target, &one.deployment()["metadata"]["name"]);
            assert!(
                one.deployment()["spec"].get("replicas").is_none(),
                "{}: two masters",
                one.name
            );
        }
        for monitor in one.all("ServiceMonitor") {
            let selector = &monitor["spec"]["selector"]["matchLabels"];
            let found: Vec<_> = one
                .all("Service")
                .filter(|service| has(&service["metadata"]["labels"], selector))
                .collect();
            assert_eq!(found.len(), 1, "{}: {found:?}", one.name);
            let ports: Vec<_> =
                list(&found[0]["spec"]["ports"]).map(|port| &port["name"]).collect();
            assert_eq!(ports, [&monitor["spec"]["endpoints"][0]["port"]]);
            assert!(
                found[0]["metadata"]["labels"].get(text(&monitor["spec"]["jobLabel"])).is_some()
            );
        }
    }
}

/// `helm template | kubectl apply` puts it where it was meant to be.
#[test]
fn every_object_says_its_namespace() {
    for one in RENDERED.iter() {
        let ours = one.objects.iter().filter(|object| {
            !object["metadata"]["name"].as_str().unwrap().ends_with("more")
                && object["metadata"]["name"] != "sts-text"
        });
        for object in ours {
            assert_eq!(object["metadata"]["namespace"], "identity", "{}: {object}", one.name);
        }
    }
}

#[test]
fn every_port_that_is_named_is_there() {
    for one in RENDERED.iter() {
        let container = &one.pod()["containers"][0];
        let ports: Vec<_> = list(&container["ports"])
            .map(|port| (text(&port["name"]), &port["containerPort"]))
            .collect();
        for service in one.all("Service") {
            let [port] = &service["spec"]["ports"].as_array().unwrap()[..] else { panic!() };
            let target = text(&port["targetPort"]);
            assert!(ports.iter().any(|(name, _)| *name == target), "{}: {target}", one.name);
        }
        assert_eq!(one.all("Service").count(), ports.len(), "{}", one.name);
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            assert_eq!(container[probe]["httpGet"]["port"], "admin", "{}", one.name);
        }
        assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");
        assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
        let policy = one.all("NetworkPolicy").next().unwrap();
        let open: BTreeSet<_> = list(&policy["spec"]["ingress"])
            .flat_map(|rule| list(&rule["ports"]))
            .map(|port| port["port"].as_u64().unwrap())
            .collect();
        let listened: BTreeSet<_> = ports.iter().map(|(_, port)| port.as_u64().unwrap()).collect();
        assert_eq!(open, listened, "{}", one.name);
    }
}

#[test]
fn nothing_but_the_public_listener_is_shown_outside() {
    for one in RENDERED.iter() {
        let public: Vec<_> = one
            .all("Service")
            .filter(|service| service["spec"]["ports"][0]["targetPort"] == "public")
            .map(|service| (&service["metadata"]["name"], &service["spec"]["ports"][0]["port"]))
            .collect();
        let [(name, port)] = public[..] else { panic!("{}: {public:?}", one.name) };
        let paths = one.all("Ingress").flat_map(|ingress| list(&ingress["spec"]["rules"]));
        for path in paths.flat_map(|rule| list(&rule["http"]["paths"])) {
            let backend = &path["backend"]["service"];
            assert_eq!((&backend["name"], &backend["port"]["number"]), (name, port));
        }
        let rules = one.all("HTTPRoute").flat_map(|route| list(&route["spec"]["rules"]));
        for backend in rules.flat_map(|rule| list(&rule["backendRefs"])) {
            assert_eq!((&backend["name"], &backend["port"]), (name, port));
        }
        for service in
            one.all("Service").filter(|one| one["spec"]["ports"][0]["targetPort"] != "public")
        {
            assert_eq!(service["spec"]["type"], "ClusterIP", "{}", one.name);
        }
    }
    assert_eq!(rendered("ingress").all("Ingress").count(), 1);
    assert_eq!(rendered("gateway-api").all("HTTPRoute").count(), 1);
}

/// Kubernetes kills after this time, whatever goes on: docs/lifecycle.md says what must fit in.
#[test]
fn stopping_in_order_fits_into_the_time_that_it_gets() {
    for one in RENDERED.iter() {
        let config: Value = serde_saphyr::from_str(one.config()).unwrap();
        let seconds = |key: &str| -> u64 {
            text(&config["shutdown"][key]).strip_suffix('s').unwrap().parse().unwrap()
        };
        let given = one.pod()["terminationGracePeriodSeconds"].as_u64().unwrap();
        let background = 15; // the admin listener, what runs beside, the audit trail
        assert!(given >= seconds("drain") + seconds("grace") + background, "{}: {given}", one.name);
        let probe = &one.pod()["containers"][0]["readinessProbe"];
        let number = |key: &str| probe[key].as_u64().unwrap();
        let noticed =
            number("periodSeconds") * number("failureThreshold") + number("timeoutSeconds");
        assert!(noticed < seconds("drain"), "{}: gone before anybody sees it", one.name);
    }
}

#[test]
fn what_several_replicas_need_is_there_with_several_alone() {
    for (name, several) in [
        ("default", false),
        ("persistence", false),
        ("redis-standalone-tls", true),
        ("redis-sentinel", true),
        ("redis-cluster", true),
        ("autoscaling", true),
    ] {
        let one = rendered(name);
        assert_eq!(one.all("PodDisruptionBudget").count(), usize::from(several), "{name}");
        let spread: Vec<_> = list(&one.pod()["topologySpreadConstraints"])
            .map(|constraint| text(&constraint["topologyKey"]))
            .collect();
        let both = ["topology.kubernetes.io/zone", "kubernetes.io/hostname"];
        assert_eq!(spread, if several { &both[..] } else { &[] }, "{name}");
        assert_eq!(one.config().contains("redis:"), several, "{name}");
    }
    let strategy = |one: &Rendered| one.deployment()["spec"]["strategy"].clone();
    assert_eq!(strategy(rendered("persistence")), json!({ "type": "Recreate" }));
    let rolling = json!({ "maxUnavailable": 0, "maxSurge": 1 });
    assert_eq!(strategy(rendered("default"))["rollingUpdate"], rolling);
}

#[test]
fn workload_identity_marks_pods_and_their_account() {
    let one = rendered("workload-identity");
    let labels = &one.deployment()["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["azure.workload.identity/use"], "true");
    let account = one.all("ServiceAccount").next().unwrap();
    assert_eq!(account["metadata"]["name"], one.pod()["serviceAccountName"]);
    let expected = json!({
        "azure.workload.identity/client-id": "1c2d3e4f-5a6b-4c7d-8e9f-0a1b2c3d4e5f",
        "azure.workload.identity/tenant-id": "72f988bf-86f1-41af-91ab-2d7cd011db47",
        "azure.workload.identity/service-account-token-expiration": "3600",
    });
    assert_eq!(account["metadata"]["annotations"], expected);
    assert_eq!(one.all("Secret").count(), 0, "nothing is made that comes from the vault");
}

#[test]
fn what_is_made_anew_is_made_once_and_only_where_nothing_is_given() {
    let keys = |one: &Rendered| -> Vec<String> {
        let secrets = one.all("Secret").flat_map(|one| one["data"].as_object().unwrap().keys());
        secrets.cloned().collect()
    };
    assert_eq!(keys(rendered("default")), ["client-secret"]);
    assert_eq!(keys(rendered("redis-standalone-tls")), ["client-secret", "sealing-key"]);
    assert!(keys(rendered("existing-secret")).is_empty());
    // Two renderings differ: no secret that everybody knows stands in the chart.
    let secret = |one: &Rendered| one.all("Secret").next().unwrap()["data"].clone();
    assert_ne!(secret(&with(&[])), secret(&with(&[])));
}

#[test]
fn the_issuer_is_the_name_that_clients_know() {
    let issuer = |one: &Rendered| -> String {
        let config: Value = serde_saphyr::from_str(one.config()).unwrap();
        text(&config["issuer"]).to_owned()
    };
    let inside = "https://one-tessera.identity.svc.cluster.local";
    assert_eq!(issuer(rendered("default")), inside);
    for name in ["ingress", "gateway-api", "existing-secret"] {
        assert_eq!(issuer(rendered(name)), "https://sts.example.com", "{name}");
    }
}

#[test]
fn alerts_and_dashboard_are_those_of_the_files() {
    let one = rendered("monitoring");
    let read =
        |name: &str| std::fs::read_to_string(super::chart().join("files").join(name)).unwrap();
    let plain: Value = serde_saphyr::from_str(&read("rules.yaml")).unwrap();
    let alerts = |groups: &Value| -> Vec<(String, Value)> {
        let rules = list(groups).flat_map(|group| list(&group["rules"]));
        let alerts = rules.filter_map(|rule| Some((rule["alert"].as_str()?, &rule["expr"])));
        alerts.map(|(name, expr)| (name.to_owned(), expr.clone())).collect()
    };
    let made = &one.all("PrometheusRule").next().unwrap()["spec"]["groups"];
    assert_eq!(alerts(made), alerts(&plain["groups"]));
    let rules: Vec<_> = list(made).flat_map(|group| list(&group["rules"])).collect();
    for rule in rules.iter().filter(|rule| rule.get("alert").is_some()) {
        assert_eq!(rule["labels"]["team"], "identity");
        assert!(rule["labels"]["severity"].is_string());
        let url = text(&rule["annotations"]["runbook_url"]);
        assert!(
            url.starts_with("https://git.example.com/tessera/blob/main/docs/runbook.md#"),
            "{url}"
        );
    }
    let fewer = &rendered("everything").all("PrometheusRule").next().unwrap()["spec"]["groups"];
    assert_eq!(alerts(fewer).len() + 1, alerts(made).len());
    let boards =
        one.all("ConfigMap").find(|map| map["metadata"]["labels"]["grafana_dashboard"] == "1");
    let board: Value =
        serde_json::from_str(text(&boards.unwrap()["data"]["tessera.json"])).unwrap();
    assert_eq!(board, serde_json::from_str::<Value>(&read("dashboard.json")).unwrap());
}
