//! Which rules can match at all: of thousands, the few that name something the token has.

use std::collections::HashMap;

use super::{Facts, Rule, When};
use crate::protocol::ids::Guid;

/// So few rules are tried sooner than anything is looked up.
const FEW: usize = 16;

/// Rules by one of their conditions. Each stands under every value of the condition that picks
/// fewest tokens, so a token that has none of these values cannot match it.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    groups: HashMap<String, Vec<usize>>,
    roles: HashMap<String, Vec<usize>>,
    scopes: HashMap<String, Vec<usize>>,
    apps: HashMap<Guid, Vec<usize>>,
    tenants: HashMap<Guid, Vec<usize>>,
    /// Those without any of these conditions.
    others: Vec<usize>,
    /// How many there are.
    count: usize,
}

impl Index {
    pub(super) fn of(rules: &[Rule]) -> Self {
        let mut index = Self { count: rules.len(), ..Self::default() };
        for (number, Rule { when, .. }) in rules.iter().enumerate() {
            index.add(number, when);
        }
        index
    }

    fn add(&mut self, number: usize, when: &When) {
        if !when.groups.is_empty() {
            put(&mut self.groups, &when.groups, number);
        } else if !when.roles.is_empty() {
            put(&mut self.roles, &when.roles, number);
        } else if !when.apps.is_empty() {
            put(&mut self.apps, &when.apps, number);
        } else if !when.scopes.is_empty() {
            put(&mut self.scopes, &when.scopes, number);
        } else if !when.tenants.is_empty() {
            put(&mut self.tenants, &when.tenants, number);
        } else {
            self.others.push(number);
        }
    }

    /// The numbers of the rules that may match, in order and each once.
    pub(super) fn candidates(&self, facts: &Facts<'_>) -> Vec<usize> {
        if self.count <= FEW {
            return (0..self.count).collect();
        }
        let mut found = self.others.clone();
        let groups = facts.groups.unwrap_or_default();
        let by_text =
            [(&self.groups, groups), (&self.roles, facts.roles), (&self.scopes, facts.scopes)];
        // Nothing is digested to be looked up where there is nothing.
        for (index, texts) in by_text.into_iter().filter(|(index, _)| !index.is_empty()) {
            found.extend(texts.iter().filter_map(|text| index.get(text)).flatten());
        }
        for (index, id) in [(&self.apps, facts.app), (&self.tenants, facts.tenant)] {
            found.extend(index.get(&id).into_iter().flatten());
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn put<K: Clone + Eq + std::hash::Hash>(
    index: &mut HashMap<K, Vec<usize>>,
    keys: &[K],
    number: usize,
) {
    for key in keys {
        index.entry(key.clone()).or_default().push(number);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Grant, Mapped, Mapping, add};
    use super::*;
    use crate::domain::principal::PrincipalType;
    use crate::protocol::json::Object;

    fn texts() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[a-d]", 0..3)
    }

    fn ids() -> impl Strategy<Value = Vec<Guid>> {
        prop::collection::vec((0..3_u128).prop_map(Guid::from), 0..3)
    }

    fn conditions() -> impl Strategy<Value = When> {
        let types =
            prop::sample::subsequence(vec![PrincipalType::User, PrincipalType::Agent], 0..2);
        let lists = (texts(), texts(), texts());
        (lists, ids(), ids(), types).prop_map(|((groups, roles, scopes), apps, tenants, types)| {
            When { groups, roles, scopes, apps, tenants, principal_types: types, ..When::default() }
        })
    }

    proptest! {
        #[test]
        fn what_is_looked_up_is_what_all_rules_one_by_one_would_give(
            rules in prop::collection::vec(conditions(), 0..3 * FEW),
            (groups, roles, scopes) in (prop::option::of(texts()), texts(), texts()),
            (app, tenant) in (0..3_u128, 0..3_u128),
        ) {
            let named = |(number, when)| Rule {
                name: format!("rule {number}"),
                when,
                grant: Grant { policies: vec![format!("{}", number % 4)], ..Grant::default() },
            };
            let mapping = Mapping::new(rules.into_iter().enumerate().map(named).collect());
            let facts = Facts {
                app: app.into(),
                claims: &Object::default(),
                groups: groups.as_deref(),
                principal_type: PrincipalType::User,
                roles: &roles,
                scopes: &scopes,
                tenant: tenant.into(),
            };
            let mut expected = Mapped::default();
            for rule in mapping.rules().iter().filter(|rule| rule.when.matches(&facts)) {
                expected.rules.push(rule.name.clone());
                add(&mut expected.grant.policies, &rule.grant.policies);
            }
            prop_assert_eq!(mapping.apply(&facts), expected);
        }
    }
}
