//! A Unix socket that nobody else could use for a moment.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Who may use it: the user and the group that the service runs as.
const SOCKET_MODE: u32 = 0o660;
/// Who may look into the folder it is made in.
const PRIVATE: u32 = 0o700;

/// Opens a socket at `path`, which is never there with another mode than its own.
///
/// One that a service left behind when it was killed is replaced; one that somebody answers at, or a
/// file of another kind, is not.
pub(super) fn open(path: &Path) -> io::Result<UnixListener> {
    let left = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let nobody = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if left && UnixStream::connect(path).err().is_some_and(nobody) {
        std::fs::remove_file(path)?;
    }
    // What is bound is there at once, with the mode that the umask gives it. So it is bound where
    // nobody else can look, and gets its name when it has its mode.
    let mut unique = uuid::Uuid::new_v4().simple().to_string();
    unique.truncate(6);
    let folder = path.with_file_name(format!(".{unique}"));
    DirBuilder::new().mode(PRIVATE).create(&folder)?;
    let made = folder.join("s");
    let listener = UnixListener::bind(&made).and_then(|listener| {
        std::fs::set_permissions(&made, Permissions::from_mode(SOCKET_MODE))?;
        listener.set_nonblocking(true)?;
        // A link, since that replaces nothing.
        std::fs::hard_link(&made, path)?;
        Ok(listener)
    });
    drop(std::fs::remove_file(&made));
    drop(std::fs::remove_dir(&folder));
    let taken = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
    listener.map_err(|error| if taken(&error) { io::ErrorKind::AddrInUse.into() } else { error })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("tessera-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn it_has_its_mode_and_nothing_stands_beside_it() {
        let folder = folder("socket");
        let path = folder.join("tyk.sock");
        let listener = open(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, SOCKET_MODE);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        drop(UnixStream::connect(&path).unwrap());
        assert_eq!(open(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        drop(open(&path).unwrap());
        std::fs::write(folder.join("file"), "").unwrap();
        let error = open(&folder.join("file")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
