//! Tyk's files, in every form in which they lie about: one thing, a list, or an export.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::definition::{Definition, Form};
use crate::cli::check::count;
use crate::config::{Environment as _, SystemEnvironment};

/// What the doctor looks at.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) tyk_conf: Option<(String, Value)>,
    pub(super) definitions: Vec<Definition>,
    /// Whether definitions were named at all.
    pub(super) with_definitions: bool,
    pub(super) policies: Option<Vec<Policy>>,
}

/// A policy, by the id that Tyk finds it with.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) file: String,
    pub(super) id: String,
    pub(super) value: Value,
}

impl Files {
    pub(super) fn read(
        tyk_conf: Option<&Path>,
        apis: &[PathBuf],
        policies: Option<&Path>,
    ) -> Result<Self, String> {
        let mut files = Self::default();
        if let Some(path) = tyk_conf {
            files.tyk_conf = Some((path.display().to_string(), json(path)?));
        }
        for path in apis {
            for path in within(path)? {
                files.add_definitions(&path.display().to_string(), json(&path)?)?;
            }
        }
        if let Some(path) = policies {
            files.add_policies(&path.display().to_string(), json(path)?)?;
        }
        Ok(files)
    }

    pub(super) fn add_definitions(&mut self, file: &str, value: Value) -> Result<(), String> {
        self.with_definitions = true;
        let mut found = Vec::new();
        definitions(value, &mut found);
        if found.is_empty() {
            return Err(format!("{file}: there is no API definition in it"));
        }
        let several = found.len() > 1;
        for (index, (form, value)) in found.into_iter().enumerate() {
            let file = if several { format!("{file}[{index}]") } else { file.to_owned() };
            self.definitions.push(Definition::new(file, form, value));
        }
        Ok(())
    }

    pub(super) fn add_policies(&mut self, file: &str, value: Value) -> Result<(), String> {
        let policies = policies(file, value);
        let policies = policies.ok_or_else(|| format!("{file}: these are no policies of Tyk's"))?;
        self.policies.get_or_insert_default().extend(policies);
        Ok(())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.tyk_conf.is_none() && !self.with_definitions && self.policies.is_none()
    }

    /// `3 API definitions, 2 policies`
    pub(super) fn count(&self) -> String {
        let mut parts = vec![count(self.definitions.len(), "API definition")];
        match self.policies.as_ref().map_or(0, Vec::len) {
            1 => parts.push("1 policy".to_owned()),
            number => parts.push(format!("{number} policies")),
        }
        parts.extend(self.tyk_conf.as_ref().map(|_| "tyk.conf".to_owned()));
        parts.join(", ")
    }
}

/// The files that a path stands for: Tyk reads all of a folder that end with `.json`.
fn within(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let wrong = |why: std::io::Error| format!("{}: {why}", path.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() { Err(format!("{}: no .json in it", path.display())) } else { Ok(files) }
}

fn json(path: &Path) -> Result<Value, String> {
    let origin = path.display();
    let text = SystemEnvironment.file(path).map_err(|why| format!("{origin}: {why}"))?;
    serde_json::from_str(&text).map_err(|why| format!("{origin}: not JSON: {why}"))
}

/// The members under which lists lie in answers of Tyk's Dashboard and of its database.
const LISTS: [&str; 6] = ["apis", "Message", "message", "Data", "data", "policies"];

fn definitions(value: Value, found: &mut Vec<(Form, Value)>) {
    match value {
        Value::Array(items) => items.into_iter().for_each(|item| definitions(item, found)),
        Value::Object(mut members) => {
            if members.contains_key("x-tyk-api-gateway") {
                found.push((Form::Oas, Value::Object(members)));
            } else if members.contains_key("proxy") || members.contains_key("api_id") {
                found.push((Form::Classic, Value::Object(members)));
            } else {
                for name in ["api_definition", "oas"] {
                    found_in(members.remove(name), found);
                }
                for name in LISTS {
                    found_in(members.remove(name), found);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn found_in(value: Option<Value>, found: &mut Vec<(Form, Value)>) {
    if let Some(value) = value {
        definitions(value, found);
    }
}

fn policies(file: &str, value: Value) -> Option<Vec<Policy>> {
    let policy = |id: String, value: Value| Policy { file: file.to_owned(), id, value };
    let is_policy = |value: &Value| value.get("access_rights").is_some();
    let id = |value: &Value| {
        let named = ["id", "_id"].into_iter().filter_map(|name| value.get(name)?.as_str());
        named.into_iter().find(|id| !id.is_empty()).map(str::to_owned)
    };
    match value {
        Value::Array(items) => items
            .into_iter()
            .map(|item| is_policy(&item).then(|| Some(policy(id(&item)?, item)))?)
            .collect(),
        one if is_policy(&one) => Some(vec![policy(id(&one)?, one)]),
        Value::Object(mut members) => {
            if let Some(list) = LISTS.iter().find_map(|name| members.remove(*name)) {
                return policies(file, list);
            }
            let all = members.into_iter();
            all.map(|(id, value)| is_policy(&value).then(|| policy(id, value))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
