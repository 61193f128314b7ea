//! `apis` and the listeners of gateways.

use super::read;
use super::refused::{Case, check_in};
use crate::config::Endpoint;
use crate::domain::api::{Guard, PolicyNeed, Road};

/// A file about what gateways protect.
pub(in crate::config) const GUARDED: &str = r"issuer: https://sts.example.com/tessera
listen:
  tyk: 127.0.0.1:5555
  envoy: unix:/run/tessera/envoy.sock
entra:
  - tenant: 72f988bf-86f1-41af-91ab-2d7cd011db47
    audiences: [api://orders, api://billing]
    caller_audiences: [api://tessera]
clients:
  tyk:
    secret: ${env:TYK_SECRET}
    introspect: { audiences: [api://orders, https://orders.internal, handles] }
    exchange:
      - { resource: https://orders.internal, scopes: [orders.read], subjects: [user] }
  robot:
    entra_app: 1c2d3e4f-2222-3333-4444-555555555555
    introspect: { audiences: [api://billing] }
resources:
  https://orders.internal:
    scopes: { orders.read: [Orders.Read], orders.write: [Orders.Write] }
    callers: [tyk]
  handles:
    scopes: { orders.read: [Orders.Read] }
    callers: [tyk]
    token: opaque
apis:
  orders:
    client: tyk
    audiences: [api://orders]
    scopes: [Orders.Read]
    policies: required
    guard: secret
    exchange: { resource: https://orders.internal, scopes: [orders.read] }
    resource: https://api.example.com/orders
    authorization_servers: [https://sts.example.com/tessera]
    tyk:
      road: plugin
      listen_path: /orders/
      upstream: http://orders.internal:8080/v1
      api_id: 0f3a
      org_id: shop
  billing:
    client: robot
    audiences: [api://billing]
    guard: network
    policies: optional
    resource: https://api.example.com
";

#[test]
fn what_is_said_is_read() {
    let config = read(GUARDED).unwrap();
    assert_eq!(config.listen.tyk.unwrap().to_string(), "127.0.0.1:5555");
    assert_eq!(config.listen.envoy, Some(Endpoint::Unix("/run/tessera/envoy.sock".into())));
    let [orders, billing] = &*config.apis else { panic!("{:?}", config.apis) };
    assert_eq!((orders.name.as_str(), orders.client.as_str()), ("orders", "tyk"));
    assert_eq!((orders.policies, orders.guard), (PolicyNeed::Required, Guard::Secret));
    assert_eq!(orders.scopes, ["Orders.Read"]);
    let swap = orders.exchange.as_ref().unwrap();
    assert_eq!(
        (swap.resource.as_str(), &*swap.scopes[0]),
        ("https://orders.internal", "orders.read")
    );
    let resource = orders.resource.as_ref().unwrap();
    assert_eq!(resource.authorization_servers, ["https://sts.example.com/tessera"]);
    let tyk = orders.tyk.as_ref().unwrap();
    assert_eq!(
        (tyk.road, tyk.api_id.as_str(), tyk.org_id.as_str()),
        (Road::Plugin, "0f3a", "shop")
    );
    assert_eq!((billing.policies, billing.guard), (PolicyNeed::Optional, Guard::Network));
    let issuer = "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0";
    assert_eq!(billing.resource.as_ref().unwrap().authorization_servers, [issuer]);
    assert!(billing.tyk.is_none() && billing.exchange.is_none());
}

#[test]
fn without_a_word_the_strict_ways_are_meant() {
    let text = GUARDED.replace("    policies: required\n    guard: secret\n", "");
    let config = read(&text).unwrap();
    assert_eq!((config.apis[0].policies, config.apis[0].guard), Default::default());
    let text = GUARDED.replace("      road: plugin\n", "").replace("      api_id: 0f3a\n", "");
    let config = read(&text).unwrap();
    let tyk = config.apis[0].tyk.as_ref().unwrap();
    assert_eq!((tyk.road, tyk.api_id.as_str()), (Road::Plugin, "orders"));
}

#[test]
fn who_issues_tokens_for_an_api_follows_from_whose_tokens_it_takes() {
    let servers = |audiences: &str| {
        let text = GUARDED
            .replace("    authorization_servers: [https://sts.example.com/tessera]\n", "")
            .replacen("audiences: [api://orders]\n", &format!("audiences: {audiences}\n"), 1);
        read(&text).unwrap().apis[0].resource.clone().unwrap().authorization_servers
    };
    assert_eq!(servers("[https://orders.internal]"), ["https://sts.example.com/tessera"]);
    assert!(servers("[https://orders.internal, api://orders]")[0].ends_with("/v2.0"));
}

#[test]
fn listeners_of_gateways() {
    check_in(
        GUARDED,
        &[
            ("127.0.0.1:5555", "§0.0.0.0:9090", "listen.tyk: the same place as `listen.admin`"),
            ("127.0.0.1:5555", "§0.0.0.0:8080", "listen.tyk: the same place as `listen.public`"),
            (
                "127.0.0.1:5555",
                "unix:/run/tessera/envoy.sock #",
                "listen.envoy: the same place as `listen.tyk`",
            ),
            ("127.0.0.1:5555", "§localhost:1", "listen.tyk: neither an IP address and port nor"),
            ("unix:/run/tessera", "§unix:run/tessera", "listen.envoy: not an absolute path"),
            ("unix:/run/tessera/envoy.sock", "§\"unix:/\"", "listen.envoy: not an absolute path"),
        ],
    );
    let long = format!("unix:/{}", "x".repeat(107));
    let said = read(&GUARDED.replace("127.0.0.1:5555", &long)).unwrap_err().to_string();
    assert!(said.contains("listen.tyk: a path longer than 107 bytes"), "{said}");
}

#[test]
fn apis() {
    let exchange =
        "exchange: { resource: https://orders.internal, scopes: [orders.read] }\n    res";
    let cases: [Case; 23] = [
        ("  orders:\n    client", "  §or/ders:\n    client", "apis.or/ders: a name is 1 to 64 of"),
        ("  orders:\n    client", "  §..:\n    client", "apis...: a name is 1 to 64 of"),
        ("client: tyk", "client: §tik", "apis.orders.client: not a client of this file; did you"),
        ("client: tyk\n", "# none\n", "apis.orders.client: required, but not there"),
        ("client: robot", "client: tyk", "apis.billing.audiences[0]: not among the client's"),
        ("audiences: [api://orders]\n", "audiences: §[]\n", "apis.orders.audiences: an empty list"),
        (
            "audiences: [api://orders]\n",
            "audiences: [§api://billing]\n",
            "apis.orders.audiences[0]",
        ),
        ("scopes: [Orders.Read]\n", "scopes: [§\"a b\"]\n", "apis.orders.scopes[0]: not a scope"),
        ("policies: required", "policies: §needed", "apis.orders.policies: not one of"),
        ("guard: network", "guard: §secret", "apis.billing.guard: the client has no `secret`"),
        (
            exchange,
            "exchange: { §resource: x }\n    res",
            "apis.orders.exchange.resource: not one of",
        ),
        (
            exchange,
            "exchange: { §resource: handles }\n    res",
            "apis.orders.exchange.resource: no rule of the client's `exchange` is about it",
        ),
        (
            exchange,
            "exchange: { resource: https://orders.internal, scopes: [§orders.write] }\n    res",
            "apis.orders.exchange.scopes[0]: not a scope that the client may ask for there",
        ),
        ("https://api.example.com/orders", "§http://api.example.com", "apis.orders.resource: http"),
        (
            "https://api.example.com/orders",
            "§https://API.example.com/orders",
            "apis.orders.resource: a URL that is not in its normal form",
        ),
        (
            "example.com/orders\n",
            "example.com\n",
            "apis.billing: the same `resource` as `apis.orders`",
        ),
        (
            "    resource: https://api.example.com/orders\n",
            "",
            "apis.orders.authorization_servers: only with `resource`",
        ),
        (
            "road: plugin",
            "road: jwt",
            "apis.orders.tyk: `road: jwt` for an audience that is no JWT",
        ),
        ("  tyk: 127.0.0.1:5555\n", "", "apis.orders.tyk: `road: plugin` without `listen.tyk`"),
        (
            "listen_path: /orders/",
            "listen_path: §orders",
            "apis.orders.tyk.listen_path: not a path",
        ),
        ("listen_path: /orders/", "listen_path: §/a//b", "apis.orders.tyk.listen_path: not a path"),
        (
            "http://orders.internal:8080/v1",
            "§ftp://x",
            "apis.orders.tyk.upstream: not a web address",
        ),
        (
            "http://orders.internal:8080/v1",
            "§http://u:hunter2@x",
            "apis.orders.tyk.upstream: not a",
        ),
    ];
    check_in(GUARDED, &cases);
}

#[test]
fn the_road_must_lead_somewhere() {
    let exchange =
        "    exchange: { resource: https://orders.internal, scopes: [orders.read] }\n    resource";
    let text = GUARDED.replace(exchange, "    resource").replace("road: plugin", "road: exchange");
    let said = read(&text).unwrap_err().to_string();
    assert!(said.contains("apis.orders.tyk: `road: exchange` without `exchange`"), "{said}");
    let jwt = |audience: &str| {
        let text = GUARDED.replace("road: plugin", "road: jwt");
        text.replacen("audiences: [api://orders]\n", &format!("audiences: [{audience}]\n"), 1)
    };
    assert!(read(&jwt("https://orders.internal")).is_ok());
    let said = read(&jwt("handles")).unwrap_err().to_string();
    assert!(said.contains("no JWT resource"), "Tyk cannot read a handle: {said}");
}

#[test]
fn what_the_network_alone_guards_is_named() {
    assert_eq!(read(GUARDED).unwrap().guarded_by_network(), [], "of this host alone");
    let config = read(&GUARDED.replace("127.0.0.1:5555", "0.0.0.0:5555")).unwrap();
    let open = config.guarded_by_network();
    let open: Vec<_> = open.iter().map(|(api, at)| (*api, at.to_string())).collect();
    assert_eq!(open, [("billing", "0.0.0.0:5555".to_owned())]);
}
