//! A stream in the Redis that replicas share. Each line is an entry of its own; one whose answer
//! got lost on the way may stand there twice.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;

use super::sink::Sink;
use crate::adapters::redis::Store;

pub(super) struct RedisStream(pub(super) Arc<Store>);

#[async_trait]
impl Sink for RedisStream {
    async fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let end = lines.iter().position(|byte| *byte == b'\n').unwrap_or(lines.len());
        let line = lines.get(..end).unwrap_or_default();
        self.0.audit(line).await.map_err(|outage| io::Error::other(outage.detail))?;
        Ok(end.saturating_add(1).min(lines.len()))
    }
}
