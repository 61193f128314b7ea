//! A master and its replica, watched by three Sentinels.

use std::net::SocketAddr;
use std::time::Duration;

use super::process::Process;
use super::resp::{Connection, Reply};
use super::server::{RedisServer, words};
use super::wait_until;

const NAME: &str = "tessera-test";
const SENTINELS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(5);
/// What one says when it begins to watch.
const READY: &str = "+monitor master";
/// They look, and tell each other what they see, ten times as often as usual. One that comes late,
/// since the machine is busy, would trust nobody for half a minute (its "tilt"), and then find that
/// the replica is too old; this one stays calm.
const HASTE: [&str; 10] = [
    "SENTINEL",
    "DEBUG",
    "INFO-PERIOD",
    "1000",
    "PUBLISH-PERIOD",
    "200",
    "TILT-TRIGGER",
    "60000",
    "TILT-PERIOD",
    "1000",
];

/// Two servers, named by what they were at the start, and who decides what they are.
pub(crate) struct Sentinels {
    pub(crate) master: RedisServer,
    pub(crate) replica: RedisServer,
    watchers: Vec<Process>,
}

impl Sentinels {
    /// Ready for a fail-over at once.
    pub(crate) fn start() -> Self {
        let master = RedisServer::start();
        let port = master.port().to_string();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
        // A Sentinel looks rarely whether a replica has its copy, so it has it before that.
        wait_until("a copy", || replica.info("master_link_status").is_some_and(|it| it == "up"));
        let watchers = (0..SENTINELS).map(|_| sentinel(&port)).collect();
        let all = Self { master, replica, watchers };
        for address in all.sentinel_addresses() {
            // Before Redis 7 they do not know this command, and go on as usual.
            drop(ask(address, &HASTE));
        }
        wait_until("a quorum", || all.sentinel_addresses().into_iter().all(is_ready));
        all
    }

    /// What clients ask for.
    pub(crate) fn master_name() -> &'static str {
        NAME
    }

    pub(crate) fn sentinel_addresses(&self) -> Vec<SocketAddr> {
        self.watchers.iter().map(Process::address).collect()
    }

    pub(crate) fn kill_master(&mut self) {
        self.master.kill();
    }

    /// Lets it hang: when it goes on, it does not know that there is another master.
    pub(crate) fn pause_master(&self) {
        self.master.pause();
    }

    /// The port that every Sentinel names after a fail-over.
    pub(crate) fn wait_for_new_master(&self) -> u16 {
        let new = self.replica.port();
        wait_until("a fail-over", || {
            let named = |address| master_by_name(address) == new.to_string();
            self.sentinel_addresses().into_iter().all(named)
        });
        new
    }
}

/// One of them, for the master at `port`.
fn sentinel(port: &str) -> Process {
    Process::start(READY, |own, folder| {
        let dir = folder.path();
        let text = format!(
            "port {own}\nbind 127.0.0.1\ndir {dir}\n\
             sentinel monitor {NAME} 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds {NAME} 1000\n\
             sentinel failover-timeout {NAME} 3000\n"
        );
        words(&[&folder.file("sentinel.conf", &text), "--sentinel"])
    })
}

/// Whether it knows the replica, and enough others that can vote.
fn is_ready(address: SocketAddr) -> bool {
    let quorum = ask(address, &["SENTINEL", "CKQUORUM", NAME]);
    let replicas = ask(address, &["SENTINEL", "REPLICAS", NAME]);
    let linked = |replica: &Reply| {
        let fields: Vec<_> = replica.array().iter().map(Reply::text).collect();
        let is = |pair: [&str; 2]| fields.chunks_exact(2).any(|field| field == pair);
        is(["master-link-status", "ok"]) && is(["flags", "slave"])
    };
    matches!(quorum, Reply::Simple(text) if text.starts_with("OK 3 usable"))
        && replicas.array().iter().any(linked)
}

/// The port of the master that it names.
fn master_by_name(address: SocketAddr) -> String {
    let named = ask(address, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]);
    named.array()[1].text().to_owned()
}

fn ask(address: SocketAddr, words: &[&str]) -> Reply {
    Connection::open(address, PATIENCE).and_then(|mut it| it.ask(words)).unwrap()
}
