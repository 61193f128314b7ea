//! The audit trail: what is recorded, that it shows when it was touched, and that nothing is granted
//! which cannot be recorded.

mod command;
mod events;
mod schema;
pub(crate) mod service;
mod sinks;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cli::{Folder, run, text};
use crate::support::{World, eventually};

/// A world that keeps its trail in a file.
struct Recorded {
    world: World,
    file: String,
    _folder: Folder,
}

impl Recorded {
    fn start(name: &str) -> Self {
        Self::with(name, "introspections: decisions")
    }

    /// With more keys in the section `audit`.
    fn with(name: &str, more: &str) -> Self {
        let folder = Folder::new(&format!("audit-{name}"));
        let file = format!("{}/audit.jsonl", folder.path());
        let section = format!("audit: {{ to: file, file: {file}, {more} }}\n");
        let world = World::configured(|usual| format!("{usual}{section}"));
        Self { world, file, _folder: folder }
    }

    /// Every record so far.
    fn records(&self) -> Vec<Value> {
        records(&std::fs::read_to_string(&self.file).unwrap())
    }

    fn all(&self, event: &str) -> Vec<Value> {
        self.records().into_iter().filter(|record| record["event"] == event).collect()
    }

    /// The one record of `event`, as soon as it is there.
    #[track_caller]
    fn one(&self, event: &str) -> Value {
        eventually(event, || !self.all(event).is_empty());
        let mut all = self.all(event);
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }
}

/// The records of whole lines.
pub(crate) fn records(text: &str) -> Vec<Value> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Asserts that `tessera audit verify` finds nothing, and gives what it says.
#[track_caller]
pub(crate) fn assert_whole(arguments: &[&str]) -> String {
    let output = run(&[&["audit", "verify"], arguments].concat());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", text(&output.stderr));
    said
}

fn names(record: &Value) -> BTreeSet<&str> {
    record.as_object().unwrap().keys().map(String::as_str).collect()
}
