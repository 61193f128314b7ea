//! What each key of a file says, so that two configurations can be held against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::protocol::ids::Fingerprint;

/// The keys of one configuration, such as `clients.tyk.secret`, with the digests of what they say.
/// A key that is left out says its default, if it has one.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Stated(BTreeMap<String, Fingerprint>);

/// Digests of secrets are not to be seen either.
impl fmt::Debug for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Stated {
    pub(super) fn add(&mut self, key: &str, text: &str) {
        self.0.insert(key.to_owned(), Fingerprint::of(text.as_bytes()));
    }

    /// The keys that only one of the two has, or that say something else, in order.
    pub fn differences<'s>(&'s self, other: &'s Self) -> BTreeSet<&'s str> {
        let keys = self.0.keys().chain(other.0.keys());
        let differs = |key: &&String| self.0.get(*key) != other.0.get(*key);
        keys.filter(differs).map(String::as_str).collect()
    }

    /// Whether there is a key within `section`.
    pub fn has(&self, section: &str) -> bool {
        self.0.keys().any(|key| is_within(key, section))
    }
}

/// Whether `key` is `section` or stands in it.
pub(super) fn is_within(key: &str, section: &str) -> bool {
    let rest = key.strip_prefix(section);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
