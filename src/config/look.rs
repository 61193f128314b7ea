//! What the files of a configuration hold at one moment: digests, and nothing that could be read
//! back.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::expand::{Environment, MAX_FILE_BYTES, SystemEnvironment};
use crate::protocol::ids::Fingerprint;

/// What one file was seen to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// These contents, or these as far as they are read.
    Contents(Fingerprint),
    /// Nothing that can be read.
    Nothing,
    /// What cannot be read again, such as a pipe. Never said to have changed.
    Stream,
    /// Two things within one reading of the configuration.
    Both,
}

/// What all files of a configuration were seen to hold.
pub type Looks = BTreeMap<PathBuf, Seen>;

impl Seen {
    /// What the file at `path` holds now. Takes nothing out of a stream.
    pub fn now(path: &Path) -> Self {
        if is_stream(path) { Self::Stream } else { read(path).0 }
    }
}

/// Reads as the process does, and remembers which files it has read, and what they held.
#[derive(Debug, Default)]
pub struct Recording {
    looks: RefCell<Looks>,
    again: bool,
}

impl Recording {
    /// For a service that runs: it must not wait for what a stream would give.
    pub fn again() -> Self {
        Self { again: true, ..Self::default() }
    }

    /// What was read.
    pub fn into_looks(self) -> Looks {
        self.looks.into_inner()
    }
}

impl Environment for Recording {
    fn variable(&self, name: &str) -> Result<String, String> {
        SystemEnvironment.variable(name)
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        let (seen, text) = if !is_stream(path) {
            read(path)
        } else if self.again {
            let why = "it is no plain file, and cannot be read while the service runs";
            (Seen::Stream, Err(why.to_owned()))
        } else {
            (Seen::Stream, SystemEnvironment.file(path))
        };
        let mut looks = self.looks.borrow_mut();
        let known = looks.entry(path.to_owned()).or_insert(seen);
        if *known != seen {
            *known = Seen::Both;
        }
        text
    }
}

fn is_stream(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file())
}

/// What the file at `path` holds, and its text; otherwise why there is none.
fn read(path: &Path) -> (Seen, Result<String, String>) {
    let limit = MAX_FILE_BYTES.saturating_add(1);
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    if let Err(error) = read {
        return (Seen::Nothing, Err(error.to_string()));
    }
    let seen = Seen::Contents(Fingerprint::of(&bytes));
    if u64::try_from(bytes.len()).is_ok_and(|read| read > MAX_FILE_BYTES) {
        return (seen, Err(format!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    (seen, String::from_utf8(bytes).map_err(|_not_text| "it is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_remembered_and_a_stream_is_read_at_the_start_alone() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        let (first, again) = (Recording::default(), Recording::again());
        let null = Path::new("/dev/null");
        assert_eq!(first.file(null), Ok(String::new()));
        assert!(again.file(null).unwrap_err().contains("no plain file"));
        assert!(again.file(&file).is_ok());
        assert!(again.file(Path::new("/nowhere/at/all")).is_err());
        let looks = again.into_looks();
        assert_eq!(looks[null], Seen::Stream);
        assert_eq!(looks[&file], Seen::now(&file));
        assert_eq!(looks[Path::new("/nowhere/at/all")], Seen::Nothing);
        assert_eq!(first.into_looks()[null], Seen::now(null));
    }
}
