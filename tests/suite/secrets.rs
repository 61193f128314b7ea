//! P11: that the whole suite is watched for secrets and tokens (`support/watch`), and would be told.

use crate::exchange::fields;
use crate::support::process::wait_until;
use crate::support::service::Site;
use crate::support::{ORDERS_API, Request, TASKS_API, TYK, World, logs, watch};

/// A text that gives away 16 characters of `secret`.
fn leak(secret: &str) -> String {
    let end = secret.len() - 4;
    format!("{{\"message\":\"refused: {}…\"}}", &secret[end - 16..end])
}

#[test]
fn p11_every_line_a_world_logs_is_held_against_what_it_was_sent() {
    let world = World::start();
    let token =
        world.sign(&world.alice().claim("exp", world.clock_at(-3_600)).claim("uti", "watched"));
    assert_eq!(watch::piece(&leak(&token)), None, "nobody has sent it yet");
    let name = logs::watched();
    let request = Request::introspect(&[("token", &token)]).basic(TYK);
    request.header("X-Request-Id", &name).send(world.public).assert_inactive();
    let lines = logs::about(&name);
    assert!(lines.iter().any(|line| line.contains("token refused")), "{lines:?}");
    assert!(watch::piece(&leak(&token)).is_some());
    assert!(watch::piece(&leak(TYK.1)).is_some());
}

#[test]
fn p11_what_is_issued_is_a_secret_from_then_on() {
    let world = World::start();
    let subject = world.sign(&world.alice());
    for (resource, kind) in [(ORDERS_API, "eyJ"), (TASKS_API, "tsr_")] {
        let answer = Request::form("/token", &fields(&subject, resource)).basic(TYK);
        let issued = answer.send(world.public).json()["access_token"].as_str().unwrap().to_owned();
        assert!(issued.starts_with(kind), "{issued}");
        assert!(watch::piece(&leak(&issued)).is_some(), "{kind}");
    }
}

#[test]
fn p11_a_process_is_watched_as_well() {
    let site = Site::new("watched", str::to_owned);
    let service = site.serve();
    let token = format!("{}x", site.alice());
    service.introspect(&token).assert_inactive();
    let refused = || service.log().lines().any(|line| line.contains("token refused"));
    wait_until("the refusal", refused);
    assert!(watch::piece(&leak(&token)).is_some());
}
