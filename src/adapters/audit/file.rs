//! A file that is set aside when it has grown enough.
//!
//! A chain goes on in the next file, and after a restart. A line that a killed process left torn
//! stays where it is, ended, so that it shows.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::AuditError;
use super::sink::Sink;
use crate::config::AuditFile;
use crate::domain::audit::chain::{Chain, Hasher};
use crate::domain::audit::verify::place_of;

/// More than any line has, in bytes.
const LONGEST_LINE: u64 = 64 * 1024;

pub(super) struct RotatingFile {
    settings: AuditFile,
    file: File,
    /// Bytes in it.
    length: u64,
    /// What it is called when it is set aside: by its first line.
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
        let failed = |error: &io::Error| AuditError::File {
            path: settings.path.display().to_string(),
            why: error.to_string(),
        };
        let mut this = Self::at(settings.clone()).map_err(|error| failed(&error))?;
        let tail = this.tail().map_err(|error| failed(&error))?;
        let torn = tail.last().is_some_and(|last| *last != b'\n');
        if torn {
            this.file.write_all(b"\n").map_err(|error| failed(&error))?;
            this.length = this.length.saturating_add(1);
            tracing::warn!(
                file = %settings.path.display(),
                "the last audit record is torn: the process that wrote it was killed"
            );
        }
        let mut lines = tail.split(|byte| *byte == b'\n').rev();
        // After the last line end stands nothing, or what is torn.
        lines.next();
        let chain = lines.next().and_then(|last| Chain::after(last, hasher.clone()));
        if chain.is_none() && this.length > 0 {
            tracing::warn!(
                file = %settings.path.display(),
                "the last audit record is none that this key made: a new chain begins"
            );
        }
        this.aside = this.named_by_first_line().map_err(|error| failed(&error))?;
        Ok((this, chain))
    }

    fn at(settings: AuditFile) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true).mode(0o600);
        let file = options.open(&settings.path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                io::Error::other("another process writes to it; each needs its own file")
            }
            TryLockError::Error(error) => error,
        })?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("not a regular file; for a pipe use `to: stdout`"));
        }
        let length = about.len();
        Ok(Self { settings, file, length, aside: None, in_line: false })
    }

    /// The end of the file: its last line, at least.
    fn tail(&mut self) -> io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(self.length.saturating_sub(2 * LONGEST_LINE)))?;
        let mut tail = Vec::new();
        self.file.read_to_end(&mut tail)?;
        Ok(tail)
    }

    fn named_by_first_line(&mut self) -> io::Result<Option<PathBuf>> {
        if self.length == 0 {
            return Ok(None);
        }
        self.file.seek(SeekFrom::Start(0))?;
        let mut first = Vec::new();
        BufReader::new(&self.file).take(LONGEST_LINE).read_until(b'\n', &mut first)?;
        Ok(Some(self.named_by(&first)))
    }

    /// `audit.jsonl` whose first record is the 1200th of its chain: `audit-000000001200-CHAIN.jsonl`.
    fn named_by(&self, first: &[u8]) -> PathBuf {
        let path = &self.settings.path;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("audit");
        let line = first.strip_suffix(b"\n").unwrap_or(first);
        let name = match place_of(line) {
            Some((chain, seq)) => format!("{stem}-{seq:012}-{chain}"),
            None => format!("{stem}-unreadable"),
        };
        let extension = path.extension().and_then(|extension| extension.to_str());
        free(&path.with_file_name(name), extension)
    }

    /// Sets the file aside and begins another.
    fn rotate(&mut self) -> io::Result<()> {
        let Some(aside) = &self.aside else { return Ok(()) };
        self.file.sync_data()?;
        std::fs::rename(&self.settings.path, aside)?;
        tracing::info!(file = %aside.display(), "audit records were set aside");
        *self = Self::at(self.settings.clone())?;
        if let Some(keep) = self.settings.keep {
            self.forget(keep)?;
        }
        Ok(())
    }

    /// Removes what was set aside first, until `keep` are left.
    fn forget(&self, keep: usize) -> io::Result<()> {
        let (Some(folder), Some(stem)) = (
            self.settings.path.parent(),
            self.settings.path.file_stem().and_then(|stem| stem.to_str()),
        ) else {
            return Ok(());
        };
        let mut aside = Vec::new();
        for entry in folder.read_dir()? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(stem)) else {
                continue;
            };
            if rest.strip_prefix('-').is_some_and(is_of_rotation) {
                aside.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        aside.sort();
        let surplus = aside.len().saturating_sub(keep);
        aside.iter().take(surplus).try_for_each(|(_, path)| {
            tracing::info!(file = %path.display(), "old audit records are removed");
            std::fs::remove_file(path)
        })
    }
}

/// `000000001200-CHAIN.jsonl`
fn is_of_rotation(rest: &str) -> bool {
    let number = rest.split('-').next().unwrap_or_default();
    number.len() >= 12 && number.bytes().all(|digit| digit.is_ascii_digit())
}

/// `name` with its extension, and a number if that is taken.
fn free(name: &Path, extension: Option<&str>) -> PathBuf {
    let with = |number: &str| {
        let mut path = name.as_os_str().to_owned();
        path.push(number);
        if let Some(extension) = extension {
            path.push(".");
            path.push(extension);
        }
        PathBuf::from(path)
    };
    let numbered = (1_u32..).map(|number| with(&format!("-{number}")));
    std::iter::once(with(""))
        .chain(numbered)
        .find(|path| !path.exists())
        .unwrap_or_else(|| with(""))
}

#[async_trait]
impl Sink for RotatingFile {
    async fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let longer = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let full = self.length.saturating_add(longer) > self.settings.rotate;
        if full && self.length > 0 && !self.in_line {
            self.rotate()?;
        }
        if self.aside.is_none() {
            let first = lines.split(|byte| *byte == b'\n').next().unwrap_or_default();
            self.aside = Some(self.named_by(first));
        }
        let taken = self.file.write(lines)?;
        self.length = self.length.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
        let last = taken.checked_sub(1).and_then(|last| lines.get(last));
        self.in_line = last.is_some_and(|last| *last != b'\n');
        Ok(taken)
    }

    async fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}
