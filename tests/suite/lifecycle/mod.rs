//! From the order to stop to the end of the process: nothing that was asked is left unanswered.

pub(crate) mod client;
mod load;

use client::{Connection, introspection};
use serde_json::json;
use tessera::config::Endpoint;

use crate::support::grpc::Grpc;
use crate::support::process::wait_until;
use crate::support::service::Site;

/// A site whose services stop as `rules` say.
fn site(name: &str, rules: &str) -> Site {
    Site::new(name, |text| format!("{text}shutdown: {{ {rules} }}\n"))
}

#[test]
fn while_it_drains_everything_is_answered_and_clients_are_turned_away() {
    let site = site("drain", "drain: 10m");
    let mut service = site.serve();
    let (token, mut kept) = (site.alice(), Connection::open(service.public).unwrap());
    let before = kept.introspect(&token).unwrap();
    assert!(before.is_active() && !before.close, "{before:?}");
    assert_eq!(
        service.get("/metrics").text().lines().find(|line| *line == "tessera_ready 1"),
        Some("tessera_ready 1")
    );
    service.signal("TERM");
    wait_until("the drain", || service.get("/readyz").status == 503);
    assert_eq!(service.get("/readyz").json(), json!({ "status": "stopping" }));
    assert_eq!(service.get("/livez").status, 200, "nobody restarts what is about to go");
    assert!(service.get("/metrics").text().contains("\ntessera_ready 0\n"));
    // An open connection is answered, and asked to close; a new one is answered as well.
    let last = kept.introspect(&token).unwrap();
    assert!(last.is_active() && last.close, "{last:?}");
    assert!(kept.is_closed());
    assert!(service.introspect(&token).is_active());
    // A second order leaves out the rest of the drain.
    service.signal("TERM");
    assert_eq!(service.ended(), Some(0));
    let log = service.log();
    let told = ["not ready any more", "told to stop again", "requests under way", "stopped"];
    let places: Vec<_> = told.iter().map(|text| log.find(text).expect(&log)).collect();
    assert!(places.is_sorted(), "{log}");
}

#[test]
fn a_request_under_way_is_finished_and_idle_connections_hold_nobody_up() {
    let site = site("grace", "grace: 10m");
    let mut service = site.serve();
    let token = site.alice();
    let mut idle: Vec<_> = (0..20).map(|_| Connection::open(service.public).unwrap()).collect();
    for connection in &mut idle {
        assert!(connection.introspect(&token).unwrap().is_active());
    }
    let mut slow = Connection::open(service.public).unwrap();
    let (head, body) = introspection(&token);
    slow.write(&head).unwrap();
    // An answer on a connection that came later: the one above has been taken up.
    assert!(service.introspect(&token).is_active());
    service.signal("TERM");
    wait_until("the listener to close", || Connection::open(service.public).is_err());
    assert!(idle.iter_mut().all(Connection::is_closed));
    slow.write(&body).unwrap();
    let answer = slow.read().unwrap();
    assert!(answer.is_active() && answer.close, "{answer:?}");
    assert_eq!(service.ended(), Some(0));
}

#[test]
fn a_request_that_never_ends_is_waited_for_so_long_and_no_longer() {
    let site = site("endless", "grace: 1s");
    let mut service = site.serve();
    let mut endless = Connection::open(service.public).unwrap();
    endless.write(&introspection(&site.alice()).0).unwrap();
    assert!(service.introspect(&site.alice()).is_active());
    service.signal("INT");
    assert_eq!(service.ended(), Some(0));
    assert!(endless.is_closed());
}

#[test]
fn gateways_are_answered_while_it_drains_and_told_to_go_at_its_end() {
    let site = Site::new("drain-grpc", |text| {
        let listen = text.replacen("listen: { ", "listen: { tyk: \"127.0.0.1:0\", ", 1);
        format!("{listen}shutdown: {{ drain: 10m }}\n")
    });
    let mut service = site.serve();
    let at = service.started["tyk"].as_str().unwrap().parse().map(Endpoint::Tcp).unwrap();
    let mut tyk = Grpc::tyk(Some(&at));
    let mut ask = || tyk.call("Dispatch", &json!({}));
    assert!(ask().is_ok());
    service.signal("TERM");
    wait_until("the drain", || service.get("/readyz").status == 503);
    assert!(ask().is_ok());
    service.signal("TERM");
    // Its connection is still open: that holds nobody up.
    assert_eq!(service.ended(), Some(0));
    assert!(ask().is_err());
}
