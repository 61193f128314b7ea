//! The listener itself: where it is, how it stops, and what Tyk does without it.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use serde_json::json;

use super::{Tyk, asking, assert_passed, assert_refused, object};
use crate::cli::Folder;
use crate::support::grpc::{Grpc, Status};
use crate::support::{World, eventually};

const UNAVAILABLE: i64 = 14;
const UNIMPLEMENTED: i64 = 12;
const DEADLINE_EXCEEDED: i64 = 4;

#[test]
fn the_plugin_is_served_at_a_unix_socket_too() {
    let folder = Folder::new("tyk-socket");
    let socket = Path::new(folder.path()).join("tyk.sock");
    let at = |socket: &Path| {
        let listen = format!("tyk: \"unix:{}\"", socket.display());
        World::configured(|text| text.replacen("tyk: \"127.0.0.1:0\"", &listen, 1))
    };
    let mut tyk = Tyk::beside(at(&socket));
    let token = tyk.world.sign(&tyk.world.alice());
    assert_passed(&tyk.dispatch("orders", &token));
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660, "for the user and the group, and nobody else");
    drop(tyk);
    assert!(!socket.exists(), "a stopped service leaves nothing behind");
    // One that was killed does; the next takes its place.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(std::fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
    let mut tyk = Tyk::beside(at(&socket));
    let token = tyk.world.sign(&tyk.world.alice());
    assert_passed(&tyk.dispatch("orders", &token));
}

#[test]
fn each_listener_answers_for_its_own_gateway_alone() {
    let world = World::start();
    let mut wrong = Grpc::tyk(world.envoy.as_ref());
    let empty = json!({});
    assert_eq!(wrong.call("Dispatch", &empty), Err(Status(UNIMPLEMENTED)));
    let mut wrong = Grpc::envoy(world.tyk.as_ref());
    assert_eq!(wrong.call("Check", &empty), Err(Status(UNIMPLEMENTED)));
}

#[test]
fn without_the_plugin_a_call_fails_and_tyk_refuses() {
    let Tyk { world, mut grpc } = Tyk::start();
    let token = world.sign(&world.alice());
    let bearer = format!("Bearer {token}");
    let sent = object(&asking("orders"), &[("Authorization", &bearer)]);
    assert_passed(&grpc.call("Dispatch", &sent).unwrap());
    drop(world);
    // No answer is an error of the call: Tyk turns every one of those into 403 "Key not authorised".
    assert_eq!(grpc.call("Dispatch", &sent), Err(Status(UNAVAILABLE)));
}

#[test]
fn a_call_under_way_is_finished_when_the_service_stops() {
    let Tyk { world, mut grpc } = Tyk::start();
    let token = world.sign(&world.alice());
    let bearer = format!("Bearer {token}");
    let sent = object(&asking("orders"), &[("Authorization", &bearer)]);
    assert_passed(&grpc.call("Dispatch", &sent).unwrap());
    for _ in 0..200 {
        grpc.send(&json!({ "method": "Dispatch", "message": sent }));
    }
    let first = grpc.answer().unwrap();
    assert_passed(&first);
    drop(world);
    for _ in 1..200 {
        match grpc.answer() {
            Ok(reply) => assert_passed(&reply),
            // What had not begun is refused, not answered wrongly.
            Err(status) => assert_eq!(status, Status(UNAVAILABLE)),
        }
    }
}

#[test]
fn a_caller_that_waits_no_longer_is_let_go() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    let bearer = format!("Bearer {token}");
    let sent = object(&asking("orders"), &[("Authorization", &bearer)]);
    tyk.grpc.send(&json!({ "method": "Dispatch", "message": sent, "within": 0 }));
    assert_eq!(tyk.grpc.answer(), Err(Status(DEADLINE_EXCEEDED)));
    assert_passed(&tyk.dispatch("orders", &token));
}

#[test]
fn every_decision_is_counted_under_the_name_of_its_api() {
    let mut tyk = Tyk::start();
    let token = tyk.world.sign(&tyk.world.alice());
    assert_passed(&tyk.dispatch("orders", &token));
    assert_passed(&tyk.dispatch("orders", &token));
    assert_refused(&tyk.dispatch("orders", "x"), 401);
    let counted = |api: &str, outcome: &str| {
        tyk.world.metric(&format!(
            "tessera_gateway_requests_total{{api=\"{api}\",gateway=\"tyk\",outcome=\"{outcome}\"}}"
        ))
    };
    eventually("the count", || counted("orders", "admitted") == 2);
    assert_eq!(counted("orders", "token_inactive"), 1);
    assert_eq!(tyk.world.metric("tessera_gateway_seconds_count{gateway=\"tyk\"}"), 3);
    let recalled = ["client=\"tyk\"", "result=\"active\"", "source=\"memory\""];
    assert_eq!(tyk.world.counted("tessera_introspections_total", &recalled), 1);
}
