//! Files that nobody can read or alter without the sealing key (AES-256-GCM).

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use secrecy::zeroize::Zeroizing;

use crate::config::{SealingKey, SealingKeys};

/// Bytes of a nonce.
const NONCE_BYTES: usize = 12;
/// Longest file that is read.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Why a sealed file cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SealedError {
    /// It cannot be read or written.
    #[error("{}: {why}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It was sealed with another key, or altered.
    #[error(
        "{}: neither `store.sealing_key` nor `store.previous_sealing_key` opens it: it was sealed \
         with another key, or altered",
        path.display()
    )]
    NotOpened {
        /// The file.
        path: PathBuf,
    },
}

impl SealedError {
    pub(super) fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), why: error.to_string() }
    }
}

/// `text`, sealed for `purpose`: what is sealed for another one does not open as this.
pub fn seal(key: &SealingKey, purpose: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let mut sealed = text.to_vec();
    let key = RandomizedNonceKey::new(&AES_256_GCM, key.bytes()).ok()?;
    let nonce = key.seal_in_place_append_tag(Aad::from(purpose), &mut sealed).ok()?;
    Some([purpose, nonce.as_ref(), &sealed].concat())
}

/// What [`seal`] sealed with one of `keys` for `purpose`.
pub fn open(keys: &SealingKeys, purpose: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let keys = [Some(&keys.current), keys.previous.as_ref()];
    keys.into_iter().flatten().find_map(|key| open_with(key, purpose, sealed))
}

fn open_with(key: &SealingKey, purpose: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, text) = sealed.strip_prefix(purpose)?.split_at_checked(NONCE_BYTES)?;
    let mut text = Zeroizing::new(text.to_vec());
    let key = RandomizedNonceKey::new(&AES_256_GCM, key.bytes()).ok()?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let opened = key.open_in_place(nonce, Aad::from(purpose), &mut text).ok()?.len();
    text.truncate(opened);
    Some(text)
}

/// The bytes of a file; `None`: there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, SealedError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SealedError::io(path, &error)),
    };
    let mut bytes = Vec::new();
    let read = file.take(MAX_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| SealedError::io(path, &error))?;
    Ok(Some(bytes))
}

/// Puts `bytes` in place of a file, whole or not at all.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), SealedError> {
    let beside = path.with_extension("new");
    let write = || {
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(0o600);
        let mut file = options.open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(|error| SealedError::io(path, &error))
}

/// Adds `bytes` to the end of a file, whole or not at all, and waits until they are on the disk.
pub(super) fn append(path: &Path, bytes: &[u8]) -> Result<(), SealedError> {
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).mode(0o600).open(path)?;
        let length = file.metadata()?.len();
        file.write_all(bytes).and_then(|()| file.sync_data()).inspect_err(|_failed| {
            // On a full disk a part of it may be there, and what comes next would stand behind that.
            if let Err(error) = file.set_len(length) {
                tracing::error!(file = %path.display(), %error, "a torn entry cannot be taken out");
            }
        })
    };
    write().map_err(|error| SealedError::io(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_added_leaves_nothing_behind() {
        let folder = std::env::temp_dir().join(format!("tessera-append-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("file");
        append(&path, b"one").unwrap();
        append(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"onetwo");
        assert!(append(&folder, b"three").is_err());
        assert!(append(Path::new("/dev/full"), b"three").is_err());
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read(&path).unwrap(), None);
    }
}
