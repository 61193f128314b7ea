//! One connection of an open loop, which is looked at and never waited for.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::load::connection::{Answer, Place};
use crate::load::open::{Broken, Due};

/// How long a connection may take to be made. On loopback it is made or refused at once.
const CONNECTING: Duration = Duration::from_millis(500);

/// Idle, or owing one answer.
#[derive(Default)]
pub(crate) struct Slot {
    stream: Option<TcpStream>,
    owed: Option<(Due, Instant)>,
    buffer: Vec<u8>,
    read: usize,
    /// The server said that this was its last answer here.
    closes: bool,
}

/// What was found on a connection.
pub(crate) enum Heard<'a> {
    Nothing,
    Answer(Answer<'a>),
    Broken(Broken),
}

impl Slot {
    pub(crate) fn connect(&mut self, to: SocketAddr) -> io::Result<()> {
        let stream = TcpStream::connect_timeout(&to, CONNECTING)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        self.stream = Some(stream);
        self.closes = false;
        self.buffer.resize(16 * 1024, 0);
        Ok(())
    }

    /// Whether a question can be sent. One that the server has closed in the meantime is found out
    /// here, before it costs a question.
    pub(crate) fn is_usable(&mut self) -> bool {
        let Some(stream) = self.stream.as_mut().filter(|_| !self.closes) else { return false };
        let closed = match stream.read(&mut self.buffer) {
            Ok(_) => true,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        if closed {
            self.stream = None;
        }
        !closed
    }

    /// What goes wrong is found when the answer is looked for.
    pub(crate) fn send(&mut self, question: &[u8], due: Due, now: Instant) {
        self.owed = Some((due, now));
        self.read = 0;
        let Some(stream) = &mut self.stream else { return };
        let mut rest = question;
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => {
                    self.stream = None;
                    return;
                }
            }
        }
    }

    /// What is owed: since when it was due, and since when it was sent.
    pub(crate) const fn owes(&self) -> Option<(Due, Instant)> {
        self.owed
    }

    pub(crate) fn receive(&mut self) -> Heard<'_> {
        let Some(stream) = &mut self.stream else { return Heard::Broken(Broken::Closed) };
        if self.read == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let room = self.buffer.get_mut(self.read..).unwrap_or_default();
        match stream.read(room) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Heard::Nothing,
            Ok(0) | Err(_) => {
                self.stream = None;
                let broken = if self.read == 0 { Broken::Closed } else { Broken::HalfWay };
                return Heard::Broken(broken);
            }
            Ok(read) => self.read += read,
        }
        let read = self.buffer.get(..self.read).unwrap_or_default();
        match Place::find(read) {
            Ok(None) => Heard::Nothing,
            Ok(Some(place)) => {
                let answer = place.of(read);
                self.closes = answer.closes;
                Heard::Answer(answer)
            }
            Err(_) => {
                self.stream = None;
                Heard::Broken(Broken::HalfWay)
            }
        }
    }

    /// It owes nothing any more.
    pub(crate) const fn settle(&mut self) {
        self.owed = None;
    }
}
