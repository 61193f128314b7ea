//! Measures tessera beside the same work without it. See README.md.

mod bare;
mod bench;
mod load;
mod plan;
mod report;
mod scenarios;
mod soak;
mod system;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Parser, Subcommand};

use crate::bench::Bench;
use crate::plan::Plan;
use crate::soak::Soak;

#[derive(Debug, Parser)]
#[command(about = "Measures tessera beside the same work without it")]
#[command(args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    /// What to measure; everything unless told
    #[arg(value_name = "SCENARIO", value_parser = PossibleValuesParser::new(scenarios::names()))]
    scenarios: Vec<String>,
    #[command(flatten)]
    plan: Plan,
}

/// What this program does beside measuring: it is the servers that tessera is measured beside, each in
/// a process of its own.
#[derive(Debug, Subcommand)]
enum Command {
    /// Writes the figures of loadtest/report.json into docs/performance.md, as a whole run does
    Figures,
    /// Hours of mixed load while one thing after the other goes wrong: see `loadtest/soak.md`
    Soak(Soak),
    /// Reads a form and writes the bytes of a file
    #[command(name = "bare-http", hide = true)]
    Http { answer: PathBuf },
    /// Writes the bytes of a file, whatever it is asked
    #[command(name = "bare-null", hide = true)]
    Null { answer: PathBuf },
    /// Gives every message of Tyk back as it came
    #[command(name = "bare-plugin", hide = true)]
    Plugin,
}

fn main() -> anyhow::Result<()> {
    let line = CommandLine::parse();
    match line.command {
        Some(Command::Figures) => report::renew_page(),
        Some(Command::Soak(soak)) => soak.run(),
        Some(Command::Http { answer }) => bare::http::serve(&answer),
        Some(Command::Null { answer }) => bare::null::serve(&answer),
        Some(Command::Plugin) => bare::plugin::serve(),
        None => {
            let chosen = scenarios::chosen(&line.scenarios);
            let plan = line.plan.settled(line.scenarios.is_empty());
            Bench::start(plan)?.run(&chosen)
        }
    }
}
