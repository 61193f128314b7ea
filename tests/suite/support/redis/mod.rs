//! Real Redis processes: one, a cluster, or watched by Sentinels; each can fail on demand.

mod cluster;
mod process;
mod resp;
mod sentinel;
mod server;
mod tls;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use cluster::Cluster;
pub(crate) use resp::{Connection, Reply};
pub(crate) use sentinel::Sentinels;
pub(crate) use server::RedisServer;

/// Elections may have to be repeated, and are slow beside other tests.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
const BREATH: Duration = Duration::from_millis(10);

/// As [`super::eventually`], with a breath between two looks: the processes that are looked at need
/// the processor, and Sentinels mistrust themselves when they come too late.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        thread::sleep(BREATH);
    }
}

/// Runs a tool of Redis or OpenSSL to its end, which must be a good one.
#[track_caller]
fn run(command: &mut Command) {
    let program = command.get_program().display().to_string();
    let ended = command.output();
    let ended = ended.unwrap_or_else(|error| panic!("{program}: {error}: {}", missing(&program)));
    let (said, wrong) =
        (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{program}: {said}{wrong}");
}

/// What to tell whoever has not installed `program`.
fn missing(program: &str) -> String {
    format!("{program} is missing: run `make test`, which installs it")
}
