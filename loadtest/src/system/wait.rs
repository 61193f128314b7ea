//! Waiting for others, without troubling whoever is looked at.

use std::time::{Duration, Instant};

use anyhow::ensure;

/// How long a condition is waited for. The first replica at an empty Redis takes some seconds: it waits
/// for others that may know what was revoked.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between one look and the next. What is timed is never waited for like this.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until `done`.
pub(crate) fn wait_until(
    what: &str,
    done: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    wait_within(PATIENCE, what, done)
}

/// Looks until `done`, but not for longer than that.
pub(crate) fn wait_within(
    patience: Duration,
    what: &str,
    mut done: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !done()? {
        ensure!(begun.elapsed() < patience, "{what}: not within {} s", patience.as_secs());
        std::thread::sleep(PAUSE);
    }
    Ok(())
}
