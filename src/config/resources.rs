//! `resources`: what tokens are minted for.

use super::names::{Names, refer};
use super::node::Value;
use super::read::{Found, Item, Reader, Section, values};
use super::report::Wrong;
use super::schema;
use super::values::{duration, exact, one_of, scope};
use crate::domain::resource::{MAX_TTL, MIN_TTL, Resource, ScopeRule};
use crate::protocol::ids::ClientId;

/// Reads all resources; those with a problem are left out.
pub(super) fn read(
    reader: &mut Reader<'_>,
    file: &Section<'_>,
    names: &Names,
    issuer: Option<&str>,
) -> Vec<Resource> {
    let entries = file.get("resources").map_or_else(Vec::new, |found| reader.named(&found));
    let mut resources = Vec::new();
    for (name, found) in entries {
        if let Err(wrong) = id(name, names, issuer) {
            reader.note(&found.place, wrong);
        }
        resources.extend(resource(reader, name, &found, names));
    }
    resources
}

/// The name must be one that a token can have as `aud` and that means nothing else (TEX-06, A155).
fn id(name: &str, names: &Names, issuer: Option<&str>) -> Result<(), Wrong> {
    exact(name)?;
    if name.contains('#') {
        return Err(Wrong::new("a fragment").hint("RFC 8707 §2 forbids `#` in a resource"));
    }
    if issuer.is_some_and(|issuer| name.strip_prefix(issuer).is_some_and(is_path)) {
        return Err(Wrong::new("this service itself").hint("no token is minted for it"));
    }
    if names.clients.iter().any(|client| client == name) {
        return Err(Wrong::new("the name of a client as well").hint("each names one thing only"));
    }
    Ok(())
}

fn is_path(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

fn resource(
    reader: &mut Reader<'_>,
    name: &str,
    found: &Found<'_>,
    names: &Names,
) -> Option<Resource> {
    let section = reader.section(found, &schema::RESOURCE)?;
    let scopes = section.get("scopes").map_or_else(Vec::new, |found| scopes(reader, &found));
    let callers = clients(reader, &section, "callers", names);
    let from = values(reader.filled(&section, "from", exact));
    let subjects = values(reader.filled(&section, "subjects", one_of));
    let ttl = reader.amount(&section, "ttl", |text| duration(text, MIN_TTL, MAX_TTL));
    let format = reader.value(&section, "token", one_of);
    let algorithm = reader.value(&section, "algorithm", one_of);
    let release = values(reader.list(&section, "release", one_of));
    let may_act = section.get("may_act").and_then(|found| {
        let value = reader.text(&found)?;
        let item = [Item { place: found.place, value }];
        refer(reader, &item, &names.clients, CLIENT);
        item.into_iter().next()?.value.parse().ok()
    });
    Some(Resource {
        id: name.to_owned(),
        scopes,
        ttl: ttl?,
        format: format?,
        algorithm: algorithm?,
        callers,
        from,
        subjects,
        release,
        may_act,
    })
}

/// What a reference to a client should have been.
const CLIENT: &str = "a client of this file";

/// A list of clients that must be there.
pub(super) fn clients(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &str,
    names: &Names,
) -> Vec<ClientId> {
    let items = reader.filled(section, key, exact);
    refer(reader, &items, &names.clients, CLIENT);
    items.iter().filter_map(|item| item.value.parse().ok()).collect()
}

fn scopes(reader: &mut Reader<'_>, found: &Found<'_>) -> Vec<ScopeRule> {
    if matches!(&found.node.value, Value::Map(entries) if entries.is_empty()) {
        reader.note(&found.place, Wrong::new("no scope; at least one is needed"));
    }
    let mut scopes = Vec::new();
    for (name, found) in reader.named(found) {
        if let Err(wrong) = scope(name) {
            reader.note(&found.place, wrong);
        }
        let earned_by = values(reader.filled_at(&found, exact));
        scopes.push(ScopeRule { name: name.to_owned(), earned_by });
    }
    scopes
}
