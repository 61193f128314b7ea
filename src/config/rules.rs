//! `mapping`: which rule grants what.

use std::collections::BTreeMap;

use super::node::Value;
use super::read::{Found, Reader, Section, values};
use super::report::Wrong;
use super::schema;
use super::tenants::Known;
use super::values::{exact, guid, one_of, scope};
use crate::domain::mapping::{Grant, Mapping, Rule, When};

/// Claims that the user, or an administrator by accident, can change: they decide nothing
/// (ENT-08).
const MUTABLE: [&str; 7] =
    ["email", "family_name", "given_name", "name", "preferred_username", "unique_name", "upn"];
/// Claims that Entra keeps for itself and may change at any time.
const OPAQUE: [&str; 3] = ["aio", "rh", "uti"];

/// Reads all rules; those with a problem are left out.
pub(super) fn read(reader: &mut Reader<'_>, file: &Section<'_>, known: &Known) -> Mapping {
    let items = file.get("mapping").map_or_else(Vec::new, |found| reader.items(&found));
    let mut rules: Vec<Rule> = Vec::new();
    for item in items {
        let Some(section) = reader.section(&item, &schema::RULE) else { continue };
        let name = reader.value(&section, "name", exact);
        let when = section.get("when").map(|found| when(reader, &found, known));
        let grant = section.get("grant").and_then(|found| grant(reader, &found));
        let Some(name) = name else { continue };
        if rules.iter().any(|rule| rule.name == name) {
            let wrong = Wrong::new("another rule has this name");
            reader.note(
                &section.place_of("name"),
                wrong.hint("reports name the rule: make it unique"),
            );
        }
        // A rule that has only its name so far still takes the name.
        let (when, grant) = (when.unwrap_or_default(), grant.unwrap_or_default());
        rules.push(Rule { name, when, grant });
    }
    Mapping::new(rules)
}

fn when(reader: &mut Reader<'_>, found: &Found<'_>, known: &Known) -> When {
    if matches!(&found.node.value, Value::Map(entries) if entries.is_empty()) {
        let wrong = Wrong::new("no condition: the rule would grant to everybody");
        reader.note(&found.place, wrong.hint("if everybody is meant, say so: `tenant: [...]`"));
    }
    let Some(section) = reader.section(found, &schema::WHEN) else { return When::default() };
    When {
        apps: values(reader.filled(&section, "app", guid)),
        claims: section.get("claims").map_or_else(BTreeMap::new, |found| claims(reader, &found)),
        groups: values(reader.filled(&section, "groups", exact)),
        principal_types: values(reader.filled(&section, "principal_type", one_of)),
        roles: values(reader.filled(&section, "roles", exact)),
        scopes: values(reader.filled(&section, "scopes", scope)),
        tenants: tenants(reader, &section, known),
    }
}

fn tenants(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    known: &Known,
) -> Vec<crate::protocol::ids::Guid> {
    let tenants = reader.filled(section, "tenant", guid);
    for tenant in tenants.iter().filter(|tenant| !known.ids.contains(&tenant.value)) {
        if known.complete {
            let wrong = Wrong::new("not a configured tenant: this can never match");
            reader.note(&tenant.place, wrong.hint("add it under `entra`, or remove it here"));
        }
    }
    values(tenants)
}

fn claims(reader: &mut Reader<'_>, found: &Found<'_>) -> BTreeMap<String, Vec<String>> {
    if matches!(&found.node.value, Value::Map(entries) if entries.is_empty()) {
        reader.note(&found.place, Wrong::new("no claim; at least one is needed"));
    }
    let mut out = BTreeMap::new();
    for (name, found) in reader.named(found) {
        if let Err(wrong) = claim_name(name) {
            reader.note(&found.place, wrong);
        }
        let wanted = values(reader.filled_at(&found, exact));
        out.insert(name.to_owned(), wanted);
    }
    out
}

fn claim_name(name: &str) -> Result<(), Wrong> {
    if MUTABLE.contains(&name) {
        return Err(Wrong::new("this claim can change hands, so it decides nothing")
            .hint("use `groups`, `roles`, or the claim `oid`"));
    }
    if OPAQUE.contains(&name) {
        return Err(Wrong::new("this claim is opaque: only Entra knows what it means")
            .hint("use `groups`, `roles`, or a claim of your own"));
    }
    exact(name).map(drop)
}

fn grant(reader: &mut Reader<'_>, found: &Found<'_>) -> Option<Grant> {
    let section = reader.section(found, &schema::GRANT)?;
    let before = reader.count();
    let grant = Grant {
        policies: values(reader.list(&section, "policies", exact)),
        scopes: values(reader.list(&section, "scopes", scope)),
        roles: values(reader.list(&section, "roles", exact)),
    };
    if grant == Grant::default() && reader.count() == before {
        let wrong = Wrong::new("the rule grants nothing");
        reader.note(&section.place, wrong.hint("name at least one policy, scope or role"));
    }
    Some(grant)
}
