//! A YAML file as a tree that remembers its lines.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use serde_saphyr::{
    DuplicateKeyPolicy, Error as YamlError, MergeKeyPolicy, NonFiniteFloatPolicy, Options, Spanned,
};

use super::report::Wrong;

/// Deepest nesting of mappings and lists; a key set within a client needs seven.
const MAX_DEPTH: usize = 24;

/// One value and where it stands. Not `Debug`: it may hold a secret.
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) value: Value,
}

/// What a node is.
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a mapping and its value. A key that stands there twice is two entries.
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: u64,
    pub(super) node: Node,
}

/// Reads `text`, or says what is wrong with it and in which line.
pub(super) fn parse(text: &str) -> Result<Node, (u64, Wrong)> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let line = error.location().map_or(1, |location| location.line().max(1));
        let wrong = explain(&error);
        let row =
            usize::try_from(line).ok().and_then(|line| text.lines().nth(line.wrapping_sub(1)));
        let unquoted = wrong.hint.is_none() && row.is_some_and(|row| row.contains("${"));
        let quote = "inside `{ }` or `[ ]` a reference needs quotes: \"${env:NAME}\"";
        (line, if unquoted { wrong.hint(quote) } else { wrong })
    })
}

/// Small bounds: a configuration is written by people. Aliases may be used, but not to blow up.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 2,
            max_events: 400_000,
            max_nodes: 200_000,
            max_anchors: 64,
            max_aliases: 64,
            max_recorded_anchor_events: 10_000,
            max_recorded_anchor_bytes: 256 * 1024,
            max_total_scalar_bytes: 4 * 1024 * 1024,
            max_merge_keys: 0,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 10_000,
            max_replay_stack_depth: 8,
        },
        // Duplicates are passed on, so that the report names all of them and everything else too.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        reject_unsupported_tags: true,
        strict_booleans: true,
        with_snippet: false,
    }
}

/// In our own words wherever the parser's would repeat what the file says: it may be a secret.
fn explain(error: &YamlError) -> Wrong {
    let error = error.without_snippet();
    if let YamlError::AliasError { error, .. } = error {
        return explain(error);
    }
    if let YamlError::ExternalMessage { msg, .. } = error {
        return Wrong::new(format!("not YAML: {}", crate::domain::rejection::safe(msg)));
    }
    if matches!(error, YamlError::Eof { .. }) {
        return Wrong::new("not YAML: the file ends too early");
    }
    if matches!(error, YamlError::MultipleDocuments { .. }) {
        return Wrong::new("more than one document")
            .hint("remove everything from the second `---`");
    }
    if matches!(error, YamlError::MergeKeyNotAllowed { .. }) {
        return Wrong::new("merge keys (`<<`) are not read").hint("write the keys out");
    }
    if matches!(error, YamlError::UnknownAnchor { .. }) {
        return Wrong::new("an alias (`*name`) of an anchor that is not defined above it");
    }
    if is_bomb(error) {
        return Wrong::new("nested too deeply, too long, or too many aliases (`*name`)");
    }
    if matches!(error, YamlError::UnsupportedTag { .. }) {
        return Wrong::new("tags (`!name`) have no meaning here").hint("remove the tag");
    }
    Wrong::new("this cannot be read").hint("write plain YAML; a key is text, and quote odd text")
}

const fn is_bomb(error: &YamlError) -> bool {
    matches!(
        error,
        YamlError::Budget { .. }
            | YamlError::AliasReplayCounterOverflow { .. }
            | YamlError::AliasReplayLimitExceeded { .. }
            | YamlError::AliasExpansionLimitExceeded { .. }
            | YamlError::AliasReplayStackDepthExceeded { .. }
    )
}

impl Node {
    /// What it is, in words; never its content.
    pub(super) const fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The same as JSON; of a key that stands there twice, the last.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(number) => number.clone().into(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: spanned.referenced.line(), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("text, a number, a list or a mapping")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        Ok(serde_json::Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<Value, E> {
        Ok(Value::Text(number.to_string()))
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<Value, E> {
        Ok(Value::Text(number.to_string()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = members.next_key::<Spanned<String>>()? {
            let node = members.next_value()?;
            entries.push(Entry { line: key.referenced.line(), key: key.value, node });
        }
        Ok(Value::Map(entries))
    }
}
