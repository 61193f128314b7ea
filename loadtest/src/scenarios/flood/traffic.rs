//! Good traffic in an open loop, alone or beside a flood, on one thread: the generator has one core.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use tokio::task::{LocalSet, yield_now};

use super::SEED;
use super::hostile::{Hostile, Kind};
use crate::load::connection::Connection;
use crate::load::population::{Question, introspections};
use crate::load::schedule::{Due, Schedule};
use crate::system::tessera::Tessera;

/// What good traffic asks.
pub(super) struct Good {
    known: Rc<Vec<Question>>,
    new: Rc<Vec<Question>>,
    /// How many of the new ones were asked about.
    used: Rc<Cell<usize>>,
    one_new_in: u32,
    connections: usize,
}

/// What goes on at the same time.
pub(super) enum Beside<'h> {
    Nothing,
    UnknownKeys(&'h Hostile),
    Guesses(&'h Hostile),
}

/// What good traffic saw.
pub(super) struct Seen {
    pub(super) offered: f64,
    pub(super) answered: f64,
    /// Microseconds from when the request was due.
    pub(super) latency: Histogram<u64>,
    /// Answers to the flood, in a second.
    pub(super) flood: f64,
}

impl Good {
    pub(super) fn new(
        known: &[String],
        new: &[String],
        one_new_in: usize,
        connections: usize,
    ) -> Self {
        Self {
            known: Rc::new(introspections(known)),
            new: Rc::new(introspections(new)),
            used: Rc::default(),
            one_new_in: u32::try_from(one_new_in).unwrap_or(u32::MAX),
            connections,
        }
    }

    /// Offers `per_second` requests for so long. Fails on a wrong answer, to either side.
    pub(super) fn beside(
        &mut self,
        server: &Tessera,
        per_second: f64,
        lasts: Duration,
        beside: Beside<'_>,
    ) -> anyhow::Result<Seen> {
        let to = server.address.public;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, async {
            let (flooding, answers) = (Rc::new(Cell::new(true)), Rc::new(Cell::new(0_u64)));
            let mut hostile = Vec::new();
            if let Some((flood, kind)) = beside.flood() {
                for (number, connection) in flood.connect(kind, to).await?.into_iter().enumerate() {
                    let (flooding, answers) = (Rc::clone(&flooding), Rc::clone(&answers));
                    let flood = flood.clone();
                    hostile.push(tokio::task::spawn_local(async move {
                        flood.flood(kind, (connection, number), flooding, answers).await
                    }));
                }
            }
            let mut open = Vec::new();
            for _ in 0..self.connections {
                open.push(Connection::open(to).await?);
            }
            let schedule = Schedule::from_now(per_second, lasts, SEED);
            let good: Vec<_> = open
                .into_iter()
                .map(|connection| tokio::task::spawn_local(self.work(connection, schedule.clone())))
                .collect();
            let mut latency = Histogram::new(3)?;
            for task in good {
                latency.add(task.await??)?;
            }
            let seconds = schedule.begun().elapsed().as_secs_f64();
            flooding.set(false);
            for task in hostile {
                task.await??;
            }
            let offered = f64::from(schedule.taken()) / lasts.as_secs_f64();
            let answered = latency.len() as f64 / seconds.max(lasts.as_secs_f64());
            let flood = answers.get() as f64 / seconds;
            Ok(Seen { offered, answered, latency, flood })
        })
    }

    /// One connection's part of it: whatever is due next.
    fn work(
        &self,
        mut connection: Connection,
        schedule: Schedule,
    ) -> impl Future<Output = anyhow::Result<Histogram<u64>>> + use<> {
        let (known, new) = (Rc::clone(&self.known), Rc::clone(&self.new));
        let (used, one_new_in) = (Rc::clone(&self.used), self.one_new_in);
        async move {
            let mut latency = Histogram::new(3)?;
            loop {
                let (number, due) = match schedule.take(Instant::now()) {
                    Due::Now(number, due) => (number, due),
                    // The generator never sleeps: see `closed::stay_awake`.
                    Due::Later => {
                        yield_now().await;
                        continue;
                    }
                    Due::Over => return Ok(latency),
                };
                let question = if number.is_multiple_of(one_new_in) {
                    new.get(used.replace(used.get() + 1)).context("too few new tokens")?
                } else {
                    known.get(usize::try_from(number)? % known.len()).context("no token")?
                };
                connection.exchange(question).await?;
                latency.record(u64::try_from(due.elapsed().as_micros())?)?;
            }
        }
    }
}

impl Beside<'_> {
    fn flood(&self) -> Option<(&Hostile, Kind)> {
        match self {
            Self::Nothing => None,
            Self::UnknownKeys(hostile) => Some((hostile, Kind::UnknownKeys)),
            Self::Guesses(hostile) => Some((hostile, Kind::Guesses)),
        }
    }
}

impl Seen {
    /// Milliseconds that so large a part of the answers took at most.
    pub(super) fn within(&self, part: f64) -> f64 {
        self.latency.value_at_quantile(part) as f64 / 1000.0
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, flood, .. } = self;
        write!(f, "{answered:.0}/s p99 {:.2} ms (flood {flood:.0}/s)", self.within(0.99))
    }
}
