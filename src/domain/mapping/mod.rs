//! Which Tyk policies, scopes and roles a principal gets.
//!
//! Every rule that matches grants; there is no order and no "deny". What is not known (groups that
//! Entra left out) matches nothing, so ignorance can only grant less.

mod index;

use std::collections::BTreeMap;

use index::Index;

use super::principal::PrincipalType;
use crate::protocol::ids::Guid;
use crate::protocol::json::{Json, Object};

/// The mapping rules of one configuration.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    rules: Vec<Rule>,
    index: Index,
}

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
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { index: Index::of(&rules), rules }
    }

    /// The rules, in the order of the file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Applies to `facts` every rule that matches. Costs what the rules cost that name something the
    /// token has, not what all of them would.
    pub fn apply(&self, facts: &Facts<'_>) -> Mapped {
        let mut mapped = Mapped::default();
        let candidates = self.index.candidates(facts);
        let candidates = candidates.into_iter().filter_map(|number| self.rules.get(number));
        for rule in candidates.filter(|rule| rule.when.matches(facts)) {
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

/// A condition that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Miss {
    /// The condition, as the configuration names it.
    pub condition: String,
    /// Any of these would have matched.
    pub wanted: Vec<String>,
    /// What the token has; `None` when that is unknown.
    pub found: Option<Vec<String>>,
}

impl When {
    /// Whether every condition holds.
    pub fn matches(&self, facts: &Facts<'_>) -> bool {
        accepts(&self.tenants, &facts.tenant)
            && accepts(&self.apps, &facts.app)
            && accepts(&self.principal_types, &facts.principal_type)
            && shares(&self.roles, facts.roles)
            && shares(&self.scopes, facts.scopes)
            && (self.groups.is_empty() || facts.groups.is_some_and(|got| shares(&self.groups, got)))
            && self.claims.iter().all(|(name, values)| claim_has(facts.claims, name, values))
    }

    /// The conditions that do not hold; none when the rule matches.
    pub fn misses(&self, facts: &Facts<'_>) -> Vec<Miss> {
        let mut missed = Vec::new();
        let mut note = |held: bool, condition: &str, wanted: Vec<String>, found| {
            if !held {
                missed.push(Miss { condition: condition.to_owned(), wanted, found });
            }
        };
        let types = self.principal_types.iter().map(|kind| kind.as_str().to_owned()).collect();
        let kind = Some(vec![facts.principal_type.as_str().to_owned()]);
        let groups = facts.groups.map(<[String]>::to_vec);
        let groups_hold =
            self.groups.is_empty() || facts.groups.is_some_and(|got| shares(&self.groups, got));
        note(
            accepts(&self.tenants, &facts.tenant),
            "tenant",
            spell(&self.tenants),
            Some(spell(&[facts.tenant])),
        );
        note(accepts(&self.apps, &facts.app), "app", spell(&self.apps), Some(spell(&[facts.app])));
        note(accepts(&self.principal_types, &facts.principal_type), "principal_type", types, kind);
        note(
            shares(&self.roles, facts.roles),
            "roles",
            self.roles.clone(),
            Some(facts.roles.to_vec()),
        );
        note(
            shares(&self.scopes, facts.scopes),
            "scopes",
            self.scopes.clone(),
            Some(facts.scopes.to_vec()),
        );
        note(groups_hold, "groups", self.groups.clone(), groups);
        for (name, values) in &self.claims {
            let found = facts.claims.get(name).map_or_else(Vec::new, spell_claim);
            let held = claim_has(facts.claims, name, values);
            note(held, &format!("claims.{name}"), values.clone(), Some(found));
        }
        missed
    }
}

fn spell(ids: &[Guid]) -> Vec<String> {
    ids.iter().map(Guid::to_string).collect()
}

fn accepts<T: PartialEq>(wanted: &[T], got: &T) -> bool {
    wanted.is_empty() || wanted.contains(got)
}

fn shares(wanted: &[String], got: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|entry| got.contains(entry))
}

fn claim_has(claims: &Object, name: &str, values: &[String]) -> bool {
    claims.get(name).is_some_and(|claim| shares(values, &spell_claim(claim)))
}

/// The values of a named claim as the configuration spells them.
fn spell_claim(claim: &Json) -> Vec<String> {
    match claim {
        Json::String(text) => vec![text.clone()],
        Json::Array(items) => items.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
        Json::Bool(flag) => vec![flag.to_string()],
        Json::Number(number) => vec![number.to_string()],
        Json::Null | Json::Object(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|entry| (*entry).to_owned()).collect()
    }

    fn rule(name: &str, when: When) -> Rule {
        let grant = Grant { policies: texts(&[name, "shared"]), ..Grant::default() };
        Rule { name: name.to_owned(), when, grant }
    }

    #[test]
    fn every_rule_that_matches_grants_and_unknown_groups_match_nothing() {
        let claims = Object::parse(br#"{"acct":1,"acrs":["c1","c2"],"flag":true}"#).unwrap();
        let id: Guid = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490".parse().unwrap();
        let other: Guid = "535fb089-9ff3-47b6-9bfb-4f1264799865".parse().unwrap();
        let wants = |name: &str, value: &str| When {
            claims: BTreeMap::from([(name.to_owned(), texts(&[value]))]),
            ..When::default()
        };
        let mapping = Mapping::new(vec![
            rule("group", When { groups: texts(&["g1", "g2"]), ..When::default() }),
            rule("both", When { scopes: texts(&["s"]), roles: texts(&["r"]), ..When::default() }),
            rule("half", When { scopes: texts(&["s"]), roles: texts(&["x"]), ..When::default() }),
            rule("tenant", When { tenants: vec![id], ..When::default() }),
            rule("app", When { apps: vec![other], ..When::default() }),
            rule("guest", wants("acct", "1")),
            rule("context", wants("acrs", "c2")),
            rule("flag", wants("flag", "true")),
            rule("absent", wants("nothing", "1")),
        ]);
        let (roles, scopes, groups) = (texts(&["r"]), texts(&["s"]), texts(&["g2"]));
        let facts = |groups| Facts {
            app: id,
            claims: &claims,
            groups,
            principal_type: PrincipalType::User,
            roles: &roles,
            scopes: &scopes,
            tenant: id,
        };
        let known = mapping.apply(&facts(Some(&groups)));
        assert_eq!(known.rules, ["group", "both", "tenant", "guest", "context", "flag"]);
        let once = known.grant.policies.iter().filter(|policy| *policy == "shared").count();
        assert_eq!(once, 1);
        let unknown = mapping.apply(&facts(None));
        assert_eq!(unknown.rules, ["both", "tenant", "guest", "context", "flag"], "ENT-10");
        for rule in mapping.rules() {
            for facts in [facts(None), facts(Some(&groups))] {
                assert_eq!(rule.when.matches(&facts), rule.when.misses(&facts).is_empty());
            }
        }
    }
}
