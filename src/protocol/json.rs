//! JSON as a verifier may read it: no member twice, bounded depth and width, nothing after the end.
//!
//! `serde_json` alone keeps the last of two members with one name, which lets two readers of one
//! token disagree about it (RFC 7515 §4, RFC 7519 §4; JWT-15). Here that is an error.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Number;

/// Deepest nesting of arrays and objects that is read (POL).
pub const MAX_DEPTH: usize = 16;
/// Most members in all objects of one document together (POL).
pub const MAX_MEMBERS: usize = 512;

/// The names of so many members of one object are compared one by one: faster for few, but the work
/// grows with the square of their number (P15).
const FEW_MEMBERS: usize = 64;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `[…]`
    Array(Vec<Self>),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
    /// A number, as written where that is exact.
    Number(Number),
    /// `{…}`
    Object(Object),
    /// A string; lone surrogates are refused when read.
    String(String),
}

/// A JSON object whose member names are unique.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object(Vec<(String, Json)>);

/// Why a text is not acceptable JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Two members of one object have the same name, escapes resolved.
    #[error("a member name occurs twice in one object")]
    DuplicateMember,
    /// Not JSON, not UTF-8, or something follows the value.
    #[error("not a single well-formed JSON text")]
    Malformed,
    /// The text is JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// Deeper or wider than the limits.
    #[error("nested deeper than {MAX_DEPTH} or more than {MAX_MEMBERS} members")]
    TooComplex,
}

impl Object {
    /// Reads one JSON object from `text`, all of it.
    pub fn parse(text: &[u8]) -> Result<Self, JsonError> {
        let budget = Budget::default();
        let mut reader = serde_json::Deserializer::from_slice(text);
        let value = Level { budget: &budget, depth: 0 }.deserialize(&mut reader);
        match value.and_then(|value| reader.end().map(|()| value)) {
            Ok(Json::Object(object)) => Ok(object),
            Ok(_) => Err(JsonError::NotAnObject),
            Err(_) => Err(budget.breach.get().unwrap_or(JsonError::Malformed)),
        }
    }

    /// The member called `name`.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Whether a member called `name` is present, whatever its value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The members in the order they were written.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// An object of these members; a later one replaces an earlier one of the same name.
    pub fn from_members(members: impl IntoIterator<Item = (String, Json)>) -> Self {
        let mut object = Self::default();
        for (name, value) in members {
            object.0.retain(|(key, _)| *key != name);
            object.0.push((name, value));
        }
        object
    }
}

impl Json {
    /// The text, when this is a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// What kind of value this is, in words for a message.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Array(_) => "an array",
            Self::Bool(_) => "a boolean",
            Self::Null => "null",
            Self::Number(_) => "a number",
            Self::Object(_) => "an object",
            Self::String(_) => "a string",
        }
    }
}

/// Room for an answer or a token of usual size, so that it does not grow step by step.
const USUAL_BYTES: usize = 2048;

/// `value` as JSON.
pub fn written(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut text, value)?;
    Ok(text)
}

/// A structure that is read from an object alone: derived readers would also take an array of its
/// values for one, which nobody else does.
#[derive(Debug)]
pub struct FromObject<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for FromObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectAlone(PhantomData)).map(Self)
    }
}

struct ObjectAlone<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectAlone<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// What one document may still use, and the first limit it broke.
#[derive(Default)]
struct Budget {
    members: Cell<usize>,
    breach: Cell<Option<JsonError>>,
}

impl Budget {
    fn break_with<E: Error>(&self, error: JsonError) -> E {
        self.breach.set(Some(error));
        E::custom(error)
    }
}

#[derive(Clone, Copy)]
struct Level<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl Level<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        let depth = self.depth.saturating_add(1);
        if depth > MAX_DEPTH {
            return Err(self.budget.break_with(JsonError::TooComplex));
        }
        Ok(Self { depth, ..self })
    }
}

/// The names of one object, by their hashes as soon as there are many. The seed of those is random,
/// so nobody can choose names that share one.
#[derive(Default)]
struct Names(Option<(RandomState, HashSet<u64>)>);

impl Names {
    /// Whether `name` is one of those in `members`; from now on it is.
    fn has(&mut self, members: &[(String, Json)], name: &str) -> bool {
        let compared = || members.iter().any(|(known, _)| known == name);
        if members.len() < FEW_MEMBERS {
            return compared();
        }
        let (seed, hashes) = self.0.get_or_insert_with(|| {
            let seed = RandomState::new();
            let hashes = members.iter().map(|(known, _)| seed.hash_one(known.as_str())).collect();
            (seed, hashes)
        });
        // Two names may have one hash by chance.
        !hashes.insert(seed.hash_one(name)) && compared()
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let level = self.deeper()?;
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(level)? {
            out.push(item);
        }
        Ok(Json::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let level = self.deeper()?;
        let (mut out, mut names) = (Vec::<(String, Json)>::new(), Names::default());
        while let Some(name) = members.next_key::<String>()? {
            let used = self.budget.members.get().saturating_add(1);
            self.budget.members.set(used);
            if used > MAX_MEMBERS {
                return Err(self.budget.break_with(JsonError::TooComplex));
            }
            if names.has(&out, &name) {
                return Err(self.budget.break_with(JsonError::DuplicateMember));
            }
            let value = members.next_value_seed(level)?;
            out.push((name, value));
        }
        Ok(Json::Object(Object(out)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Object, JsonError> {
        Object::parse(text.as_bytes())
    }

    #[test]
    fn reads_every_kind_of_value() {
        let object = parse(r#" {"a":null,"b":true,"c":-1.5,"d":"x\u00e4","e":[1,{}]} "#).unwrap();
        assert_eq!(object.get("d").and_then(Json::as_str), Some("xä"));
        assert_eq!(object.members().count(), 5);
        assert!(!object.has("f"));
    }

    #[test]
    fn a_name_twice_is_refused_at_any_depth_and_under_any_spelling() {
        for text in [
            r#"{"sub":"a","sub":"b"}"#,
            r#"{"sub":"a","\u0073ub":"b"}"#,
            r#"{"act":{"sub":"a","sub":"a"}}"#,
            r#"{"x":[{"a":1,"a":1}]}"#,
        ] {
            assert_eq!(parse(text), Err(JsonError::DuplicateMember), "{text}");
        }
    }

    #[test]
    fn limits_hold_before_memory_is_spent() {
        let nest = |n: usize| format!("{{\"a\":{}{}}}", "[".repeat(n), "]".repeat(n));
        assert!(parse(&nest(MAX_DEPTH - 1)).is_ok());
        assert_eq!(parse(&nest(MAX_DEPTH)), Err(JsonError::TooComplex));
        assert_eq!(parse(&nest(100_000)), Err(JsonError::TooComplex));
        let wide = |n: usize| {
            let members: Vec<_> = (0..n).map(|i| format!("\"m{i}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(parse(&wide(MAX_MEMBERS)).is_ok());
        assert_eq!(parse(&wide(MAX_MEMBERS + 1)), Err(JsonError::TooComplex));
    }

    #[test]
    fn what_is_not_exactly_one_json_object_is_refused() {
        for text in
            ["", "{", "{}x", "{} {}", "{'a':1}", "{\"a\":NaN}", "{\"a\":1,}", "{\"a\":/**/1}"]
        {
            assert_eq!(parse(text), Err(JsonError::Malformed), "{text}");
        }
        assert_eq!(parse("\u{feff}{}"), Err(JsonError::Malformed));
        assert_eq!(parse(r#"{"a":"\ud800"}"#), Err(JsonError::Malformed));
        assert_eq!(Object::parse(b"{\"a\":\"\xff\"}"), Err(JsonError::Malformed));
        for text in ["[]", "null", "1", "\"a\""] {
            assert_eq!(parse(text), Err(JsonError::NotAnObject), "{text}");
        }
    }
}
