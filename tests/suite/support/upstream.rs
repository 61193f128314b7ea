//! A backend behind a gateway: whatever is asked, it answers with what arrived.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use super::Answer;

/// A backend in threads of its own, which ends when it is dropped.
pub(crate) struct Upstream {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    requests: AtomicUsize,
    stopped: AtomicBool,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<State>::default();
        let its_state = Arc::clone(&state);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if its_state.stopped.load(Ordering::Acquire) {
                    return;
                }
                let state = Arc::clone(&its_state);
                // It ends with its connection, which the gateway closes.
                thread::spawn(move || serve(&stream.unwrap(), &state.requests));
            }
        });
        Self { address, state, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests have arrived so far.
    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Acquire)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Release);
        // So that it looks.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(thread::panicking() || ended.is_ok(), "the backend stopped with a panic");
        }
    }
}

/// Answers until the connection ends.
fn serve(stream: &TcpStream, requests: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read(&mut reader) {
        requests.fetch_add(1, Ordering::AcqRel);
        let body = seen.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut writer = stream;
        if writer.write_all([head, body].concat().as_bytes()).is_err() {
            return;
        }
    }
}

/// One request, as JSON; none when the connection has ended.
fn read(reader: &mut impl BufRead) -> Option<Value> {
    let mut lines = reader.by_ref().lines();
    let first = lines.next()?.ok()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    for line in lines {
        let line = line.ok()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').expect("a header");
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    Some(json!({ "method": method, "target": target, "headers": headers, "body": body }))
}

/// What arrived at a backend.
#[derive(Debug)]
pub(crate) struct Arrived(Value);

impl Arrived {
    /// As a gateway has relayed it.
    #[track_caller]
    pub(crate) fn from(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = answer.json();
        assert!(seen["headers"].is_array(), "not from the backend: {answer:?}");
        Self(seen)
    }

    pub(crate) fn text(&self, member: &str) -> &str {
        self.0[member].as_str().expect("a text")
    }

    /// Every header, names in lower case.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.0["headers"].as_array().expect("headers");
        headers.iter().map(|header| (header[0].as_str().unwrap(), header[1].as_str().unwrap()))
    }

    /// The one value of a header; one that is empty is as good as one that is not there.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all: Vec<_> = self.headers().filter(|(known, _)| *known == name).collect();
        assert!(all.len() <= 1, "`{name}` comes {} times: {all:?}", all.len());
        all.first().map(|(_, value)| *value).filter(|value| !value.is_empty())
    }
}
