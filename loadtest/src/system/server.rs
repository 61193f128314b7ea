//! A server in a process of its own, pinned to core 0.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::system::wait::wait_until;
use crate::system::{machine, mint};

/// A server that does next to nothing for so long is idle.
const QUIET: Duration = Duration::from_millis(100);
/// It is to be so within that.
const PATIENCE: Duration = Duration::from_secs(30);

/// Killed when dropped. Tells its address, or several.
pub(crate) struct Server<A = SocketAddr> {
    child: Child,
    pub(crate) address: A,
}

impl<A> Server<A> {
    /// Starts `program` and reads its address with `find` from the first line it logs.
    pub(crate) fn start(
        program: &OsStr,
        arguments: &[&OsStr],
        find: impl Fn(&str) -> Option<A>,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", "0"])
            .arg(program)
            .args(arguments)
            .env("TYK_SECRET", mint::SECRET)
            .env("SEAL", mint::SEAL)
            .envs(mint::CALLERS.map(|name| (format!("SECRET_{name}"), mint::secret_of(name))))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("taskset (util-linux) or the server does not start")?;
        let mut lines = BufReader::new(child.stderr.take().context("no log")?);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let address = find(&line).with_context(|| format!("no address in: {line}"))?;
        drain(lines);
        // What is on record goes here, at its default.
        drain(child.stdout.take().context("no output")?);
        Ok(Self { child, address })
    }

    /// Of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status()?;
        ensure!(sent.success(), "kill failed");
        Ok(())
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        wait_until("its end", || Ok(self.child.try_wait()?.is_some()))?;
        Ok(self.child.wait()?)
    }

    /// Has it preempt whatever else runs on its core, for latencies in the tail: what the machine does
    /// by itself (once a second, for 4 ms, where this was written) would otherwise be all that is seen
    /// there. Without the right to do so, that is seen.
    pub(crate) fn before_all_else(&self) {
        let id = self.child.id().to_string();
        drop(Command::new("chrt").args(["-a", "-r", "-p", "1", &id]).output());
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("no VmRSS")?.parse()?;
        Ok(kib * 1024)
    }

    /// How long its threads have run so far.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()))?;
        tasks.map(|task| machine::cpu(&task?.path())).sum()
    }
}

impl<A> Server<A> {
    /// Waits until it has nothing to do: what is left to do after a start (keys are made) is not to
    /// be measured with what comes next.
    pub(crate) fn settle(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut before = self.cpu()?;
        loop {
            std::thread::sleep(QUIET);
            let now = self.cpu()?;
            if now.saturating_sub(before) < QUIET / 50 {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "the server is never idle");
            before = now;
        }
    }
}

/// Reads on, so that the server never waits for us.
fn drain(mut from: impl Read + Send + 'static) {
    std::thread::spawn(move || {
        // As much as a pipe holds, so that the generator's core is seldom taken from it.
        let mut buffer = vec![0; 64 * 1024];
        while from.read(&mut buffer).is_ok_and(|read| read > 0) {}
    });
}

impl<A> Drop for Server<A> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
