//! On what was measured, and on which core.

use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// Pins this process, and the threads it starts from now on, to `cores`.
pub(crate) fn pin(cores: &str) -> anyhow::Result<()> {
    let own = std::process::id().to_string();
    let status = Command::new("taskset").args(["-a", "-c", "-p", cores, &own]).output();
    ensure!(status.context("taskset (util-linux) is missing")?.status.success(), "taskset failed");
    Ok(())
}

/// Runs `work` with this process pinned to `cores`, and then returns to core 1.
pub(crate) fn on_core<T>(
    cores: &str,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    pin(cores)?;
    let done = work();
    pin("1")?;
    done
}

/// Runs `work` on a thread of its own that leaves its core at once to whatever else wants it. Only
/// that thread does: what other threads start would do the same for ever.
pub(crate) fn giving_way<T: Send>(
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    let give_way_and_work = || {
        let task = std::fs::read_link("/proc/thread-self")?;
        let own = task.file_name().context("no thread")?;
        let status = Command::new("chrt").args(["-i", "-p", "0"]).arg(own).output();
        let status = status.context("chrt (util-linux) is missing")?.status;
        ensure!(status.success(), "chrt failed");
        work()
    };
    std::thread::scope(|scope| {
        let done = scope.spawn(give_way_and_work).join();
        done.map_err(|_| anyhow::anyhow!("the generator panicked"))?
    })
}

/// How long a thread has run so far; `task`: its folder in /proc.
pub(crate) fn cpu(task: &Path) -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string(task.join("schedstat"))?;
    let nanos = text.split_whitespace().next().context("an empty schedstat")?;
    Ok(Duration::from_nanos(nanos.parse()?))
}

/// How long this thread has run so far.
pub(crate) fn own_cpu() -> anyhow::Result<Duration> {
    cpu(Path::new("/proc/thread-self"))
}

/// How many threads wanted a core in the last minute.
pub(crate) fn load() -> anyhow::Result<String> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    Ok(text.split_whitespace().next().context("an empty loadavg")?.to_owned())
}

/// How long all cores have worked or waited so far, and how much of that other virtual machines took
/// away, both in the kernel's ticks.
pub(crate) fn stolen() -> anyhow::Result<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let all = text.lines().next().context("an empty stat")?;
    let ticks = all.split_whitespace().skip(1).map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal: see proc(5).
    Ok((ticks.iter().take(8).sum(), ticks.get(7).copied().unwrap_or_default()))
}

/// Keeps core 1 awake for as long as this lives, and gives way to whatever else wants it.
pub(crate) struct Awake(Child);

impl Awake {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let spin = ["-c", "1", "chrt", "-i", "0", "sh", "-c", "while :; do :; done"];
        Ok(Self(Command::new("taskset").args(spin).spawn()?))
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What the report says about the machine: name and value.
pub(crate) fn facts() -> Vec<(&'static str, String)> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    vec![
        ("processor", model.trim_start_matches([' ', '\t', ':']).to_owned()),
        ("cores", cores.to_string()),
        ("kernel", told("uname", &["-sr"])),
        ("compiler", told("rustc", &["--version"])),
        ("commit", told("git", &["describe", "--always", "--dirty", "--abbrev=12"])),
    ]
}

fn told(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
