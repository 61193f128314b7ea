//! Reads sections, lists and texts out of the tree, and notes everything that is wrong on the way.
//!
//! Reading never stops at a problem: `None` means "absent, or noted".

use secrecy::zeroize::Zeroizing;

use super::expand::{Environment, expand, is_reference};
use super::load::PlainSecrets;
use super::node::{Entry, Node, Value};
use super::report::{Problem, Wrong, nearest};
use super::schema::{self, Presence};
use super::stated::Stated;
use crate::domain::rejection::safe;
use crate::protocol::ids::Fingerprint;

/// The state of one reading.
pub(super) struct Reader<'e> {
    environment: &'e dyn Environment,
    plain: PlainSecrets,
    problems: Vec<Problem>,
    digest: Fingerprint,
    stated: Stated,
}

/// Where something stands.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) path: String,
}

impl Place {
    fn join(&self, name: &str, line: u64) -> Self {
        let name = safe(name);
        let path = if self.path.is_empty() { name } else { format!("{}.{name}", self.path) };
        Self { line, path }
    }
}

/// A value and where it stands.
pub(super) struct Found<'n> {
    pub(super) place: Place,
    pub(super) node: &'n Node,
}

/// A mapping whose keys are known.
pub(super) struct Section<'n> {
    pub(super) place: Place,
    schema: &'static schema::Section,
    entries: &'n [Entry],
}

impl<'n> Section<'n> {
    /// The value of a key, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<Found<'n>> {
        let entry = self.entries.iter().find(|entry| entry.key == name)?;
        Some(Found { place: self.place.join(name, entry.line), node: &entry.node })
    }

    /// Where the key stands, or the section when it does not.
    pub(super) fn place_of(&self, name: &str) -> Place {
        self.get(name).map_or_else(|| self.place.join(name, self.place.line), |found| found.place)
    }

    fn default_of(&self, name: &str) -> Option<&'static str> {
        match self.schema.key(name)?.presence {
            Presence::Default(text) => Some(text),
            Presence::Required | Presence::Absent(_) => None,
        }
    }
}

/// An entry of a list and where it stands.
pub(super) struct Item<T> {
    pub(super) place: Place,
    pub(super) value: T,
}

/// A secret and where it stands.
pub(super) type Secret = Item<Zeroizing<String>>;

/// The values alone.
pub(super) fn values<T>(items: Vec<Item<T>>) -> Vec<T> {
    items.into_iter().map(|item| item.value).collect()
}

impl<'e> Reader<'e> {
    /// A reader of the file that says `text`.
    pub(super) fn new(text: &str, environment: &'e dyn Environment, plain: PlainSecrets) -> Self {
        let digest = Fingerprint::of(text.as_bytes());
        Self { environment, plain, problems: Vec::new(), digest, stated: Stated::default() }
    }

    /// The digest of the file and of every text read so far, in this order.
    pub(super) const fn digest(&self) -> Fingerprint {
        self.digest
    }

    /// Everything that was wrong, and what each key says.
    pub(super) fn finish(self) -> (Vec<Problem>, Stated) {
        (self.problems, self.stated)
    }

    /// How many problems there are so far: a part that was read without a new one is whole.
    pub(super) const fn count(&self) -> usize {
        self.problems.len()
    }

    pub(super) fn note(&mut self, place: &Place, wrong: Wrong) {
        let Wrong { message, hint } = wrong;
        self.problems.push(Problem { line: place.line, path: place.path.clone(), message, hint });
    }

    /// The whole file.
    pub(super) fn file<'n>(&mut self, node: &'n Node) -> Option<Section<'n>> {
        let place = Place { line: node.line.max(1), path: String::new() };
        self.section(&Found { place, node }, &schema::FILE)
    }

    /// A mapping with exactly the keys of `schema`.
    pub(super) fn section<'n>(
        &mut self,
        found: &Found<'n>,
        schema: &'static schema::Section,
    ) -> Option<Section<'n>> {
        let entries = self.entries(found)?;
        let place = found.place.clone();
        for entry in entries.iter().filter(|entry| schema.key(&entry.key).is_none()) {
            let known = || schema.keys.iter().map(|key| key.name);
            let hint = nearest(&entry.key, known()).map_or_else(
                || format!("known keys: {}", known().collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            let at = place.join(&entry.key, entry.line);
            self.note(&at, Wrong::new("unknown key").hint(hint));
        }
        for key in schema.keys.iter().filter(|key| key.presence == Presence::Required) {
            if !entries.iter().any(|entry| entry.key == key.name) {
                let at = place.join(key.name, place.line);
                self.note(&at, Wrong::new("required, but not there").hint(key.kind_hint()));
            }
        }
        Some(Section { place, schema, entries })
    }

    /// A section that may be left out; then each of its keys has its default.
    pub(super) fn defaulted<'n>(
        &mut self,
        parent: &Section<'n>,
        name: &str,
        schema: &'static schema::Section,
    ) -> Option<Section<'n>> {
        match parent.get(name) {
            Some(found) => self.section(&found, schema),
            None => Some(Section { place: parent.place_of(name), schema, entries: &[] }),
        }
    }

    /// The entries of a mapping; a key that stands there twice is noted.
    pub(super) fn entries<'n>(&mut self, found: &Found<'n>) -> Option<&'n [Entry]> {
        let Value::Map(entries) = &found.node.value else {
            let wrong = format!("expected a mapping, found {}", found.node.kind());
            self.note(&found.place, Wrong::new(wrong));
            return None;
        };
        let mut first = std::collections::HashMap::new();
        for entry in entries {
            if let Some(line) = first.insert(entry.key.as_str(), entry.line) {
                let wrong = Wrong::new(format!("the same key stands in line {line} already"));
                self.note(&found.place.join(&entry.key, entry.line), wrong);
            }
        }
        Some(entries)
    }

    /// The named values of a mapping that is open to any name.
    pub(super) fn named<'n>(&mut self, found: &Found<'n>) -> Vec<(&'n str, Found<'n>)> {
        let entries = self.entries(found).unwrap_or_default();
        let value = |entry: &'n Entry| {
            let place = found.place.join(&entry.key, entry.line);
            (entry.key.as_str(), Found { place, node: &entry.node })
        };
        entries.iter().map(value).collect()
    }

    /// The entries of a list.
    pub(super) fn items<'n>(&mut self, found: &Found<'n>) -> Vec<Found<'n>> {
        let Value::List(items) = &found.node.value else {
            let wrong = Wrong::new(format!("expected a list, found {}", found.node.kind()));
            let scalar =
                matches!(found.node.value, Value::Text(_) | Value::Number(_) | Value::Bool(_));
            self.note(
                &found.place,
                if scalar { wrong.hint("write it as a list: [x]") } else { wrong },
            );
            return Vec::new();
        };
        let path = |index: usize| format!("{}[{index}]", found.place.path);
        items
            .iter()
            .enumerate()
            .map(|(index, node)| Found {
                place: Place { line: node.line, path: path(index) },
                node,
            })
            .collect()
    }

    /// The text of a value that is no secret, with its references replaced.
    pub(super) fn text(&mut self, found: &Found<'_>) -> Option<String> {
        self.any_text(found).map(|mut text| std::mem::take(&mut *text))
    }

    /// The text of a value, which may be a secret.
    fn any_text(&mut self, found: &Found<'_>) -> Option<Zeroizing<String>> {
        let wrong = match &found.node.value {
            Value::Text(text) => match expand(text, self.environment) {
                Ok(text) => {
                    self.add(&text);
                    self.state(&found.place, &text);
                    return Some(text);
                }
                Err(wrong) => wrong,
            },
            Value::Bool(_) | Value::Number(_) => {
                Wrong::new(format!("expected text, found {}", found.node.kind()))
                    .hint("put it in quotes")
            }
            Value::Null | Value::List(_) | Value::Map(_) => {
                Wrong::new(format!("expected text, found {}", found.node.kind()))
            }
        };
        self.note(&found.place, wrong);
        None
    }

    /// By its own digest, whose length is fixed: no two rows of texts look like one another, and no
    /// secret is kept for it.
    fn add(&mut self, text: &str) {
        let both = [self.digest, Fingerprint::of(text.as_bytes())].map(|one| one.first::<32>());
        self.digest = Fingerprint::of(both.as_flattened());
    }

    /// Notes what a key says, for comparison with another configuration.
    pub(super) fn state(&mut self, place: &Place, text: &str) {
        self.stated.add(&place.path, text);
    }

    /// A value as `parse` understands it, or its default.
    pub(super) fn value<T>(
        &mut self,
        section: &Section<'_>,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        let text = if let Some(found) = section.get(name) {
            self.any_text(&found)?
        } else {
            let text = section.default_of(name)?.to_owned();
            self.state(&section.place_of(name), &text);
            Zeroizing::new(text)
        };
        parse(&text).map_err(|wrong| self.note(&section.place_of(name), wrong)).ok()
    }

    /// The same for a size or a duration, which may look like a number.
    pub(super) fn amount<T>(
        &mut self,
        section: &Section<'_>,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Wrong>,
    ) -> Option<T> {
        match section.get(name) {
            Some(Found { place, node: Node { value: Value::Number(number), .. } }) => {
                let text = number.to_string();
                self.state(&place, &text);
                parse(&text).map_err(|wrong| self.note(&place, wrong)).ok()
            }
            _ => self.value(section, name, parse),
        }
    }

    /// `true` or `false`; `false` when it is left out.
    pub(super) fn flag(&mut self, section: &Section<'_>, name: &str) -> bool {
        let Some(found) = section.get(name) else { return false };
        let Value::Bool(flag) = found.node.value else {
            let wrong = format!("expected true or false, found {}", found.node.kind());
            self.note(&found.place, Wrong::new(wrong));
            return false;
        };
        self.state(&found.place, if flag { "true" } else { "false" });
        flag
    }

    /// A list of values as `parse` understands them: none empty, none twice.
    pub(super) fn list<T>(
        &mut self,
        section: &Section<'_>,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Vec<Item<T>> {
        section.get(name).map_or_else(Vec::new, |found| self.list_at(&found, parse))
    }

    /// A list of values that must have at least one entry if it is there.
    pub(super) fn filled<T>(
        &mut self,
        section: &Section<'_>,
        name: &str,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Vec<Item<T>> {
        section.get(name).map_or_else(Vec::new, |found| self.filled_at(&found, parse))
    }

    /// See [`Self::filled`].
    pub(super) fn filled_at<T>(
        &mut self,
        found: &Found<'_>,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Vec<Item<T>> {
        if matches!(&found.node.value, Value::List(items) if items.is_empty()) {
            self.note(&found.place, Wrong::new("an empty list; at least one entry is needed"));
        }
        self.list_at(found, parse)
    }

    fn list_at<T>(
        &mut self,
        found: &Found<'_>,
        parse: impl Fn(&str) -> Result<T, Wrong>,
    ) -> Vec<Item<T>> {
        let mut seen = std::collections::HashSet::new();
        let mut out = Vec::new();
        for Found { place, node } in self.items(found) {
            let Some(text) = self.text(&Found { place: place.clone(), node }) else { continue };
            if text.is_empty() {
                self.note(&place, Wrong::new("empty"));
                continue;
            }
            match parse(&text) {
                Err(wrong) => self.note(&place, wrong),
                Ok(_) if seen.contains(&text) => {
                    self.note(&place, Wrong::new("the same entry stands in the list already"));
                }
                Ok(value) => out.push(Item { place, value }),
            }
            seen.insert(text);
        }
        out
    }

    /// A secret: one reference and nothing else, unless plain ones are allowed.
    pub(super) fn secret(&mut self, section: &Section<'_>, name: &str) -> Option<Secret> {
        self.secret_at(&section.get(name)?)
    }

    /// See [`Self::secret`].
    pub(super) fn secret_at(&mut self, found: &Found<'_>) -> Option<Secret> {
        let refused = match &found.node.value {
            Value::Text(text) => self.plain == PlainSecrets::Refused && !is_reference(text),
            Value::Number(_) | Value::Bool(_) => self.plain == PlainSecrets::Refused,
            Value::Null | Value::List(_) | Value::Map(_) => false,
        };
        if refused {
            let hint = "write `${env:NAME}` or `${file:/absolute/path}`, and nothing beside it";
            self.note(&found.place, Wrong::new("a secret must not stand in the file").hint(hint));
            return None;
        }
        let value = self.any_text(found)?;
        Some(Item { place: found.place.clone(), value })
    }
}
