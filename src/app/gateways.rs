//! The listeners for gateways that ask by gRPC.
//!
//! They have threads of their own, one for each core, as those for HTTP do. A connection stays with
//! the thread that took it: a call costs a sixth less than one that any thread may go on with
//! (`loadtest/`), and the one connection of a gateway has a whole core.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::num::NonZero;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use futures_util::future::try_join_all;
use rustls::ServerConfig;
use tokio::runtime;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::incoming::{Room, incoming};
use super::unix_socket;
use crate::config::Endpoint;
use crate::edge::grpc::{Answering, Doors, serve};

/// An open listener of which nothing is answered yet.
#[derive(Debug)]
pub(super) struct Gateway {
    how: How,
    socket: Socket,
    /// Where it is, with its port if that was a new one.
    pub(super) at: Endpoint,
}

/// What a listener does.
#[derive(Clone, Debug)]
pub(super) struct How {
    /// For whom it answers.
    pub(super) answering: Answering,
    /// How long calls under way may go on after the order to stop.
    pub(super) grace: Duration,
    /// What connections are encrypted with, if they are.
    pub(super) tls: Option<Arc<ServerConfig>>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Gateway {
    /// Opens `endpoint`.
    pub(super) fn open(how: How, endpoint: &Endpoint) -> io::Result<Self> {
        let (socket, at) = match endpoint {
            Endpoint::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                let at = listener.local_addr()?;
                (Socket::Tcp(listener), Endpoint::Tcp(at))
            }
            Endpoint::Unix(path) => (Socket::Unix(unix_socket::open(path)?), endpoint.clone()),
        };
        Ok(Self { how, socket, at })
    }

    /// Answers until `stop`, then finishes what it began.
    pub(super) async fn run(self, doors: Arc<Doors>, stop: CancellationToken) -> io::Result<()> {
        let Self { how, socket, at } = self;
        let room = Room::default();
        let mut threads = Vec::new();
        for _ in 0..available_parallelism().map_or(1, NonZero::get) {
            let socket = socket.try_clone()?;
            let (doors, room) = (Arc::clone(&doors), room.clone());
            let (how, stop) = (how.clone(), stop.clone());
            threads.push(spawn_blocking(move || answer(&how, doors, (socket, room), &stop)));
        }
        // Only the threads listen: when they stop, nobody is left waiting.
        drop(socket);
        let threads = try_join_all(threads.into_iter().map(async |thread| thread.await?));
        tokio::pin!(threads);
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            ended = &mut threads => return ended.map(drop),
        }
        if let Endpoint::Unix(path) = at {
            // As soon as nobody is to come any more: later it may be the successor's.
            drop(std::fs::remove_file(path));
        }
        threads.await.map(drop)
    }
}

impl Socket {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(listener) => Self::Tcp(listener.try_clone()?),
            Self::Unix(listener) => Self::Unix(listener.try_clone()?),
        })
    }
}

/// One thread's part: the connections that it is the first to take.
fn answer(
    how: &How,
    doors: Arc<Doors>,
    (socket, room): (Socket, Room),
    stop: &CancellationToken,
) -> io::Result<()> {
    let stopped = stop.clone().cancelled_owned();
    let tls = how.tls.clone().map(TlsAcceptor::from);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match socket {
            Socket::Tcp(listener) => {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let connections = incoming((room, tls), async || {
                    let (peer, _) = listener.accept().await?;
                    // Small answers must not wait for one another.
                    peer.set_nodelay(true).map(|()| peer)
                });
                finishing(serve(how.answering, doors, connections, stopped), how.grace, stop).await
            }
            Socket::Unix(listener) => {
                let listener = tokio::net::UnixListener::from_std(listener)?;
                let connections =
                    incoming((room, tls), async || listener.accept().await.map(|(peer, _)| peer));
                finishing(serve(how.answering, doors, connections, stopped), how.grace, stop).await
            }
        }
    })
}

/// `serving`, but only for so long after the order to stop.
async fn finishing<E: Into<Box<dyn std::error::Error + Send + Sync>>>(
    serving: impl Future<Output = Result<(), E>>,
    grace: Duration,
    stop: &CancellationToken,
) -> io::Result<()> {
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended.map_err(io::Error::other),
        () = stop.cancelled() => {}
    }
    let ended = tokio::time::timeout(grace, serving).await.unwrap_or(Ok(()));
    ended.map_err(io::Error::other)
}
