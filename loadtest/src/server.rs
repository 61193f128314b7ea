//! A server in a process of its own, pinned to core 0.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use crate::machine;

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
            .env("TYK_SECRET", crate::mint::SECRET)
            .env("SEAL", crate::mint::SEAL)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("taskset (util-linux) or the server does not start")?;
        let mut lines = BufReader::new(child.stderr.take().context("no log")?);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let address = find(&line).with_context(|| format!("no address in: {line}"))?;
        drain(lines);
        Ok(Self { child, address })
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

/// Reads on, so that the server never waits for us.
fn drain(mut from: impl std::io::Read + Send + 'static) {
    std::thread::spawn(move || std::io::copy(&mut from, &mut std::io::sink()));
}

impl<A> Drop for Server<A> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
