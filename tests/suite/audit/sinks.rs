//! Where the trail goes, and what happens when that does not take it.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::process::{Command, Stdio};
use std::thread;

use tessera::dev::people::ALICE;

use super::service::{Scene, exchange, metric, started, terminate};
use super::{assert_whole, records};
use crate::cli::{run, text};
use crate::exchange::fields;
use crate::support::process::wait_until;
use crate::support::redis::RedisServer;
use crate::support::service::Service;
use crate::support::{Request, TASKS_API, TYK};

/// Linux' `O_NONBLOCK`: opening the reading end does not wait for a writer.
const NONBLOCK: i32 = 0o4000;

fn count(trail: &str, event: &str) -> usize {
    records(trail).iter().filter(|record| record["event"] == event).count()
}

/// Exchanges until the sink is found to be stalled: the answers, how many of them were good.
fn until_refused(service: &Service, subject: &str) -> usize {
    let mut good = 0;
    loop {
        let answer = exchange(service, subject);
        match answer.status {
            200 => good += 1,
            503 => {
                answer.assert_error(503, "temporarily_unavailable");
                return good;
            }
            status => panic!("{status}: {answer:?}"),
        }
    }
}

#[test]
fn while_nobody_reads_standard_output_nothing_is_issued_and_nothing_is_lost() {
    let scene = Scene::new("stalled");
    let pipe = scene.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut reader = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(&pipe).unwrap();
    let writer = OpenOptions::new().write(true).open(&pipe).unwrap();
    let mut command = scene.command("");
    let service = started(command.stdout(Stdio::from(writer)));
    drop(command);
    let alice = scene.alice();
    // A pipe takes 64 KiB; the next record waits.
    let good = until_refused(&service, &alice);
    assert!(good > 10, "{good}");
    assert!(service.introspect(&alice).is_active(), "questions are answered all the same");
    assert_eq!(metric(&service, "tessera_audit_lost_total{event=\"token_issued\"}"), 0);
    assert!(metric(&service, "tessera_audit_queued") > 0);
    // Somebody reads again, to the end.
    let reading = thread::spawn(move || {
        let mut blocking = File::open(format!("/proc/self/fd/{}", fd(&reader))).unwrap();
        let mut trail = String::new();
        blocking.read_to_string(&mut trail).unwrap();
        drop(reader.read(&mut [0; 1]));
        trail
    });
    wait_until("recovery", || exchange(&service, &alice).status == 200);
    let (code, log) = terminate(service);
    assert_eq!(code, Some(0), "{log}");
    let trail = reading.join().unwrap();
    let issued = count(&trail, "token_issued");
    assert!(issued > good, "{issued} records of {good} tokens, and of those that were not given");
    assert_eq!(count(&trail, "stopped"), 1);
    let file = scene.folder.file("trail.jsonl", &trail);
    assert_whole(&[&file]);
}

fn fd(file: &File) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(file)
}

#[test]
fn with_a_full_disk_nothing_is_issued_and_the_end_is_not_in_order() {
    let scene = Scene::new("full");
    let file = scene.path("audit.jsonl");
    let tessera = scene.command(&format!("audit: {{ to: file, file: {file} }}"));
    // No file of this process grows beyond some kilobytes.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh"]);
    limited.arg(tessera.get_program()).args(tessera.get_args());
    let given = tessera.get_envs().filter_map(|(name, value)| Some((name, value?)));
    limited.envs(given).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let service = started(&mut limited);
    let alice = scene.alice();
    let good = until_refused(&service, &alice);
    assert!(good > 1 && count(&fs::read_to_string(&file).unwrap(), "token_issued") >= good);
    assert!(service.introspect(&alice).is_active());
    assert!(metric(&service, "tessera_audit_write_failures_total") > 0);
    let (code, log) = terminate(service);
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("nothing is issued meanwhile"), "{log}");
    assert!(log.contains("audit records could not be written before the end"), "{log}");
}

#[test]
fn a_killed_process_loses_nothing_that_it_answered_for() {
    let scene = Scene::new("killed");
    let file = scene.path("audit.jsonl");
    let section = format!("audit: {{ to: file, file: {file} }}");
    let service = scene.start(&section);
    let alice = scene.alice();
    for _ in 0..5 {
        assert_eq!(exchange(&service, &alice).status, 200);
    }
    service.kill();
    let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "{mode:o}");
    assert_eq!(count(&fs::read_to_string(&file).unwrap(), "token_issued"), 5);
    // As if it had been killed in the midst of a write.
    let mut torn = fs::read(&file).unwrap();
    torn.extend_from_slice(b"{\"schema\":1,\"cha");
    fs::write(&file, torn).unwrap();
    let service = scene.start(&section);
    assert_eq!(exchange(&service, &alice).status, 200);
    let (code, log) = terminate(service);
    assert_eq!(code, Some(0), "{log}");
    let output = run(&["audit", "verify", &file]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "a torn line is told: {said}");
    assert_eq!(said.matches("not a record").count(), 1, "{said}");
    assert!(said.contains("1 faults") && said.contains("began 1 times"), "{said}");
    assert_eq!(said.matches("chain ").count(), 1, "the chain goes on: {said}");
}

#[test]
fn a_file_that_has_grown_is_set_aside_and_the_chain_goes_on() {
    let scene = Scene::new("rotated");
    let file = scene.path("audit.jsonl");
    let section =
        format!("audit: {{ to: file, file: {file}, rotate: 1MiB, keep: 1, introspections: all }}");
    let service = scene.start(&section);
    let aside = || {
        let names = fs::read_dir(scene.folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("audit-")).collect::<Vec<_>>()
    };
    let alice = scene.alice();
    let ask = || assert!(service.introspect(&alice).is_active());
    while aside().is_empty() {
        ask();
    }
    let first = aside().remove(0);
    assert!(first.starts_with("audit-000000000000-"), "{first}");
    let kept = fs::read(scene.path(&first)).unwrap();
    while aside().contains(&first) {
        ask();
    }
    let (code, log) = terminate(service);
    assert_eq!(code, Some(0), "{log}");
    let [second] = &*aside() else { panic!("one is kept: {:?}", aside()) };
    let first = scene.folder.file("first.jsonl", std::str::from_utf8(&kept).unwrap());
    let said = assert_whole(&[&first, &scene.path(second), &file]);
    assert_eq!(said.matches("chain ").count(), 1, "{said}");
    let said = assert_whole(&[&scene.path(second), &file]);
    assert!(said.contains("what came before is not among these files"), "{said}");
}

#[test]
fn a_file_that_is_moved_away_is_missed_and_followed_by_another() {
    let scene = Scene::new("moved");
    let (file, moved) = (scene.path("audit.jsonl"), scene.path("moved.jsonl"));
    let service = scene.start(&format!("audit: {{ to: file, file: {file} }}"));
    let alice = scene.alice();
    assert_eq!(exchange(&service, &alice).status, 200);
    fs::rename(&file, &moved).unwrap();
    wait_until("the next file", || {
        assert_eq!(exchange(&service, &alice).status, 200);
        fs::metadata(&file).is_ok_and(|about| about.len() > 0)
    });
    // Removed altogether, what it held is lost, and shows.
    fs::remove_file(&file).unwrap();
    wait_until("another", || {
        assert_eq!(exchange(&service, &alice).status, 200);
        fs::metadata(&file).is_ok_and(|about| about.len() > 0)
    });
    let (code, log) = terminate(service);
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("was moved away"), "{log}");
    let output = run(&["audit", "verify", &moved, &file]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("are missing") || said.contains("is missing"), "{said}");
}

#[test]
fn with_another_key_another_file_and_another_chain_begin() {
    let scene = Scene::new("another-key");
    let file = scene.path("audit.jsonl");
    for key in ["1", "2"] {
        let secret = scene.folder.file(key, &key.repeat(40));
        let section = format!("audit: {{ to: file, file: {file}, key: \"${{file:{secret}}}\" }}");
        let (code, log) = terminate(scene.start(&section));
        assert_eq!(code, Some(0), "{log}");
    }
    let aside = fs::read_dir(scene.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let aside: Vec<_> = aside.filter(|path| path.to_str().unwrap().contains("audit-0")).collect();
    let [first] = &*aside else { panic!("{aside:?}") };
    for (file, key) in [(first.to_str().unwrap(), "1"), (&file, "2")] {
        let said = assert_whole(&[file, "--key-file", &scene.path(key), "--from-start"]);
        assert_eq!(said.matches("chain ").count(), 1, "{said}");
    }
}

#[test]
fn what_is_revoked_while_redis_is_away_is_on_record() {
    let (scene, redis) = (Scene::new("revoked-away"), RedisServer::start());
    let url = redis.url();
    let store = format!("store: {{ redis: {{ url: \"{url}\" }}, sealing_key: \"${{env:SEAL}}\" }}");
    let file = scene.path("audit.jsonl");
    let service = scene.start(&format!("{store}\naudit: {{ to: file, file: {file} }}"));
    let alice = scene.alice();
    let mut token = None;
    wait_until("a token", || {
        let answer = exchange(&service, &alice);
        token = (answer.status == 200).then(|| answer.json()["access_token"].clone());
        token.is_some()
    });
    let principal = format!("{}.{}", ALICE.oid, ALICE.tenant);
    redis.pause();
    let order = Request::form("/revocations", &[("principal", &*principal)]).send(service.admin);
    assert!([200, 503].contains(&order.status), "{order:?}");
    redis.resume();
    assert!(!service.introspect(&alice).is_active(), "it holds here, whatever was answered");
    wait_until("the record", || count(&fs::read_to_string(&file).unwrap(), "revoked") == 1);
}

#[test]
fn one_file_is_one_process_s() {
    let scene = Scene::new("shared");
    let section = format!("audit: {{ to: file, file: {} }}", scene.path("audit.jsonl"));
    let service = scene.start(&section);
    for (section, why) in [
        (&*section, "another process writes to it"),
        ("audit: { to: file, file: /nowhere/audit.jsonl }", "No such file"),
        ("audit: { to: file, file: /dev/full }", "not a regular file"),
    ] {
        let output = scene.command(section).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("`audit.file`, /") && said.contains(why), "{said}");
    }
    drop(service);
}

#[test]
fn in_redis_the_trail_is_a_stream_and_an_outage_stops_what_it_must() {
    let (scene, redis) = (Scene::new("redis"), RedisServer::start());
    let store = format!(
        "store: {{ redis: {{ url: \"{}\" }}, sealing_key: \"${{env:SEAL}}\" }}",
        redis.url()
    );
    let service = scene.start(&format!("{store}\naudit: {{ to: redis }}"));
    let alice = scene.alice();
    wait_until("the first token", || exchange(&service, &alice).status == 200);
    redis.pause();
    wait_until("the outage", || exchange(&service, &alice).status == 503);
    redis.resume();
    wait_until("recovery", || exchange(&service, &alice).status == 200);
    assert_eq!(metric(&service, "tessera_audit_lost_total{event=\"token_issued\"}"), 0);
    let (code, log) = terminate(service);
    assert_eq!(code, Some(0), "{log}");
    let stream = redis.command(&["XRANGE", "{tessera}:audit", "-", "+"]);
    let lines =
        stream.array().iter().map(|entry| entry.array()[1].array()[1].text().to_owned() + "\n");
    let trail: String = lines.collect();
    assert!(count(&trail, "token_issued") >= 2, "{trail}");
    assert_eq!(count(&trail, "stopped"), 1);
    let file = scene.folder.file("trail.jsonl", &trail);
    assert_whole(&[&file]);
}

#[test]
fn at_the_end_every_token_that_was_given_is_on_record() {
    let scene = Scene::new("end");
    let file = scene.path("audit.jsonl");
    let service = scene.start(&format!("audit: {{ to: file, file: {file} }}"));
    let alice = scene.alice();
    let given = thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut given = 0_usize;
                    // Until the service does not let anybody in any more.
                    while let Some(200) = try_exchange(&service, &alice) {
                        given += 1;
                    }
                    given
                })
            })
            .collect();
        wait_until("some tokens", || {
            metric(&service, "tessera_audit_records_total{event=\"token_issued\"}") > 20
        });
        service.signal("TERM");
        clients.into_iter().map(|client| client.join().unwrap()).sum::<usize>()
    });
    let mut service = service;
    let (code, log) = (service.ended(), service.log());
    assert_eq!(code, Some(0), "{log}");
    let trail = fs::read_to_string(&file).unwrap();
    let issued = count(&trail, "token_issued");
    assert!(given > 20 && issued >= given, "{issued} records of {given} tokens");
    assert!(assert_whole(&[&file]).contains("records 0 to"));
}

/// The status, or nothing when nobody answers.
fn try_exchange(service: &Service, subject: &str) -> Option<u16> {
    let request = Request::form("/token", &fields(subject, TASKS_API)).basic(TYK);
    request.try_send(service.public).map(|answer| answer.status)
}
