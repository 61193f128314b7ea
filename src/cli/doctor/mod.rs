//! `tessera doctor`: do Tyk's files and ours go together?

mod definition;
mod exchange;
mod files;
mod gateway;
mod introspection;
mod jwt;
mod plugin;
mod policies;
mod report;
mod road;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::check::count;
use super::output::say;
use super::tyk::Reached;
use super::tyk::site::Site;
use super::{Answer, DevPorts, Failure, FileOrSample, load};
use crate::domain::tyk::Severity;
use files::Files;
use report::Report;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: FileOrSample,
    #[command(flatten)]
    reached: Reached,
    /// The gateway's tyk.conf
    #[arg(long, value_name = "FILE")]
    tyk_conf: Option<PathBuf>,
    /// API definitions, classic or `OpenAPI`: files, folders, or exports of the Dashboard
    #[arg(long, value_name = "FILE|DIR", num_args = 1..)]
    apis: Vec<PathBuf>,
    /// The policies
    #[arg(long, value_name = "FILE")]
    policies: Option<PathBuf>,
    /// Which build of Tyk runs; only one of them exchanges tokens
    #[arg(long, value_enum, default_value_t = Edition::OpenSource)]
    edition: Edition,
}

/// The builds of Tyk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Edition {
    /// The open-source build
    OpenSource,
    /// The enterprise build
    Enterprise,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let config = load::file_or_sample(&arguments.file, DevPorts::default())?;
    let files =
        Files::read(arguments.tyk_conf.as_deref(), &arguments.apis, arguments.policies.as_deref())
            .map_err(Failure::Usage)?;
    if files.is_empty() {
        let why = "nothing to look at: name files with --apis, --policies or --tyk-conf";
        return Err(Failure::Usage(why.to_owned()));
    }
    let report = examine(&arguments.reached.site(&config), &files, arguments.edition);
    for finding in report.findings() {
        say(finding);
    }
    let found = |severity| {
        report.findings().iter().filter(|finding| finding.fault.severity() == severity).count()
    };
    let (errors, warnings) = (found(Severity::Error), found(Severity::Warning));
    say(format_args!(
        "{} looked at: {}, {}",
        files.count(),
        count(errors, "error"),
        count(warnings, "warning")
    ));
    Ok(if errors == 0 { Answer::Yes } else { Answer::No })
}

/// Everything that is wrong.
fn examine(site: &Site<'_>, files: &Files, edition: Edition) -> Report {
    let mut report = Report::default();
    if let Some(conf) = &files.tyk_conf {
        gateway::examine(site, conf, &mut report);
    }
    road::examine(site, files, edition, &mut report);
    if let Some(policies) = &files.policies {
        policies::examine(site, policies, &mut report);
    }
    report.sort();
    report
}
