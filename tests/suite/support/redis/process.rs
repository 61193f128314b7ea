//! One `redis-server` process in a folder of its own.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{missing, wait_until};
use crate::cli::Folder;

/// How often another process may take a port that was free a moment before.
const ATTEMPTS: usize = 10;
/// The ports to choose from: below those that the system gives to outgoing connections, so that
/// nobody takes one while a killed server is to come back to it.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 10_000;
/// Nodes of a cluster talk to each other this much higher.
const BUS: u16 = 10_000;
/// Waits until the tests are gone, which closes its input, then kills a server and removes its
/// folder.
const GUARD: &str = r#"trap '' HUP INT TERM; read -r end; kill -KILL "$0"; rm -rf "$1""#;

/// A process that is killed when it is dropped, or else with the tests.
pub(super) struct Process {
    port: u16,
    command: Command,
    ready: &'static str,
    running: Running,
    folder: Folder,
}

impl Process {
    /// Starts one that listens on the port, and keeps its files in the folder, that `arguments` is
    /// given. It has started when it says `ready`: an answer could come from somebody else.
    pub(super) fn start(
        ready: &'static str,
        arguments: impl Fn(u16, &Folder) -> Vec<String>,
    ) -> Self {
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let folder = Folder::new(&format!("redis-{port}"));
            let mut command = Command::new("redis-server");
            command.args(arguments(port, &folder)).stdin(Stdio::null());
            let running = Running::start(&mut command, &folder);
            let mut process = Self { port, command, ready, running, folder };
            if process.has_started() {
                return process;
            }
        }
        panic!("no port stays free");
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Stops it where it is: the system still accepts connections for it.
    pub(super) fn pause(&self) {
        self.signal("-STOP");
        let stat = format!("/proc/{}/stat", self.running.server.id());
        // Where the system has no such file, the signal has to do.
        wait_until("a pause", || fs::read_to_string(&stat).map_or(true, |it| it.contains(") T ")));
    }

    pub(super) fn resume(&self) {
        self.signal("-CONT");
    }

    pub(super) fn kill(&mut self) {
        self.running.end();
    }

    /// Starts it anew after [`Self::kill`], on the same port.
    pub(super) fn restart(&mut self) {
        self.running = Running::start(&mut self.command, &self.folder);
        assert!(self.has_started(), "{}", log(&self.folder));
    }

    /// Waits for it; false when the port is taken.
    fn has_started(&mut self) -> bool {
        let (mut log, mut ended) = (String::new(), false);
        wait_until("the start of redis-server", || {
            // In this order: what has ended writes no more.
            ended = self.running.server.try_wait().unwrap().is_some();
            log = self::log(&self.folder);
            ended || log.contains(self.ready)
        });
        assert!(!ended || log.contains("Failed listening"), "redis-server ended: {log}");
        !ended
    }

    fn signal(&self, name: &str) {
        let id = self.running.server.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

/// A server, and who kills it when the tests end without dropping it: they are killed themselves, or
/// keep it in a static.
struct Running {
    server: Child,
    guard: Child,
}

impl Running {
    /// With an empty log.
    fn start(command: &mut Command, folder: &Folder) -> Self {
        let log = File::create(log_file(folder)).unwrap();
        let server = command.stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let server = server.unwrap_or_else(|error| panic!("{error}: {}", missing("redis-server")));
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, &server.id().to_string(), folder.path()]);
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { server, guard: guard.spawn().unwrap() }
    }

    /// The guard goes first, so that it kills nobody else who is given the same number.
    fn end(&mut self) {
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

/// What it has said.
fn log(folder: &Folder) -> String {
    fs::read_to_string(log_file(folder)).unwrap()
}

fn log_file(folder: &Folder) -> String {
    format!("{}/log", folder.path())
}

/// A port that no other server of these tests is given.
fn free_port() -> u16 {
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
