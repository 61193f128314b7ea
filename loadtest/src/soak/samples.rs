//! Memory and open descriptors of every replica, each second.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::replica::{Taken, taken};
use super::stage::{REPLICAS, Stage};

const EVERY: Duration = Duration::from_secs(1);

/// One look at one replica.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) second: u64,
    pub(super) place: usize,
    pub(super) incarnation: u64,
    pub(super) taken: Taken,
}

pub(super) struct Samples(pub(super) Vec<Sample>);

impl Samples {
    /// Until it is over.
    pub(super) fn take(stage: &Stage) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        let mut next = Instant::now();
        while !stage.is_over() {
            let second = stage.begun.elapsed().as_secs();
            for place in 0..REPLICAS {
                let at = stage.at(place);
                if let Some(taken) = taken(at.id) {
                    all.push(Sample { second, place, incarnation: at.incarnation, taken });
                }
            }
            next += EVERY;
            sleep(next.saturating_duration_since(Instant::now()));
        }
        Ok(Self(all))
    }

    /// Of one replica, from and until these seconds.
    pub(super) fn of(&self, place: usize, from: u64, until: u64) -> impl Iterator<Item = &Sample> {
        let within = move |one: &&Sample| one.place == place && (from..until).contains(&one.second);
        self.0.iter().filter(within)
    }

    /// The middle value of something in these seconds.
    pub(super) fn median(
        &self,
        place: usize,
        (from, until): (u64, u64),
        of: fn(&Taken) -> u64,
    ) -> u64 {
        let mut all: Vec<_> = self.of(place, from, until).map(|one| of(&one.taken)).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or_default()
    }

    pub(super) fn highest(
        &self,
        place: usize,
        (from, until): (u64, u64),
        of: fn(&Taken) -> u64,
    ) -> u64 {
        self.of(place, from, until).map(|one| of(&one.taken)).max().unwrap_or_default()
    }

    /// The part of a core that was busy with it, over all processes at the place.
    pub(super) fn core(&self, place: usize, (from, until): (u64, u64)) -> f64 {
        let all: Vec<_> = self.of(place, from, until).collect();
        let ticks = |pair: &[&Sample]| match pair {
            [one, next] if one.incarnation == next.incarnation => {
                next.taken.ticks.saturating_sub(one.taken.ticks)
            }
            _ => 0,
        };
        let ticks: u64 = all.windows(2).map(ticks).sum();
        ticks as f64 / 100.0 / (until - from).max(1) as f64
    }
}
