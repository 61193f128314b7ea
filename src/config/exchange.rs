//! `clients.NAME.exchange`: whose tokens a client may exchange, for what.

use super::names::{Names, refer};
use super::node::Value;
use super::read::{Found, Item, Reader, Section, values};
use super::report::Wrong;
use super::resources;
use super::schema;
use super::tenants::Known;
use super::values::{duration, exact, guid, one_of, scope};
use crate::domain::client::ExchangeRule;
use crate::domain::resource::{MAX_TTL, MIN_TTL, Resource};

/// What the rules of a client refer to.
pub(super) struct Surroundings<'s> {
    pub(super) known: &'s Known,
    pub(super) names: &'s Names,
    pub(super) resources: &'s [Resource],
}

/// Reads the rules of the client called `client`; `own` are the audiences it may introspect.
pub(super) fn read(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    (client, own): (&str, &[String]),
    around: &Surroundings<'_>,
) -> Vec<ExchangeRule> {
    let Some(found) = section.get("exchange") else { return Vec::new() };
    if matches!(&found.node.value, Value::List(items) if items.is_empty()) {
        reader.note(&found.place, Wrong::new("no rule; at least one is needed"));
    }
    let mut rules: Vec<ExchangeRule> = Vec::new();
    for item in reader.items(&found) {
        let Some(mut rule) = rule(reader, &item, around) else { continue };
        if rule.from.is_empty() {
            rule.from = own.to_vec();
        }
        if rule.name.is_empty() {
            rule.name = format!("{client}/{}", rule.resource);
        }
        if rules.iter().any(|other| other.name == rule.name) {
            let wrong = Wrong::new("another rule of the client has this name");
            reader.note(&item.place, wrong.hint("give one of them a `name` of its own"));
        }
        rules.push(rule);
    }
    rules
}

fn rule(
    reader: &mut Reader<'_>,
    found: &Found<'_>,
    around: &Surroundings<'_>,
) -> Option<ExchangeRule> {
    let section = reader.section(found, &schema::EXCHANGE)?;
    let resource = resource(reader, &section, around);
    let scopes = reader.filled(&section, "scopes", scope);
    let target = around.resources.iter().find(|known| Some(&known.id) == resource.as_ref());
    if let Some(target) = target.filter(|target| !target.scopes.is_empty()) {
        let known: Vec<_> = target.scopes.iter().map(|scope| scope.name.clone()).collect();
        refer(reader, &scopes, &known, "a scope of the resource");
    }
    let tenants = reader.filled(&section, "tenants", guid);
    for tenant in tenants.iter().filter(|tenant| !around.known.ids.contains(&tenant.value)) {
        if around.known.complete {
            reader.note(&tenant.place, Wrong::new("not a configured tenant: this can never match"));
        }
    }
    let grants = reader.filled(&section, "grants", exact);
    refer(reader, &grants, &around.names.rules, "the name of a mapping rule");
    Some(ExchangeRule {
        name: section
            .get("name")
            .and_then(|_| reader.value(&section, "name", exact))
            .unwrap_or_default(),
        resource: resource?,
        scopes: values(scopes),
        subjects: values(reader.filled(&section, "subjects", one_of)),
        from: from(reader, &section, around),
        tenants: values(tenants),
        grants: values(grants),
        actors: resources::clients(reader, &section, "actors", around.names),
        ttl: section
            .get("ttl")
            .and_then(|_| reader.amount(&section, "ttl", |text| duration(text, MIN_TTL, MAX_TTL))),
        impersonate: reader.flag(&section, "impersonate"),
    })
}

fn resource(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
) -> Option<String> {
    let value = reader.value(section, "resource", exact)?;
    let item = [Item { place: section.place_of("resource"), value }];
    refer(reader, &item, &around.names.resources, "one of `resources`");
    item.into_iter().next().map(|item| item.value)
}

/// Audiences that no accepted token can have would never match.
fn from(reader: &mut Reader<'_>, section: &Section<'_>, around: &Surroundings<'_>) -> Vec<String> {
    let from = reader.filled(section, "from", exact);
    if around.known.complete {
        let known = [&*around.known.audiences, &*around.names.resources].concat();
        refer(reader, &from, &known, "an audience of any tenant, nor one of `resources`");
    }
    values(from)
}
