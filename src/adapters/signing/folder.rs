//! The ring in one file of a folder, sealed: it survives a restart, and commands beside the service
//! can change it.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::held::Held;
use super::kept;
use super::ring::RingError;
use crate::adapters::sealed::{self, SealedError};
use crate::config::KeyFolder;

/// The name of the file.
const FILE: &str = "signing-keys.sealed";
/// Held by whoever changes the file.
const LOCK: &str = "signing-keys.lock";
/// What the file begins with, and what its seal is bound to: a sealed file of another kind does not
/// open as this one.
const PURPOSE: &[u8] = b"tessera signing keys 1\n";
/// The folder.
#[derive(Debug)]
pub(super) struct Folder(KeyFolder);

/// Nobody else changes the file while this lives.
pub(super) struct Locked(
    #[expect(dead_code, reason = "closing the file gives the lock back")] File,
);

impl Folder {
    pub(super) const fn new(folder: KeyFolder) -> Self {
        Self(folder)
    }

    /// Waits until nobody else changes the file.
    pub(super) fn lock(&self) -> Result<Locked, RingError> {
        let path = self.0.path.join(LOCK);
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true).mode(0o600);
        let file = options.open(&path).map_err(|error| SealedError::io(&path, &error))?;
        file.lock().map_err(|error| SealedError::io(&path, &error))?;
        Ok(Locked(file))
    }

    /// The bytes of the file, which change with every change of the ring; `None`: there is no file.
    pub(super) fn sealed(&self) -> Result<Option<Vec<u8>>, RingError> {
        Ok(sealed::read(&self.file())?)
    }

    /// Opens what [`Self::sealed`] gave.
    pub(super) fn open(&self, sealed: &[u8]) -> Result<Held, RingError> {
        let path = || self.file();
        let text = sealed::open(&self.0.sealing, PURPOSE, sealed);
        let text = text.ok_or_else(|| SealedError::NotOpened { path: path() })?;
        kept::read(&text).ok_or_else(|| RingError::Damaged { path: path() })
    }

    /// Puts a sealed ring in place of the one that is there, whole or not at all. Gives its bytes.
    pub(super) fn keep(&self, held: &Held) -> Result<Vec<u8>, RingError> {
        let path = self.file();
        let text = kept::written(held).ok_or_else(|| RingError::Damaged { path: path.clone() })?;
        let sealed = sealed::seal(&self.0.sealing.current, PURPOSE, &text)
            .ok_or_else(|| SealedError::NotOpened { path: path.clone() })?;
        sealed::replace(&path, &sealed)?;
        Ok(sealed)
    }

    fn file(&self) -> PathBuf {
        self.0.path.join(FILE)
    }
}
