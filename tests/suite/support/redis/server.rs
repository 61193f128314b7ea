//! One Redis, and what can go wrong with it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::process::Process;
use super::resp::{Connection, Reply};
use super::tls::TlsServer;

/// A server of this machine that has not answered by now is down.
const PATIENCE: Duration = Duration::from_secs(5);
/// What it says when it has started.
const READY: &str = "Ready to accept connections";

/// A running server that keeps nothing on disk; it is killed when it is dropped.
pub(crate) struct RedisServer(Process);

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more arguments, each word one of them; a user, for example, is
    /// `["--user", "tessera", "on", ">secret", "~*", "&*", "+@all"]`.
    pub(crate) fn start_with(more: &[&str]) -> Self {
        Self::listening(|port| words(&["--port", &port.to_string()]), more)
    }

    /// With TLS only, for clients that show a certificate.
    pub(crate) fn start_tls() -> TlsServer {
        TlsServer::start()
    }

    pub(super) fn listening(on: impl Fn(u16) -> Vec<String>, more: &[&str]) -> Self {
        Self(Process::start(READY, |port, folder| {
            let dir = ["--dir", folder.path(), "--bind", "127.0.0.1"];
            let volatile = ["--save", "", "--appendonly", "no"];
            // Replicas are given their copy at once, not after a wait for more of them.
            let hasty = ["--repl-diskless-sync-delay", "0"];
            [on(port), words(&dir), words(&volatile), words(&hasty), words(more)].concat()
        }))
    }

    pub(crate) fn port(&self) -> u16 {
        self.address().port()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Its answer to one command, on a connection of its own.
    #[track_caller]
    pub(crate) fn command(&self, words: &[&str]) -> Reply {
        let answer = self.try_command(words);
        answer.unwrap_or_else(|error| panic!("{words:?} to {}: {error}", self.address()))
    }

    /// As [`Self::command`], of a server that may be down.
    pub(crate) fn try_command(&self, words: &[&str]) -> io::Result<Reply> {
        Connection::open(self.address(), PATIENCE)?.ask(words)
    }

    /// One field of what it says about itself.
    #[track_caller]
    pub(crate) fn info(&self, field: &str) -> Option<String> {
        let answer = self.command(&["INFO"]);
        let mut lines = answer.text().lines();
        lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).map(str::to_owned)
    }

    /// Lets it hang: connections are still accepted, and nothing is answered.
    pub(crate) fn pause(&self) {
        self.0.pause();
    }

    pub(crate) fn resume(&self) {
        self.0.resume();
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill();
    }

    /// Starts it anew after [`Self::kill`], on the same port, without its data.
    pub(crate) fn restart(&mut self) {
        self.0.restart();
    }

    /// Lets it refuse whatever needs memory.
    #[track_caller]
    pub(crate) fn out_of_memory(&self) {
        self.order(&["CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1"]);
    }

    #[track_caller]
    pub(crate) fn enough_memory(&self) {
        self.order(&["CONFIG", "SET", "maxmemory", "0"]);
    }

    /// Makes it the replica of a master that is down: it answers with what it has, and takes
    /// nothing.
    #[track_caller]
    pub(crate) fn read_only(&self) {
        self.order(&[
            "CONFIG",
            "SET",
            "replica-serve-stale-data",
            "yes",
            "replica-read-only",
            "yes",
        ]);
        self.order(&["REPLICAOF", "127.0.0.1", "1"]);
    }

    #[track_caller]
    pub(crate) fn writable(&self) {
        self.order(&["REPLICAOF", "NO", "ONE"]);
    }

    #[track_caller]
    fn order(&self, words: &[&str]) {
        assert_eq!(self.command(words).text(), "OK");
    }
}

pub(super) fn words(of: &[&str]) -> Vec<String> {
    of.iter().map(|&word| word.to_owned()).collect()
}
