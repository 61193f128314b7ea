//! `tessera explain --exchange`: what would this exchange give, or why not?

use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::task::TaskTracker;

use super::explain::push;
use super::output::say;
use super::{Answer, Failure};
use crate::adapters::clock::SystemClock;
use crate::app;
use crate::config::Config;
use crate::protocol::exchange::{Declared, Request, Requested};
use crate::protocol::scope;
use crate::protocol::token_type::TokenType;
use crate::service::rehearse::{Refusal, Rehearsal, rehearse};
use crate::service::snapshot::{Caller, Snapshot};

/// What the exchange would ask for.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The resource; without it, the client's default
    #[arg(long, value_name = "NAME", requires = "exchange")]
    resource: Option<String>,
    /// The scopes, joined by spaces; without them, whatever can be had
    #[arg(long, value_name = "SCOPES", requires = "exchange")]
    scope: Option<String>,
    /// The token of the actor; an assertion is used up by this
    #[arg(long, value_name = "TOKEN", requires = "exchange")]
    actor_token: Option<SecretString>,
    /// The token is an ID token
    #[arg(long, requires = "exchange")]
    id_token: bool,
}

pub(super) async fn play(
    config: &Config,
    snapshot: &Snapshot,
    caller: &Arc<Caller>,
    (token, asked): (&str, &Asked),
) -> Result<Rehearsal, Failure> {
    let scopes = asked.scope.as_deref().map(scope::parse).transpose();
    let scopes = scopes.map_err(|error| Failure::Usage(format!("--scope: {error}")))?;
    let kind = if asked.id_token { TokenType::IdToken } else { TokenType::AccessToken };
    let request = Request {
        subject: Declared { token, kind },
        actor: asked
            .actor_token
            .as_ref()
            .map(|token| Declared { token: token.expose_secret(), kind: TokenType::Jwt }),
        targets: asked.resource.iter().map(String::as_str).collect(),
        scopes,
        requested: Requested::AccessToken,
    };
    let clock = Arc::new(SystemClock::new());
    let exchanger = app::rehearsing(config, clock, &TaskTracker::new())
        .context("the pieces cannot be put together")?;
    Ok(rehearse(&exchanger, snapshot, caller, &request)
        .await
        .context("the exchange cannot be explained")?)
}

pub(super) fn tell(story: &Rehearsal, as_json: bool) -> Result<Answer, Failure> {
    if as_json {
        say(serde_json::to_string_pretty(story).context("cannot write JSON")?);
    } else {
        say(readable(story).trim_end());
    }
    Ok(if story.issued { Answer::Yes } else { Answer::No })
}

/// The story for a person at a terminal.
fn readable(story: &Rehearsal) -> String {
    let mut text = String::new();
    let verdict = if story.issued { "a token would be issued" } else { "refused" };
    push(&mut text, format_args!("{verdict}, asked for by `{}`\n", story.client));
    for check in &story.checks {
        let outcome = check.outcome.replace('_', " ");
        push(&mut text, format_args!("  {outcome:<12} {:<10} {}", check.step, check.meaning));
        if let Some(refusal) = story.refused.as_ref().filter(|one| one.check == check.step) {
            push_refusal(&mut text, refusal);
        }
    }
    if let Some(rule) = &story.rule {
        push(&mut text, format_args!("\ndecided by the rule `{rule}`"));
    }
    if let Some(token) = &story.token {
        push(&mut text, format_args!("\ntoken\n{token:#}"));
    }
    text
}

fn push_refusal(text: &mut String, refusal: &Refusal) {
    let lines = [
        ("reason", Some(refusal.reason)),
        ("cause", refusal.cause.as_deref()),
        ("expected", refusal.expected.as_deref()),
        ("found", refusal.found.as_deref()),
        ("remedy", Some(refusal.remedy)),
        ("told", Some(refusal.error)),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            push(text, format_args!("  {:<12} {name:<10} {value}", ""));
        }
    }
    for rule in &refusal.rules {
        push(text, format_args!("  {:<12} rule `{}`", "", rule.name));
        for miss in &rule.missed {
            let (wanted, found) = (miss.wanted.join(", "), miss.found.clone().unwrap_or_default());
            let condition = &miss.condition;
            let found = found.join(", ");
            push(
                text,
                format_args!("  {:<12}   {condition}: wants one of {wanted}; found: {found}", ""),
            );
        }
    }
}
