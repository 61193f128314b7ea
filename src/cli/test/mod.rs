//! `tessera test`: mapping rules tested as code, for the users' own pipelines.

mod cases;
mod exchange;

use std::path::PathBuf;

use clap::Args;

use super::output::say;
use super::{Answer, ConfigFile, Failure, load};
use crate::config::{Environment as _, SystemEnvironment};
use cases::Cases;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// The cases; see docs/testing-rules.md
    cases: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let config = load::config(&arguments.file.config)?;
    let origin = arguments.cases.display().to_string();
    let text = SystemEnvironment
        .file(&arguments.cases)
        .map_err(|why| Failure::Usage(format!("{origin}: {why}")))?;
    let cases = Cases::parse(&text).map_err(|why| Failure::Usage(format!("{origin}: {why}")))?;
    let mut failed = 0_usize;
    for case in &cases.cases {
        let differences = case.differences(&config);
        if differences.is_empty() {
            say(format_args!("ok      {}", case.name));
        } else {
            failed = failed.saturating_add(1);
            say(format_args!("FAILED  {}", case.name));
            for line in differences {
                say(format_args!("        {line}"));
            }
        }
    }
    say(format_args!("{} cases, {failed} failed", cases.cases.len()));
    Ok(if failed == 0 { Answer::Yes } else { Answer::No })
}
