//! A network that fails on demand, between a client and a server.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// Longest piece that is passed on at once.
const CHUNK: usize = 16 * 1024;
/// The answer of something that is no Redis.
const GARBAGE: &[u8] = b"<html>busy</html>\r\n";

/// How the network misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not at all.
    None,
    /// Each chunk takes this long, both ways.
    Delay(Duration),
    /// Connections stay, and new ones are made; nothing passes. As with a cut network, what is sent
    /// meanwhile is not lost within a connection: it arrives late, when the fault is gone.
    BlackHole,
    /// As [`Self::BlackHole`], only towards the server.
    DropToServer,
    /// As [`Self::BlackHole`], only towards the client: the server does what it is asked.
    DropToClient,
    /// All connections are reset, and so is each new one.
    Reset,
    /// The client is answered with what is no RESP, and the server hears nothing.
    Garbage,
    /// Half of the next answer passes, and then the connection is closed.
    Truncate,
}

impl Fault {
    /// Whether nothing passes in this direction.
    fn cuts(self, way: Way) -> bool {
        match self {
            Self::BlackHole => true,
            Self::DropToServer => way == Way::ToServer,
            Self::DropToClient => way == Way::ToClient,
            Self::None | Self::Delay(_) | Self::Reset | Self::Garbage | Self::Truncate => false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

/// What all connections look at.
#[derive(Clone, Copy, Debug)]
struct State {
    fault: Fault,
    /// Counted, so that no connection misses a reset that does not last.
    resets: usize,
    connections: usize,
}

/// A proxy in a thread of its own, which ends when it is dropped.
pub(crate) struct FaultProxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Without a fault, for now.
    pub(crate) fn before(server: SocketAddr) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let state = watch::Sender::new(State { fault: Fault::None, resets: 0, connections: 0 });
        let (stop, stopped) = oneshot::channel();
        let its_state = state.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = serve(listener, server, its_state) => {}
                    // A dropped sender is an order to stop as well.
                    _ = stopped => {}
                }
            });
        });
        Self { address, state, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From the next chunk on, on open connections too.
    pub(crate) fn set(&self, fault: Fault) {
        self.state.send_modify(|state| {
            state.fault = fault;
            state.resets += usize::from(fault == Fault::Reset);
        });
    }

    /// How many were accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.state.borrow().connections
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(thread::panicking() || ended.is_ok(), "the proxy stopped with a panic");
        }
    }
}

/// Accepts until it is dropped, and every connection with it.
async fn serve(listener: TcpListener, server: SocketAddr, state: watch::Sender<State>) {
    let mut relays = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        state.send_modify(|state| state.connections += 1);
        relays.spawn(relay(client, server, state.subscribe()));
    }
}

/// One connection, until an end closes it or a fault does.
async fn relay(client: TcpStream, server: SocketAddr, mut state: watch::Receiver<State>) {
    let State { fault, resets, .. } = *state.borrow();
    let its_state = state.clone();
    let ended = tokio::select! {
        biased;
        _ = state.wait_for(|now| fault == Fault::Reset || now.resets != resets) => {
            client.set_zero_linger()
        }
        ended = converse(&client, server, &its_state) => ended,
    };
    // Who has closed what is for the two ends to find out.
    drop(ended);
}

/// Both directions, until one of them ends.
async fn converse(
    client: &TcpStream,
    server: SocketAddr,
    state: &watch::Receiver<State>,
) -> io::Result<()> {
    let server = TcpStream::connect(server).await;
    if server.is_err() {
        // That nobody listens does not pass a cut network either.
        pass(Way::ToClient, state.clone()).await;
    }
    let server = server?;
    tokio::select! {
        ended = pump(Way::ToServer, client, &server, state.clone()) => ended,
        ended = pump(Way::ToClient, &server, client, state.clone()) => ended,
    }
}

/// Moves bytes one way.
async fn pump(
    way: Way,
    from: &TcpStream,
    to: &TcpStream,
    state: watch::Receiver<State>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = read(from, &mut buffer).await?;
        let fault = pass(way, state.clone()).await;
        let chunk = &buffer[..length];
        match (fault, way) {
            _ if chunk.is_empty() => return Ok(()),
            (Fault::Garbage, Way::ToServer) => write(from, GARBAGE).await?,
            (Fault::Truncate, Way::ToClient) => return write(to, &chunk[..length / 2]).await,
            _ => write(to, chunk).await?,
        }
    }
}

/// Waits until a chunk may pass, and gives the fault that it meets.
async fn pass(way: Way, mut state: watch::Receiver<State>) -> Fault {
    let fault = state.borrow().fault;
    if let Fault::Delay(delay) = fault {
        #[expect(clippy::disallowed_methods, reason = "a slow network is real time")]
        tokio::time::sleep(delay).await;
    }
    // The proxy holds the sender for as long as it runs.
    state.wait_for(|now| !now.fault.cuts(way)).await.map_or(fault, |now| now.fault)
}

async fn read(from: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        from.readable().await?;
        match from.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            ended => return ended,
        }
    }
}

async fn write(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            ended => bytes = &bytes[ended?..],
        }
    }
    Ok(())
}
