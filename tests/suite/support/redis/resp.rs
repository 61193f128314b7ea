//! Redis' protocol by hand, so that a test sees what no client library retries or hides.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Simple(String),
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Reply>),
}

impl Reply {
    /// The text of a good answer.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Simple(text) => text,
            Self::Bulk(bytes) => str::from_utf8(bytes).unwrap(),
            Self::Error(_) | Self::Int(_) | Self::Nil | Self::Array(_) => panic!("{self:?}"),
        }
    }

    /// The text of a refusal.
    #[track_caller]
    pub(crate) fn error(&self) -> &str {
        let Self::Error(text) = self else { panic!("{self:?}") };
        text
    }

    #[track_caller]
    pub(crate) fn int(&self) -> i64 {
        let Self::Int(number) = self else { panic!("{self:?}") };
        *number
    }

    #[track_caller]
    pub(crate) fn array(&self) -> &[Self] {
        let Self::Array(items) = self else { panic!("{self:?}") };
        items
    }
}

/// A connection that waits only so long for each answer.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(to: SocketAddr, patience: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, patience)?;
        stream.set_nodelay(true)?;
        let connection = Self(BufReader::new(stream));
        connection.wait_for(patience)?;
        Ok(connection)
    }

    /// Waits so long from now on.
    pub(crate) fn wait_for(&self, patience: Duration) -> io::Result<()> {
        self.0.get_ref().set_read_timeout(Some(patience))
    }

    /// One command and its answer.
    pub(crate) fn ask(&mut self, words: &[&str]) -> io::Result<Reply> {
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command.extend(["$", &word.len().to_string(), "\r\n", word, "\r\n"]);
        }
        self.0.get_mut().write_all(command.as_bytes())?;
        self.read()
    }

    fn read(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| no_resp(&line))?;
        let number = || rest.parse::<i64>().ok().ok_or_else(|| no_resp(&line));
        Ok(match kind {
            "+" => Reply::Simple(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Int(number()?),
            "$" => match usize::try_from(number()?) {
                Ok(length) => Reply::Bulk(self.bulk(length)?),
                Err(_) => Reply::Nil,
            },
            "*" => match usize::try_from(number()?) {
                Ok(length) => {
                    Reply::Array((0..length).map(|_| self.read()).collect::<Result<_, _>>()?)
                }
                Err(_) => Reply::Nil,
            },
            _ => return Err(no_resp(&line)),
        })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        // Without its end, it was cut off.
        let whole = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(whole.to_owned())
    }

    fn bulk(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length + 2];
        self.0.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(bytes)
    }
}

fn no_resp(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no RESP: {line:?}"))
}
