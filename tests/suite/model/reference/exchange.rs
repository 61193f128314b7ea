//! May this client have a token? (RFC 8693; docs/exchange.md, "Two sides must agree".)

use serde_json::Value;

use super::entra::{Use, read};
use super::minted::Minted;
use super::{Chain, Held, Hop, No, Site, is_client, joined, object_of};
use crate::model::setup::{Client, OURSELVES, Resource, Rule};
use crate::support::ISSUER;

/// What is asked for.
#[derive(Clone, Debug)]
pub(in crate::model) struct Ask<'a> {
    pub(in crate::model) client: &'a Client,
    pub(in crate::model) subject: (&'a Held, Declared),
    pub(in crate::model) actor: Option<&'a Held>,
    pub(in crate::model) targets: Vec<&'a str>,
    pub(in crate::model) scopes: Option<Vec<&'a str>>,
    pub(in crate::model) jwt: bool,
}

/// What the subject token is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Declared {
    AccessToken,
    Jwt,
    IdToken,
}

/// Who acts.
#[derive(Clone, Debug)]
struct Actor<'a> {
    client: &'a Client,
    /// The principal and the end of the proof, if there was one.
    proof: Option<(String, i64)>,
}

/// Who named them, and their name.
type Party = (Option<String>, Option<String>);

/// A subject token, whoever issued it.
struct Subject {
    principal: String,
    kind: &'static str,
    audience: Vec<String>,
    for_exchange: bool,
    expires: i64,
    earns: Vec<String>,
    /// The resource whose own scopes these are.
    resource: Option<String>,
    policies: Vec<String>,
    grants: Vec<String>,
    roles: Vec<String>,
    groups: Option<Vec<String>>,
    groups_overage: bool,
    chain: Chain,
    agent_acts: bool,
    own_app: Option<String>,
    /// Who alone may act: who named them, and their name; an error: nobody can be that.
    may_act: Result<Option<Party>, No>,
    sign_in: [(&'static str, Option<Value>); 3],
    hops: Vec<Hop>,
}

/// The token, or the code of the refusal (RFC 6749 §5.2, RFC 8707 §2).
pub(in crate::model) fn ask(ask: &Ask<'_>, site: &Site<'_>) -> Result<Minted, &'static str> {
    let resource = target(ask, site)?;
    let subject = subject(ask, site).map_err(|_no| "invalid_request")?;
    let actor = actor(ask, site).ok_or("invalid_request")?;
    let rule = fitting(ask, resource, &subject, &actor).ok_or("invalid_request")?;
    let silent = rule.impersonate && actor.proof.is_none();
    let chain = if silent {
        subject.chain.clone()
    } else {
        grown(&subject, &actor).ok_or("invalid_request")?
    };
    let scopes = scopes(ask, resource, rule, &subject).ok_or("invalid_scope")?;
    let longest = site.now + rule.ttl.unwrap_or(resource.ttl).min(resource.ttl);
    let proof_ends = actor.proof.as_ref().map_or(i64::MAX, |(_, ends)| *ends);
    let expires = longest.min(subject.expires).min(proof_ends);
    if expires < site.now + 30 {
        return Err("invalid_request");
    }
    Ok(Minted {
        id: String::new(),
        resource: resource.id.to_owned(),
        client: ask.client.id.to_owned(),
        principal: subject.principal,
        kind: subject.kind,
        scopes,
        policies: subject.policies,
        grants: subject.grants,
        roles: if resource.release.contains(&"roles") { subject.roles } else { Vec::new() },
        groups: subject.groups.filter(|_| resource.release.contains(&"groups")),
        groups_overage: subject.groups_overage,
        chain,
        may_act: resource.may_act,
        issued: site.now,
        expires,
        sign_in: subject.sign_in,
        ancestors: subject.hops,
    })
}

fn target<'s>(ask: &Ask<'_>, site: &'s Site<'_>) -> Result<&'s Resource, &'static str> {
    if ask.client.exchange.is_empty() {
        return Err("unauthorized_client");
    }
    let mut named = ask.targets.clone();
    named.sort_unstable();
    named.dedup();
    let name = match (&*named, ask.client.default_resource) {
        ([one], _) => *one,
        ([], Some(usual)) => usual,
        _ => return Err("invalid_target"),
    };
    let asks = ask.client.exchange.iter().any(|rule| rule.resource == name);
    let resource = site
        .setup
        .resource(name)
        .filter(|resource| asks && resource.callers.contains(&ask.client.id));
    let resource = resource.ok_or("invalid_target")?;
    if ask.jwt && resource.opaque { Err("invalid_request") } else { Ok(resource) }
}

fn subject(ask: &Ask<'_>, site: &Site<'_>) -> Result<Subject, No> {
    let (token, declared) = ask.subject;
    match (token, declared, ask.client.app) {
        (_, Declared::IdToken, None) | (Held::Own { .. }, Declared::IdToken, _) => Err(No::Bad),
        (Held::Own { text, .. }, Declared::Jwt, _) if text.starts_with("tsr_") => Err(No::Bad),
        (Held::Own { says, .. }, ..) => {
            says.check(site)?;
            Ok(of_own(says))
        }
        (Held::Entra(signed), Declared::IdToken, Some(app)) => {
            let seen = read(signed, site, Use::IdTokenOf(app))?;
            Ok(Subject { for_exchange: true, ..of_entra(&seen, site)? })
        }
        (Held::Entra(signed), ..) => of_entra(&read(signed, site, Use::Exchange)?, site),
    }
}

fn of_own(says: &Minted) -> Subject {
    let says = says.clone();
    Subject {
        audience: vec![says.resource.clone()],
        for_exchange: false,
        earns: says.scopes.clone(),
        agent_acts: false,
        own_app: None,
        may_act: Ok(says.may_act.map(|client| (Some(ISSUER.to_owned()), Some(client.to_owned())))),
        hops: says.lineage(),
        principal: says.principal,
        kind: says.kind,
        expires: says.expires,
        resource: Some(says.resource),
        policies: says.policies,
        grants: says.grants,
        roles: says.roles,
        groups: says.groups,
        groups_overage: says.groups_overage,
        chain: says.chain,
        sign_in: says.sign_in,
    }
}

fn of_entra(seen: &super::entra::Seen<'_>, site: &Site<'_>) -> Result<Subject, No> {
    let (groups, mapped) = (seen.known_groups(), seen.mapped(site));
    let roles = joined(&seen.roles, mapped.roles);
    let carried = if seen.app_only { &roles } else { &seen.scopes };
    Ok(Subject {
        principal: seen.principal.clone(),
        kind: seen.kind,
        audience: seen.audience.clone(),
        for_exchange: seen.audience.iter().any(|one| one == OURSELVES),
        expires: seen.expires,
        earns: joined(carried, mapped.scopes),
        resource: None,
        policies: mapped.policies,
        grants: mapped.rules,
        groups_overage: groups.is_none(),
        groups,
        chain: seen.chain(),
        agent_acts: seen.agent_acts,
        own_app: seen.app_only.then(|| seen.app.clone()),
        may_act: seen.claims().get("may_act").map(may_act).transpose(),
        sign_in: seen.sign_in()?,
        hops: vec![seen.hop(site)],
        roles,
    })
}

/// An object of `iss` and `sub`, at least one of them, and nothing else (A166).
fn may_act(claim: &Value) -> Result<Party, No> {
    let members = claim.as_object().ok_or(No::Bad)?;
    let known = members.keys().all(|name| name == "iss" || name == "sub");
    let text = |name| match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(No::Bad),
    };
    let party = (text("iss")?, text("sub")?);
    if known && party != (None, None) { Ok(party) } else { Err(No::Bad) }
}

/// The client itself, or whom the proof names: an application alone that is one of the clients.
fn actor<'a>(ask: &Ask<'a>, site: &Site<'a>) -> Option<Actor<'a>> {
    let Some(proof) = ask.actor else { return Some(Actor { client: ask.client, proof: None }) };
    let Held::Entra(signed) = proof else { return None };
    let seen = read(signed, site, Use::Proof).ok()?;
    let client = site.setup.client_of_app(&seen.app).filter(|_| seen.app_only)?;
    let same = ask.subject.0.text() == proof.text();
    (!same).then_some(Actor { client, proof: Some((seen.principal, seen.expires)) })
}

/// The first rule that lets this actor have a token for this subject, if the resource agrees.
fn fitting<'a>(
    ask: &Ask<'a>,
    resource: &Resource,
    subject: &Subject,
    actor: &Actor<'_>,
) -> Option<&'a Rule> {
    let own_app = subject.own_app.as_deref();
    let itself = actor.proof.as_ref().is_some_and(|(principal, _)| {
        *principal == subject.principal || own_app.is_some_and(|app| actor.client.app == Some(app))
    });
    let named = match &subject.may_act {
        Err(_) => false,
        Ok(None) => true,
        Ok(Some((iss, sub))) => {
            let as_client = sub.as_deref().is_none_or(|sub| sub == actor.client.id)
                && iss.as_deref().is_none_or(is_client);
            let principal = actor.proof.as_ref().map(|(principal, _)| principal);
            as_client || (iss.is_none() && sub.is_some() && sub.as_ref() == principal)
        }
    };
    let owner_agrees = resource.callers.contains(&actor.client.id)
        && (resource.subjects.is_empty() || resource.subjects.contains(&subject.kind))
        && (resource.from.is_empty() || addressed(subject, &resource.from));
    if itself || !named || !owner_agrees || subject.hops.len() > 4 {
        return None;
    }
    let own = ask.client.introspect.as_ref().map_or(&[][..], |(audiences, _)| audiences);
    ask.client.exchange.iter().filter(|rule| rule.resource == resource.id).find(|rule| {
        let from = if rule.from.is_empty() { own } else { &rule.from };
        rule.subjects.contains(&subject.kind)
            && (subject.for_exchange || addressed(subject, from))
            && (rule.grants.is_empty()
                || rule.grants.iter().any(|one| subject.grants.iter().any(|got| got == one)))
            && (actor.client.id == ask.client.id || rule.actors.contains(&actor.client.id))
    })
}

fn addressed(subject: &Subject, to: &[&str]) -> bool {
    subject.audience.iter().any(|one| to.contains(&one.as_str()))
}

/// The chain with the actor on top: nobody twice, four at most (P5).
fn grown(subject: &Subject, actor: &Actor<'_>) -> Option<Chain> {
    let is_actor = |(iss, sub): &(String, String)| {
        let by_name = is_client(iss) && sub == actor.client.id;
        let by_proof = actor.proof.as_ref().is_some_and(|(principal, _)| principal == sub);
        by_name || object_of(sub).is_some_and(|object| by_proof || actor.client.app == Some(object))
    };
    // The agent that Entra named is known here by its client's name: one party, not two.
    let known = subject.agent_acts && subject.chain.first().is_some_and(is_actor);
    let before = if known { &[][..] } else { &subject.chain };
    let top = (ISSUER.to_owned(), actor.client.id.to_owned());
    let fits = !before.iter().any(is_actor) && before.len() < 4;
    fits.then(|| std::iter::once(top).chain(before.iter().cloned()).collect())
}

/// All that was asked for; or, if nothing was named, all that there is. Never none.
fn scopes(
    ask: &Ask<'_>,
    resource: &Resource,
    rule: &Rule,
    subject: &Subject,
) -> Option<Vec<String>> {
    let held = |name: &str| {
        let same = subject.resource.as_deref() == Some(resource.id);
        let earned = resource.earned_by(name);
        let by_map = || {
            earned.is_some_and(|by| by.iter().any(|one| subject.earns.iter().any(|got| got == one)))
        };
        earned.is_some()
            && if same { subject.earns.iter().any(|got| got == name) } else { by_map() }
    };
    let can = |name: &str| held(name) && rule.scopes.contains(&name);
    let granted: Vec<String> = match &ask.scopes {
        None => resource
            .scopes
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .filter(|name| can(name))
            .collect(),
        Some(named) if named.iter().all(|name| can(name)) => {
            joined(&[], named.iter().map(ToString::to_string))
        }
        Some(_) => Vec::new(),
    };
    (!granted.is_empty()).then_some(granted)
}
