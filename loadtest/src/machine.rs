//! On what was measured, and on which core.

use std::process::Command;

use anyhow::{Context as _, ensure};

/// Pins this process, and the threads it starts from now on, to `cores`.
pub(crate) fn pin(cores: &str) -> anyhow::Result<()> {
    let own = std::process::id().to_string();
    let status = Command::new("taskset").args(["-a", "-c", "-p", cores, &own]).output();
    ensure!(status.context("taskset (util-linux) is missing")?.status.success(), "taskset failed");
    Ok(())
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
