//! What the sections of a file call things, read before any of them: they refer to each other.

use super::node::{Node, Value};
use super::read::{Item, Reader, Section};
use super::report::{Wrong, nearest};

/// The names of one file, as they stand there.
pub(super) struct Names {
    pub(super) clients: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) rules: Vec<String>,
    /// Whether there is a listener for Tyk's plugin.
    pub(super) plugin: bool,
}

impl Names {
    pub(super) fn of(file: &Section<'_>) -> Self {
        let keys = |name: &str| file.get(name).map_or_else(Vec::new, |found| keys(found.node));
        let rules = file.get("mapping").map_or_else(Vec::new, |found| named(found.node));
        let plugin = keys("listen").iter().any(|name| name == "tyk");
        Self { clients: keys("clients"), resources: keys("resources"), rules, plugin }
    }
}

/// Notes every one of `items` that is not among `known`; `what` is what it should have been.
pub(super) fn refer(reader: &mut Reader<'_>, items: &[Item<String>], known: &[String], what: &str) {
    for item in items.iter().filter(|item| !known.contains(&item.value)) {
        let wrong = Wrong::new(format!("not {what}"));
        let near = nearest(&item.value, known.iter().map(String::as_str));
        let near =
            near.map(|near| format!("did you mean `{}`?", crate::domain::rejection::safe(near)));
        reader.note(
            &item.place,
            match near {
                Some(near) => wrong.hint(near),
                None => wrong,
            },
        );
    }
}

fn keys(node: &Node) -> Vec<String> {
    let Value::Map(entries) = &node.value else { return Vec::new() };
    entries.iter().map(|entry| entry.key.clone()).collect()
}

fn named(node: &Node) -> Vec<String> {
    let Value::List(items) = &node.value else { return Vec::new() };
    let name = |node: &Node| {
        let Value::Map(entries) = &node.value else { return None };
        entries.iter().find(|entry| entry.key == "name").and_then(text)
    };
    items.iter().filter_map(name).collect()
}

fn text(entry: &super::node::Entry) -> Option<String> {
    let Value::Text(text) = &entry.node.value else { return None };
    Some(text.clone())
}
