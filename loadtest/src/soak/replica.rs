//! One `tessera serve`, and all that it says.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::asked::GUESS;
use crate::system::mint;
use crate::system::wait::wait_within;

/// How many lines of each sort are told.
const TOLD: u64 = 5;
/// What no line may hold: secrets, and what header, claims and opaque tokens begin with. Longer than
/// what a digest has by chance.
const NEVER: [&str; 7] =
    [mint::SECRET, mint::SEAL, GUESS, "eyJhbGciOi", "eyJ0eXAiOi", "eyJhdWQiOi", "tsr_"];

/// Over all replicas, those that are gone too.
#[derive(Debug, Default)]
pub(super) struct Logs {
    pub(super) lines: AtomicU64,
    pub(super) records: AtomicU64,
    pub(super) warnings: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) panics: AtomicU64,
    /// Lines with something of a secret or a token.
    pub(super) leaks: AtomicU64,
    words: Mutex<Vec<String>>,
}

/// Killed when dropped.
pub(super) struct Replica {
    child: Child,
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Logs {
    /// A line of the log.
    fn read(&self, line: &str) {
        self.lines.fetch_add(1, Ordering::Relaxed);
        if line.contains("panicked") {
            self.tell(&self.panics, line);
        } else if line.contains(r#""level":"ERROR""#) {
            self.tell(&self.errors, line);
        } else if line.contains(r#""level":"WARN""#) {
            self.warnings.fetch_add(1, Ordering::Relaxed);
        }
        self.look_for_leaks(line);
    }

    /// A line of the audit trail.
    fn read_record(&self, line: &str) {
        self.records.fetch_add(1, Ordering::Relaxed);
        self.look_for_leaks(line);
    }

    fn look_for_leaks(&self, line: &str) {
        if NEVER.iter().any(|part| line.contains(part)) {
            self.tell(&self.leaks, line);
        }
    }

    /// Counts it, and keeps the first few of its sort.
    fn tell(&self, of: &AtomicU64, line: &str) {
        if of.fetch_add(1, Ordering::Relaxed) < TOLD {
            let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
            words.push(line.trim_end().to_owned());
        }
    }

    pub(super) fn words(&self) -> Vec<String> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Gives every line away.
fn each_line(from: impl Read + Send + 'static, read: impl Fn(&str) + Send + 'static) {
    std::thread::spawn(move || {
        let mut lines = BufReader::new(from);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            read(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
}

impl Replica {
    pub(super) fn start(program: &Path, file: &Path, logs: &Arc<Logs>) -> anyhow::Result<Self> {
        let mut child = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(file)
            .env("TYK_SECRET", mint::SECRET)
            .env("GUESSER_SECRET", format!("{}-guesser", mint::SECRET))
            .env("SEAL", mint::SEAL)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| program.display().to_string())?;
        let mut lines = BufReader::new(child.stderr.take().context("no log")?);
        let started = loop {
            let mut line = String::new();
            ensure!(lines.read_line(&mut line)? > 0, "it ended at its start");
            logs.read(&line);
            let told: Value = serde_json::from_str(&line).unwrap_or_default();
            if told.get("message").and_then(Value::as_str) == Some("started") {
                break told;
            }
        };
        let kept = Arc::clone(logs);
        each_line(lines, move |line| kept.read(line));
        let kept = Arc::clone(logs);
        each_line(child.stdout.take().context("no output")?, move |line| kept.read_record(line));
        let find = |name: &str| started.get(name)?.as_str()?.parse().ok();
        let public = find("public").context("no address")?;
        Ok(Self { child, public, admin: find("admin").context("no address")? })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, such as `HUP`.
    pub(super) fn signal(&self, name: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").args(["-s", name, &self.id().to_string()]).status()?;
        ensure!(sent.success(), "kill failed");
        Ok(())
    }

    pub(super) fn ended(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        wait_within(patience, "its end", || Ok(self.child.try_wait()?.is_some()))?;
        Ok(self.child.wait()?)
    }

    /// Whether it runs, which it does until it is told otherwise.
    pub(super) fn runs(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a process takes, as the kernel counts it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    pub(super) resident_kib: u64,
    pub(super) descriptors: u64,
    pub(super) threads: u64,
    /// Of processor time so far, in ticks of 10 ms.
    pub(super) ticks: u64,
}

/// Of the process with this id; none if it is gone.
pub(super) fn taken(id: u32) -> Option<Taken> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let number = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // After the name, which may hold anything: state is the first, utime the 12th (proc(5)).
    let (_, fields) = stat.rsplit_once(") ")?;
    let times = fields.split(' ').skip(11).take(2).map(|one| one.parse().unwrap_or(0));
    Some(Taken {
        resident_kib: number("VmRSS:")?,
        descriptors: fs::read_dir(format!("/proc/{id}/fd")).ok()?.count() as u64,
        threads: number("Threads:")?,
        ticks: times.sum::<u64>(),
    })
}
