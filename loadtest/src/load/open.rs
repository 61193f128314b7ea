//! An open loop: questions come when they come, whether the server keeps up or not. Latency counts
//! from when a question was due; one that finds no free connection waits its turn and is never left
//! out, so that a server which stops for a moment is seen to have kept everybody waiting who would
//! have come in that moment (no coordinated omission).
//!
//! One thread that polls without ever sleeping, for the reason that `closed::stay_awake` names.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;

use crate::load::connection::Answer;
use crate::load::population::{Population, Question};
use crate::load::random::Random;
use crate::load::slot::{Heard, Slot};

/// How long what was asked in time may take after the end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Sent later than this after it was due, a question is counted as late.
const LATE: Duration = Duration::from_micros(100);

/// What is offered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    /// Questions per second on average. Their gaps are those of many independent askers (Poisson).
    pub(crate) rate: f64,
    pub(crate) lasting: Duration,
    pub(crate) connections: usize,
    pub(crate) seed: u64,
}

/// What was measured.
pub(crate) struct Offered {
    pub(crate) offer: Offer,
    /// Answered, of those that were offered.
    pub(crate) per_second: f64,
    /// From when a question was due to its answer, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// From its being sent to its answer, in microseconds.
    pub(crate) service: Histogram<u64>,
    /// How many were sent noticeably later than they were due: the generator was busy, or no
    /// connection was free.
    pub(crate) late: u64,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Broken {
    /// No connection could be made.
    Refused,
    /// The connection was closed when the question had been sent, and nothing had come back.
    Closed,
    /// It was closed, or made no sense, half-way through the answer.
    HalfWay,
}

/// Who asks: knows where, and judges what comes back.
pub(crate) trait Asker {
    /// Where the next connection goes to.
    fn address(&mut self) -> SocketAddr;

    /// An error ends the run.
    fn heard(
        &mut self,
        question: &Question,
        answer: Result<Answer<'_>, Broken>,
    ) -> anyhow::Result<()>;
}

/// Wants the right answer to everything, from one place.
struct Strict(SocketAddr);

impl Asker for Strict {
    fn address(&mut self) -> SocketAddr {
        self.0
    }

    fn heard(
        &mut self,
        question: &Question,
        answer: Result<Answer<'_>, Broken>,
    ) -> anyhow::Result<()> {
        match answer {
            Ok(answer) => question.expect.check(answer),
            Err(broken) => bail!("no answer: {broken:?}"),
        }
    }
}

/// Offers the population to one server. Fails on a wrong answer.
pub(crate) fn offer(
    to: SocketAddr,
    population: &Population,
    offer: Offer,
) -> anyhow::Result<Offered> {
    offer_as(&mut Strict(to), population, offer)
}

/// Offers the population as this asker.
pub(crate) fn offer_as(
    asker: &mut dyn Asker,
    population: &Population,
    offer: Offer,
) -> anyhow::Result<Offered> {
    let mut slots = Vec::new();
    for _ in 0..offer.connections {
        let mut slot = Slot::default();
        slot.connect(asker.address()).context("no connection at the beginning")?;
        slots.push(slot);
    }
    let free = (0..slots.len()).collect();
    let begun = Instant::now();
    let arrivals = Arrivals { random: Random::seeded(offer.seed), offer, next: 0.0, number: 0 };
    let measures = Measures::new()?;
    let mut run = Run { slots, free, begun, arrivals, waiting: VecDeque::new(), measures };
    run.until_all_is_answered(asker, population)?;
    let Measures { latency, service, late } = run.measures;
    let seconds = run.begun.elapsed().max(offer.lasting).as_secs_f64();
    let per_second = latency.len() as f64 / seconds;
    Ok(Offered { offer, per_second, latency, service, late })
}

/// A question that is to be asked.
#[derive(Clone, Copy)]
pub(crate) struct Due {
    number: usize,
    at: Instant,
}

/// When questions are due.
struct Arrivals {
    random: Random,
    offer: Offer,
    /// Seconds from the beginning.
    next: f64,
    number: usize,
}

impl Arrivals {
    /// The next question, if it is due.
    fn due(&mut self, begun: Instant, now: Instant) -> Option<Due> {
        let at = begun + Duration::from_secs_f64(self.next);
        if at > now || self.is_over() {
            return None;
        }
        let due = Due { number: self.number, at };
        self.number += 1;
        self.next += self.random.gap() / self.offer.rate;
        Some(due)
    }

    fn is_over(&self) -> bool {
        self.next >= self.offer.lasting.as_secs_f64()
    }
}

struct Measures {
    latency: Histogram<u64>,
    service: Histogram<u64>,
    late: u64,
}

impl Measures {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { latency: Histogram::new(3)?, service: Histogram::new(3)?, late: 0 })
    }

    fn answered(&mut self, due: Due, sent: Instant) -> anyhow::Result<()> {
        let now = Instant::now();
        let micros = |since| u64::try_from(now.duration_since(since).as_micros());
        self.latency.record(micros(due.at)?)?;
        Ok(self.service.record(micros(sent)?)?)
    }
}

/// One offer while it lasts.
struct Run {
    slots: Vec<Slot>,
    /// Whose turn it is, longest idle first.
    free: VecDeque<usize>,
    begun: Instant,
    arrivals: Arrivals,
    /// Due, and not yet sent.
    waiting: VecDeque<Due>,
    measures: Measures,
}

impl Run {
    fn until_all_is_answered(
        &mut self,
        asker: &mut dyn Asker,
        population: &Population,
    ) -> anyhow::Result<()> {
        let end = self.begun + self.arrivals.offer.lasting + PATIENCE;
        loop {
            let now = Instant::now();
            while let Some(due) = self.arrivals.due(self.begun, now) {
                self.waiting.push_back(due);
            }
            self.send(asker, population)?;
            self.receive(asker, population)?;
            if self.arrivals.is_over() && self.waiting.is_empty() && !self.is_owed() {
                return Ok(());
            }
            ensure!(now < end, "{} questions were never answered", self.owed());
        }
    }

    fn is_owed(&self) -> bool {
        self.free.len() < self.slots.len()
    }

    fn owed(&self) -> usize {
        self.waiting.len() + self.slots.len() - self.free.len()
    }

    /// Sends what is due, as far as connections are free.
    fn send(&mut self, asker: &mut dyn Asker, population: &Population) -> anyhow::Result<()> {
        while let (Some(due), Some(place)) = (self.waiting.front().copied(), self.free.front()) {
            let place = *place;
            let slot = self.slots.get_mut(place).context("no such connection")?;
            let question = population.at(due.number).context("no question")?;
            self.waiting.pop_front();
            if !slot.is_usable() && slot.connect(asker.address()).is_err() {
                asker.heard(question, Err(Broken::Refused))?;
                // Another one, and the others meanwhile.
                return Ok(());
            }
            self.free.pop_front();
            let now = Instant::now();
            self.measures.late += u64::from(now.duration_since(due.at) > LATE);
            let slot = self.slots.get_mut(place).context("no such connection")?;
            slot.send(&question.bytes, due, now);
        }
        Ok(())
    }

    /// Looks once at every connection that owes an answer.
    fn receive(&mut self, asker: &mut dyn Asker, population: &Population) -> anyhow::Result<()> {
        for place in 0..self.slots.len() {
            let Some(slot) = self.slots.get_mut(place) else { break };
            let Some((due, sent)) = slot.owes() else { continue };
            let question = population.at(due.number).context("no question")?;
            match slot.receive() {
                Heard::Nothing => continue,
                Heard::Answer(answer) => {
                    self.measures.answered(due, sent)?;
                    asker.heard(question, Ok(answer))?
                }
                Heard::Broken(broken) => asker.heard(question, Err(broken))?,
            }
            slot.settle();
            self.free.push_back(place);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::load::expect::{Expect, digest};
    use crate::load::population::form;

    /// When the server answers nobody, from its start.
    const PAUSE: std::ops::Range<Duration> = Duration::from_millis(300)..Duration::from_millis(500);

    fn serve(mut stream: TcpStream, begun: Instant) {
        let mut buffer = [0; 1024];
        while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
            if PAUSE.contains(&begun.elapsed()) {
                std::thread::sleep(PAUSE.end.saturating_sub(begun.elapsed()));
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        }
    }

    fn paused(expect: Expect) -> anyhow::Result<Offered> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (to, begun) = (listener.local_addr().unwrap(), Instant::now());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                std::thread::spawn(move || serve(stream.unwrap(), begun));
            }
        });
        let population = Population::in_turn(vec![Question { bytes: form("/", "a=b"), expect }]);
        let offered =
            Offer { rate: 1000.0, lasting: Duration::from_secs(1), connections: 4, seed: 1 };
        offer(to, &population, offered)
    }

    #[test]
    fn a_pause_of_the_server_keeps_everybody_waiting_who_came_in_it() {
        let offered = paused(Expect::Same(digest(b"{}"))).unwrap();
        let all = offered.latency.len();
        assert!((800..1200).contains(&all), "{all}");
        // About 200 come in the pause; those of its last tenth wait less.
        let waited = offered.latency.count_between(20_000, u64::MAX);
        assert!(waited > 120, "{waited} of {all}");
        // A closed loop of four connections would have seen four.
        let unlucky = offered.service.count_between(20_000, u64::MAX);
        assert!(unlucky < waited && offered.late >= 100, "{unlucky}, {}", offered.late);
    }

    #[test]
    fn a_wrong_answer_fails_the_run() {
        let wrong = paused(Expect::Active).err().map(|error| error.to_string());
        assert!(wrong.as_ref().is_some_and(|text| text.contains("a wrong answer")), "{wrong:?}");
    }
}
