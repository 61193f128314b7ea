//! Envoy, by its external authorization: over gRPC and over HTTP.

use std::process::Command;

use super::checks::{
    believes_nobody_else, forgets_at_once, is_alice, lets_nobody_through_alone,
    lets_nobody_through_unknown, lets_through, refuses, shows_the_metadata,
};
use super::{DEV_SECRET, Places, Scene, Swap, adapted, credentials, root};
use crate::cli::Folder;
use crate::support::upstream::Arrived;
use crate::support::{Request, TYK};

/// Where `make test` has it.
const PROGRAM: &str = "target/tools/envoy-1.40.0/envoy/_bin/envoy";

fn run(text: &str, folder: &Folder) -> Command {
    let program = root().join(PROGRAM);
    assert!(program.exists(), "{PROGRAM} is missing: run `make test`, which installs it");
    let mut command = Command::new(program);
    // Two of them at once would otherwise share memory.
    command.args(["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]);
    command.args(["-c", &folder.file("envoy.yaml", text)]);
    command
}

fn configuration(example: &str, places: Places, more: &[(&str, &str)]) -> String {
    let port = |address: std::net::SocketAddr| format!("port_value: {}", address.port());
    let mut changes = vec![
        ("port_value: 8000".to_owned(), port(places.gateway)),
        ("port_value: 8080".to_owned(), port(places.tessera)),
        ("port_value: 8081".to_owned(), port(places.backend)),
    ];
    if example == "envoy/grpc.yaml" {
        changes.push(("port_value: 5556".to_owned(), port(places.envoy)));
        changes.push((DEV_SECRET.to_owned(), TYK.1.to_owned()));
    } else {
        changes.push((credentials((TYK.0, DEV_SECRET)), credentials(TYK)));
    }
    let changes = changes.iter().map(|(from, to)| (from.as_str(), to.as_str()));
    adapted(example, &changes.chain(more.iter().copied()).collect::<Vec<_>>())
}

fn scene(example: &str, swap: Swap, more: &[(&str, &str)]) -> Scene {
    let name = example.replace(['/', '.'], "-");
    Scene::start(&name, swap, |places, folder| run(&configuration(example, places, more), folder))
}

fn grpc() -> Scene {
    scene("envoy/grpc.yaml", Swap::Yes, &[])
}

fn http() -> Scene {
    scene("envoy/http.yaml", Swap::Yes, &[])
}

#[test]
fn grpc_lets_a_good_token_through_and_says_who_it_is() {
    lets_through(&grpc(), Swap::Yes);
    lets_through(&scene("envoy/grpc.yaml", Swap::No, &[]), Swap::No);
}

#[test]
fn grpc_believes_nobody_else() {
    believes_nobody_else(&grpc());
}

#[test]
fn grpc_refuses_and_shows_the_metadata() {
    refuses(&grpc());
    shows_the_metadata(&grpc());
}

#[test]
fn grpc_forgets_at_once_and_lets_nobody_through_alone() {
    let scene = grpc();
    forgets_at_once(&scene);
    let unknown = lets_nobody_through_unknown(&grpc());
    assert_eq!(unknown.header("retry-after"), Some("5"), "as tessera said it");
    lets_nobody_through_alone(grpc(), 503);
}

#[test]
fn http_lets_a_good_token_through_and_says_who_it_is() {
    lets_through(&http(), Swap::Yes);
    lets_through(&scene("envoy/http.yaml", Swap::No, &[]), Swap::No);
}

#[test]
fn http_believes_nobody_else() {
    believes_nobody_else(&http());
}

#[test]
fn http_refuses_and_shows_the_metadata() {
    refuses(&http());
    shows_the_metadata(&http());
}

#[test]
fn http_forgets_at_once_and_lets_nobody_through_alone() {
    let scene = http();
    forgets_at_once(&scene);
    let unknown = lets_nobody_through_unknown(&http());
    assert_eq!(unknown.header("retry-after"), None, "a 503 is no answer to it");
    lets_nobody_through_alone(http(), 503);
}

/// Where an Envoy is not told to remove what a caller says in tessera's name, each of its headers
/// is overridden all the same, those without a value too.
#[test]
fn every_header_of_the_answer_overrides_the_callers() {
    let kept = [("contains: tessera", "contains: nobody")];
    for example in ["envoy/grpc.yaml", "envoy/http.yaml"] {
        let scene = scene(example, Swap::Yes, &kept);
        let alice = scene.alice();
        for name in super::checks::IDENTITY {
            let request = Request::get("/orders/1").bearer(&alice).header(name, "f0rged");
            let arrived = Arrived::from(&scene.send(&request));
            is_alice(&scene, &arrived, &alice);
        }
    }
}

/// A gateway that does not prove itself lets nobody through, whatever its configuration names.
#[test]
fn a_gateway_that_is_not_known_lets_nobody_through() {
    let (right, wrong) = (credentials(TYK), credentials((TYK.0, "another-secret")));
    for (example, change) in [
        ("envoy/grpc.yaml", (TYK.1, "another-secret")),
        ("envoy/grpc.yaml", ("api: orders", "api: unknown")),
        ("envoy/http.yaml", (right.as_str(), wrong.as_str())),
        ("envoy/http.yaml", ("/verify/orders", "/verify/unknown")),
    ] {
        let scene = scene(example, Swap::Yes, &[change]);
        let answer = scene.ask(&scene.alice());
        assert!(answer.status >= 400, "{change:?} {answer:?}");
        assert_eq!(scene.backend.requests(), 0, "{change:?}");
    }
}
