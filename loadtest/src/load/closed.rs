//! A closed loop over kept connections: each sends its next question when it has the answer to the
//! last. It shows throughput; its latencies are those at saturation.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use tokio::task::{JoinHandle, LocalSet};

use crate::load::connection::Connection;
use crate::load::population::Population;
use crate::system::server::Server;

/// Which questions are asked.
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

/// What was measured, and what it cost the core.
pub(crate) struct Timed {
    pub(crate) measured: Measured,
    /// Microseconds of the processor for each.
    pub(crate) cpu_micros: f64,
}

/// Also measures what `work` costs the `server`.
pub(crate) fn timed<A>(
    server: &Server<A>,
    work: impl FnOnce() -> anyhow::Result<Measured>,
) -> anyhow::Result<Timed> {
    let ran = server.cpu()?;
    let measured = work()?;
    let ran = server.cpu()?.saturating_sub(ran);
    let cpu_micros = ran.as_secs_f64() * 1e6 / measured.latency.len() as f64;
    Ok(Timed { measured, cpu_micros })
}

/// Asks over `connections` and measures. Fails on a wrong answer.
pub(crate) fn drive(
    to: SocketAddr,
    population: &Population,
    connections: usize,
    until: Until,
) -> anyhow::Result<Measured> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
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
                tokio::task::spawn_local(share.work(connection, population.clone()))
            })
            .collect();
        let mut latency = Histogram::new(3)?;
        for task in tasks {
            latency.add(task.await??)?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        awake.abort();
        Ok(Measured { per_second: latency.len() as f64 / seconds, latency })
    })
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
        population: Population,
    ) -> anyhow::Result<Histogram<u64>> {
        let mut latency = Histogram::new(3)?;
        let mut next = self.first;
        loop {
            match self.until {
                Until::Once if next >= population.len() => break,
                Until::Elapsed(limit) if self.begun.elapsed() >= limit => break,
                Until::Once | Until::Elapsed(_) => {}
            }
            let question = population.at(next).context("no question")?;
            let sent = Instant::now();
            connection.exchange(question).await?;
            latency.record(u64::try_from(sent.elapsed().as_micros())?)?;
            next += self.step;
        }
        Ok(latency)
    }
}
