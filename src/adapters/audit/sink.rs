//! Where lines can go.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;

use async_trait::async_trait;

/// Takes lines, each with its line end. Runs on the thread of the trail, and may block it.
#[async_trait]
pub(super) trait Sink: Send {
    /// Takes the beginning of `lines`, and tells how many bytes that was. What it took is with the
    /// operating system, or with Redis. Called again with the rest until all is taken.
    async fn write(&mut self, lines: &[u8]) -> io::Result<usize>;

    /// Makes sure that what was taken outlives a loss of power, as far as this sink can.
    async fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Drops everything.
pub(super) struct Nowhere;

#[async_trait]
impl Sink for Nowhere {
    async fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        Ok(lines.len())
    }
}

/// Standard output, without the buffer of the library in front of it.
pub(super) struct Stdout(File);

pub(super) fn stdout() -> io::Result<Stdout> {
    Ok(Stdout(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
}

#[async_trait]
impl Sink for Stdout {
    async fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.0.write(lines)
    }
}
