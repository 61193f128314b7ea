//! The command line: reads arguments, runs one command, and turns its end into an exit code.

mod audit;
mod check;
mod dev;
mod doctor;
mod explain;
mod keys;
mod load;
mod output;
mod probe;
mod rehearse;
mod serve;
mod stop;
mod telemetry;
mod test;
mod tyk;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::Report;

/// Exit codes, as `--help` tells them.
const EXIT_CODES: &str = "\
Exit codes:
  0  done; for `explain`: the token is active; for `test`: every case holds; for `doctor`: no error;
     for `probe`: all are ready
  1  not so: the token is not active, a case does not hold, the doctor found an error, an audit
     trail is not whole, something is out of reach
  2  the configuration or the command line is wrong; nothing was started";

/// Token introspection (RFC 7662) and exchange (RFC 8693) for Microsoft Entra ID: who is this, acting
/// for whom, with which scopes, roles and Tyk policies; and a smaller token for one API.
#[derive(Debug, Parser)]
#[command(name = "tessera", version, after_help = EXIT_CODES)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try everything on this machine: the service, an Entra look-alike and a sample configuration
    ///
    /// Prints `curl` lines for each kind of token. Nothing needs to be installed, and nothing
    /// outside 127.0.0.1 is asked.
    Dev(dev::Arguments),
    /// Run the service
    Serve(ConfigFile),
    /// Validate a configuration file: every mistake at once, each with its line
    Check(check::Arguments),
    /// Walk one token through every step: which claim misfired, and what would have matched
    ///
    /// With `--exchange`, walk an exchange through every check: what would be issued by which rule,
    /// or what refuses it and what would satisfy it. Nothing is issued. What was revoked is known to
    /// the running service alone: its admin listener answers the same at POST /explain.
    Explain(explain::Arguments),
    /// Look whether the audit trail is whole, or write it as OCSF events
    Audit(audit::Arguments),
    /// Show, rotate or retire the keys that sign what the service issues
    Keys(keys::Arguments),
    /// Run the cases of a file against the mapping rules: claims in, policies out
    Test(test::Arguments),
    /// Write the Tyk side of the same file: API definitions, policies, tyk.conf
    Tyk(tyk::Arguments),
    /// Compare Tyk's own files with the configuration: what would not work, and what would be unsafe
    Doctor(doctor::Arguments),
    /// Ask whether a running service is ready: for health checks, where there is no curl
    ///
    /// Exit code 0 when every address answers 200 within five seconds, 1 otherwise. All are asked at
    /// once, and one line tells what each said. No redirect is followed and no proxy is used.
    Probe(probe::Arguments),
}

/// Which configuration.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file; see docs/configuration.md
    #[arg(long, short, value_name = "FILE", env = "TESSERA_CONFIG")]
    config: PathBuf,
}

/// Which configuration, or the one to try things with.
#[derive(Debug, Args)]
struct FileOrSample {
    /// The configuration file; see docs/configuration.md
    #[arg(
        long,
        short,
        value_name = "FILE",
        env = "TESSERA_CONFIG",
        required_unless_present = "dev"
    )]
    config: Option<PathBuf>,
    /// Use the sample configuration of `tessera dev` instead of a file
    #[arg(long)]
    dev: bool,
}

/// The ports of `tessera dev`, all on 127.0.0.1; 0 takes any that is free.
#[derive(Clone, Copy, Debug, Args)]
struct DevPorts {
    /// Port of the public listener
    #[arg(long, value_name = "PORT", default_value_t = Self::default().port)]
    port: u16,
    /// Port of the admin listener
    #[arg(long, value_name = "PORT", default_value_t = Self::default().admin_port)]
    admin_port: u16,
    /// Port of the Entra look-alike
    #[arg(long, value_name = "PORT", default_value_t = Self::default().tenant_port)]
    tenant_port: u16,
    /// Port of Tyk's gRPC plugin
    #[arg(long, value_name = "PORT", default_value_t = Self::default().tyk_port)]
    tyk_port: u16,
    /// Port of Envoy's external authorization
    #[arg(long, value_name = "PORT", default_value_t = Self::default().envoy_port)]
    envoy_port: u16,
}

impl Default for DevPorts {
    fn default() -> Self {
        Self { port: 8080, admin_port: 9090, tenant_port: 8090, tyk_port: 5555, envoy_port: 5556 }
    }
}

/// How a command ended well: with yes, or with no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The configuration is wrong.
    #[error("{0}")]
    Config(#[from] Report),
    /// The arguments are wrong, in a way that only their content tells.
    #[error("{0}")]
    Usage(String),
    /// Something else went wrong.
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let ended = match CommandLine::parse().command {
        Command::Dev(arguments) => dev::run(arguments),
        Command::Serve(file) => serve::run(&file),
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Audit(arguments) => audit::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Tyk(arguments) => tyk::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Probe(arguments) => probe::run(&arguments),
    };
    match ended {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(failure) => {
            output::complain(&failure);
            match failure {
                Failure::Config(_) | Failure::Usage(_) => ExitCode::from(2),
                Failure::Other(_) => ExitCode::from(1),
            }
        }
    }
}
