//! How records hang together.
//!
//! A line of the trail is a record with its place: the chain, a number that counts from 0, the hash
//! of the line before, and its own hash. The hash covers every byte of the line up to the member
//! `hash` itself, which is the last one; so whoever alters, removes or moves a line breaks what
//! follows. With a key it is an HMAC, and then nobody can mend that either who has no key.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::protocol::time::UnixTime;

/// The version of the schema of a line.
pub const SCHEMA: u32 = 1;
/// What stands before the hash in a line.
pub(super) const BEFORE_HASH: &str = ",\"hash\":\"";
/// What stands after it.
pub(super) const AFTER_HASH: &str = "\"}";

/// The hash of one line, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LineHash(String);

impl LineHash {
    /// What stands before the first line of a chain.
    pub fn none() -> Self {
        Self("0".repeat(64))
    }

    pub(super) fn of_text(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As it stands in lines.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes the hashes of a trail.
#[derive(Clone)]
pub enum Hasher {
    /// SHA-256: shows accidents, and whoever does not mend all that follows.
    Plain,
    /// HMAC-SHA-256 (RFC 2104): shows everybody who does not have the key.
    Keyed(Box<hmac::Key>),
}

impl Hasher {
    /// With this key.
    pub fn keyed(key: &[u8]) -> Self {
        Self::Keyed(Box::new(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// Whether a key is needed to make these hashes.
    pub const fn is_keyed(&self) -> bool {
        matches!(self, Self::Keyed(_))
    }

    /// The hash of a line up to its hash.
    pub(super) fn hash(&self, text: &[u8]) -> LineHash {
        let hexadecimal = |bytes: &[u8]| {
            use fmt::Write as _;
            bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        LineHash(match self {
            Self::Plain => hexadecimal(digest(&SHA256, text).as_ref()),
            Self::Keyed(key) => hexadecimal(hmac::sign(key, text).as_ref()),
        })
    }
}

/// Never shows the key.
impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_keyed() { "Hasher::Keyed(..)" } else { "Hasher::Plain" })
    }
}

/// The place of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The chain.
    pub chain: String,
    /// How many lines of the chain stand before it.
    pub seq: u64,
    /// The hash of the line before.
    pub prev: LineHash,
}

/// A chain that grows.
#[derive(Debug)]
pub struct Chain {
    hasher: Hasher,
    next: Place,
}

#[derive(Serialize)]
struct Line<'a> {
    schema: u32,
    #[serde(flatten)]
    place: &'a Place,
    time: String,
    #[serde(flatten)]
    record: &'a Record,
}

impl Chain {
    /// A new chain called `name`, which nothing else must be called.
    pub fn new(name: String, hasher: Hasher) -> Self {
        Self { hasher, next: Place { chain: name, seq: 0, prev: LineHash::none() } }
    }

    /// The chain that `last` is the end of; `None` if that line is not whole, or of another key.
    pub fn after(last: &[u8], hasher: Hasher) -> Option<Self> {
        let read = super::verify::Line::read(last)?;
        (hasher.hash(read.covered) == read.hash).then(|| {
            let Place { chain, seq, .. } = read.place;
            Self { hasher, next: Place { chain, seq: seq.saturating_add(1), prev: read.hash } }
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.next.chain
    }

    /// The number of the next line.
    pub const fn next(&self) -> u64 {
        self.next.seq
    }

    /// The hash of the last line.
    pub const fn head(&self) -> &LineHash {
        &self.next.prev
    }

    /// Writes the line of `record` to the end of `into`, with its line end.
    pub fn append(
        &mut self,
        time: UnixTime,
        record: &Record,
        into: &mut Vec<u8>,
    ) -> Result<(), serde_json::Error> {
        let from = into.len();
        let line = Line { schema: SCHEMA, place: &self.next, time: time.to_string(), record };
        if let Err(error) = serde_json::to_writer(&mut *into, &line) {
            into.truncate(from);
            return Err(error);
        }
        // The brace at the end gives way to the hash.
        into.pop();
        let hash = self.hasher.hash(into.get(from..).unwrap_or_default());
        for part in [BEFORE_HASH, hash.as_str(), AFTER_HASH, "\n"] {
            into.extend_from_slice(part.as_bytes());
        }
        self.next.seq = self.next.seq.saturating_add(1);
        self.next.prev = hash;
        Ok(())
    }
}
