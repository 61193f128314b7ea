//! `docs/audit.schema.json` and the page say what is in a record, and nothing else is.

use std::collections::BTreeSet;

use serde_json::Value;
use strum::VariantArray as _;
use tessera::dev::people::ALICE;
use tessera::domain::audit::record::Event;

use super::{Recorded, names};
use crate::exchange::{ask, fields, token, with};
use crate::support::{ORDERS_API, Request, TASKS_API, TYK, eventually};

const PAGE: &str = include_str!("../../../docs/audit.md");

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/audit.schema.json")).unwrap()
}

/// Asserts that `value` is what `schema` says, by the few words that it uses.
#[track_caller]
fn assert_fits(value: &Value, schema: &Value, at: &str) {
    let words = schema.as_object().unwrap().keys();
    let known = ["type", "enum", "const", "pattern", "items", "properties", "required"];
    let told = ["additionalProperties", "description", "minimum", "$schema", "$id", "title"];
    for word in words {
        assert!(known.iter().chain(&told).any(|known| known == word), "`{word}` is not checked");
    }
    if let Some(kind) = schema.get("type") {
        let is = match kind.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            other => panic!("{other}"),
        };
        assert!(is, "{at}: {value} is no {kind}");
    }
    if let Some(choices) = schema.get("enum") {
        assert!(choices.as_array().unwrap().contains(value), "{at}: {value}");
    }
    if let Some(only) = schema.get("const") {
        assert_eq!(value, only, "{at}");
    }
    if let Some(pattern) = schema.get("pattern") {
        assert!(matches(pattern.as_str().unwrap(), value.as_str().unwrap()), "{at}: {value}");
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        for value in values {
            assert_fits(value, items, at);
        }
    }
    if let (Some(properties), Some(members)) = (schema.get("properties"), value.as_object()) {
        for name in schema["required"].as_array().unwrap() {
            assert!(members.contains_key(name.as_str().unwrap()), "{at}: {name} is missing");
        }
        for (name, value) in members {
            let property = properties.get(name);
            assert_fits(value, property.unwrap_or_else(|| panic!("{at}: {name} is unknown")), name);
        }
    }
}

/// `^[a-f0-9]{64}$` and its like.
fn matches(pattern: &str, text: &str) -> bool {
    let inner = pattern.strip_prefix("^[a-f0-9]{").and_then(|rest| rest.strip_suffix("}$"));
    let length: usize = inner.unwrap_or_else(|| panic!("{pattern}")).parse().unwrap();
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'a'..=b'f' | b'0'..=b'9'))
}

#[test]
fn every_record_is_what_the_schema_says() {
    let recorded = Recorded::with("schema", "introspections: all");
    let world = &recorded.world;
    let alice = world.sign(&world.alice());
    world.assert_active(&alice);
    world.introspect("x").assert_inactive();
    let issued = token(world, TYK, &fields(&alice, TASKS_API));
    ask(world, TYK, &with(fields(&alice, ORDERS_API), "scope", "nonsense"));
    Request::introspect(&[("token", "x")]).basic((TYK.0, "wrong")).send(world.public);
    let billing = world.sign(&world.alice_v1());
    Request::get("/verify/orders").bearer(&billing).gateway(TYK).send(world.public);
    Request::form("/revoke", &[("token", &*issued)]).basic(TYK).send(world.public);
    Request::form("/revocations", &[("token", "x")]).send(world.admin);
    Request::form("/revocations", &[("client", TYK.0)]).send(world.admin);
    let principal = format!("{}.{}", ALICE.oid, ALICE.tenant);
    Request::form("/revocations", &[("principal", &*principal)]).send(world.admin);
    Request::form("/keys/rotate", &[]).send(world.admin);
    Request::form("/keys/retire", &[("kid", "x")]).send(world.admin);
    eventually("the last", || !recorded.all("key_retirement_ordered").is_empty());
    eventually("the first keys", || !recorded.all("key_changed").is_empty());
    let (schema, records) = (schema(), recorded.records());
    let mut seen = BTreeSet::new();
    for record in &records {
        assert_fits(record, &schema, "record");
        seen.extend(names(record));
    }
    let events: BTreeSet<_> =
        records.iter().map(|record| record["event"].as_str().unwrap()).collect();
    assert_eq!(events.len(), 11, "{events:?}");
    let members: BTreeSet<_> =
        schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(seen, members, "every member is in some record");
}

#[test]
fn schema_and_page_name_every_event_and_member() {
    let schema = schema();
    let events: Vec<_> = Event::VARIANTS.iter().map(|event| event.as_str()).collect();
    let named = schema["properties"]["event"]["enum"].as_array().unwrap();
    assert_eq!(named.iter().map(|name| name.as_str().unwrap()).collect::<Vec<_>>(), events);
    let members = schema["properties"].as_object().unwrap().keys().map(String::as_str);
    for name in events.into_iter().chain(members) {
        assert!(PAGE.contains(&format!("`{name}`")), "docs/audit.md does not tell of `{name}`");
    }
}
