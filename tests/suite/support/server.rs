//! Small HTTP servers for what stands around tessera in a test: a gateway, an API, a proxy.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Answer, Request};

/// A connection that is silent for longer is closed.
const PATIENCE: Duration = Duration::from_secs(30);
/// What belongs to one connection, and is not passed on to another.
const HOP_BY_HOP: [&str; 6] =
    ["accept-encoding", "connection", "content-length", "host", "keep-alive", "transfer-encoding"];

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The first value of a header, whose name is in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The same request, to be sent elsewhere.
    pub(crate) fn passed_on(&self) -> Request {
        let request = Request::body(&self.target, self.body.clone()).method(&self.method);
        let headers = self.headers.iter().filter(|(name, _)| !HOP_BY_HOP.contains(&name.as_str()));
        headers.fold(request.without("Content-Type"), |request, (name, value)| {
            request.header(name, value)
        })
    }

    fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Self> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let mut words = lines[0].split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let headers = lines[1..].iter().map(|line| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        let mut received = Self { method, target, headers: headers.collect(), body: Vec::new() };
        let length = received.header("content-length").map_or(0, |text| text.parse().unwrap());
        received.body.resize(length, 0);
        stream.read_exact(&mut received.body)?;
        Ok(received)
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn json(value: &serde_json::Value) -> Self {
        let reply = Self::new(200).header("Content-Type", "application/json");
        reply.body(value.to_string())
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn write(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} Test\r\n", self.status);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let length = self.body.len().to_string();
        head.extend(["Content-Length: ", &length, "\r\nConnection: close\r\n\r\n"]);
        stream.write_all(&[head.as_bytes(), &self.body].concat())
    }
}

/// An answer that is passed on: its status, its body, and what its reader must know.
impl From<Answer> for Reply {
    fn from(answer: Answer) -> Self {
        let reply = Self::new(answer.status).body(answer.bytes());
        let kept = answer.headers().filter(|(name, _)| !HOP_BY_HOP.contains(name));
        kept.fold(reply, |reply, (name, value)| reply.header(name, value))
    }
}

/// A server in threads of its own, which ends when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// An address of its own, which others can be told before it serves there.
    pub(crate) fn reserve() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (listener, url)
    }

    /// Answers each request with what `answer` makes of it.
    pub(crate) fn start(
        listener: TcpListener,
        answer: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let ends = Arc::new(AtomicBool::new(false));
        let (its_end, answer) = (Arc::clone(&ends), Arc::new(answer));
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if its_end.load(Ordering::SeqCst) {
                    break;
                }
                let answer = Arc::clone(&answer);
                thread::spawn(move || converse(stream, &*answer));
            }
        });
        Self { address, ends, thread: Some(thread) }
    }
}

/// One request, one answer. Who closes first, and how, is no matter of these tests.
fn converse(stream: TcpStream, answer: &dyn Fn(&Received) -> Reply) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream);
    if let Ok(received) = Received::read(&mut reader) {
        drop(answer(&received).write(reader.get_ref()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        // Wakes `accept`.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(thread::panicking() || ended.is_ok(), "the server stopped with a panic");
        }
    }
}
