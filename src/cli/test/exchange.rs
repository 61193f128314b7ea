//! The exchange of a case: who asks for what, and whether it must be issued or refused.

use serde::Deserialize;

use super::cases::{Described, difference};
use crate::config::Config;
use crate::domain::claims;
use crate::domain::client::Client;
use crate::domain::delegation::Actor;
use crate::domain::denial::Denial;
use crate::domain::exchange::{Question, decide, target};
use crate::domain::lineage::{Hop, TokenId};
use crate::domain::subject_token::{Envelope, SubjectToken};
use crate::domain::validate::intersects;
use crate::protocol::time::{Seconds, UnixTime};

/// The exchange: the token of the case is its subject token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exchange {
    /// Who asks.
    client: String,
    /// For which resource; without it, the client's default.
    resource: Option<String>,
    /// For which scopes; without them, whatever can be had.
    scopes: Option<Vec<String>>,
    /// Another client that is proved by an actor token.
    actor: Option<String>,
}

/// What must be issued.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issued {
    /// Exactly these scopes, in any order.
    scopes: Option<Vec<String>>,
    /// By this rule.
    rule: Option<String>,
    /// For so many seconds, if the subject token lives long enough.
    seconds: Option<i64>,
}

/// When the cases play; they say nothing about time.
const NOW: UnixTime = UnixTime::from_seconds(0);

/// What a decision gave.
struct Outcome {
    rule: String,
    scopes: Vec<String>,
    seconds: i64,
}

/// What differs from what is expected.
pub(super) fn differences(
    config: &Config,
    described: &Described,
    asked: &Exchange,
    expected: (Option<&Issued>, Option<&str>),
) -> Vec<String> {
    match (outcome(config, described, asked), expected) {
        (Err(why), _) => vec![why],
        (Ok(Ok(got)), (Some(wanted), _)) => compared(wanted, &got),
        (Ok(Ok(got)), (None, _)) => vec![format!("issued by the rule `{}`", got.rule)],
        (Ok(Err(denial)), (_, Some(reason))) if denial.reason.as_str() == reason => Vec::new(),
        (Ok(Err(denial)), _) => vec![format!("refused: {denial}")],
    }
}

fn compared(wanted: &Issued, got: &Outcome) -> Vec<String> {
    let scopes = wanted.scopes.as_ref();
    let scopes = scopes.and_then(|wanted| difference("issued.scopes", wanted, &got.scopes));
    let rule = wanted.rule.as_ref().filter(|rule| **rule != got.rule);
    let rule = rule.map(|rule| format!("issued.rule: expected {rule}, got {}", got.rule));
    let seconds = wanted.seconds.filter(|seconds| *seconds != got.seconds);
    let seconds = seconds.map(|one| format!("issued.seconds: expected {one}, got {}", got.seconds));
    [scopes, rule, seconds].into_iter().flatten().collect()
}

fn outcome(
    config: &Config,
    described: &Described,
    asked: &Exchange,
) -> Result<Result<Outcome, Denial>, String> {
    let client = client(config, &asked.client)?;
    let named = asked.actor.as_deref().map(|name| self::client(config, name)).transpose()?;
    let subject = subject(config, described)?;
    let targets: Vec<_> = asked.resource.iter().map(String::as_str).collect();
    let known = |name: &str| config.resources.iter().find(|resource| resource.id == name);
    let resource = match target(known, client, &targets) {
        Ok(resource) => resource,
        Err(denial) => return Ok(Err(denial)),
    };
    let actor = Actor {
        client: named.unwrap_or(client),
        principal: None,
        expires: None,
        presented: named.is_some(),
    };
    let scopes: Option<Vec<&str>> =
        asked.scopes.as_ref().map(|scopes| scopes.iter().map(String::as_str).collect());
    let question = Question {
        issuer: &config.issuer,
        client,
        resource,
        scopes: scopes.as_deref(),
        subject: &subject,
        actor: &actor,
    };
    Ok(decide(question, NOW).map(|grant| Outcome {
        rule: grant.rule.to_owned(),
        scopes: grant.scopes,
        seconds: grant.expires.since(NOW).count(),
    }))
}

fn client<'c>(config: &'c Config, name: &str) -> Result<&'c Client, String> {
    let found = config.clients.iter().find(|client| client.id.as_str() == name);
    found.ok_or_else(|| format!("exchange: no client `{name}` is configured"))
}

/// The token of the case, addressed as its `aud` says, or else to the tenant's first audience.
fn subject(config: &Config, described: &Described) -> Result<SubjectToken, String> {
    let tenant = config.tenants.iter().find(|one| one.id == described.subject.principal.tenant);
    let tenant = tenant.ok_or("tid: no such tenant is configured")?;
    let audience = if described.claims.has("aud") {
        claims::audience(&described.claims).map_err(|rejection| rejection.to_string())?
    } else {
        tenant.audiences.iter().take(1).cloned().collect()
    };
    let iss = "https://login.microsoftonline.com/";
    let hop = Hop { id: TokenId::of(iss, "case"), issued_at: NOW, by: Vec::new() };
    let envelope = Envelope {
        iss,
        audience: &audience,
        expires: NOW.plus(Seconds::hours(1)),
        hops: vec![hop],
    };
    let told = (described.subject.groups.as_deref(), described.mapped.clone());
    let subject = SubjectToken::of_subject(&described.subject, &described.claims, envelope, told)
        .map_err(|rejection| rejection.to_string())?;
    let for_exchange = intersects(&audience, &tenant.caller_audiences);
    Ok(SubjectToken { for_exchange, ..subject })
}
