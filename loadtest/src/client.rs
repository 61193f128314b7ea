//! A closed loop over kept connections: prepared requests out, checked answers in. Written by hand
//! so that the generator costs less than what it drives.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, LocalSet};

/// What an answer about a good token begins with.
pub(crate) const ACTIVE: &[u8] = br#"{"active":true,"#;
/// What the answer to a good exchange begins with.
const ISSUED: &[u8] = br#"{"access_token":"eyJ"#;

/// Which requests are sent.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    /// All of them again and again, for this long.
    Elapsed(Duration),
    /// Each once.
    Once,
}

/// What was measured.
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    /// Microseconds.
    pub(crate) latency: Histogram<u64>,
}

/// One whole request for each token.
pub(crate) fn requests(tokens: &[String]) -> Vec<Vec<u8>> {
    let request = |token: &String| {
        let body = format!("client_id=tyk&client_secret={}&token={token}", crate::mint::SECRET);
        format!(
            "POST /introspect HTTP/1.1\r\nHost: 127.0.0.1\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    tokens.iter().map(request).collect()
}

/// One whole exchange of each token for `https://RESOURCE.internal`.
pub(crate) fn exchanges(tokens: &[String], resource: &str) -> Vec<Vec<u8>> {
    let request = |token: &String| {
        let body = format!(
            "client_id=tyk&client_secret={}&subject_token={token}&subject_token_type=\
             urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&grant_type=\
             urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&\
             resource=https%3A%2F%2F{resource}.internal&scope=orders.read",
            crate::mint::SECRET
        );
        format!(
            "POST /token HTTP/1.1\r\nHost: 127.0.0.1\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    tokens.iter().map(request).collect()
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

/// Sends `requests` over `connections` and measures.
pub(crate) fn drive(
    to: SocketAddr,
    requests: Vec<Vec<u8>>,
    connections: usize,
    until: Until,
) -> anyhow::Result<(Measured, Vec<Vec<u8>>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let shared = Rc::new(requests);
    let measured = LocalSet::new().block_on(&runtime, async {
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(Connection::open(to).await?);
        }
        let awake = stay_awake();
        let begun = Instant::now();
        let tasks: Vec<_> = open
            .into_iter()
            .enumerate()
            .map(|(first, connection)| {
                let share = Share { first, step: connections, until, begun };
                tokio::task::spawn_local(share.work(connection, Rc::clone(&shared)))
            })
            .collect();
        let mut latency = Histogram::new(3)?;
        for task in tasks {
            latency.add(task.await??)?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        awake.abort();
        anyhow::Ok(Measured { per_second: latency.len() as f64 / seconds, latency })
    })?;
    let requests = Rc::try_unwrap(shared).map_err(|_| anyhow::anyhow!("still in use"))?;
    Ok((measured, requests))
}

/// The generator never sleeps: waking a sleeping core is paid by the one who wakes it, the server,
/// and in a virtual machine that costs more than the whole answer.
pub(crate) fn stay_awake() -> JoinHandle<()> {
    tokio::task::spawn_local(async {
        loop {
            tokio::task::yield_now().await;
        }
    })
}

/// One connection's part of the work.
struct Share {
    first: usize,
    step: usize,
    until: Until,
    begun: Instant,
}

impl Share {
    async fn work(
        self,
        mut connection: Connection,
        requests: Rc<Vec<Vec<u8>>>,
    ) -> anyhow::Result<Histogram<u64>> {
        let mut latency = Histogram::new(3)?;
        let mut next = self.first;
        loop {
            match self.until {
                Until::Once if next >= requests.len() => break,
                Until::Elapsed(limit) if self.begun.elapsed() >= limit => break,
                Until::Once | Until::Elapsed(_) => {}
            }
            let request = requests.get(next % requests.len()).context("no request")?;
            let sent = Instant::now();
            connection.exchange(request).await?;
            latency.record(u64::try_from(sent.elapsed().as_micros())?)?;
            next += self.step;
        }
        Ok(latency)
    }
}

/// A kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    body: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(8192), body: Vec::new() })
    }

    /// Sends a request, and checks the whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<()> {
        let expected = if request.starts_with(b"POST /token") { ISSUED } else { ACTIVE };
        let body = self.ask(request).await?;
        ensure!(body.starts_with(expected), "a wrong answer: {}", String::from_utf8_lossy(body));
        Ok(())
    }

    /// The body of the answer to a request, which must be a good one.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server hung up");
            let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let (head, rest) = self.buffer.split_at(end + 4);
            if rest.len() < content_length(head)? {
                continue;
            }
            if !head.starts_with(b"HTTP/1.1 200") {
                bail!("a wrong answer: {}", String::from_utf8_lossy(&self.buffer));
            }
            self.body.clear();
            self.body.extend_from_slice(rest);
            return Ok(&self.body);
        }
    }
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    const NAME: &[u8] = b"content-length: ";
    let at = head.windows(NAME.len()).position(|name| name == NAME).context("no length")?;
    let digits = head.get(at + NAME.len()..).context("no length")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit()).context("no length")?;
    Ok(std::str::from_utf8(digits.get(..end).context("no length")?)?.parse()?)
}
