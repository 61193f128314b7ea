//! `tessera probe`: is it ready? For health checks of images that hold nothing but this program.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use futures_util::future::join_all;
use url::Url;

use super::output::say;
use super::stop::runtime;
use super::{Answer, Failure};
use crate::adapters::http_client::{Timeouts, place};
use crate::adapters::probe::{Prober, ProberError};

/// What has not answered by now is not ready.
const DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tessera probe                                   is the service in this container ready?
  tessera probe http://127.0.0.1:9090/livez       does its process run?
  tessera probe https://tessera.internal:9090/readyz --ca /etc/tls/ca.crt")]
pub(super) struct Arguments {
    /// What to ask, http or https; the name in it must be one that its certificate names
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:9090/readyz")]
    urls: Vec<Url>,
    /// Certificates (PEM) that vouch for the servers, in the place of the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    arguments.urls.iter().try_for_each(check)?;
    let prober = prober(arguments)?;
    let answers = runtime()?.block_on(join_all(arguments.urls.iter().map(|url| prober.ask(url))));
    let mut ready = Answer::Yes;
    for (url, answer) in arguments.urls.iter().zip(answers) {
        match answer {
            Ok(()) => say(format_args!("{}: answered 200", place(url))),
            Err(error) => {
                ready = Answer::No;
                say(error);
            }
        }
    }
    Ok(ready)
}

fn prober(arguments: &Arguments) -> Result<Prober, Failure> {
    let read = |path: &PathBuf| {
        std::fs::read(path)
            .map_err(|error| Failure::Usage(format!("--ca {}: {error}", path.display())))
    };
    let ca = arguments.ca.as_ref().map(read).transpose()?;
    let timeouts = Timeouts { connect: DEADLINE, total: DEADLINE };
    Prober::new(timeouts, ca.as_deref()).map_err(|error| match error {
        ProberError::Certificates => Failure::Usage(format!("--ca: {error}")),
        ProberError::Setup(error) => Failure::Other(error.into()),
    })
}

/// The address is not repeated: it may hold a password.
fn check(url: &Url) -> Result<(), Failure> {
    let wrong = |why: &str| Err(Failure::Usage(why.to_owned()));
    if !matches!(url.scheme(), "http" | "https") {
        return wrong("only http and https can be asked");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("no user and no password: a probe sends no credentials");
    }
    Ok(())
}
