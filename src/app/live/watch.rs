//! Looks at the files of a configuration. Only digests are kept, and nothing is told of what the
//! files hold.

use std::path::{Path, PathBuf};

use tokio::task::{JoinError, spawn_blocking};

use crate::config::{self, Config, Looks, PlainSecrets, Recording, Report, Seen};

/// How many looks in a row must be alike before a change is believed: a file may be half written.
const ALIKE: u32 = 2;
/// How many, when a file cannot be read: some programs remove it before they write it anew.
const ALIKE_WITHOUT: u32 = 5;

/// A configuration file and the files that it refers to.
#[derive(Clone, Debug)]
pub struct Watched {
    path: PathBuf,
    /// The files that were read for what is in force.
    running: Vec<PathBuf>,
    /// What all watched files held when they were read last.
    known: Looks,
    /// What they have held since, if it is something else, and how often in a row.
    pending: Option<(Looks, u32)>,
}

/// One reading of all files.
pub(super) struct Reading {
    /// What came of it.
    pub(super) outcome: Result<Config, Report>,
    /// The files that it is made of.
    files: Vec<PathBuf>,
    /// What they and the other watched files held.
    looks: Looks,
    /// Whether they still held that when everything had been read.
    pub(super) settled: bool,
}

impl Watched {
    /// The valid configuration at `path`, to be watched; or everything that is wrong with it.
    pub fn load(path: &Path) -> Result<(Config, Self), Report> {
        let Reading { outcome, files, looks, .. } = read(path, &[], Recording::default());
        let watched = Self { path: path.to_owned(), running: files, known: looks, pending: None };
        outcome.map(|config| (config, watched))
    }

    /// The configuration file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Looks again, and tells whether it is time to read.
    pub(super) async fn look(&mut self) -> Result<bool, JoinError> {
        let files: Vec<_> = self.known.keys().cloned().collect();
        let looks = spawn_blocking(move || see(files)).await?;
        Ok(self.is_due(looks))
    }

    fn is_due(&mut self, looks: Looks) -> bool {
        if looks == self.known {
            self.pending = None;
            return false;
        }
        let before = self.pending.take().filter(|(before, _)| *before == looks);
        let alike = before.map_or(1, |(_, alike)| alike.saturating_add(1));
        let incomplete = looks.values().any(|seen| *seen == Seen::Nothing);
        self.pending = Some((looks, alike));
        alike >= if incomplete { ALIKE_WITHOUT } else { ALIKE }
    }

    /// Reads everything.
    pub(super) async fn read(&self) -> Result<Reading, JoinError> {
        let (path, running) = (self.path.clone(), self.running.clone());
        spawn_blocking(move || read(&path, &running, Recording::again())).await
    }

    /// Remembers that `reading` was acted on. What is in force because of it is watched alone; after
    /// a refusal, so are the files of what still is: they may be what has to change back.
    pub(super) fn acted_on(&mut self, reading: Reading, in_force: bool) {
        let Reading { files, mut looks, .. } = reading;
        if in_force {
            looks.retain(|path, _| files.contains(path));
            self.running = files;
        }
        self.known = looks;
        self.pending = None;
    }
}

/// Reads the configuration at `path`, and looks at the `others` too.
fn read(path: &Path, others: &[PathBuf], environment: Recording) -> Reading {
    let outcome = config::read_file(path, &environment).and_then(|text| {
        let origin = path.display().to_string();
        config::load(&text, &origin, &environment, PlainSecrets::Refused)
    });
    let mut looks = environment.into_looks();
    let files: Vec<_> = looks.keys().cloned().collect();
    let others = others.iter().filter(|path| !files.contains(path)).cloned();
    let more = see(others.collect());
    looks.extend(more);
    let settled = see(looks.keys().cloned().collect()) == looks;
    Reading { outcome, files, looks, settled }
}

fn see(files: Vec<PathBuf>) -> Looks {
    let look = |path: PathBuf| {
        let seen = Seen::now(&path);
        (path, seen)
    };
    files.into_iter().map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ids::Fingerprint;

    fn looks(files: &[(&str, Seen)]) -> Looks {
        files.iter().map(|(path, seen)| (PathBuf::from(path), *seen)).collect()
    }

    fn holds(text: &str) -> Seen {
        Seen::Contents(Fingerprint::of(text.as_bytes()))
    }

    fn watched() -> Watched {
        let known = looks(&[("/c", holds("one")), ("/s", holds("secret"))]);
        Watched { path: "/c".into(), running: vec!["/c".into()], known, pending: None }
    }

    #[test]
    fn a_change_is_believed_when_it_is_seen_twice_alike() {
        let mut watched = watched();
        let (same, half) =
            (watched.known.clone(), looks(&[("/c", holds("tw")), ("/s", holds("s"))]));
        let whole = looks(&[("/c", holds("two")), ("/s", holds("s"))]);
        for (look, due) in [
            (&same, false),
            (&half, false),
            (&whole, false),
            (&whole, true),
            (&whole, true),
            (&same, false),
            (&whole, false),
            (&same, false),
            (&whole, false),
            (&whole, true),
        ] {
            assert_eq!(watched.is_due(look.clone()), due);
        }
    }

    #[test]
    fn a_file_that_is_missing_for_a_moment_is_waited_for() {
        let mut watched = watched();
        let without = looks(&[("/c", holds("one")), ("/s", Seen::Nothing)]);
        for _ in 1..ALIKE_WITHOUT {
            assert!(!watched.is_due(without.clone()));
        }
        assert!(watched.is_due(without.clone()), "it is gone");
        assert!(!watched.is_due(watched.known.clone()), "and back");
        assert!(!watched.is_due(without), "which is where it begins anew");
    }

    #[test]
    fn after_a_refusal_both_configurations_are_watched() {
        let mut watched = watched();
        let (files, seen) = (vec!["/c".into(), "/new".into()], holds("x"));
        let reading = |looks| Reading {
            outcome: Err(Report::new("/c", Vec::new())),
            files: files.clone(),
            looks,
            settled: true,
        };
        let all = looks(&[("/c", seen), ("/new", seen), ("/s", seen)]);
        watched.acted_on(reading(all.clone()), false);
        assert_eq!((&watched.known, watched.running.len()), (&all, 1));
        watched.acted_on(reading(all), true);
        assert_eq!(watched.known, looks(&[("/c", seen), ("/new", seen)]));
        assert_eq!(watched.running, files);
    }
}
