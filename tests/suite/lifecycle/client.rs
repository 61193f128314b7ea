//! A client that keeps its connection, as gateways do, and gives it up when it is asked to.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::support::TYK;

/// A test that waits longer has failed.
const PATIENCE: Duration = Duration::from_mins(1);

/// One connection.
pub(crate) struct Connection(BufReader<TcpStream>);

/// An answer, and whether the connection goes on.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) close: bool,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn is_active(&self) -> bool {
        self.status == 200 && self.body.starts_with(r#"{"active":true"#)
    }
}

/// An introspection request in two halves: its head, and its body.
pub(crate) fn introspection(token: &str) -> (String, String) {
    let (id, secret) = TYK;
    let body = format!("client_id={id}&client_secret={secret}&token={token}");
    let head = format!(
        "POST /introspect HTTP/1.1\r\nHost: test\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    (head, body)
}

impl Connection {
    pub(crate) fn open(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn write(&mut self, text: &str) -> io::Result<()> {
        self.0.get_mut().write_all(text.as_bytes())
    }

    /// Asks about `token` and reads the answer.
    pub(crate) fn introspect(&mut self, token: &str) -> io::Result<Reply> {
        let (head, body) = introspection(token);
        self.write(&format!("{head}{body}"))?;
        self.read()
    }

    pub(crate) fn read(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" => break,
                text => lines.push(text.to_ascii_lowercase()),
            }
        }
        let header =
            |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let length = header("content-length").expect("a length").parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(Reply {
            status: lines[0].split(' ').nth(1).unwrap().parse().unwrap(),
            close: header("connection") == Some("close"),
            body: String::from_utf8(body).unwrap(),
        })
    }

    /// Whether the other side has closed it, which is waited for.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0; 1]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}
