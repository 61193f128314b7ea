//! The listeners for gateways that ask by gRPC.

use std::fs::Permissions;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, UnixListener};

use super::incoming::incoming;
use crate::config::Endpoint;
use crate::edge::grpc::{Answering, Doors, serve};

/// Who may use a Unix socket: the user and the group that the service runs as.
const SOCKET_MODE: u32 = 0o660;

/// An open listener of which nothing is answered yet.
#[derive(Debug)]
pub(super) struct Gateway {
    answering: Answering,
    socket: Socket,
    /// Where it is, with its port if that was a new one.
    pub(super) at: Endpoint,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Gateway {
    /// Opens `endpoint`. To be called in the runtime that will answer.
    pub(super) fn open(answering: Answering, endpoint: &Endpoint) -> io::Result<Self> {
        let (socket, at) = match endpoint {
            Endpoint::Tcp(address) => {
                let (listener, at) = tcp(*address)?;
                (Socket::Tcp(listener), Endpoint::Tcp(at))
            }
            Endpoint::Unix(path) => (Socket::Unix(unix(path)?, path.clone()), endpoint.clone()),
        };
        Ok(Self { answering, socket, at })
    }

    /// Answers until `stop`, then finishes what it began.
    pub(super) async fn run(
        self,
        doors: Arc<Doors>,
        stop: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let Self { answering, socket, .. } = self;
        let served = match socket {
            Socket::Tcp(listener) => {
                let connections = incoming(async || {
                    let (peer, _) = listener.accept().await?;
                    // Small answers must not wait for one another.
                    peer.set_nodelay(true).map(|()| peer)
                });
                serve(answering, doors, connections, stop).await
            }
            Socket::Unix(listener, path) => {
                let connections = incoming(async || listener.accept().await.map(|(peer, _)| peer));
                // Removed as soon as nobody is to come any more: later it may be the successor's.
                let stop = async {
                    stop.await;
                    drop(std::fs::remove_file(path));
                };
                serve(answering, doors, connections, stop).await
            }
        };
        served.map_err(io::Error::other)
    }
}

fn tcp(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let at = listener.local_addr()?;
    Ok((TcpListener::from_std(listener)?, at))
}

/// A socket that a service left behind when it was killed is replaced; one that somebody answers
/// at, or a file of another kind, is not.
fn unix(path: &Path) -> io::Result<UnixListener> {
    let left = std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let nobody = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if left && std::os::unix::net::UnixStream::connect(path).err().is_some_and(nobody) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    Ok(listener)
}
