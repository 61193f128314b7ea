//! `tessera explain`: why is this token active, or why not?

use std::io::Read as _;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::task::TaskTracker;

use super::output::say;
use super::stop::runtime;
use super::{Answer, DevPorts, Failure, FileOrSample, load, rehearse};
use crate::adapters::clock::SystemClock;
use crate::app::Outside;
use crate::config::Config;
use crate::domain::issued::OPAQUE_PREFIX;
use crate::ports::Clock;
use crate::protocol::json::Json;
use crate::protocol::jws::UnverifiedJwt;
use crate::service::explain::{ApiTried, Explanation, Misfire, RuleTried, explain};
use crate::service::snapshot::{Caller, Snapshot};
use crate::service::tokens::Tokens;

/// Longest text that is read as a token, in bytes; more than any token that is accepted.
const MAX_INPUT_BYTES: u64 = 256 * 1024;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: FileOrSample,
    /// The port of its Entra look-alike
    #[arg(long, value_name = "PORT", default_value_t = 8090, requires = "dev")]
    tenant_port: u16,
    /// As which client's question; without it, the first client that may introspect
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// Play an exchange of the token through instead, as `--client` would ask for it
    #[arg(long, requires = "client")]
    exchange: bool,
    #[command(flatten)]
    asked: rehearse::Asked,
    /// Write JSON
    #[arg(long)]
    json: bool,
    /// The token; without it, it is read from standard input, where no shell history keeps it
    token: Option<SecretString>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Answer, Failure> {
    let ports = DevPorts { tenant_port: arguments.tenant_port, ..DevPorts::default() };
    let config = load::file_or_sample(&arguments.file, ports)?;
    let snapshot = Snapshot::of(&config);
    let caller = caller(&snapshot, arguments.client.as_deref())?;
    let token = match &arguments.token {
        Some(token) => token.expose_secret().to_owned(),
        None => piped()?,
    };
    refuse_our_own(&config, token.trim())?;
    if arguments.exchange {
        let played = rehearse::play(&config, &snapshot, caller, (token.trim(), &arguments.asked));
        return rehearse::tell(&runtime()?.block_on(played)?, arguments.json);
    }
    let story = runtime()?.block_on(ask(&config, &snapshot, caller, token.trim()))?;
    if arguments.json {
        say(serde_json::to_string_pretty(&story).context("cannot write JSON")?);
    } else {
        say(readable(&story).trim_end());
    }
    Ok(if story.active { Answer::Yes } else { Answer::No })
}

fn caller<'s>(snapshot: &'s Snapshot, name: Option<&str>) -> Result<&'s Arc<Caller>, Failure> {
    snapshot.asked_as(name).ok_or_else(|| {
        Failure::Usage(match name {
            Some(name) => format!("--client {name}: no client of this name is configured"),
            None => "no client may introspect; name one with --client".to_owned(),
        })
    })
}

/// Only the service that issued a token knows its keys, what is behind it, and what was revoked.
fn refuse_our_own(config: &Config, token: &str) -> Result<(), Failure> {
    let claimed = UnverifiedJwt::parse(token).ok();
    let claimed = claimed.as_ref().and_then(|jwt| jwt.unverified_claims().get("iss"));
    let ours = claimed.and_then(Json::as_str) == Some(&config.issuer);
    if ours || token.starts_with(OPAQUE_PREFIX) {
        let why = "this token was issued by the service itself, and only that knows it: ask its \
                   admin listener (POST /explain)";
        return Err(Failure::Usage(why.to_owned()));
    }
    Ok(())
}

fn piped() -> anyhow::Result<String> {
    let mut text = String::new();
    let mut input = std::io::stdin().lock().take(MAX_INPUT_BYTES);
    input.read_to_string(&mut text).context("cannot read the token from standard input")?;
    Ok(text)
}

async fn ask(
    config: &Config,
    snapshot: &Snapshot,
    caller: &Caller,
    token: &str,
) -> anyhow::Result<Explanation> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let outside = Outside::new(config, None, Arc::clone(&clock), &TaskTracker::new())?;
    let tokens = Tokens::new(Arc::new(outside.verifier()), None, Arc::clone(&clock));
    explain(&tokens, &*outside.groups, &*clock, (snapshot, caller), token)
        .await
        .context("the token cannot be checked")
}

/// The story for a person at a terminal.
fn readable(story: &Explanation) -> String {
    let mut text = String::new();
    let verdict = if story.active { "active" } else { "not active" };
    push(&mut text, format_args!("{verdict}, as `{}` would be told\n", story.client));
    for taken in &story.steps {
        let outcome = taken.outcome.replace('_', " ");
        push(&mut text, format_args!("  {outcome:<12} {:<10} {}", taken.step, taken.meaning));
        if let Some(misfire) = story.refused.as_ref().filter(|misfire| misfire.step == taken.step) {
            push_misfire(&mut text, misfire);
        }
    }
    if story.active {
        push(&mut text, format_args!("\nmapping rules"));
        story.rules.iter().for_each(|rule| push_rule(&mut text, rule));
    }
    if !story.apis.is_empty() {
        push(&mut text, format_args!("\nAPIs behind this gateway"));
        story.apis.iter().for_each(|api| push_api(&mut text, api));
    }
    push(&mut text, format_args!("\nanswer\n{:#}", story.answer));
    text
}

fn push_misfire(text: &mut String, misfire: &Misfire) {
    let lines = [
        ("reason", Some(misfire.reason)),
        ("claim", misfire.claim),
        ("expected", misfire.expected.as_deref()),
        ("found", misfire.found.as_deref()),
        ("remedy", Some(misfire.remedy)),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            push(text, format_args!("  {:<12} {name:<10} {value}", ""));
        }
    }
}

fn push_rule(text: &mut String, rule: &RuleTried) {
    let outcome = if rule.matched { "matched" } else { "missed" };
    push(text, format_args!("  {outcome:<12} {}", rule.name));
    for miss in &rule.missed {
        let found = miss.found.as_ref().map_or_else(
            || "that is unknown".to_owned(),
            |found| if found.is_empty() { "there is none".to_owned() } else { found.join(", ") },
        );
        let wanted = miss.wanted.join(", ");
        let condition = &miss.condition;
        push(
            text,
            format_args!("  {:<12}   {condition}: wants one of {wanted}; found: {found}", ""),
        );
    }
}

fn push_api(text: &mut String, api: &ApiTried) {
    let outcome = if api.admitted { "admitted" } else { "refused" };
    push(text, format_args!("  {outcome:<12} {}", api.api));
    if let (Some(bar), Some(expected), Some(found)) = (api.barred_by, &api.expected, &api.found) {
        push(text, format_args!("  {:<12}   {bar}: wants {expected}; found: {found}", ""));
    }
    if let Some(resource) = api.swapped_for.as_ref().filter(|_| api.admitted) {
        push(text, format_args!("  {:<12}   its token is swapped for one of {resource}", ""));
    }
}

pub(super) fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    text.push_str(&line.to_string());
    text.push('\n');
}
