//! A disk that is full, and has room again. A process whose files may not grow stands for it: what is
//! written fails in the midst of a record, too.

use std::fs;
use std::process::{Command, Stdio};

use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::people::{BOB, HOME_TENANT};

use crate::audit::service::{Scene, exchange, metric, started, terminate};
use crate::audit::{assert_whole, records};
use crate::support::process::wait_until;
use crate::support::service::Service;
use crate::support::{Answer, Request};

/// A service of which no file grows beyond so many blocks of 512 bytes, for now.
fn limited(scene: &Scene, sections: &str, blocks: u32) -> Service {
    let tessera = scene.command(sections);
    let mut limited = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$@\"");
    limited.args(["-c", &script, "sh"]).arg(tessera.get_program()).args(tessera.get_args());
    let given = tessera.get_envs().filter_map(|(name, value)| Some((name, value?)));
    limited.envs(given).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    started(&mut limited)
}

/// From now on there is room.
fn make_room(service: &Service) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--fsize=unlimited:", "--pid", &service.id().to_string()]);
    assert!(prlimit.status().unwrap().success());
}

fn stalled(service: &Service) -> f64 {
    let text = service.get("/metrics").text();
    let name = "tessera_audit_stalled_seconds ";
    text.lines().find_map(|line| line.strip_prefix(name)).expect(&text).parse().unwrap()
}

#[test]
fn a_trail_whose_disk_has_room_again_goes_on_whole() {
    let scene = Scene::new("room-again");
    let file = scene.path("audit.jsonl");
    let service = limited(&scene, &format!("audit: {{ to: file, file: {file} }}"), 8);
    let alice = scene.alice();
    wait_until("a full disk", || exchange(&service, &alice).status == 503);
    assert!(service.introspect(&alice).is_active(), "what need not be recorded goes on");
    wait_until("the stall", || stalled(&service) > 0.0);
    assert!(metric(&service, "tessera_audit_write_failures_total") > 0);
    assert!(metric(&service, "tessera_audit_queued") > 0);
    let before = metric(&service, "tessera_audit_records_total{event=\"token_issued\"}");
    make_room(&service);
    wait_until("recovery", || exchange(&service, &alice).status == 200);
    wait_until("the end of the stall", || stalled(&service) == 0.0);
    assert!(metric(&service, "tessera_audit_records_total{event=\"token_issued\"}") > before);
    assert_eq!(metric(&service, "tessera_audit_lost_total{event=\"token_issued\"}"), 0);
    let (code, log) = terminate(service);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("audit records can be written again"), "{log}");
    let trail = fs::read_to_string(&file).unwrap();
    assert!(records(&trail).iter().any(|record| record["event"] == "stopped"));
    assert_whole(&[&file]);
}

/// Orders the end of everything that a client was given up to now.
fn order(service: &Service, number: u32) -> Answer {
    let principal = format!("00000000-0000-4000-8000-{number:012}.{HOME_TENANT}");
    Request::form("/revocations", &[("principal", &*principal)]).send(service.admin)
}

#[test]
fn what_is_revoked_on_a_full_disk_holds_and_outlives_a_restart_once_there_is_room() {
    let scene = Scene::new("full-folder");
    let folder = scene.path("keys");
    fs::create_dir(&folder).unwrap();
    let sections =
        format!("store: {{ sealing_key: \"${{env:SEAL}}\" }}\nsigning: {{ folder: {folder} }}");
    let service = limited(&scene, &sections, 40);
    let alice = scene.alice();
    let issued = exchange(&service, &alice).json()["access_token"].as_str().unwrap().to_owned();
    assert!(service.introspect(&issued).is_active());
    // Until the file may not grow: the last record is there in part.
    let mut number = 0;
    while order(&service, number).status == 200 {
        number += 1;
        assert!(number < 1_000, "the file grew and grew");
    }
    assert!(number > 10, "{number}");
    let revoked = Request::form("/revocations", &[("token", &*alice)]).send(service.admin);
    assert_eq!(revoked.status, 503, "it would not outlive a restart: {revoked:?}");
    service.introspect(&alice).assert_inactive();
    service.introspect(&issued).assert_inactive();
    assert_eq!(order(&service, number).status, 503);
    assert!(metric(&service, "tessera_revocations_unwritten") >= 2);
    let again = Request::form("/revocations", &[("token", &*alice)]).send(service.admin);
    assert_eq!(again.status, 503, "it has ended, but not for good: {again:?}");
    make_room(&service);
    assert_eq!(order(&service, number).status, 200, "recovery is alone");
    let again = Request::form("/revocations", &[("token", &*alice)]).send(service.admin);
    assert_eq!(again.status, 200, "{again:?}");
    assert_eq!(metric(&service, "tessera_revocations_unwritten"), 0);
    service.kill();
    let service = scene.start(&sections);
    service.introspect(&alice).assert_inactive();
    let home = scene.entra.issuer(HOME_TENANT);
    let bob = home.delegated(&PORTAL, &BOB, &ORDERS, &["orders.read"]);
    let bob = scene.entra.sign(&bob).unwrap();
    assert!(service.introspect(&bob).is_active(), "nobody else was revoked");
}
