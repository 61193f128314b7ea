//! Measures tessera beside the same work without it. See README.md.

mod bare;
mod bare_plugin;
mod calls;
mod client;
mod frames;
mod installation;
mod machine;
mod messages;
mod mint;
mod plugin;
mod plugin_report;
mod propagation;
mod redis;
mod replicas;
mod replicas_report;
mod report;
mod scenarios;
mod server;
mod tyk;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measures tessera beside the same work without it")]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    plan: Plan,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The bare handler: reads a form and writes the bytes of a file
    #[command(hide = true)]
    Bare { answer: PathBuf },
    /// The bare plugin of Tyk: gives every message back as it came
    #[command(hide = true)]
    BarePlugin,
    /// Only Tyk's plugin; writes plugin.md beside the report
    Plugin,
    /// Only the replicas that share a Redis; writes replicas.md beside the report
    Replicas,
}

/// What to measure.
#[derive(Clone, Debug, Args)]
pub(crate) struct Plan {
    /// The release build of tessera
    #[arg(long, default_value = "target/release/tessera")]
    pub(crate) tessera: PathBuf,
    /// How long one measurement of the cached scenario takes
    #[arg(long, default_value_t = 8)]
    pub(crate) seconds: u64,
    /// How often tessera and the bare handler take turns
    #[arg(long, default_value_t = 5)]
    pub(crate) runs: usize,
    /// Connections that are kept open
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: usize,
    /// How many different tokens
    #[arg(long, default_value_t = 100_000)]
    pub(crate) tokens: usize,
    /// Where the report is written
    #[arg(long, default_value = "loadtest/report.md")]
    pub(crate) out: PathBuf,
}

impl Plan {
    pub(crate) const fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

fn main() -> anyhow::Result<()> {
    let line = CommandLine::parse();
    match line.command {
        Some(Command::Bare { answer }) => bare::serve(&answer),
        Some(Command::BarePlugin) => bare_plugin::serve(),
        Some(Command::Plugin) => plugin::alone(&line.plan),
        Some(Command::Replicas) => replicas::alone(&line.plan),
        None => scenarios::run(&line.plan),
    }
}
