//! A Redis with a replica, watched by three sentinels, all on core 1.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use redis::{Client, FromRedisValue, cmd};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::system::redis::{Redis, free_port};
use crate::system::wait::wait_until;

/// The name under which they watch the master.
const MASTER: &str = "loadtest";
const SENTINELS: usize = 3;
/// They look, and tell each other what they see, ten times as often as usual, so that all of them
/// know each other soon after the start. How soon a master counts as gone is in their file.
const HASTE: [&str; 9] = [
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

/// Ended when dropped.
pub(crate) struct Sentinels {
    master: Option<Redis>,
    replica: Redis,
    watchers: Vec<Watcher>,
}

/// One sentinel.
struct Watcher {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Sentinels {
    /// Ready for a fail-over at once, when the master is silent for a second.
    pub(crate) fn start() -> anyhow::Result<Self> {
        Self::start_with(1000)
    }

    /// The same, but the master is gone only after so many milliseconds.
    pub(crate) fn start_with(down_after: u32) -> anyhow::Result<Self> {
        let hasty = ["--repl-diskless-sync-delay", "0"];
        let master = Redis::start_with(&hasty)?;
        let port = master.port().to_string();
        let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &port])?;
        // A sentinel looks rarely whether a replica has its copy, so it has it before that.
        let linked = || {
            let told: anyhow::Result<String> = ask(replica.port(), "INFO", &["replication"]);
            told.is_ok_and(|told| told.contains("master_link_status:up"))
        };
        wait_until("the copy of Redis", || Ok(linked()))?;
        let start = |_| Watcher::start(&port, down_after);
        let watchers = (0..SENTINELS).map(start).collect::<Result<_, _>>()?;
        let all = Self { master: Some(master), replica, watchers };
        for watcher in &all.watchers {
            // Before Redis 7 they do not know this command, and go on as usual.
            drop(ask::<redis::Value>(watcher.port, "SENTINEL", &HASTE));
        }
        wait_until("a quorum of sentinels", || Ok(all.watchers.iter().all(Watcher::is_ready)))?;
        Ok(all)
    }

    /// The server that is written to.
    pub(crate) fn master(&self) -> anyhow::Result<&Redis> {
        self.master.as_ref().context("the master is gone")
    }

    /// Looks who is the master by now: sentinels of a busy machine may have changed their mind.
    pub(crate) fn look(&mut self) {
        let replica = self.replica.port().to_string();
        let changed = self.watchers.iter().all(|one| one.named().is_ok_and(|port| port == replica));
        if let Some(master) = self.master.as_mut().filter(|_| changed) {
            std::mem::swap(master, &mut self.replica);
        }
    }

    /// After a fail-over: who was the replica is the master, and the master of before, started again
    /// with nothing in it if it was killed, is its replica. Ready for the next fail-over.
    pub(crate) fn change_places(&mut self, before: u16) -> anyhow::Result<()> {
        let port = self.replica.port().to_string();
        let former = match self.master.take() {
            Some(frozen) => frozen,
            None => {
                let hasty = ["--repl-diskless-sync-delay", "0"];
                Redis::start_at(
                    before,
                    &[&hasty[..], &["--replicaof", "127.0.0.1", &port]].concat(),
                )?
            }
        };
        self.master = Some(std::mem::replace(&mut self.replica, former));
        let linked = || {
            let told: anyhow::Result<String> = ask(before, "INFO", &["replication"]);
            told.is_ok_and(|told| told.contains("master_link_status:up"))
        };
        wait_until("the copy of Redis", || Ok(linked()))?;
        wait_until("a quorum of sentinels", || Ok(self.watchers.iter().all(Watcher::is_ready)))
    }

    /// Where clients ask who the master is.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.watchers.iter().map(|one| (Ipv4Addr::LOCALHOST, one.port).into()).collect()
    }

    /// Where replicas find their Redis, and what their keys begin with there.
    pub(crate) fn settings(&self, prefix: &str) -> Value {
        let mut nodes = self.addresses().into_iter();
        let first = nodes.next().map(|at| format!("redis://{at}")).unwrap_or_default();
        json!({
            "url": first,
            "nodes": nodes.map(|at| at.to_string()).collect::<Vec<_>>(),
            "mode": "sentinel",
            "master": MASTER,
            "prefix": prefix,
        })
    }

    /// Ends the master without a word (SIGKILL).
    pub(crate) fn kill_master(&mut self) {
        self.master = None;
    }

    /// Waits until every sentinel names the former replica.
    pub(crate) fn wait_for_new_master(&self) -> anyhow::Result<()> {
        let new = self.replica.port().to_string();
        wait_until("the new master", || {
            Ok(self.watchers.iter().all(|one| one.named().is_ok_and(|port| port == new)))
        })
        .context("no fail-over")
    }
}

impl Watcher {
    /// Watches the master at `port`.
    fn start(port: &str, down_after: u32) -> anyhow::Result<Self> {
        let own = free_port()?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("sentinel.conf");
        let text = format!(
            "port {own}\nbind 127.0.0.1\ndir {}\n\
             sentinel monitor {MASTER} 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds {MASTER} {down_after}\n\
             sentinel failover-timeout {MASTER} 3000\n",
            folder.path().display()
        );
        std::fs::write(&file, text)?;
        let child = Command::new("taskset")
            .args(["-c", "1", "redis-server"])
            .arg(&file)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .spawn()
            .context("taskset (util-linux) is missing")?;
        let watcher = Self { child, port: own, _folder: folder };
        wait_until("a sentinel", || Ok(watcher.named().is_ok()))?;
        Ok(watcher)
    }

    /// The port of the master that it names.
    fn named(&self) -> anyhow::Result<String> {
        let named: Vec<String> = ask(self.port, "SENTINEL", &["GET-MASTER-ADDR-BY-NAME", MASTER])?;
        named.into_iter().nth(1).context("no master")
    }

    /// Whether it knows the replica, and enough others that can vote.
    fn is_ready(&self) -> bool {
        let quorum = ask::<String>(self.port, "SENTINEL", &["CKQUORUM", MASTER]);
        let replicas = ask::<Vec<Vec<String>>>(self.port, "SENTINEL", &["REPLICAS", MASTER]);
        let linked = |fields: &Vec<String>| {
            let is = |name, value| fields.chunks_exact(2).any(|field| field == [name, value]);
            is("master-link-status", "ok") && is("flags", "slave")
        };
        quorum.is_ok_and(|text| text.starts_with("OK 3 usable"))
            && replicas.is_ok_and(|all| all.iter().any(linked))
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The answer to one command, on a connection of its own.
fn ask<T: FromRedisValue>(port: u16, command: &str, words: &[&str]) -> anyhow::Result<T> {
    let mut connection = Client::open(format!("redis://127.0.0.1:{port}"))?.get_connection()?;
    let answer = cmd(command).arg(words).query(&mut connection);
    ensure!(answer.is_ok(), "{command} {words:?}: no answer");
    Ok(answer?)
}
