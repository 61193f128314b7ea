//! Connections to the listeners of gateways, as many as can be had: whoever reaches such a listener
//! must not take away what the others need.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::stream::unfold;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_rustls::TlsAcceptor;
use tonic::transport::server::Connected;

use super::descriptors::Connections;
use super::peer::{Peer, Stream};

/// What a client of HTTP/2 sends at once (RFC 9113 §3.4), in bytes.
const PREFACE: usize = 24;
/// How long it may take for that, with the handshake of TLS. From then on the protocol looks after the connection itself.
const PREFACE_DEADLINE: Duration = Duration::from_secs(5);
/// How long is waited when no connection can be had, for want of descriptors mostly.
const BACK_OFF: Duration = Duration::from_millis(200);

/// Room for the connections to one listener, whichever thread takes them.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(Connections::of_this_process().gateway)))
    }
}

/// The connections that `accept` gives, one after the other, as far as there is `room`.
pub(super) fn incoming<C, F>(
    (room, tls): (Room, Option<TlsAcceptor>),
    accept: impl Fn() -> F,
) -> impl futures_util::Stream<Item = io::Result<Connection<C>>>
where
    C: Stream,
    F: Future<Output = io::Result<C>>,
{
    unfold((accept, room, tls), async |(accept, Room(room), tls)| {
        // Fails only when it is closed, which it never is.
        let permit = Arc::clone(&room).acquire_owned().await.ok()?;
        loop {
            match accept().await {
                Ok(stream) => {
                    let peer = Peer::new(stream, tls.as_ref());
                    return Some((Ok(Connection::new(peer, permit)), (accept, Room(room), tls)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a gateway's connection cannot be accepted");
                    after(BACK_OFF).await;
                }
            }
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "what is waited for is somebody else's doing")]
fn after(time: Duration) -> Sleep {
    tokio::time::sleep(time)
}

/// A connection that is given up if nothing is said on it.
pub(super) struct Connection<C> {
    peer: Peer<C>,
    /// Until the preface has come: how much of it is missing, and until when that is waited for.
    silent: Option<(usize, Pin<Box<Sleep>>)>,
    _permit: OwnedSemaphorePermit,
}

impl<C> Connection<C> {
    fn new(peer: Peer<C>, permit: OwnedSemaphorePermit) -> Self {
        let deadline = Box::pin(after(PREFACE_DEADLINE));
        Self { peer, silent: Some((PREFACE, deadline)), _permit: permit }
    }
}

impl<C> Connection<C> {
    /// `progress`, unless there was none for too long.
    fn patient<T>(
        &mut self,
        context: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let (Poll::Pending, Some((_, deadline))) = (&progress, &mut self.silent) else {
            return progress;
        };
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<C: Stream> AsyncRead for Connection<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.peer).poll_read(context, buffer);
        if read.is_ready() {
            let came = buffer.filled().len().saturating_sub(before);
            if let Some((missing, _)) = &mut self.silent {
                *missing = missing.saturating_sub(came);
                if *missing == 0 {
                    self.silent = None;
                }
            }
        }
        self.patient(context, read)
    }
}

impl<C: Stream> AsyncWrite for Connection<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // What is written first waits for the handshake.
        let written = Pin::new(&mut self.peer).poll_write(context, bytes);
        self.patient(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.peer).poll_write_vectored(context, parts);
        self.patient(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.peer.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.peer).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.peer).poll_shutdown(context)
    }
}

/// Who is at the other end decides nothing.
impl<C> Connected for Connection<C> {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}
