//! gRPC calls as Tyk makes them: unary, over few HTTP/2 connections (RFC 9113) without TLS that
//! stay open, many at once on each. A closed loop: a call that was answered is followed by the
//! next. Written by hand, frame by frame, so that the generator costs less than what it drives; it
//! polls without ever sleeping, for the reason that `closed::stay_awake` names.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::load::closed::{Measured, Until};
use crate::load::frames::Connection;

/// How the calls are made.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Over all connections.
    pub(crate) at_once: usize,
    pub(crate) until: Until,
}

/// What was measured.
pub(crate) struct Called {
    pub(crate) measured: Measured,
    /// The part of the time in which the generator had nothing to do but wait.
    pub(crate) waited: f64,
}

/// Calls with `messages`, and gives every answer to `check`.
pub(crate) fn drive(
    to: SocketAddr,
    messages: &[Vec<u8>],
    load: Load,
    check: impl Fn(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Called> {
    let open = |_| Connection::open(to);
    let mut connections = (0..load.connections).map(open).collect::<Result<Vec<_>, _>>()?;
    for number in 0..load.at_once {
        let index = number % load.connections;
        if let Some(connection) = connections.get_mut(index) {
            connection.owed += 1;
        }
    }
    let begun = Instant::now();
    let mut messages = Messages { messages, until: load.until, begun, taken: 0 };
    let mut latency = Histogram::new(3)?;
    let mut waited = Duration::ZERO;
    while connections.iter().any(Connection::is_busy) {
        let looked = Instant::now();
        let mut moved = false;
        for connection in &mut connections {
            moved |= connection.receive(|sent, message| {
                latency.record(u64::try_from(sent.elapsed().as_micros())?)?;
                check(message)
            })?;
            moved |= connection.send(&mut messages)?;
        }
        if !moved {
            waited += looked.elapsed();
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let measured = Measured { per_second: latency.len() as f64 / seconds, latency };
    Ok(Called { measured, waited: waited.as_secs_f64() / seconds })
}

/// What is to be sent.
struct Messages<'m> {
    messages: &'m [Vec<u8>],
    until: Until,
    begun: Instant,
    taken: usize,
}

impl<'m> Iterator for Messages<'m> {
    type Item = &'m [u8];

    fn next(&mut self) -> Option<&'m [u8]> {
        match self.until {
            Until::Once if self.taken >= self.messages.len() => return None,
            Until::Elapsed(limit) if self.begun.elapsed() >= limit => return None,
            Until::Once | Until::Elapsed(_) => {}
        }
        let message = self.messages.get(self.taken % self.messages.len())?;
        self.taken += 1;
        Some(message)
    }
}
