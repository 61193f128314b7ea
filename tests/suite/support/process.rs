//! Programs of others, which do not outlive the tests.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::Folder;

/// Elections may have to be repeated, and are slow beside other tests.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
const BREATH: Duration = Duration::from_millis(10);
/// The ports to choose from: below those that the system gives to outgoing connections, so that
/// nobody takes one while a killed server is to come back to it.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 10_000;
/// Nodes of a Redis Cluster talk to each other this much higher.
const BUS: u16 = 10_000;
/// Waits until the tests are gone, which closes its input, then kills a server and removes its
/// folder.
const GUARD: &str = r#"trap '' HUP INT TERM; read -r end; kill -KILL "$0"; rm -rf "$1""#;

/// A server, and who kills it when the tests end without dropping it: they are killed themselves,
/// or keep it in a static.
pub(crate) struct Running {
    server: Child,
    guard: Child,
}

impl Running {
    /// With an empty log.
    pub(crate) fn start(command: &mut Command, folder: &Folder) -> Self {
        let log = File::create(log_file(folder)).unwrap();
        let server = command.stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let program = command.get_program().display().to_string();
        let server = server.unwrap_or_else(|error| panic!("{error}: {}", missing(&program)));
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, &server.id().to_string(), folder.path()]);
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { server, guard: guard.spawn().unwrap() }
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.server.try_wait().unwrap().is_some()
    }

    /// The guard goes first, so that it kills nobody else who is given the same number.
    pub(crate) fn end(&mut self) {
        for process in [&mut self.guard, &mut self.server] {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the server in this folder has said.
pub(crate) fn log(folder: &Folder) -> String {
    fs::read_to_string(log_file(folder)).unwrap()
}

fn log_file(folder: &Folder) -> String {
    format!("{}/log", folder.path())
}

/// A port that no other server of these tests is given.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Two runs of the tests begin at different places.
    let begin = std::process::id() % 1_000 * 101;
    let next = || begin + GIVEN.fetch_add(1, Ordering::Relaxed);
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (0..PORTS)
        .map(|_| FIRST_PORT + u16::try_from(next() % u32::from(PORTS)).unwrap())
        .find(|port| free(*port) && free(port + BUS))
        .expect("a free port")
}

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

/// What to tell whoever has not installed `program`.
pub(crate) fn missing(program: &str) -> String {
    format!("{program} is missing: run `make test`, which installs it")
}
