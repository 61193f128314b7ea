//! The soak: hours of mixed load at a modest, fixed rate on three replicas that share a Redis, while
//! one thing after the other goes wrong. Every answer is held against what is true at that moment;
//! memory and open descriptors are looked at each second. It measures no speed, so nothing is pinned
//! and nothing polls.

mod asked;
mod director;
mod judge;
mod kinds;
mod life;
mod pool;
mod record;
mod replica;
mod rude;
mod samples;
mod site;
mod stage;
mod told;
mod traffic;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use crate::bench::look_alike;
use crate::system::machine;
use director::Director;
use samples::Samples;
use site::Site;
use stage::Stage;

/// How long, and how much.
#[derive(Clone, Debug, Args)]
pub(crate) struct Soak {
    /// The release build of tessera
    #[arg(long, default_value = "target/release/tessera")]
    tessera: PathBuf,
    /// How long it takes
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Requests per second over all replicas
    #[arg(long, default_value_t = 300.0)]
    rate: f64,
    /// How long all is well between two faults, in seconds
    #[arg(long, default_value_t = 20)]
    rest: u64,
    /// Where the report is written, and its numbers beside it
    #[arg(long, value_name = "FILE", default_value = "loadtest/soak.md")]
    out: PathBuf,
}

impl Soak {
    /// Fails if anything was wrong.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let facts = machine::facts();
        let site = Site::start(&self.tessera, look_alike()?)?;
        let lasting = Duration::from_secs(self.minutes * 60);
        let begun = Instant::now();
        let stage = Arc::new(Stage::new(&site, begun));
        let mut director = Director::new(site, Arc::clone(&stage), Duration::from_secs(self.rest));
        let (record, rude, events, samples) = std::thread::scope(|scope| {
            let samples = scope.spawn(|| Samples::take(&stage));
            for place in 0..stage::REPLICAS {
                let stage = &stage;
                scope.spawn(move || stage.look_after(place));
            }
            let rude = scope.spawn(|| rude::drive(&stage));
            let directing = scope.spawn(|| director.direct(lasting));
            let record = traffic::drive(&stage, self.rate);
            // However it ended, the others end with it.
            stage.end();
            let broken = |_| anyhow::anyhow!("a part of the soak panicked");
            let events = directing.join().map_err(broken)?;
            let (rude, samples) = (rude.join().map_err(broken)??, samples.join().map_err(broken)??);
            anyhow::Ok((record?, rude, events, samples))
        })?;
        let logs = director.finish()?;
        let (took, here_only) = (begun.elapsed(), stage.here_only());
        let found =
            told::Found { plan: self, facts, record, rude, events, samples, logs, took, here_only };
        found.write(&self.out)
    }
}
