//! One HTTP/2 connection (RFC 9113) that makes unary gRPC calls, as much of it as that needs.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Types of frames (RFC 9113 §6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
/// Their flags.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
/// `SETTINGS_INITIAL_WINDOW_SIZE` (§6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;

const FRAME_HEAD: usize = 9;
/// The longest frame that each side may send unless it is allowed more (§4.2).
const FRAME_BYTES: usize = 16 * 1024;
/// What each side may send before it is allowed more (§6.9.2).
const WINDOW: i64 = 65_535;
/// By how much more the server may send over all streams at once, and how often it is told so: as
/// grpc-go, after a quarter.
const OUR_WINDOW: u32 = 1024 * 1024;
/// What is read at once.
const BUFFER_BYTES: usize = 256 * 1024;
/// Before each message: that it is not compressed, and its length.
const MESSAGE_HEAD: usize = 5;

/// Header lists (RFC 7541): the first one fills the server's table, the others point into it, as
/// those of grpc-go do.
const AGAIN: [u8; 7] = [0x83, 0x86, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe];

fn first_headers(authority: &str) -> anyhow::Result<Vec<u8>> {
    let mut block = vec![0x83, 0x86]; // POST, http
    let named: [(u8, &str); 4] = [
        (0x44, "/coprocess.Dispatcher/Dispatch"),
        (0x41, authority),
        (0x5f, "application/grpc"),
        (0x7a, "grpc-go/1.66.0"),
    ];
    for (name, value) in named {
        block.push(name);
        text(&mut block, value)?;
    }
    block.push(0x40);
    text(&mut block, "te")?;
    text(&mut block, "trailers")?;
    Ok(block)
}

fn text(block: &mut Vec<u8>, text: &str) -> anyhow::Result<()> {
    ensure!(text.len() < 127, "a length of several bytes");
    block.push(u8::try_from(text.len())?);
    block.extend_from_slice(text.as_bytes());
    Ok(())
}

/// A connection that never blocks.
pub(crate) struct Connection {
    stream: TcpStream,
    incoming: Vec<u8>,
    /// How much of it is waiting for the rest of its frame.
    filled: usize,
    outgoing: Vec<u8>,
    written: usize,
    /// Calls that are to be made.
    pub(crate) owed: usize,
    calls: Vec<Call>,
    /// Rests of answered calls, whose memory is used again.
    spare: Vec<Vec<u8>>,
    next: u32,
    headers: Vec<u8>,
    /// What may still be sent, over all streams and on each.
    window: i64,
    stream_window: i64,
    /// What was received since the server was last told that it may send more.
    received: u32,
}

/// A call on its way.
struct Call {
    id: u32,
    sent: Instant,
    answer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut outgoing = PREFACE.to_vec();
        frame(&mut outgoing, (SETTINGS, 0), 0, &[])?;
        frame(&mut outgoing, (WINDOW_UPDATE, 0), 0, &OUR_WINDOW.to_be_bytes())?;
        Ok(Self {
            stream,
            incoming: vec![0; BUFFER_BYTES],
            filled: 0,
            outgoing,
            written: 0,
            owed: 0,
            calls: Vec::new(),
            spare: Vec::new(),
            next: 1,
            headers: first_headers(&to.to_string())?,
            window: WINDOW,
            stream_window: WINDOW,
            received: 0,
        })
    }

    /// Whether calls are under way, or owed.
    pub(crate) fn is_busy(&self) -> bool {
        self.owed > 0 || !self.calls.is_empty()
    }

    /// Makes the calls that are owed, with the messages that come, as far as the server lets us.
    /// Whether anything was to be done.
    pub(crate) fn send<'m>(
        &mut self,
        messages: &mut impl Iterator<Item = &'m [u8]>,
    ) -> anyhow::Result<bool> {
        // A message is never longer than this: see `call`.
        while self.owed > 0 && self.window >= FRAME_BYTES as i64 {
            let Some(message) = messages.next() else {
                self.owed = 0;
                break;
            };
            self.owed -= 1;
            self.call(message)?;
        }
        let Some(rest @ [_, ..]) = self.outgoing.get(self.written..) else { return Ok(false) };
        match self.stream.write(rest) {
            Ok(written) => self.written += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        if self.written == self.outgoing.len() {
            self.outgoing.clear();
            self.written = 0;
        }
        Ok(true)
    }

    fn call(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let (id, length) = (self.next, MESSAGE_HEAD + message.len());
        ensure!(length <= FRAME_BYTES, "a message of several frames");
        ensure!(self.stream_window >= length as i64, "a server that wants messages in parts");
        self.window -= length as i64;
        self.next += 2;
        frame(&mut self.outgoing, (HEADERS, END_HEADERS), id, &self.headers)?;
        if id == 1 {
            self.headers = AGAIN.to_vec();
        }
        head(&mut self.outgoing, length, (DATA, END_STREAM), id)?;
        self.outgoing.push(0);
        self.outgoing.extend_from_slice(&u32::try_from(message.len())?.to_be_bytes());
        self.outgoing.extend_from_slice(message);
        let answer = self.spare.pop().unwrap_or_default();
        self.calls.push(Call { id, sent: Instant::now(), answer });
        Ok(())
    }

    /// Gives what has come to `done`: when the call was sent, and the message of its answer.
    /// Whether anything has come.
    pub(crate) fn receive(
        &mut self,
        mut done: impl FnMut(Instant, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let mut incoming = std::mem::take(&mut self.incoming);
        let read = match self.stream.read(incoming.get_mut(self.filled..).unwrap_or_default()) {
            Ok(0) => bail!("the server hung up"),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error.into()),
        };
        self.filled += read;
        let mut rest = incoming.get(..self.filled).context("a full buffer")?;
        while let Some((head, after)) = rest.split_first_chunk::<FRAME_HEAD>() {
            let [a, b, c, kind, flags, id @ ..] = *head;
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let Some((payload, after)) = after.split_at_checked(length) else { break };
            let id = u32::from_be_bytes(id) & !(1 << 31);
            self.frame((kind, flags), id, payload, &mut done)?;
            rest = after;
        }
        let left = rest.len();
        incoming.copy_within(self.filled - left..self.filled, 0);
        self.filled = left;
        self.incoming = incoming;
        if self.received > OUR_WINDOW / 4 {
            let more = std::mem::take(&mut self.received).to_be_bytes();
            frame(&mut self.outgoing, (WINDOW_UPDATE, 0), 0, &more)?;
        }
        Ok(read > 0)
    }

    fn frame(
        &mut self,
        (kind, flags): (u8, u8),
        id: u32,
        payload: &[u8],
        done: &mut impl FnMut(Instant, &[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        ensure!(kind > HEADERS || flags & PADDED == 0, "a padded frame");
        match kind {
            DATA => {
                self.received += u32::try_from(payload.len())?;
                let call = self.calls.iter_mut().find(|call| call.id == id);
                call.context("data of no call")?.answer.extend_from_slice(payload);
            }
            // The headers of an answer, or its trailers. An error has trailers alone, and no
            // message.
            HEADERS => {}
            SETTINGS if flags & ACK == 0 => {
                self.settings(payload);
                frame(&mut self.outgoing, (SETTINGS, ACK), 0, &[])?;
            }
            PING if flags & ACK == 0 => frame(&mut self.outgoing, (PING, ACK), 0, payload)?,
            WINDOW_UPDATE if id == 0 => {
                let more = payload.first_chunk().context("a torn frame")?;
                self.window += i64::from(u32::from_be_bytes(*more));
            }
            RST_STREAM | GOAWAY => bail!("refused: {}", String::from_utf8_lossy(payload)),
            _ => {}
        }
        if kind <= HEADERS && flags & END_STREAM != 0 {
            let at = self.calls.iter().position(|call| call.id == id).context("no such call")?;
            let Call { sent, mut answer, .. } = self.calls.swap_remove(at);
            let (head, message) =
                answer.split_first_chunk::<MESSAGE_HEAD>().context("no answer")?;
            let [0, length @ ..] = *head else { bail!("a compressed answer") };
            ensure!(u32::from_be_bytes(length) as usize == message.len(), "a torn answer");
            done(sent, message)?;
            answer.clear();
            self.spare.push(answer);
            self.owed += 1;
        }
        Ok(())
    }

    fn settings(&mut self, payload: &[u8]) {
        for setting in payload.as_chunks::<6>().0 {
            let [a, b, value @ ..] = *setting;
            if u16::from_be_bytes([a, b]) == INITIAL_WINDOW_SIZE {
                self.stream_window = i64::from(u32::from_be_bytes(value));
            }
        }
    }
}

fn frame(to: &mut Vec<u8>, kind: (u8, u8), id: u32, payload: &[u8]) -> anyhow::Result<()> {
    head(to, payload.len(), kind, id)?;
    to.extend_from_slice(payload);
    Ok(())
}

fn head(to: &mut Vec<u8>, length: usize, (kind, flags): (u8, u8), id: u32) -> anyhow::Result<()> {
    let [_, length @ ..] = u32::try_from(length)?.to_be_bytes();
    to.extend_from_slice(&length);
    to.extend_from_slice(&[kind, flags]);
    to.extend_from_slice(&id.to_be_bytes());
    Ok(())
}
