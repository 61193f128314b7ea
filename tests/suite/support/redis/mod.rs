//! Real Redis processes: one, a cluster, or watched by Sentinels; each can fail on demand.

mod cluster;
mod process;
mod resp;
mod sentinel;
mod server;
mod tls;

use std::process::Command;

pub(crate) use super::process::wait_until;
pub(crate) use cluster::Cluster;
pub(crate) use resp::{Connection, Reply};
pub(crate) use sentinel::Sentinels;
pub(crate) use server::RedisServer;

use super::process::missing;

/// Runs a tool of Redis to its end, which must be a good one.
#[track_caller]
fn run(command: &mut Command) {
    let program = command.get_program().display().to_string();
    let ended = command.output();
    let ended = ended.unwrap_or_else(|error| panic!("{program}: {error}: {}", missing(&program)));
    let (said, wrong) =
        (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "{program}: {said}{wrong}");
}
