//! May this client have a token for this resource, on behalf of this subject? And which one?
//!
//! The caller's side (a rule of the client) and the data owner's side (the resource) must both
//! agree. A token never exceeds its subject: scope, lifetime, chain and ancestry only shrink or
//! grow by what happened now.

use super::client::{Client, ExchangeRule};
use super::delegation::{Actor, extended};
use super::denial::{Denial, DenialReason, RuleMissed};
use super::issued::IssuedToken;
use super::mapping::Miss;
use super::resource::{MIN_TTL, Resource, Told};
use super::subject_token::SubjectToken;
use crate::protocol::delegation::{Act, MayAct};
use crate::protocol::time::UnixTime;

/// Most exchanges between a sign-in and a token (POL).
pub const MAX_HOPS: usize = 4;

/// What an exchange would give.
#[derive(Clone, Debug)]
pub struct Grant<'p> {
    /// The rule that decided.
    pub rule: &'p str,
    /// The resource.
    pub resource: &'p Resource,
    /// The scopes, in the order they were asked for.
    pub scopes: Vec<String>,
    /// Who acts, and who acted before.
    pub act: Option<Act>,
    /// When the token ends.
    pub expires: UnixTime,
}

/// Everything the decision looks at.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who we are.
    pub issuer: &'a str,
    /// Who asks.
    pub client: &'a Client,
    /// For which resource, as [`target`] found it.
    pub resource: &'a Resource,
    /// The scopes asked for; `None`: whatever can be had (TEX-15).
    pub scopes: Option<&'a [&'a str]>,
    /// For whom.
    pub subject: &'a SubjectToken,
    /// Who acts.
    pub actor: &'a Actor<'a>,
}

/// The resource that a request is about: one, known, which the client may ask for and which lets
/// the client in.
pub fn target<'r>(
    resources: impl Fn(&str) -> Option<&'r Resource>,
    client: &Client,
    named: &[&str],
) -> Result<&'r Resource, Denial> {
    if client.exchange.is_empty() {
        return Err(Denial::new(DenialReason::ClientNotPermitted));
    }
    let name = match (named, client.default_resource.as_deref()) {
        ([one], _) => *one,
        ([], Some(default)) => default,
        ([], None) => return Err(Denial::new(DenialReason::TargetMissing)),
        (several, _) => {
            return Err(Denial::new(DenialReason::TargetAmbiguous).found(several.join(" ")));
        }
    };
    let refused = |reason| Denial::new(reason).found(name);
    let resource = resources(name).ok_or_else(|| refused(DenialReason::TargetUnknown))?;
    if !client.exchange.iter().any(|rule| rule.resource == resource.id) {
        return Err(refused(DenialReason::TargetNotPermitted));
    }
    if resource.callers.contains(&client.id) {
        return Ok(resource);
    }
    Err(refused(DenialReason::TargetNotAdmitted))
}

/// Decides. `now` is when the token would be issued.
pub fn decide(question: Question<'_>, now: UnixTime) -> Result<Grant<'_>, Denial> {
    let Question { issuer, resource, subject, actor, .. } = question;
    admit_actor(&question)?;
    let rule = fitting_rule(&question)?;
    admit_subject(resource, subject)?;
    if subject.hops.len() > MAX_HOPS {
        return Err(Denial::new(DenialReason::ChainTooLong)
            .expected(format_args!("at most {MAX_HOPS} exchanges"))
            .found(subject.hops.len()));
    }
    let silent = rule.impersonate && !actor.presented;
    let act = if silent { subject.act.clone() } else { Some(extended(subject, actor, issuer)?) };
    let scopes = granted_scopes(&question, rule)?;
    let expires = expiry(&question, rule, now)?;
    Ok(Grant { rule: &rule.name, resource, scopes, act, expires })
}

/// The actor is not the subject, is let in by the resource, and is the one who may act.
fn admit_actor(question: &Question<'_>) -> Result<(), Denial> {
    let Question { issuer, resource, subject, actor, .. } = question;
    if actor.presented && actor.is_subject(subject) {
        return Err(Denial::new(DenialReason::ActorIsSubject).found(&actor.client.id));
    }
    if !resource.callers.contains(&actor.client.id) {
        return Err(Denial::new(DenialReason::ActorNotAdmitted).found(&actor.client.id));
    }
    let mismatch = || Denial::new(DenialReason::MayActMismatch);
    match &subject.may_act {
        Err(error) => Err(mismatch().found(error)),
        Ok(Some(only)) if !actor.is_named(only, issuer) => {
            let MayAct { iss, sub } = only;
            let expected = [sub.as_deref(), iss.as_deref()].map(Option::unwrap_or_default);
            Err(mismatch().expected(expected.join(" of ").trim()).found(&actor.client.id))
        }
        Ok(_) => Ok(()),
    }
}

/// The first rule for the resource that fits the subject.
fn fitting_rule<'a>(question: &Question<'a>) -> Result<&'a ExchangeRule, Denial> {
    let mut tried = Vec::new();
    let of_resource = |rule: &&ExchangeRule| rule.resource == question.resource.id;
    for rule in question.client.exchange.iter().filter(of_resource) {
        let missed = misses(rule, question);
        if missed.is_empty() {
            return Ok(rule);
        }
        tried.push(RuleMissed { name: rule.name.clone(), missed });
    }
    Err(Denial { rules: tried, ..Denial::new(DenialReason::NoRuleFits) })
}

/// The conditions of `rule` that do not hold.
fn misses(rule: &ExchangeRule, question: &Question<'_>) -> Vec<Miss> {
    let Question { client, subject, actor, .. } = question;
    let mut missed = Vec::new();
    let mut note = |held: bool, condition: &str, wanted: Vec<String>, found: Vec<String>| {
        if !held {
            missed.push(Miss { condition: condition.to_owned(), wanted, found: Some(found) });
        }
    };
    let kinds = rule.subjects.iter().map(|kind| kind.as_str().to_owned()).collect();
    let kind = vec![subject.kind.as_str().to_owned()];
    note(rule.subjects.contains(&subject.kind), "subjects", kinds, kind);
    let addressed = subject.for_exchange || shares(&rule.from, &subject.audience);
    note(addressed, "from", rule.from.clone(), subject.audience.clone());
    let tenant = subject.principal.tenant;
    let in_tenant = rule.tenants.is_empty() || rule.tenants.contains(&tenant);
    let tenants = rule.tenants.iter().map(ToString::to_string).collect();
    note(in_tenant, "tenants", tenants, vec![tenant.to_string()]);
    let granted = rule.grants.is_empty() || shares(&rule.grants, &subject.grants);
    note(granted, "grants", rule.grants.clone(), subject.grants.clone());
    let may_act = actor.client.id == client.id || rule.actors.contains(&actor.client.id);
    let actors = rule.actors.iter().map(ToString::to_string).collect();
    note(may_act, "actors", actors, vec![actor.client.id.to_string()]);
    missed
}

/// The data owner's side.
fn admit_subject(resource: &Resource, subject: &SubjectToken) -> Result<(), Denial> {
    let refused = || Denial::new(DenialReason::SubjectNotAdmitted);
    if !resource.subjects.is_empty() && !resource.subjects.contains(&subject.kind) {
        let kinds: Vec<_> = resource.subjects.iter().map(|kind| kind.as_str()).collect();
        return Err(refused().expected(kinds.join(", ")).found(subject.kind.as_str()));
    }
    if !resource.from.is_empty() && !shares(&resource.from, &subject.audience) {
        let expected = resource.from.join(", ");
        return Err(refused().expected(expected).found(subject.audience.join(", ")));
    }
    Ok(())
}

/// Every scope asked for, or none: whoever gets less than it asked for learns it too late (A150).
fn granted_scopes(question: &Question<'_>, rule: &ExchangeRule) -> Result<Vec<String>, Denial> {
    let Question { resource, subject, .. } = question;
    let Some(asked) = question.scopes else {
        let known = resource.scopes.iter().map(|scope| &scope.name);
        let scopes: Vec<_> = known
            .filter(|name| rule.scopes.contains(*name) && holds(subject, resource, name))
            .cloned()
            .collect();
        if scopes.is_empty() {
            let expected = rule.scopes.join(" ");
            return Err(Denial::new(DenialReason::ScopeEmpty).expected(expected));
        }
        return Ok(scopes);
    };
    // RFC 9068 §2.2.3: a token without any scope would mean nothing, or everything.
    if asked.is_empty() {
        return Err(Denial::new(DenialReason::ScopeEmpty));
    }
    for name in asked {
        let refused = |reason| Denial::new(reason).found(name);
        let Some(scope) = resource.scope(name) else {
            return Err(refused(DenialReason::ScopeUnknown));
        };
        if !rule.scopes.contains(&scope.name) {
            return Err(refused(DenialReason::ScopeNotPermitted).expected(rule.scopes.join(" ")));
        }
        if !holds(subject, resource, name) {
            let expected = format!("one of {}", scope.earned_by.join(", "));
            let found = format!("{} for {name}", subject.earns.join(" "));
            return Err(Denial::new(DenialReason::ScopeNotHeld).expected(expected).found(found));
        }
    }
    Ok(asked.iter().map(|name| (*name).to_owned()).collect())
}

/// Whether the subject token carries what earns the scope `name` of `resource`. A token minted for
/// this very resource carries the scopes themselves.
fn holds(subject: &SubjectToken, resource: &Resource, name: &str) -> bool {
    if subject.resource.as_ref() == Some(&resource.id) {
        return subject.earns.iter().any(|held| held == name);
    }
    resource.scope(name).is_some_and(|scope| shares(&scope.earned_by, &subject.earns))
}

/// Not past the subject's end, nor the actor's, nor what rule and resource allow (P1).
fn expiry(question: &Question<'_>, rule: &ExchangeRule, now: UnixTime) -> Result<UnixTime, Denial> {
    let ttl = rule.ttl.map_or(question.resource.ttl, |ttl| ttl.min(question.resource.ttl));
    let actor = question.actor.expires.unwrap_or(UnixTime::MAX);
    let expires = now.plus(ttl).min(question.subject.expires).min(actor);
    if expires < now.plus(MIN_TTL) {
        return Err(Denial::new(DenialReason::LifetimeTooShort)
            .expected(format_args!("at least {MIN_TTL}"))
            .found(expires.since(now)));
    }
    Ok(expires)
}

fn shares(wanted: &[String], got: &[String]) -> bool {
    wanted.iter().any(|entry| got.contains(entry))
}

impl Grant<'_> {
    /// The token, called `id` and issued at `now`.
    pub fn mint(
        self,
        client: &Client,
        issuer: &str,
        subject: &SubjectToken,
        (id, now): (String, UnixTime),
    ) -> IssuedToken {
        let Grant { resource, scopes, act, expires, .. } = self;
        let told = |what| resource.release.contains(&what);
        let only = |client: &crate::protocol::ids::ClientId| MayAct {
            iss: Some(issuer.to_owned()),
            sub: Some(client.to_string()),
        };
        IssuedToken {
            id,
            resource: resource.id.clone(),
            client: client.id.clone(),
            principal: subject.principal,
            kind: subject.kind,
            scopes,
            policies: subject.policies.clone(),
            grants: subject.grants.clone(),
            roles: if told(Told::Roles) { subject.roles.clone() } else { Vec::new() },
            groups: subject.groups.clone().filter(|_| told(Told::Groups)),
            groups_overage: subject.groups_overage,
            act,
            may_act: resource.may_act.as_ref().map(only),
            issued_at: now,
            expires,
            sign_in: subject.sign_in.clone(),
            ancestors: subject.hops.clone(),
        }
    }
}
