//! How many instructions the hot functions take, counted by callgrind: `make guard`.
//!
//! A count hardly depends on the machine or on what else runs there, so each has a limit a little
//! above what was counted, and a run fails where one is passed. A change that needs more says why
//! and raises the limit; one that needs less lowers it, so that nobody spends the difference
//! unseen. See loadtest/benches/README.md.

mod fixture;
// The same tokens as in the load test.
#[expect(dead_code, reason = "callers and seals of others")]
#[path = "../../src/system/mint.rs"]
mod mint;
mod parts;
mod requests;

use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig, main};
use parts::pieces;
use requests::whole;

/// The run fails when a benchmark takes more than so many instructions of an x86-64 processor.
fn at_most(instructions: u64) -> LibraryBenchmarkConfig {
    let mut callgrind = Callgrind::with_args(["--cache-sim=no"]);
    if cfg!(target_arch = "x86_64") {
        callgrind.hard_limits([(EventKind::Ir, instructions)]);
    }
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(callgrind);
    config
}

main!(library_benchmark_groups = [pieces, whole]);
