//! HTTP by hand, so that a test can also send what no client library would.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::watch;

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);
/// Every header that an answer may have; another one is a mistake.
const KNOWN_HEADERS: [&str; 12] = [
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "pragma",
    "retry-after",
    "transfer-encoding",
    "www-authenticate",
    "x-content-type-options",
    "x-request-id",
];

/// A request that is being put together.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A form, sent to `target`.
    pub(crate) fn form(target: &str, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish()
            .into_bytes();
        Self::body(target, body)
    }

    /// A form of exactly these bytes.
    pub(crate) fn body(target: &str, body: impl Into<Vec<u8>>) -> Self {
        let kind = ("Content-Type".to_owned(), "application/x-www-form-urlencoded".to_owned());
        Self {
            method: "POST".to_owned(),
            target: target.to_owned(),
            headers: vec![kind],
            body: body.into(),
        }
    }

    /// A form for the introspection endpoint.
    pub(crate) fn introspect(fields: &[(&str, &str)]) -> Self {
        Self::form("/introspect", fields)
    }

    /// Nothing but a target.
    pub(crate) fn get(target: &str) -> Self {
        Self {
            method: "GET".to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// With another method.
    pub(crate) fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    /// With one more header; the same name may come twice.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Without a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// With `Authorization: Basic`, the halves as they stand.
    pub(crate) fn basic(self, (id, secret): (&str, &str)) -> Self {
        let value = BASE64_STANDARD.encode(format!("{id}:{secret}"));
        self.header("Authorization", &format!("Basic {value}"))
    }

    /// With `Authorization: Bearer`.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// With the credentials of a gateway, beside those of its caller.
    pub(crate) fn gateway(self, (id, secret): (&str, &str)) -> Self {
        let value = BASE64_STANDARD.encode(format!("{id}:{secret}"));
        self.header("Tessera-Authorization", &format!("Basic {value}"))
    }

    /// Asks for the signed form of the answer (RFC 9701).
    pub(crate) fn signed(self) -> Self {
        self.header("Accept", "application/token-introspection+jwt")
    }

    /// Sends it on a connection of its own and reads the whole answer.
    #[track_caller]
    pub(crate) fn send(&self, to: SocketAddr) -> Answer {
        self.exchange(TcpStream::connect(to).unwrap())
    }

    /// As [`Self::send`], from another address of this host (127.0.0.0/8): whoever fails to prove
    /// who it is is slowed by its address.
    #[track_caller]
    pub(crate) fn send_from(&self, from: Ipv4Addr, to: SocketAddr) -> Answer {
        self.exchange(connect_from(from, to).unwrap())
    }

    #[track_caller]
    fn exchange(&self, mut stream: TcpStream) -> Answer {
        let to = stream.peer_addr().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let sent = watch::sent(&self.headers, &self.body);
        // The listener may answer and close before it has read everything.
        drop(stream.write_all(&self.bytes()));
        let answer = Answer::read(&mut stream);
        watch::answer(to, &sent, &answer);
        answer
    }

    /// The same of a server that may be gone: nothing, if there was no answer.
    pub(crate) fn try_send(&self, to: SocketAddr) -> Option<Answer> {
        let mut stream = TcpStream::connect(to).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let sent = watch::sent(&self.headers, &self.body);
        stream.write_all(&self.bytes()).ok()?;
        let mut first = [0; 1];
        let there = stream.peek(&mut first).is_ok_and(|count| count > 0);
        let answer = there.then(|| Answer::read(&mut stream))?;
        watch::answer(to, &sent, &answer);
        Some(answer)
    }

    /// As it goes over the wire.
    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        let named = |name: &str| self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !named("Host") {
            head.push_str("Host: test\r\n");
        }
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if !self.body.is_empty() && !named("Content-Length") && !named("Transfer-Encoding") {
            let length = self.body.len().to_string();
            head.extend(["Content-Length: ", &length, "\r\n"]);
        }
        head.push_str("Connection: close\r\n\r\n");
        [head.into_bytes(), self.body.clone()].concat()
    }
}

fn connect_from(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        socket.connect(to).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// Reads one answer to the end of the connection.
    #[track_caller]
    pub(crate) fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes) {
            // A reset after the answer is how a server closes on a body that it does not read.
            assert!(!bytes.is_empty(), "no answer: {error}");
        }
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        Self { status, headers: headers.collect(), body: bytes[end..][4..].to_vec() }
    }

    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let of_name = |(known, _): &&(String, String)| known == name;
        self.headers.iter().filter(of_name).map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a header.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "`{name}` comes {} times", all.len());
        all.first().copied()
    }

    /// All headers, with their names in lower case.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The names of all headers, sorted: the server keeps them in no order.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.headers.iter().map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    #[track_caller]
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Whether this is the answer about an active token.
    pub(crate) fn is_active(&self) -> bool {
        self.status == 200 && self.json()["active"] == true
    }

    /// Asserts what holds for every answer of the public listener: nothing may be cached, and no
    /// header is there by mistake.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.header("cache-control"), Some("no-store"), "INT-25, A254 {self:?}");
        assert_eq!(self.header("pragma"), Some("no-cache"), "INT-25 {self:?}");
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        assert!(self.header("x-request-id").is_some());
        for (name, _) in &self.headers {
            assert!(KNOWN_HEADERS.contains(&name.as_str()), "unexpected header `{name}`");
        }
    }

    /// Asserts the one answer about every bad token (INT-11, INT-13, INT-29).
    #[track_caller]
    pub(crate) fn assert_inactive(&self) {
        self.assert_clean();
        let seen = (self.status, self.header("content-type"), self.text());
        assert_eq!(seen, (200, Some("application/json"), r#"{"active":false}"#.to_owned()));
    }

    /// Asserts an error of RFC 6749 §5.2.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: &str) {
        self.assert_clean();
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "JIR-14");
        let body = self.json();
        assert_eq!(body["error"], code, "{body}");
        let description = body["error_description"].as_str().expect("a description");
        let allowed = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(description.bytes().all(allowed), "A228 {description}");
    }
}
