//! One `redis-server` process in a folder of its own.

use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use crate::cli::Folder;
use crate::support::process::{Running, free_port, log, wait_until};

/// How often another process may take a port that was free a moment before.
const ATTEMPTS: usize = 10;

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
        let stat = format!("/proc/{}/stat", self.running.id());
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
            ended = self.running.has_ended();
            log = self::log(&self.folder);
            ended || log.contains(self.ready)
        });
        assert!(!ended || log.contains("Failed listening"), "redis-server ended: {log}");
        !ended
    }

    fn signal(&self, name: &str) {
        let id = self.running.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}
