//! Where the ring is kept: nowhere, in a folder, or in what replicas share.

use super::folder::{Folder, Locked};
use super::held::Held;
use super::kept;
use super::ring::RingError;
use crate::adapters::redis::RingEntry;
use crate::ports::{Dependency, Unavailable};

/// A place for the ring.
#[derive(Debug)]
pub(super) enum Place {
    /// The memory of this process alone.
    Memory,
    /// A folder.
    Folder(Folder),
    /// What all replicas share.
    Shared(RingEntry),
}

impl Place {
    /// Whether it is known what is kept there.
    pub(super) fn is_known(&self) -> bool {
        match self {
            Self::Memory | Self::Folder(_) => true,
            Self::Shared(entry) => entry.is_synchronised(),
        }
    }

    /// Whether what is kept there can get lost, or be changed by somebody else at any time.
    pub(super) const fn may_lose(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// Waits until nobody else changes the folder.
    pub(super) fn lock(&self) -> Result<Option<Locked>, RingError> {
        match self {
            Self::Folder(folder) => folder.lock().map(Some),
            Self::Memory | Self::Shared(_) => Ok(None),
        }
    }

    /// What is kept, sealed: it changes with every change of the ring. `None`: nothing.
    pub(super) fn sealed(&self) -> Result<Option<Vec<u8>>, RingError> {
        match self {
            Self::Memory => Ok(None),
            Self::Folder(folder) => folder.sealed(),
            Self::Shared(entry) => Ok(entry.sealed()?),
        }
    }

    /// Opens what [`Self::sealed`] gave.
    pub(super) fn open(&self, sealed: &[u8]) -> Result<Held, RingError> {
        match self {
            Self::Memory => Ok(Held::default()),
            Self::Folder(folder) => folder.open(sealed),
            Self::Shared(entry) => kept::read(&entry.open(sealed)?).ok_or_else(|| {
                let detail = "Redis: the entry of the signing keys holds no ring".to_owned();
                Unavailable { dependency: Dependency::Store, detail }.into()
            }),
        }
    }

    /// Whether what is kept is to be sealed anew, with the present sealing key.
    pub(super) fn is_outdated(&self, sealed: &[u8]) -> bool {
        match self {
            // A folder's file is sealed anew with every change, and its key changed with the process.
            Self::Memory | Self::Folder(_) => false,
            Self::Shared(entry) => entry.is_outdated(sealed),
        }
    }

    /// Keeps a ring in place of `found`, and gives the sealed bytes; `None`: nothing is kept.
    pub(super) fn keep(
        &self,
        held: &Held,
        found: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, RingError> {
        match self {
            Self::Memory => Ok(None),
            Self::Folder(folder) => folder.keep(held).map(Some),
            Self::Shared(entry) => {
                let text = kept::written(held).ok_or(RingError::Raced)?;
                Ok(entry.replace(found, &text)?)
            }
        }
    }

    /// Does `work`, unless another replica is doing it.
    pub(super) fn lead<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        match self {
            Self::Memory | Self::Folder(_) => Some(work()),
            Self::Shared(entry) => entry.lead(work),
        }
    }
}
