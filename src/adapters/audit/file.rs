//! A file that is set aside when it has grown enough.
//!
//! A chain goes on in the next file, and after a restart; a file holds one chain. A line that a
//! killed process left torn stays where it is, ended, so that it shows.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{
    self, BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _,
};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::AuditError;
use super::sink::Sink;
use crate::config::AuditFile;
use crate::domain::audit::chain::{Chain, Hasher};
use crate::domain::audit::verify::place_of;

/// More than any line has, in bytes.
const LONGEST_LINE: u64 = 64 * 1024;
/// What the next file is called until it has its place.
const NEXT: &str = "next";

pub(super) struct RotatingFile {
    settings: AuditFile,
    file: File,
    /// Bytes in it.
    length: u64,
    /// Where it was set aside, while the next one is not there yet.
    aside: Option<PathBuf>,
    /// Whether the last line is not ended: it may not be set aside in the midst of it.
    in_line: bool,
}

impl RotatingFile {
    /// Opens the file, for this process alone; and the chain that ends there, if it can go on.
    pub(super) fn open(
        settings: &AuditFile,
        hasher: &Hasher,
    ) -> Result<(Self, Option<Chain>), AuditError> {
        Self::prepared(settings, hasher).map_err(|error| AuditError::File {
            path: settings.path.display().to_string(),
            why: error.to_string(),
        })
    }

    fn prepared(settings: &AuditFile, hasher: &Hasher) -> io::Result<(Self, Option<Chain>)> {
        let path = settings.path.display();
        let file = opened(&settings.path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("not a regular file; for a pipe use `to: stdout`"));
        }
        let length = about.len();
        let mut this =
            Self { settings: settings.clone(), file, length, aside: None, in_line: false };
        if !this.is_in_its_place()? {
            return Err(io::Error::other("it was set aside at this moment; start again"));
        }
        let tail = this.tail()?;
        if tail.last().is_some_and(|last| *last != b'\n') {
            this.file.write_all(b"\n")?;
            this.length = this.length.saturating_add(1);
            tracing::warn!(file = %path, "the last audit record is torn: its process was killed");
        }
        // What is torn ends no chain; the last record that is whole does.
        let lines = tail.split(|byte| *byte == b'\n').rev();
        let chain = lines.into_iter().find_map(|line| Chain::after(line, hasher.clone()));
        if chain.is_none() && this.length > 0 {
            tracing::warn!(file = %path, "no record at its end was made with this key");
            this.rotate()?;
        }
        this.forget()?;
        Ok((this, chain))
    }

    /// Whether the file that is written to still stands where it is looked for.
    fn is_in_its_place(&self) -> io::Result<bool> {
        let ours = self.file.metadata()?;
        match fs::metadata(&self.settings.path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The end of the file: its last line, at least.
    fn tail(&mut self) -> io::Result<Vec<u8>> {
        let from = self.length.saturating_sub(LONGEST_LINE.saturating_mul(2));
        self.file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        self.file.read_to_end(&mut tail)?;
        Ok(tail)
    }

    /// Sets the file aside and begins another. Each step can be the last one for now: what is done is
    /// not done again, and nothing is ever written over.
    fn rotate(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        if self.is_in_its_place()? {
            if self.aside.is_none() {
                self.aside = Some(self.link_aside()?);
            }
        } else if fs::metadata(&self.settings.path).is_ok_and(|there| there.len() > 0) {
            return Err(io::Error::other("another file stands in its place"));
        }
        let next = self.settings.path.with_added_extension(NEXT);
        let file = opened(&next)?;
        let length = file.metadata()?.len();
        fs::rename(&next, &self.settings.path)?;
        if let Some(aside) = self.aside.take() {
            tracing::info!(file = %aside.display(), "audit records were set aside");
        } else {
            tracing::warn!("the file of audit records was moved away: another begins");
        }
        (self.file, self.length, self.in_line) = (file, length, false);
        self.sync_folder()?;
        self.forget()
    }

    /// Gives the file a second name, which nothing has yet: `audit.jsonl` whose first record is the
    /// 1200th of its chain is `audit-000000001200-CHAIN.jsonl`.
    fn link_aside(&mut self) -> io::Result<PathBuf> {
        let path = self.settings.path.clone();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("audit");
        let place = self.first_place()?;
        let (chain, seq) = place.unwrap_or_else(|| ("unreadable".to_owned(), 0));
        let extension = path.extension().and_then(|extension| extension.to_str());
        for number in 0_u32.. {
            let number = if number == 0 { String::new() } else { format!("-{number}") };
            let mut name = format!("{stem}-{seq:012}-{chain}{number}");
            if let Some(extension) = extension {
                name.extend([".", extension]);
            }
            let aside = path.with_file_name(name);
            match fs::hard_link(&path, &aside) {
                Ok(()) => return Ok(aside),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// The place of its first record.
    fn first_place(&mut self) -> io::Result<Option<(String, u64)>> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut first = Vec::new();
        BufReader::new(&self.file).take(LONGEST_LINE).read_until(b'\n', &mut first)?;
        Ok(place_of(first.strip_suffix(b"\n").unwrap_or(&first)))
    }

    /// Removes what was set aside first, until as many are left as are to be kept.
    fn forget(&self) -> io::Result<()> {
        let path = &self.settings.path;
        let (Some(keep), Some(stem)) =
            (self.settings.keep, path.file_stem().and_then(|stem| stem.to_str()))
        else {
            return Ok(());
        };
        let mut aside = Vec::new();
        for entry in folder_of(path).read_dir()? {
            let entry = entry?;
            let name = entry.file_name();
            let rest = name.to_str().and_then(|name| name.strip_prefix(stem)?.strip_prefix('-'));
            if rest.is_some_and(is_of_rotation) {
                aside.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        aside.sort();
        let surplus = aside.len().saturating_sub(keep);
        aside.iter().take(surplus).try_for_each(|(_, path)| {
            tracing::info!(file = %path.display(), "old audit records are removed");
            fs::remove_file(path)
        })
    }

    /// Makes sure that the names outlive a loss of power too.
    fn sync_folder(&self) -> io::Result<()> {
        File::open(folder_of(&self.settings.path))?.sync_all()
    }
}

/// The file at `path`, for this process alone.
fn opened(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).read(true).mode(0o600).open(path)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            io::Error::other("another process writes to it; each needs its own file")
        }
        TryLockError::Error(error) => error,
    })?;
    Ok(file)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or_else(|| Path::new("/"))
}

/// `000000001200-CHAIN.jsonl`
fn is_of_rotation(rest: &str) -> bool {
    let number = rest.split('-').next().unwrap_or_default();
    number.len() >= 12 && number.bytes().all(|digit| digit.is_ascii_digit())
}

#[async_trait]
impl Sink for RotatingFile {
    async fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let longer = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let full = self.length.saturating_add(longer) > self.settings.rotate;
        if full && self.length > 0 && !self.in_line {
            self.rotate()?;
        }
        let taken = self.file.write(lines)?;
        self.length = self.length.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        let last = taken.checked_sub(1).and_then(|last| lines.get(last));
        self.in_line = last.is_some_and(|last| *last != b'\n');
        Ok(taken)
    }

    /// Also begins another file, where this one was moved away or removed.
    async fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.in_line && !self.is_in_its_place()? {
            self.rotate()?;
        }
        Ok(())
    }
}
