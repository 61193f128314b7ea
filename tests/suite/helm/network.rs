//! The network policy: who may ask, and where it may go.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{RENDERED, Rendered, list, rendered, with};

fn policy(one: &Rendered) -> &Value {
    &one.all("NetworkPolicy").next().unwrap()["spec"]
}

/// Who may reach a port; `None`: everybody.
fn who(one: &Rendered, port: u64) -> Option<Vec<&Value>> {
    let reaches = |rule: &&Value| list(&rule["ports"]).any(|one| one["port"] == port);
    let [rule] = list(&policy(one)["ingress"]).filter(reaches).collect::<Vec<_>>()[..] else {
        panic!("{}: {port}", one.name)
    };
    rule.get("from").map(|from| list(from).collect())
}

fn ports_out(one: &Rendered) -> BTreeSet<u64> {
    list(&policy(one)["egress"])
        .flat_map(|rule| list(&rule["ports"]))
        .map(|port| port["port"].as_u64().unwrap())
        .collect()
}

#[test]
fn the_admin_listener_is_for_named_peers_alone() {
    for one in RENDERED.iter() {
        let mut ports = list(&one.pod()["containers"][0]["ports"]);
        let admin = ports.find(|port| port["name"] == "admin").unwrap();
        let peers = who(one, admin["containerPort"].as_u64().unwrap()).expect("not everybody");
        assert!(!peers.is_empty());
        for peer in peers {
            assert_ne!(peer, &json!({ "namespaceSelector": {} }), "{}", one.name);
            assert_ne!(peer, &json!({ "podSelector": {} }), "{}", one.name);
        }
        assert_eq!(policy(one)["policyTypes"], json!(["Ingress", "Egress"]));
    }
}

#[test]
fn gateways_alone_reach_their_listeners() {
    let one = rendered("gateways");
    for port in [5555, 5556] {
        let peers = who(one, port).expect("not everybody");
        assert_eq!(peers.len(), 2);
        assert_eq!(peers[0]["podSelector"]["matchLabels"]["app"], "gateway-tyk");
    }
    assert_eq!(who(rendered("default"), 8080), None, "clients are anywhere");
    assert_eq!(who(one, 8080).unwrap().len(), 2, "those that are named, and the test");
}

#[test]
fn nothing_but_names_https_and_redis_is_reached_and_no_metadata() {
    assert_eq!(ports_out(rendered("default")), BTreeSet::from([53, 443]));
    let standalone = rendered("redis-standalone-tls");
    assert_eq!(ports_out(standalone), BTreeSet::from([53, 443, 6380]));
    assert_eq!(
        ports_out(rendered("redis-sentinel")),
        BTreeSet::from([53, 443, 6379, 26379, 26380])
    );
    assert_eq!(
        ports_out(rendered("redis-cluster")),
        BTreeSet::from([53, 443, 7000, 7001, 7002, 7003])
    );
    let traced = with(&["--set", "config.traces.endpoint=http://collector.tracing:4318"]);
    assert_eq!(ports_out(&traced), BTreeSet::from([53, 443, 4318]));
    let mut blocks = 0;
    for block in RENDERED.iter().flat_map(|one| list(&policy(one)["egress"])) {
        for peer in list(&block["to"]) {
            match peer["ipBlock"]["cidr"].as_str() {
                Some("0.0.0.0/0") => {
                    let except = &peer["ipBlock"]["except"];
                    assert_eq!(except[0], "169.254.0.0/16");
                    assert_eq!(except[1], "168.63.129.16/32", "Azure's own");
                    blocks += 1;
                }
                Some("::/0") => assert_eq!(peer["ipBlock"]["except"][1], "fd00:ec2::254/128"),
                _ => {}
            }
        }
    }
    assert_eq!(blocks, RENDERED.len());
}
