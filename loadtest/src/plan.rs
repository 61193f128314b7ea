//! How much is measured, for how long, and where things are.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

/// What to measure.
#[derive(Clone, Debug, Args)]
pub(crate) struct Plan {
    /// The release build of tessera
    #[arg(long, default_value = "target/release/tessera")]
    pub(crate) tessera: PathBuf,
    /// A smoke run of seconds for each scenario: shows that all works, and its numbers mean nothing
    #[arg(long)]
    pub(crate) quick: bool,
    /// How long one run takes where time is the limit
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
    /// How often those that are compared take turns
    #[arg(long, default_value_t = 5)]
    pub(crate) runs: usize,
    /// Connections that are kept open
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: usize,
    /// How many different tokens
    #[arg(long, default_value_t = 100_000)]
    pub(crate) tokens: usize,
    /// Where the report is written: loadtest/report.md if everything is measured, else under target
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[arg(skip)]
    whole: bool,
}

impl Plan {
    /// The plan for everything (`whole`), or for some scenarios alone.
    pub(crate) fn settled(mut self, whole: bool) -> Self {
        self.whole = whole && !self.quick;
        if self.quick {
            (self.seconds, self.runs, self.tokens) = (1, 2, 2000);
        }
        self
    }

    /// How long one run takes where time is the limit.
    pub(crate) const fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// What a scenario takes of something, in a whole run and in a smoke run.
    pub(crate) fn pick<T>(&self, whole: T, quick: T) -> T {
        if self.quick { quick } else { whole }
    }

    /// Where the report is written. What is in the repository is only ever replaced by a whole one.
    pub(crate) fn report(&self) -> PathBuf {
        let default = if self.whole { "loadtest/report.md" } else { "target/loadtest/report.md" };
        self.out.clone().unwrap_or_else(|| default.into())
    }

    /// Whether the report goes into the repository.
    pub(crate) const fn is_published(&self) -> bool {
        self.whole && self.out.is_none()
    }
}
