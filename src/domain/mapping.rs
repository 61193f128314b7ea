//! Which Tyk policies, scopes and roles a principal gets.
//!
//! Every rule that matches grants; there is no order and no "deny". What is not known (groups that
//! Entra left out) matches nothing, so ignorance can only grant less.

use std::collections::BTreeMap;

use super::principal::PrincipalType;
use crate::protocol::ids::Guid;
use crate::protocol::json::{Json, Object};

/// The mapping rules of one configuration.
#[derive(Clone, Debug, Default)]
pub struct Mapping(Vec<Rule>);

/// One rule: when all its conditions hold, it grants.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Its name, unique; reported in `identity.grants` when it matched.
    pub name: String,
    /// The conditions; none at all matches every token.
    pub when: When,
    /// What it gives.
    pub grant: Grant,
}

/// Conditions of a rule. Each list that is not empty must share one entry with the token.
#[derive(Clone, Debug, Default)]
pub struct When {
    /// Client applications (`azp` or `appid`).
    pub apps: Vec<Guid>,
    /// Named claims: a string, or an array of strings, that has one of the values.
    pub claims: BTreeMap<String, Vec<String>>,
    /// Entra groups, by object id (or name, where the registration emits names).
    pub groups: Vec<String>,
    /// Kinds of principal.
    pub principal_types: Vec<PrincipalType>,
    /// Entra app roles.
    pub roles: Vec<String>,
    /// Entra scopes (`scp`).
    pub scopes: Vec<String>,
    /// Tenants.
    pub tenants: Vec<Guid>,
}

/// What a rule gives, or all rules together gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Tyk policy ids.
    pub policies: Vec<String>,
    /// Scopes, added to the token's own.
    pub scopes: Vec<String>,
    /// Roles, added to the token's own.
    pub roles: Vec<String>,
}

/// What the rules look at.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The client application.
    pub app: Guid,
    /// All verified claims, for named claims.
    pub claims: &'a Object,
    /// The groups; `None` when they are unknown.
    pub groups: Option<&'a [String]>,
    /// The kind of principal.
    pub principal_type: PrincipalType,
    /// The app roles.
    pub roles: &'a [String],
    /// The scopes.
    pub scopes: &'a [String],
    /// The tenant.
    pub tenant: Guid,
}

/// What the mapping made of some facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Everything granted, each entry once, in the order of the rules.
    pub grant: Grant,
    /// The names of the rules that matched, in order.
    pub rules: Vec<String>,
}

impl Mapping {
    /// A mapping of these rules.
    pub const fn new(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// The rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// Applies every rule to `facts`.
    pub fn apply(&self, facts: &Facts<'_>) -> Mapped {
        let mut mapped = Mapped::default();
        for rule in self.0.iter().filter(|rule| rule.when.matches(facts)) {
            mapped.rules.push(rule.name.clone());
            add(&mut mapped.grant.policies, &rule.grant.policies);
            add(&mut mapped.grant.scopes, &rule.grant.scopes);
            add(&mut mapped.grant.roles, &rule.grant.roles);
        }
        mapped
    }
}

/// Adds to `known` every entry of `more` that it does not have.
pub fn add(known: &mut Vec<String>, more: &[String]) {
    for entry in more {
        if !known.contains(entry) {
            known.push(entry.clone());
        }
    }
}

impl When {
    fn matches(&self, facts: &Facts<'_>) -> bool {
        accepts(&self.tenants, &facts.tenant)
            && accepts(&self.apps, &facts.app)
            && accepts(&self.principal_types, &facts.principal_type)
            && shares(&self.roles, facts.roles)
            && shares(&self.scopes, facts.scopes)
            && (self.groups.is_empty() || facts.groups.is_some_and(|got| shares(&self.groups, got)))
            && self.claims.iter().all(|(name, values)| claim_has(facts.claims, name, values))
    }
}

fn accepts<T: PartialEq>(wanted: &[T], got: &T) -> bool {
    wanted.is_empty() || wanted.contains(got)
}

fn shares(wanted: &[String], got: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|entry| got.contains(entry))
}

fn claim_has(claims: &Object, name: &str, values: &[String]) -> bool {
    let wanted = |text: &str| values.iter().any(|value| value == text);
    match claims.get(name) {
        Some(Json::String(text)) => wanted(text),
        Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).any(wanted),
        Some(Json::Bool(flag)) => wanted(if *flag { "true" } else { "false" }),
        Some(Json::Number(number)) => wanted(&number.to_string()),
        Some(Json::Null | Json::Object(_)) | None => false,
    }
}
