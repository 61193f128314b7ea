//! A stream in the Redis that replicas share. Each line is an entry of its own; those whose
//! confirmation got lost on the way may stand there twice.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;

use super::sink::Sink;
use crate::adapters::redis::Store;

/// Most lines that one command adds: it must not take long, since nothing else is done meanwhile.
const LINES: usize = 64;

pub(super) struct RedisStream(pub(super) Arc<Store>);

#[async_trait]
impl Sink for RedisStream {
    async fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let some: Vec<_> = lines.split_inclusive(|byte| *byte == b'\n').take(LINES).collect();
        let taken = some.iter().map(|line| line.len()).sum();
        let some: Vec<_> =
            some.into_iter().map(|line| line.strip_suffix(b"\n").unwrap_or(line)).collect();
        self.0.audit(&some).await.map_err(|outage| io::Error::other(outage.detail))?;
        Ok(taken)
    }
}
