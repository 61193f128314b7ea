//! How far the log of revocations was read, and whether what comes next is what replicas wrote there.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use redis::streams::StreamId;
use serde::{Deserialize, Serialize};

use super::log::Broken;
use super::seal::SealedBy;
use super::store::Store;
use crate::domain::revocation::Mark;
use crate::protocol::ids::Fingerprint;

/// The field of an entry.
const FIELD: &str = "s";

/// What an entry says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The first number of the log when this was written.
    pub(super) began: u64,
    /// The digest of the entry before, as it stood there; empty in the first of all.
    pub(super) after: String,
    /// What was revoked; nothing in the first entry of all.
    pub(super) mark: Option<Mark>,
    /// When that was revoked, in milliseconds since 1970, if that is known. Versions that do not
    /// know of this neither write it nor mind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) made: Option<u64>,
}

impl Entry {
    /// The entry that stands behind `before`.
    pub(super) fn behind(before: &[u8], began: u64, Dated { mark, made }: Dated) -> Self {
        Self { began, after: digest(before), mark: Some(mark), made }
    }
}

/// A mark, and when it was made by the clock of the replica that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dated {
    pub(super) mark: Mark,
    /// In milliseconds since 1970; unknown of what is written down again.
    pub(super) made: Option<u64>,
}

impl From<Mark> for Dated {
    fn from(mark: Mark) -> Self {
        Self { mark, made: None }
    }
}

/// 128 bits name an entry for ever.
fn digest(entry: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Fingerprint::of(entry).first::<16>())
}

/// A log, as far as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Its generation.
    pub(super) generation: String,
    /// What says that this is the present one.
    pub(super) record: Vec<u8>,
    /// The last number that was read; 0: none.
    pub(super) last: u64,
    /// What stood there, as it stood: another replica may have written another entry of the same
    /// number, to a server that had lost this one.
    pub(super) entry: Vec<u8>,
    /// The first number that was read.
    first: u64,
    /// Where the log began when the last entry was written.
    began: u64,
    /// Whether anything is sealed with the previous key.
    outdated: bool,
}

impl Position {
    /// Before the first entry.
    pub(super) fn start(generation: String, record: Vec<u8>, by: SealedBy) -> Self {
        let outdated = by == SealedBy::Previous;
        Self { generation, record, last: 0, entry: Vec::new(), first: 0, began: 0, outdated }
    }

    /// What the entry says that must come next; `None`: nothing.
    pub(super) fn advance(
        &mut self,
        store: &Store,
        entry: &StreamId,
    ) -> Result<Option<Dated>, Broken> {
        let expected = self.last.saturating_add(1);
        let found = number(entry).ok_or(Broken::Damaged(expected))?;
        // What is no longer of use was trimmed from the beginning.
        if found != expected && self.last > 0 {
            return Err(Broken::Damaged(expected));
        }
        let name = entry_name(store, &self.generation, found);
        let sealed: Vec<u8> = entry.get(FIELD).ok_or(Broken::Damaged(found))?;
        let opened = store.seals.open_dated(&name, &sealed);
        let (text, by) = opened.ok_or(Broken::Damaged(found))?;
        self.outdated |= by == SealedBy::Previous;
        let entry = serde_json::from_slice(&text);
        let entry = entry.map_err(|_unreadable| Broken::Damaged(found))?;
        let Entry { began, after, mark, made } = entry;
        if self.last == 0 {
            self.first = found;
        } else if after != digest(&self.entry) {
            return Err(Broken::Damaged(found));
        }
        (self.last, self.entry, self.began) = (found, sealed, began);
        Ok(mark.map(|mark| Dated { mark, made }))
    }

    /// That the first entry was read that was there when the last was written: whoever removes one
    /// from the beginning is told by those behind it.
    pub(super) const fn has_its_beginning(&self) -> Result<(), Broken> {
        if self.last == 0 || self.first > self.began {
            return Err(Broken::Damaged(self.began));
        }
        Ok(())
    }

    /// Whether the log is to be written anew, with the present sealing key.
    pub(super) const fn is_outdated(&self) -> bool {
        self.outdated
    }
}

/// Entry `number` of a log.
pub(super) fn sealed_entry(
    store: &Store,
    generation: &str,
    number: u64,
    entry: &Entry,
) -> Option<Vec<u8>> {
    let text = serde_json::to_vec(entry).ok()?;
    store.seals.seal(&entry_name(store, generation, number), &text)
}

/// The number of an entry: the whole of its id but for a zero.
fn number(entry: &StreamId) -> Option<u64> {
    entry.id.strip_suffix("-0")?.parse().ok()
}

fn entry_name(store: &Store, generation: &str, number: u64) -> String {
    format!("{}#{number}", store.names.log(generation))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use proptest::prelude::*;
    use redis::Value;

    use super::*;
    use crate::adapters::clock::SystemClock;
    use crate::adapters::redis::test_config;
    use crate::domain::lineage::{MarkKey, TokenId};
    use crate::protocol::time::UnixTime;

    const GENERATION: &str = "0123456789abcdef";

    fn store() -> Store {
        let redis = test_config::at(None);
        Store::new(&redis, Arc::new(SystemClock::new())).unwrap()
    }

    fn mark(number: u64) -> Dated {
        let key = MarkKey::token(TokenId::of("issuer", &number.to_string()));
        let mark = Mark { key, up_to: UnixTime::MAX, forget_at: UnixTime::MAX };
        Dated { mark, made: Some(number) }
    }

    fn stored(number: u64, sealed: Vec<u8>) -> StreamId {
        let map = HashMap::from([(FIELD.to_owned(), Value::BulkString(sealed))]);
        StreamId { id: format!("{number}-0"), map, ..StreamId::default() }
    }

    /// Entries `began` to `last` of a log that was trimmed up to `began` before the last of them.
    fn log(store: &Store, began: u64, last: u64) -> Vec<StreamId> {
        let mut before = Vec::new();
        let mut entry = |number: u64| {
            let began = if number == last { began } else { 1 };
            let entry = Entry::behind(&before, began, mark(number));
            before = sealed_entry(store, GENERATION, number, &entry).unwrap();
            stored(number, before.clone())
        };
        (began..=last).map(&mut entry).collect()
    }

    /// What is read of `entries`, if all of it is believed.
    fn read(store: &Store, entries: &[StreamId]) -> Result<Vec<Option<Dated>>, Broken> {
        let mut position = Position::start(GENERATION.to_owned(), Vec::new(), SealedBy::Current);
        let marks: Result<Vec<_>, _> =
            entries.iter().map(|entry| position.advance(store, entry)).collect();
        position.has_its_beginning()?;
        marks
    }

    /// What somebody who can write to Redis can do to one entry.
    #[derive(Clone, Debug)]
    enum Tampering {
        Removed(usize),
        Repeated(usize),
        Swapped(usize, usize),
        Renumbered(usize, u64),
        Altered(usize, usize),
        Emptied(usize),
    }

    fn tampering() -> impl Strategy<Value = Tampering> {
        let at = || 0_usize..12;
        prop_oneof![
            at().prop_map(Tampering::Removed),
            at().prop_map(Tampering::Repeated),
            (at(), at()).prop_map(|(one, other)| Tampering::Swapped(one, other)),
            (at(), 0_u64..30).prop_map(|(one, number)| Tampering::Renumbered(one, number)),
            (at(), 0_usize..200).prop_map(|(one, byte)| Tampering::Altered(one, byte)),
            at().prop_map(Tampering::Emptied),
        ]
    }

    fn tamper(entries: &mut Vec<StreamId>, how: &Tampering) {
        let place = |at: &usize| at.checked_rem(entries.len()).unwrap();
        match how {
            Tampering::Removed(at) => drop(entries.remove(place(at))),
            Tampering::Repeated(at) => entries.push(entries[place(at)].clone()),
            Tampering::Swapped(one, other) => {
                let (one, other) = (place(one), place(other));
                let map = entries[one].map.clone();
                entries[one].map = std::mem::replace(&mut entries[other].map, map);
            }
            Tampering::Renumbered(at, number) => {
                let at = place(at);
                entries[at].id = format!("{number}-0");
            }
            Tampering::Altered(at, byte) => {
                let at = place(at);
                let Some(Value::BulkString(sealed)) = entries[at].map.get_mut(FIELD) else {
                    return;
                };
                let byte = byte.checked_rem(sealed.len()).unwrap();
                sealed[byte] ^= 1;
            }
            Tampering::Emptied(at) => {
                let at = place(at);
                entries[at].map.clear();
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn what_is_believed_of_a_log_is_what_replicas_wrote_there_from_its_beginning_on(
            began in 1_u64..5,
            more in 1_u64..8,
            tricks in prop::collection::vec(tampering(), 1..4),
        ) {
            let store = store();
            let mut entries = log(&store, began, began.saturating_add(more));
            prop_assert!(read(&store, &entries).is_ok());
            for trick in &tricks {
                tamper(&mut entries, trick);
                if entries.is_empty() {
                    break;
                }
            }
            if let Ok(marks) = read(&store, &entries) {
                // An end that is missing is told by the number that Redis gives out next.
                let expected: Vec<_> = (began..).map(mark).map(Some).take(marks.len()).collect();
                prop_assert_eq!(marks, expected, "{:?}", tricks);
            }
        }
    }

    #[test]
    fn entries_of_two_histories_are_not_mixed() {
        let store = store();
        let common = log(&store, 1, 3);
        let Some(Value::BulkString(third)) = common[2].map.get(FIELD) else { panic!("no bytes") };
        // The same numbers, given out twice: a fail-over had lost the first of them.
        let history = |marks: [u64; 2]| {
            let mut before = third.clone();
            let entry = |(number, of): (u64, u64)| {
                let entry = Entry::behind(&before, 1, mark(of));
                before = sealed_entry(&store, GENERATION, number, &entry).unwrap();
                stored(number, before.clone())
            };
            (4..).zip(marks).map(entry).collect::<Vec<_>>()
        };
        let (first, second) = (history([40, 50]), history([50, 40]));
        for whole in [&first, &second] {
            assert_eq!(read(&store, &[&common[..], whole].concat()).unwrap().len(), 5);
        }
        let mixed = [&common[..], &second[..1], &first[1..]].concat();
        assert!(matches!(read(&store, &mixed), Err(Broken::Damaged(5))), "40 would be missing");
    }

    #[test]
    fn a_beginning_that_is_missing_is_told_by_what_stands_behind_it() {
        let store = store();
        let whole = log(&store, 3, 6);
        assert!(read(&store, &whole).is_ok(), "trimmed before the last was written");
        assert!(matches!(read(&store, &whole[1..]), Err(Broken::Damaged(3))));
        assert!(matches!(read(&store, &[]), Err(Broken::Damaged(0))), "an empty one");
    }

    #[test]
    fn versions_that_know_no_date_and_those_that_do_read_each_other() {
        /// As it was before.
        #[derive(Serialize, Deserialize)]
        struct Undated {
            began: u64,
            after: String,
            mark: Option<Mark>,
        }
        let Dated { mark, .. } = mark(1);
        let old = Undated { began: 1, after: String::new(), mark: Some(mark) };
        let new: Entry = serde_json::from_slice(&serde_json::to_vec(&old).unwrap()).unwrap();
        assert_eq!((new.mark, new.made), (Some(mark), None));
        assert_eq!(serde_json::to_vec(&new).unwrap(), serde_json::to_vec(&old).unwrap());
        let dated = Entry { made: Some(1_795_435_200_000), ..new };
        let old: Undated = serde_json::from_slice(&serde_json::to_vec(&dated).unwrap()).unwrap();
        assert_eq!(old.mark, Some(mark));
    }
}
