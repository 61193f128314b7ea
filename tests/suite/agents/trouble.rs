//! Servers that are busy, answer what they should not, or do not believe the agent.

use std::time::{Duration, Instant};

use tessera::dev::cluster::{Account, ROBOT, token};
use tessera::dev::people::HOME_TENANT;
use tessera::ports::Clock as _;

use super::rig::{Agent, Ended, Rig};
use crate::cli::Folder;
use crate::support::server::{Reply, Server};
use crate::support::{ORDERS_API, TYK};

const TOKEN: &str = "/token";

/// One call to the orders API, to read for Alice.
#[track_caller]
fn call(rig: &Rig, agent: Agent) -> Ended {
    let (alice, url) = (rig.world.sign(&rig.world.alice()), rig.url("/reads/42"));
    let call = ["call", &url, "--resource", ORDERS_API, "--scope", "orders.read"];
    rig.run(agent, &alice, &call)
}

/// An answer of a server that is busy.
fn busy(status: u16, retry_after: &str) -> Reply {
    Reply::new(status).header("Retry-After", retry_after)
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let rig = Rig::start();
    for agent in Agent::ALL {
        let (mut exchanges, mut calls) = (0, 0);
        rig.sts.first(move |received| {
            exchanges += u32::from(received.target == TOKEN);
            (received.target == TOKEN && exchanges == 1).then(|| busy(503, "1"))
        });
        rig.front.first(move |_| {
            calls += 1;
            (calls == 1).then(|| busy(429, "1"))
        });
        let begun = Instant::now();
        let ended = call(&rig, agent);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(begun.elapsed() >= Duration::from_secs(2), "it waits as long as it is told");
        assert_eq!((rig.sts.count(TOKEN), rig.front.seen().len()), (2, 2), "{ended:?}");
    }
}

#[test]
fn nobody_waits_for_ever() {
    let rig = Rig::start();
    for agent in Agent::ALL {
        for (reply, attempts) in [
            (busy(429, "0"), 3),
            (busy(503, "3600"), 1),
            (busy(503, "99999999999999999999"), 1),
            (busy(503, "-1"), 1),
            (Reply::new(503), 1),
        ] {
            rig.front.first(move |_| Some(reply.clone()));
            let ended = call(&rig, agent);
            assert_eq!(ended.code, Some(5), "{ended:?}");
            assert_eq!(rig.front.seen().len(), attempts, "{ended:?}");
        }
    }
}

#[test]
fn an_outage_is_no_refusal() {
    let rig = Rig::start();
    for agent in Agent::ALL {
        // Nobody listens here any more.
        let (listener, nowhere) = Server::reserve();
        drop(listener);
        let alice = rig.world.sign(&rig.world.alice());
        let ended = rig.run(agent, &alice, &["call", &nowhere, "--resource", ORDERS_API]);
        assert_eq!(ended.code, Some(5), "{ended:?}");
        assert!(ended.log.contains("cannot be reached"), "{ended:?}");
    }
}

#[test]
fn a_gateway_that_never_agrees_is_given_up() {
    let rig = Rig::start();
    let no = |status, challenge: &str| Reply::new(status).header("WWW-Authenticate", challenge);
    let more = r#"Basic realm="a, Bearer scope=\"x\"", Bearer error="insufficient_scope", scope="orders.write""#;
    for agent in Agent::ALL {
        for (reply, calls) in [
            (no(401, r#"Bearer error="invalid_token""#), 2),
            (Reply::new(401), 2),
            (no(403, more), 2),
            (no(403, r#"Bearer error="insufficient_scope""#), 1),
            (no(403, r#"Bearer error="insufficient_scope", scope="orders.read""#), 1),
            (no(403, r#"Basic error="insufficient_scope", scope="orders.write""#), 1),
            (Reply::new(403), 1),
        ] {
            rig.front.first(move |_| Some(reply.clone()));
            let ended = call(&rig, agent);
            assert_eq!(ended.code, Some(4), "{ended:?}");
            assert_eq!(rig.front.seen().len(), calls, "{ended:?}");
        }
    }
}

#[test]
fn a_gateway_that_wants_ever_more_is_given_up() {
    let rig = Rig::start();
    for agent in Agent::ALL {
        let mut wanted = ["orders.write", "orders.export"].into_iter();
        rig.sts.forget();
        rig.front.first(move |_| {
            let scope = wanted.next().unwrap_or("orders.read");
            let challenge = format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
            Some(Reply::new(403).header("WWW-Authenticate", &challenge))
        });
        let ended = call(&rig, agent);
        assert_eq!(ended.code, Some(4), "{ended:?}");
        assert_eq!((rig.sts.count(TOKEN), rig.front.seen().len()), (2, 2), "one step: {ended:?}");
    }
}

#[test]
fn a_token_goes_where_it_was_sent_and_nowhere_else() {
    let rig = Rig::start();
    let (listener, elsewhere) = Server::reserve();
    let stranger = super::rig::Place::default();
    let its = stranger.clone();
    let _server = Server::start(listener, move |received| {
        its.receive(received).unwrap_or_else(|| Reply::new(200))
    });
    for agent in Agent::ALL {
        let target = format!("{elsewhere}/orders/42");
        rig.front.first(move |_| Some(Reply::new(307).header("Location", &target)));
        let ended = call(&rig, agent);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!((rig.front.seen().len(), stranger.seen().len()), (1, 0), "{ended:?}");
        let alice = rig.world.sign(&rig.world.alice());
        let plain = ["call", "http://orders.example/42", "--resource", ORDERS_API];
        let ended = rig.run(agent, &alice, &plain);
        assert_eq!(ended.code, Some(1), "no TLS, and not this machine: {ended:?}");
        assert!(ended.log.contains("neither https nor on this machine"), "{ended:?}");
    }
}

#[test]
fn who_says_to_be_the_issuer_must_be_it() {
    let rig = Rig::start();
    for agent in Agent::ALL {
        let metadata = r#"{"issuer":"https://sts.example.com","token_endpoint":"https://sts.example.com/token"}"#;
        for reply in [Reply::new(200).body(metadata), Reply::new(200).body("[]"), Reply::new(404)] {
            rig.sts.first(move |_| Some(reply.clone()));
            let ended = call(&rig, agent);
            assert_eq!(ended.code, Some(1), "{ended:?}");
            assert_eq!(rig.sts.count(TOKEN), 0, "RFC 8414 §3.3 {ended:?}");
        }
    }
}

#[test]
fn an_own_token_that_is_refused_is_replaced_once() {
    let rig = Rig::start();
    let refusal = || Reply::new(401).header("WWW-Authenticate", r#"Bearer error="invalid_token""#);
    for agent in Agent::ALL {
        for (refusals, code, asked) in [(1, 0, 2), (9, 4, 2)] {
            let mut seen = 0;
            rig.sts.first(move |received| {
                seen += u32::from(received.target == TOKEN);
                (received.target == TOKEN && seen <= refusals).then(refusal)
            });
            rig.front.forget();
            let ended = call(&rig, agent);
            assert_eq!((ended.code, rig.sts.count(TOKEN)), (Some(code), asked), "{ended:?}");
            let own = ended.log.matches("token of the agent's own").count();
            assert_eq!(own, 2, "{ended:?}");
        }
    }
}

#[test]
fn in_kubernetes_an_agent_is_its_service_account() {
    const CLUSTER: &str = "https://cluster.example/id";
    let Account { namespace, name, uid } = ROBOT;
    let rig = Rig::configured(|text| {
        let authority =
            text.lines().find_map(|line| line.trim().strip_prefix("authority: ")).unwrap();
        let keys = format!("{authority}/{HOME_TENANT}/discovery/v2.0/keys");
        let robot = format!(
            "clusters:\n  prod: {{ issuer: \"{CLUSTER}\", jwks_uri: \"{keys}\" }}\nclients:\n  robot:\n    \
             kubernetes: {{ cluster: prod, namespace: {namespace}, service_account: {name}, uid: {uid} }}\n    \
             exchange: [{{ resource: \"{ORDERS_API}\", scopes: [orders.read], subjects: [user], from: [{}] }}]\n",
            tessera::dev::apps::ORDERS.client_id
        );
        text.replacen("clients:\n", &robot, 1).replacen(
            "callers: [tyk, orders-api",
            "callers: [robot, tyk, orders-api",
            1,
        )
    });
    let folder = Folder::new("agent-account");
    let own = rig.world.sign(&token(CLUSTER, &ROBOT, &rig.issuer, rig.world.clock.now()));
    let file = folder.file("token", &format!("{own}\n"));
    let alice = rig.world.sign(&rig.world.alice());
    for agent in Agent::ALL {
        let url = rig.url("/reads/42");
        let call = ["call", url.as_str(), "--resource", ORDERS_API];
        let ended = rig.run_as(agent, ("AGENT_TOKEN_FILE", &file), &alice, &call);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.said.contains(r#""by":"robot""#), "{ended:?}");
        let ended = rig.run_as(agent, ("AGENT_TOKEN_FILE", "/nowhere"), &alice, &call);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let ended = rig.run_as(agent, ("AGENT_CLIENT_ID", TYK.0), &alice, &call);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.log.contains("the environment lacks AGENT_TOKEN_URL"), "{ended:?}");
    }
}
