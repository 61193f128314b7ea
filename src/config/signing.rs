//! `signing`: where our own keys are kept, and how long they sign.

use std::path::PathBuf;

use super::read::{Reader, Section};
use super::report::Wrong;
use super::schema;
use super::store::{SealingKeys, Store};
use super::values::{absolute, duration};
use crate::domain::keyring::Rules;
use crate::protocol::time::Seconds;

/// How our own signing keys are kept.
#[derive(Clone, Debug, Default)]
pub struct Signing {
    /// Where; `None`: in the memory of the process.
    pub folder: Option<KeyFolder>,
    /// How long each of them does what.
    pub rules: Rules,
}

/// A folder for sealed keys.
#[derive(Clone, Debug)]
pub struct KeyFolder {
    /// Where it is.
    pub path: PathBuf,
    /// What the keys are sealed with.
    pub sealing: SealingKeys,
}

/// Reads the section; `store` is what that section says.
pub(super) fn read(reader: &mut Reader<'_>, file: &Section<'_>, store: &Store) -> Option<Signing> {
    let section = reader.defaulted(file, "signing", &schema::SIGNING)?;
    let folder = section.get("folder").map(|_| folder(reader, &section, store));
    let rotate = reader
        .amount(&section, "rotate", |text| duration(text, Seconds::hours(1), Seconds::hours(8760)));
    let announce = reader.amount(&section, "announce", |text| {
        duration(text, Seconds::minutes(5), Seconds::hours(168))
    });
    let (rotate, announce) = (rotate?, announce?);
    if announce >= rotate {
        let wrong = Wrong::new(format!("not less than `signing.rotate`, which is {rotate}"));
        let hint = "the next key is announced while the present one signs";
        reader.note(&section.place_of("announce"), wrong.hint(hint));
    }
    let folder = match folder {
        Some(read) => Some(read?),
        None => None,
    };
    Some(Signing { folder, rules: Rules { rotate, announce, ..Rules::default() } })
}

/// One place only: nobody could tell which of two has the keys that sign.
fn folder(reader: &mut Reader<'_>, section: &Section<'_>, store: &Store) -> Option<KeyFolder> {
    let place = section.place_of("folder");
    if store.shared {
        let wrong = Wrong::new("beside `store.redis`, which keeps the keys and the revocations");
        reader.note(&place, wrong.hint("remove one of the two"));
        return None;
    }
    let path = reader.value(section, "folder", absolute);
    let sealing = store.sealing.needed(reader, &place, "keys are never kept unsealed");
    Some(KeyFolder { path: path?, sealing: sealing? })
}
