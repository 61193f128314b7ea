//! What clients saw.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::director::PHASES;
use super::mix::{Class, Verdict};

/// The width of one point of the time line.
pub(super) const POINT: Duration = Duration::from_millis(250);
/// How many failures are told word by word.
const TOLD: usize = 10;

/// All of it.
pub(super) struct Record {
    pub(super) phases: Vec<[Seen; 3]>,
    /// The slowest answer of each class, in microseconds, for each point.
    pub(super) slowest: Vec<[u64; 3]>,
    /// The first few of what failed or was wrong.
    pub(super) words: Vec<String>,
    /// How many connections were opened.
    pub(super) connected: u64,
    /// How many answers said that their connection ends.
    pub(super) told_to_close: u64,
}

/// Of one class in one phase.
pub(super) struct Seen {
    /// Microseconds from when the request was due.
    pub(super) latency: Histogram<u64>,
    pub(super) failed: u64,
    pub(super) wrong: u64,
    pub(super) unknowable: u64,
}

impl Seen {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { latency: Histogram::new(3)?, failed: 0, wrong: 0, unknowable: 0 })
    }
}

impl Record {
    pub(super) fn new() -> anyhow::Result<Self> {
        let phase = |_| Ok([Seen::new()?, Seen::new()?, Seen::new()?]);
        Ok(Self {
            phases: PHASES.iter().map(phase).collect::<anyhow::Result<_>>()?,
            slowest: Vec::new(),
            words: Vec::new(),
            connected: 0,
            told_to_close: 0,
        })
    }

    /// One answer, or none, to a request that was due `since` the beginning and `took` so long.
    pub(super) fn add(
        &mut self,
        (phase, class): (usize, Class),
        (since, took): (Duration, Duration),
        verdict: Verdict,
    ) -> anyhow::Result<()> {
        let class = class as usize;
        let micros = u64::try_from(took.as_micros())?;
        let point = usize::try_from(since.as_millis() / POINT.as_millis())?;
        if self.slowest.len() <= point {
            self.slowest.resize(point + 1, [0; 3]);
        }
        if let Some(slowest) = self.slowest.get_mut(point).and_then(|all| all.get_mut(class)) {
            *slowest = micros.max(*slowest);
        }
        let seen = self.phases.get_mut(phase).and_then(|all| all.get_mut(class));
        let Some(seen) = seen else { anyhow::bail!("no such phase") };
        seen.latency.record(micros)?;
        let words = match verdict {
            Verdict::Right => return Ok(()),
            Verdict::Unknowable => {
                seen.unknowable += 1;
                return Ok(());
            }
            Verdict::Failed(words) => {
                seen.failed += 1;
                words
            }
            Verdict::Wrong(words) => {
                seen.wrong += 1;
                words
            }
        };
        if self.words.len() < TOLD {
            let at = since.as_secs_f64();
            self.words.push(format!("{at:.2} s, {}: {words}", PHASES.get(phase).unwrap_or(&"")));
        }
        Ok(())
    }

    /// Over everything.
    pub(super) fn count(&self, of: impl Fn(&Seen) -> u64) -> u64 {
        self.phases.iter().flatten().map(of).sum()
    }
}
