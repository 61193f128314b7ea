//! What was seen.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::judge::Verdict;
use super::kinds::{Kind, SHARES};

/// How many complaints are told word by word.
const TOLD: usize = 60;

/// Of one kind of request, or while one thing was wrong.
#[derive(Clone)]
pub(super) struct Seen {
    /// Microseconds from when the request was due.
    pub(super) latency: Histogram<u64>,
    pub(super) failed: u64,
    pub(super) wrong: u64,
    pub(super) unknowable: u64,
    /// No answer from a replica that was killed or frozen meanwhile.
    pub(super) broken: u64,
}

/// All of it.
pub(super) struct Record {
    pub(super) kinds: Vec<Seen>,
    pub(super) phases: Vec<Seen>,
    pub(super) words: Vec<String>,
    pub(super) connected: u64,
}

/// What became of a request.
pub(super) enum Came {
    Answer(Verdict),
    /// None, from a replica that could not give one.
    Broken,
}

impl Seen {
    fn new() -> anyhow::Result<Self> {
        let latency = Histogram::new(3)?;
        Ok(Self { latency, failed: 0, wrong: 0, unknowable: 0, broken: 0 })
    }

    fn add(&mut self, micros: u64, came: &Came) -> anyhow::Result<()> {
        self.latency.record(micros)?;
        match came {
            Came::Answer(Verdict::Right) => {}
            Came::Answer(Verdict::Unknowable) => self.unknowable += 1,
            Came::Answer(Verdict::Failed(_)) => self.failed += 1,
            Came::Answer(Verdict::Wrong(_)) => self.wrong += 1,
            Came::Broken => self.broken += 1,
        }
        Ok(())
    }
}

impl Record {
    pub(super) fn new(phases: usize) -> anyhow::Result<Self> {
        Ok(Self {
            kinds: vec![Seen::new()?; SHARES.len()],
            phases: vec![Seen::new()?; phases],
            words: Vec::new(),
            connected: 0,
        })
    }

    pub(super) fn add(
        &mut self,
        (kind, phase): (Kind, usize),
        (since, took): (Duration, Duration),
        came: &Came,
    ) -> anyhow::Result<()> {
        let micros = u64::try_from(took.as_micros())?;
        let of = [self.kinds.get_mut(kind.place()), self.phases.get_mut(phase)];
        for seen in of.into_iter().flatten() {
            seen.add(micros, came)?;
        }
        if let Came::Answer(Verdict::Failed(words) | Verdict::Wrong(words)) = came {
            let words = format!("{:.1} s: {words}", since.as_secs_f64());
            eprintln!("{words}");
            if self.words.len() < TOLD {
                self.words.push(words);
            }
        }
        Ok(())
    }

    /// Over everything.
    pub(super) fn count(&self, of: impl Fn(&Seen) -> u64) -> u64 {
        self.kinds.iter().map(of).sum()
    }
}
