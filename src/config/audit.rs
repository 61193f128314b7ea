//! `audit`: where the audit trail goes, and what is in it.

use std::path::PathBuf;

use secrecy::SecretSlice;

use super::read::{Reader, Section};
use super::report::Wrong;
use super::schema;
use super::store::Store;
use super::values::{absolute, one_of, size};
use crate::domain::audit::record::Introspections;

/// Shortest key, in bytes.
const MIN_KEY_BYTES: usize = 32;
/// Keys that mean something only with `to: file`.
const OF_FILE: [&str; 3] = ["file", "rotate", "keep"];

/// The audit trail.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Where records go.
    pub to: AuditSink,
    /// Which introspections are recorded.
    pub introspections: Introspections,
    /// What makes the hashes; `None`: anybody can.
    pub key: Option<SecretSlice<u8>>,
}

/// Where records go.
#[derive(Clone, Debug)]
pub enum AuditSink {
    /// Nowhere: only where nothing is protected, never by a file.
    Nowhere,
    /// To standard output.
    Stdout,
    /// To a file.
    File(AuditFile),
    /// To a stream in the Redis that replicas share.
    Redis,
}

/// A file of records, and those that were set aside.
#[derive(Clone, Debug)]
pub struct AuditFile {
    /// Where it is.
    pub path: PathBuf,
    /// It is set aside when it has grown to this, in bytes.
    pub rotate: u64,
    /// How many are kept of those; `None`: all.
    pub keep: Option<usize>,
}

#[derive(
    Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
enum To {
    Stdout,
    File,
    Redis,
}

/// Reads the section; `store` is what that section says.
pub(super) fn read(reader: &mut Reader<'_>, file: &Section<'_>, store: &Store) -> Option<Audit> {
    let section = reader.defaulted(file, "audit", &schema::AUDIT)?;
    let to = reader.value(&section, "to", one_of::<To>);
    let introspections = reader.value(&section, "introspections", one_of);
    let key = key(reader, &section);
    if to.is_some_and(|to| to != To::File) {
        for name in OF_FILE.into_iter().filter(|name| section.get(name).is_some()) {
            let wrong = Wrong::new("without `to: file`").hint("set `to: file`, or remove it");
            reader.note(&section.place_of(name), wrong);
        }
    }
    let to = match to? {
        To::Stdout => AuditSink::Stdout,
        To::File => AuditSink::File(audit_file(reader, &section)?),
        To::Redis if !store.shared => {
            let wrong = Wrong::new("without `store.redis`, where the stream would be");
            reader.note(&section.place_of("to"), wrong.hint("add it, or write to a file"));
            return None;
        }
        To::Redis => AuditSink::Redis,
    };
    Some(Audit { to, introspections: introspections?, key })
}

fn audit_file(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<AuditFile> {
    if section.get("file").is_none() {
        let wrong = Wrong::new("required with `to: file`, but not there");
        reader.note(&section.place_of("file"), wrong.hint("an absolute path"));
    }
    let path = section.get("file").and_then(|_| reader.value(section, "file", absolute));
    let rotate = reader.amount(section, "rotate", size);
    let kept = section.get("keep").map(|_| reader.amount(section, "keep", number));
    let keep = match kept {
        Some(read) => Some(read?),
        None => None,
    };
    let path = path?;
    if path.file_name().is_none() || path.file_stem().is_none_or(|stem| stem.to_str().is_none()) {
        reader.note(&section.place_of("file"), Wrong::new("not the path of a file"));
        return None;
    }
    Some(AuditFile { path, rotate: rotate?, keep })
}

fn number(text: &str) -> Result<usize, Wrong> {
    let wrong = || Wrong::new("not a number from 1 to 10000");
    let number = text.parse().map_err(|_error| wrong())?;
    if (1..=10_000).contains(&number) { Ok(number) } else { Err(wrong()) }
}

/// Any text that is long enough: what makes it good is that nobody can guess it.
fn key(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<SecretSlice<u8>> {
    let secret = reader.secret(section, "key")?;
    let text = secret.value;
    if text.len() < MIN_KEY_BYTES {
        let wrong = Wrong::new("shorter than 32 characters");
        reader.note(&secret.place, wrong.hint("make one with: openssl rand -hex 32"));
        return None;
    }
    Some(SecretSlice::from(text.as_bytes().to_vec()))
}
