//! A Redis of our own on core 1, and what a bare round trip to it costs.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands as _, Client};
use tempfile::TempDir;
use tokio::task::LocalSet;

use crate::load::closed::{Measured, Timed};
use crate::system::machine::{self, Awake};
use crate::system::wait::wait_until;

/// As long as an answer and what stands beside it.
const VALUE_BYTES: usize = 1500;
/// What the value is called.
const NAME: &str = "bare";
/// How many are read one after the other.
const SEQUENTIAL: usize = 10_000;
/// How many are read at once in all.
const AT_ONCE: usize = 60_000;
/// Killed when dropped, with all that it kept.
pub(crate) struct Redis {
    child: Child,
    port: u16,
    _folder: TempDir,
}

/// Reads by one client on core 0, over one connection.
pub(crate) struct BareGets {
    pub(crate) sequential: Timed,
    pub(crate) at_once: Vec<Timed>,
}

impl Redis {
    /// On a free port, with nothing in it, and nothing kept on disk.
    pub(crate) fn start() -> anyhow::Result<Self> {
        Self::start_with(&[])
    }

    /// The same with more arguments.
    pub(crate) fn start_with(more: &[&str]) -> anyhow::Result<Self> {
        Self::start_at(free_port()?, more)
    }

    /// The same at a port that was another's before.
    pub(crate) fn start_at(port: u16, more: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let child = Command::new("taskset")
            .args(["-c", "1", "redis-server", "--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(folder.path())
            .args(more)
            .stdout(Stdio::null())
            .spawn()
            .context("taskset (util-linux) is missing")?;
        let server = Self { child, port, _folder: folder };
        server.wait()?;
        Ok(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) -> anyhow::Result<()> {
        // taskset became the server itself (execve).
        let sent =
            Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status()?;
        ensure!(sent.success(), "kill failed");
        Ok(())
    }

    /// Loses everything that it holds.
    pub(crate) fn forget(&self) -> anyhow::Result<()> {
        let mut connection = Client::open(self.url())?.get_connection()?;
        Ok(redis::cmd("FLUSHALL").query(&mut connection)?)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn wait(&self) -> anyhow::Result<()> {
        let client = Client::open(self.url())?;
        wait_until("Redis", || Ok(client.get_connection().is_ok()))
    }

    /// Waits until there are `count` entries or more.
    pub(crate) fn holds(&self, count: usize) -> anyhow::Result<()> {
        let mut connection = Client::open(self.url())?.get_connection()?;
        let mut size = || redis::cmd("DBSIZE").query::<usize>(&mut connection);
        wait_until("all that was written", || Ok(size().is_ok_and(|size| size >= count)))
    }

    /// Reads one value from core 0 again and again: one after the other, then `in_flight` at once,
    /// `runs` times.
    pub(crate) fn bare_gets(&self, in_flight: usize, runs: usize) -> anyhow::Result<BareGets> {
        machine::on_core("0", || self.gets_from_here(in_flight, runs))
    }

    fn gets_from_here(&self, in_flight: usize, runs: usize) -> anyhow::Result<BareGets> {
        // To wake a sleeping core is paid by the one who wakes it.
        let _awake = Awake::start()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, async {
            let client = Client::open(self.url())?;
            let mut connection = client.get_multiplexed_async_connection().await?;
            let () = connection.set(NAME, vec![b'x'; VALUE_BYTES]).await?;
            let sequential = gets(&connection, 1, SEQUENTIAL).await?;
            let mut at_once = Vec::new();
            for _ in 0..runs {
                at_once.push(gets(&connection, in_flight, AT_ONCE).await?);
            }
            Ok(BareGets { sequential, at_once })
        })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The ports to choose from: below those that the system gives to outgoing connections, so that
/// nobody takes one while a killed server is to come back to it.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// A port that nobody has.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Others of these programs begin elsewhere.
    let first = std::process::id() % u32::from(PORTS.end - PORTS.start);
    let first = PORTS.start + u16::try_from(first)?;
    for _ in PORTS {
        let next = first.saturating_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + (next - PORTS.start) % (PORTS.end - PORTS.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    anyhow::bail!("no free port")
}

async fn gets(
    connection: &MultiplexedConnection,
    in_flight: usize,
    count: usize,
) -> anyhow::Result<Timed> {
    let connection = Rc::new(connection.clone());
    let (begun, ran) = (Instant::now(), machine::own_cpu()?);
    let tasks: Vec<_> = (0..in_flight)
        .map(|_| tokio::task::spawn_local(some(Rc::clone(&connection), count / in_flight)))
        .collect();
    let mut latency = Histogram::new(3)?;
    for task in tasks {
        latency.add(task.await??)?;
    }
    let (seconds, ran) = (begun.elapsed().as_secs_f64(), machine::own_cpu()?.saturating_sub(ran));
    let done = latency.len() as f64;
    let measured = Measured { per_second: done / seconds, latency };
    Ok(Timed { measured, cpu_micros: ran.as_secs_f64() * 1e6 / done })
}

/// `count` reads, one after the other.
async fn some(
    connection: Rc<MultiplexedConnection>,
    count: usize,
) -> anyhow::Result<Histogram<u64>> {
    let mut connection = MultiplexedConnection::clone(&connection);
    let mut latency = Histogram::new(3)?;
    for _ in 0..count {
        let sent = Instant::now();
        let value: Vec<u8> = connection.get(NAME).await?;
        latency.record(u64::try_from(sent.elapsed().as_micros())?)?;
        ensure!(value.len() == VALUE_BYTES, "another value");
    }
    Ok(latency)
}
