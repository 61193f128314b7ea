//! A kept HTTP/1.1 connection (RFC 9112): a prepared request out, a whole answer in. Written by hand
//! so that the generator costs less than what it drives.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, ensure};
use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::load::population::Question;

/// A whole answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// The server will answer nothing more on this connection (RFC 9112 §9.6).
    pub(crate) closes: bool,
}

/// Where an answer stands in what was read so far.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    status: u16,
    closes: bool,
    body: usize,
    pub(crate) end: usize,
}

impl Place {
    /// Finds the first answer in `bytes`; `None`: it is not all there.
    pub(crate) fn find(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        let Some(end) = memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
        let (head, rest) = bytes.split_at(end + 4);
        let length = content_length(head)?;
        if rest.len() < length {
            return Ok(None);
        }
        let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = std::str::from_utf8(status.context("no status")?)?.parse()?;
        let closes = memmem::find(head, b"connection: close").is_some();
        Ok(Some(Self { status, closes, body: head.len(), end: head.len() + length }))
    }

    /// The answer that was found in `bytes`.
    pub(crate) fn of(self, bytes: &[u8]) -> Answer<'_> {
        let body = bytes.get(self.body..self.end).unwrap_or_default();
        Answer { status: self.status, body, closes: self.closes }
    }
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(self.body))
    }
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    const NAME: &[u8] = b"content-length: ";
    let at = memmem::find(head, NAME).context("no length")?;
    let digits = head.get(at + NAME.len()..).context("no length")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).context("no length")?;
    Ok(std::str::from_utf8(digits.get(..end).context("no length")?)?.parse()?)
}

/// A kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(8192) })
    }

    /// From an address of its own, of the many that loopback has.
    pub(crate) async fn open_from(from: Ipv4Addr, to: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(8192) })
    }

    /// Whether the server has closed it while nothing was asked.
    pub(crate) fn is_closed(&self) -> bool {
        let nothing_came = self.stream.try_read(&mut [0; 1]).map_err(|error| error.kind());
        nothing_came != Err(std::io::ErrorKind::WouldBlock)
    }

    /// Sends a question, and fails on anything but the right answer.
    pub(crate) async fn exchange(&mut self, question: &Question) -> anyhow::Result<()> {
        let answer = self.answer(&question.bytes).await?;
        question.expect.check(answer)
    }

    /// The body of the answer to a request, which must be a good one.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        let answer = self.answer(request).await?;
        ensure!(answer.status == 200, "a wrong answer: {answer}");
        Ok(answer.body)
    }

    /// The answer to a request, good or not.
    pub(crate) async fn answer(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server hung up");
            if let Some(place) = Place::find(&self.buffer)? {
                return Ok(place.of(&self.buffer));
            }
        }
    }
}

/// The body of the answer to one request, which must be a good one.
pub(crate) fn once(to: SocketAddr, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(to).await?;
        Ok(connection.ask(request).await?.to_vec())
    })
}

/// The body of the answer to `GET path`, and whether it was a good one.
pub(crate) fn get(from: SocketAddr, path: &str) -> anyhow::Result<(bool, String)> {
    let mut stream = std::net::TcpStream::connect(from)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no head")?;
    Ok((head.starts_with("HTTP/1.1 200"), body.to_owned()))
}
