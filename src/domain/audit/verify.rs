//! Whether a trail is whole: nothing removed, altered, moved or put in.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use serde::Deserialize;

use super::chain::{AFTER_HASH, BEFORE_HASH, Hasher, LineHash, Place};
use super::record::Event;
use crate::domain::rejection::safe;

/// A line as it was found; its hash was not looked at yet.
pub(super) struct Line<'a> {
    pub(super) place: Place,
    pub(super) hash: LineHash,
    /// What the hash covers.
    pub(super) covered: &'a [u8],
    event: String,
}

#[derive(Deserialize)]
struct Members {
    #[serde(flatten)]
    place: Place,
    event: String,
}

impl<'a> Line<'a> {
    /// Reads one line without its line end; `None` if it is none of a trail.
    pub(super) fn read(line: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let (covered, rest) = text.rsplit_once(BEFORE_HASH)?;
        let hash = LineHash::of_text(rest.strip_suffix(AFTER_HASH)?);
        let Members { place, event } = serde_json::from_str(text).ok()?;
        Some(Self { place, hash, covered: covered.as_bytes(), event })
    }
}

/// The chain and the number that a line claims, given without its line end.
pub fn place_of(line: &[u8]) -> Option<(String, u64)> {
    let Place { chain, seq, .. } = Line::read(line)?.place;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (chain.len() <= 64 && chain.bytes().all(legal)).then_some((chain, seq))
}

/// What is wrong at one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is none of a trail: torn, or somebody else's.
    Unreadable,
    /// Its hash is not that of what it says: altered, or made without the key.
    Altered,
    /// Lines before it are not there.
    Missing {
        /// The number of the first one.
        from: u64,
        /// The number of the last one.
        to: u64,
    },
    /// It stood there before: repeated, or moved.
    OutOfOrder {
        /// The number that should stand here.
        expected: u64,
    },
    /// It does not follow from the line before it: that one is another than it was.
    Unlinked,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("not a record: torn, or put in by somebody else"),
            Self::Altered => {
                f.write_str("altered: its hash is not that of what it says, or of another key")
            }
            Self::Missing { from, to } if from == to => {
                write!(f, "record {from} before it is missing")
            }
            Self::Missing { from, to } => write!(f, "records {from} to {to} before it are missing"),
            Self::OutOfOrder { expected } => {
                write!(f, "out of order: record {expected} should stand here")
            }
            Self::Unlinked => f.write_str("does not follow from the record before it"),
        }
    }
}

/// A fault, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// The chain and the number that the line claims, if it can be read.
    pub claims: Option<(String, u64)>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((chain, seq)) = &self.claims {
            write!(f, "record {seq} of chain {}: ", safe(chain))?;
        }
        fmt::Display::fmt(&self.fault, f)
    }
}

/// One chain, as far as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The number of the first line that was seen.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// The hash of the last.
    pub head: LineHash,
    /// Whether that one says that the service stopped in order.
    pub closed: bool,
    /// How many times the service began without having stopped in order before.
    pub killed: u64,
    /// How many lines stand there twice, which alters nothing.
    pub repeated: u64,
    /// The hashes of the last lines.
    recent: VecDeque<LineHash>,
}

/// As many lines as a sink may be given again when its answer got lost.
const AGAIN: usize = 256;

impl Seen {
    fn follows(&mut self, seq: u64, hash: LineHash) {
        self.recent.truncate(AGAIN.saturating_sub(1));
        self.recent.push_front(hash.clone());
        (self.last, self.head) = (seq, hash);
    }

    /// Whether the line is one of the last, as it was.
    fn stood(&self, seq: u64, hash: &LineHash) -> bool {
        let back = self.last.checked_sub(seq).and_then(|back| usize::try_from(back).ok());
        back.and_then(|back| self.recent.get(back)).is_some_and(|known| known == hash)
    }
}

/// Reads a trail line by line; lines of several chains may stand among each other.
#[derive(Debug)]
pub struct Verifier {
    hasher: Hasher,
    chains: BTreeMap<String, Seen>,
}

impl Verifier {
    /// One that makes hashes like this.
    pub const fn new(hasher: Hasher) -> Self {
        Self { hasher, chains: BTreeMap::new() }
    }

    /// What is wrong with the next line, which is given without its line end.
    pub fn line(&mut self, line: &[u8]) -> Option<Finding> {
        let Some(Line { place, hash, covered, event }) = Line::read(line) else {
            return Some(Finding { fault: Fault::Unreadable, claims: None });
        };
        let Place { chain, seq, prev } = place;
        let found = |fault| Some(Finding { fault, claims: Some((chain.clone(), seq)) });
        if self.hasher.hash(covered) != hash {
            return found(Fault::Altered);
        }
        let closed = event == Event::Stopped.as_str();
        let Some(seen) = self.chains.get_mut(&chain) else {
            let linked = seq > 0 || prev == LineHash::none();
            let finding = if linked { None } else { found(Fault::Unlinked) };
            let recent = VecDeque::from([hash.clone()]);
            let (first, last, head) = (seq, seq, hash);
            let seen = Seen { first, last, head, closed, killed: 0, repeated: 0, recent };
            self.chains.insert(chain, seen);
            return finding;
        };
        if seen.stood(seq, &hash) {
            seen.repeated = seen.repeated.saturating_add(1);
            return None;
        }
        let expected = seen.last.saturating_add(1);
        if seq < expected {
            return found(Fault::OutOfOrder { expected });
        }
        let finding = if seq > expected {
            found(Fault::Missing { from: expected, to: seq.saturating_sub(1) })
        } else if prev != seen.head {
            found(Fault::Unlinked)
        } else {
            None
        };
        if event == Event::Started.as_str() && !seen.closed {
            seen.killed = seen.killed.saturating_add(1);
        }
        if seq > expected {
            seen.recent.clear();
        }
        seen.follows(seq, hash);
        seen.closed = closed;
        finding
    }

    /// The chains, by name.
    pub const fn chains(&self) -> &BTreeMap<String, Seen> {
        &self.chains
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::audit::chain::Chain;
    use crate::domain::audit::record::Record;
    use crate::protocol::time::UnixTime;

    const NOW: UnixTime = UnixTime::from_seconds(1_795_435_200);

    fn trail(records: usize, hasher: &Hasher) -> Vec<Vec<u8>> {
        let mut chain = Chain::new("c1".to_owned(), hasher.clone());
        let event = |at| if at == 0 { Event::Started } else { Event::TokenIssued };
        let line = |at| {
            let mut line = Vec::new();
            let record = Record::new(event(at)).detail(&format!("the {at}th"));
            chain.append(NOW, &record, &mut line).unwrap();
            assert_eq!(line.pop(), Some(b'\n'));
            line
        };
        (0..records).map(line).collect()
    }

    fn faults(lines: &[Vec<u8>], hasher: &Hasher) -> Vec<Fault> {
        let mut verifier = Verifier::new(hasher.clone());
        lines.iter().filter_map(|line| verifier.line(line)).map(|found| found.fault).collect()
    }

    #[test]
    fn a_whole_trail_has_no_fault_and_goes_on_after_a_restart() {
        for hasher in [Hasher::Plain, Hasher::keyed(b"key")] {
            let mut lines = trail(5, &hasher);
            let mut chain = Chain::after(&lines[4], hasher.clone()).unwrap();
            let mut line = Vec::new();
            chain.append(NOW, &Record::new(Event::Started), &mut line).unwrap();
            line.pop();
            lines.push(line);
            assert_eq!(faults(&lines, &hasher), []);
            let mut verifier = Verifier::new(hasher.clone());
            for line in &lines {
                assert_eq!(verifier.line(line), None);
            }
            let seen = &verifier.chains()["c1"];
            assert_eq!((seen.first, seen.last, seen.closed, seen.killed), (0, 5, false, 1));
        }
    }

    #[test]
    fn without_the_key_nothing_can_be_made_or_continued() {
        let keyed = Hasher::keyed(b"key");
        assert_eq!(faults(&trail(2, &Hasher::Plain), &keyed), [Fault::Altered, Fault::Altered]);
        assert!(Chain::after(&trail(1, &Hasher::Plain)[0], keyed.clone()).is_none());
        assert!(Chain::after(&trail(1, &keyed)[0], Hasher::keyed(b"other")).is_none());
        assert!(!format!("{keyed:?}").contains("key\""), "a key does not print");
    }

    #[test]
    fn chains_among_each_other_are_told_apart() {
        let hasher = Hasher::Plain;
        let mut other = Chain::new("c2".to_owned(), hasher.clone());
        let mut lines = trail(3, &hasher);
        let mut line = Vec::new();
        other.append(NOW, &Record::new(Event::Started), &mut line).unwrap();
        line.pop();
        lines.insert(1, line);
        assert_eq!(faults(&lines, &hasher), []);
    }

    #[test]
    fn lines_that_a_sink_was_given_again_are_counted_and_alter_nothing() {
        let hasher = Hasher::Plain;
        let mut lines = trail(6, &hasher);
        let again: Vec<_> = lines[2..6].to_vec();
        lines.extend(again);
        let mut verifier = Verifier::new(hasher);
        for line in &lines {
            assert_eq!(verifier.line(line), None);
        }
        assert_eq!(verifier.chains()["c1"].repeated, 4);
        assert_eq!(verifier.chains()["c1"].last, 5);
    }

    #[test]
    fn a_line_that_is_no_record_is_named() {
        let hasher = Hasher::Plain;
        let mut lines = trail(3, &hasher);
        lines.insert(1, b"{\"seq\":1".to_vec());
        lines.push(Vec::new());
        assert_eq!(faults(&lines, &hasher), [Fault::Unreadable, Fault::Unreadable]);
    }

    /// What somebody did to a trail of 12 lines.
    #[derive(Clone, Debug)]
    enum Tampering {
        Remove(usize),
        Flip(usize, usize),
        Swap(usize, usize),
        Repeat(usize, usize),
    }

    fn tampering() -> impl Strategy<Value = Tampering> {
        // The last line can be cut off without a trace: nothing follows it.
        prop_oneof![
            (1_usize..11).prop_map(Tampering::Remove),
            (0_usize..12, any::<prop::sample::Index>())
                .prop_map(|(line, at)| Tampering::Flip(line, at.index(200))),
            (0_usize..12, 0_usize..12)
                .prop_filter("two lines", |(one, other)| one != other)
                .prop_map(|(one, other)| Tampering::Swap(one, other)),
            // Behind itself it would alter nothing.
            (0_usize..12, 0_usize..12)
                .prop_filter("before itself", |(from, to)| to < from)
                .prop_map(|(from, to)| Tampering::Repeat(from, to)),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_done_to_a_trail_shows(tampering in tampering(), keyed in any::<bool>()) {
            let hasher = if keyed { Hasher::keyed(b"key") } else { Hasher::Plain };
            let mut lines = trail(12, &hasher);
            match tampering {
                Tampering::Remove(at) => drop(lines.remove(at)),
                Tampering::Flip(line, at) => {
                    let line = &mut lines[line];
                    let last = line.len().saturating_sub(1);
                    line[at.min(last)] ^= 1;
                }
                Tampering::Swap(one, other) => lines.swap(one, other),
                Tampering::Repeat(from, to) => lines.insert(to, lines[from].clone()),
            }
            prop_assert!(!faults(&lines, &hasher).is_empty());
        }
    }
}
