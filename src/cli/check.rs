//! `tessera check`: is this file right, and, with `--online`, is what it names there?

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio_util::task::TaskTracker;

use super::output::say;
use super::stop::runtime;
use super::{Answer, ConfigFile, Failure, load};
use crate::adapters::clock::SystemClock;
use crate::adapters::redis::Replica;
use crate::app::Outside;
use crate::config::{Config, Ending};
use crate::domain::cluster::KeySource;
use crate::ports::{Clock, FetchReason, IssuerKeys as _, Unavailable};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: ConfigFile,
    /// Also ask every tenant for its discovery document and keys, Graph for access, and Redis
    #[arg(long)]
    online: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let config = load::config(&arguments.file.config)?;
    say(summary(&config, &arguments.file.config.display().to_string()));
    for (api, listener) in config.guarded_by_network() {
        say(format_args!(
            "note: whoever reaches {listener} may ask about `apis.{api}` (`guard: network`): let \
             nobody but the gateway reach it"
        ));
    }
    let offline = certificates(&config);
    if !arguments.online {
        return Ok(offline);
    }
    let online = runtime()?.block_on(online(&config))?;
    Ok(if offline == Answer::Yes { online } else { offline })
}

/// Tells which certificates of listeners have ended, or will soon.
fn certificates(config: &Config) -> Answer {
    let mut answer = Answer::Yes;
    for (listener, ending) in config.listen.tls.ending(SystemClock::new().now()) {
        let how = match ending {
            Ending::Soon(_) => "note",
            Ending::Over(_) => {
                answer = Answer::No;
                "FAILED"
            }
        };
        say(format_args!("{how}: `listen.tls.{listener}`: {ending}"));
    }
    answer
}

fn summary(config: &Config, origin: &str) -> String {
    format!(
        "{origin}: valid: {}, {}, {}, {}, {}",
        count(config.tenants.len(), "tenant"),
        count(config.clients.len(), "client"),
        count(config.mapping.rules().len(), "mapping rule"),
        count(config.resources.len(), "resource"),
        count(config.apis.len(), "API"),
    )
}

/// `1 tenant`, `2 tenants`
pub(super) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Asks for everything that the service will need, and reports each answer.
async fn online(config: &Config) -> anyhow::Result<Answer> {
    let outside = Outside::new(config, None, Arc::new(SystemClock::new()), &TaskTracker::new())
        .context("cannot make the HTTP client")?;
    let mut answer = Answer::Yes;
    let mut report = |what: String, outcome: Result<String, Unavailable>| match outcome {
        Ok(found) => say(format_args!("{what}: {found}")),
        Err(error) => {
            answer = Answer::No;
            say(format_args!("{what}: FAILED: {}", error.detail));
        }
    };
    for issuer in outside.keys.issuers().collect::<Vec<_>>() {
        let found = outside.keys.fetch(issuer, FetchReason::Missing).await;
        let found = found.map(|set| {
            format!("{}, as issuer {}", count(set.keys.keys().len(), "key"), set.issuer)
        });
        let what = match issuer {
            KeySource::Entra(issuer) => format!("tenant {issuer}"),
            KeySource::Cluster(_) => issuer.to_string(),
        };
        report(what, found);
    }
    for tenant in outside.groups.tenants().collect::<Vec<_>>() {
        let found = outside.groups.check(tenant).await.map(|()| "access granted".to_owned());
        report(format!("graph of tenant {tenant}"), found);
    }
    if let Some(redis) = &config.redis {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let replica = Replica::new(redis, &clock).context("cannot seal")?;
        report("redis".to_owned(), replica.check().await.map(str::to_owned));
    }
    Ok(answer)
}
