//! The log of revocations: a stream whose entries are numbered without a gap.
//!
//! Every mark is appended under the next number, sealed under it, and names the entry before it, so
//! that a replica which reads on from where it was notices whatever was lost, removed, repeated or
//! put in another place. A log belongs to a generation: when Redis comes back empty, or when the log
//! was damaged, those who know what was revoked write it all down in a new one. It begins with an
//! entry that says nothing and is never empty, so that an empty one is a damaged one; and each entry
//! tells where it began when that was written, so that nothing is missing from its beginning either.

use redis::cmd;
use redis::streams::{StreamInfoStreamReply, StreamRangeReply};

use super::connect::Connection;
use super::link::{told, unavailable};
use super::position::{Dated, Entry, Position, sealed_entry};
use super::store::Store;
use crate::domain::validate::HORIZON;
use crate::ports::Unavailable;
use crate::protocol::time::Seconds;

/// Entries that are read at once.
const BATCH: usize = 1000;
/// How many entries are written at once.
pub(super) const APPENDED_AT_ONCE: usize = 500;
/// How long a log lasts that no replica follows: by then nothing that it ends can live.
pub(super) const LIFE: Seconds = Seconds::new(HORIZON.count() + 2 * 3600);

/// Appends entries if the log ends as the writer thinks it does: they are sealed for their numbers,
/// and name the one before them. Answers whether it did, where the log begins, where it ends and
/// how. What is no longer of use is trimmed.
const APPEND: &str = "local g = redis.call('GET', KEYS[1])
if not g or string.sub(g, 1, #ARGV[1]) ~= ARGV[1] then return {-1, 0, 0, ''} end
local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
if not last[1] then return {-1, 0, 0, ''} end
local b = tonumber(string.match(first[1][1], '^%d+'))
local n = tonumber(string.match(last[1][1], '^%d+'))
local tail = last[1][2][2]
if n ~= tonumber(ARGV[2]) or tail ~= ARGV[3] or b > tonumber(ARGV[4]) then
  return {0, b, n, tail}
end
for i = 5, #ARGV do
  n = n + 1
  redis.call('XADD', KEYS[2], n .. '-0', 's', ARGV[i])
end
redis.call('XTRIM', KEYS[2], 'MINID', ARGV[4])
return {1, b, n, ''}";

/// Whether a log is the present one, has the entry that was read last, has no hole, begins no later
/// than what must be in it, and can be written to.
const BEAT: &str = "redis.call('SET', KEYS[3], '1', 'PX', 60000)
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local e = redis.call('XRANGE', KEYS[2], ARGV[2] .. '-0', ARGV[2] .. '-0')
if not e[1] or e[1][2][2] ~= ARGV[3] then return 0 end
local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local b = tonumber(string.match(first[1][1], '^%d+'))
local n = tonumber(string.match(last[1][1], '^%d+'))
if b > tonumber(ARGV[4]) or redis.call('XLEN', KEYS[2]) ~= n - b + 1 then return 0 end
if redis.call('TTL', KEYS[2]) < ARGV[5] - 3600 then
  redis.call('EXPIRE', KEYS[1], ARGV[5])
  redis.call('EXPIRE', KEYS[2], ARGV[5])
end
return 1";

/// Why a log cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// Redis did not answer.
    #[error("{0}")]
    Unavailable(String),
    /// Another log is the present one, or this one is not what was read: it is to be read again.
    #[error("the log of revocations is not the one that was followed")]
    Replaced,
    /// An entry is missing, or says nothing that a replica wrote there.
    #[error(
        "entry {0} of the log of revocations is missing, altered, or sealed with another \
         `store.sealing_key`"
    )]
    Damaged(u64),
}

impl From<redis::RedisError> for Broken {
    fn from(error: redis::RedisError) -> Self {
        match error.code() {
            // Somebody put something else in its place.
            Some("WRONGTYPE") => Self::Damaged(0),
            _ => Self::Unavailable(told(&error)),
        }
    }
}

/// A log, as far as a writer knows.
#[derive(Clone, Debug)]
pub(super) struct Extent {
    /// Its generation.
    pub(super) generation: String,
    /// The number of the first entry that may be of use.
    pub(super) first: u64,
    /// The number of its last entry.
    pub(super) last: u64,
    /// That entry, as it stands there.
    pub(super) tail: Vec<u8>,
}

/// What came of an attempt to append.
pub(super) enum Appended {
    /// It is there; the last of it stands so.
    Done(Vec<u8>),
    /// The log begins and ends elsewhere, or otherwise.
    Extends(Extent),
    /// Another log is the present one.
    Replaced,
}

impl Position {
    /// The next entries of the log up to its present end, read over `connection`.
    pub(super) async fn read_on(
        &mut self,
        store: &Store,
        connection: &mut Connection,
    ) -> Result<Vec<Option<Dated>>, Broken> {
        let mut marks = Vec::new();
        loop {
            let mut command = cmd("XRANGE");
            command.arg(store.names.log(&self.generation)).arg(format!("({}-0", self.last));
            command.arg("+").arg("COUNT").arg(BATCH);
            let read: StreamRangeReply = command.query_async(connection).await?;
            for entry in &read.ids {
                marks.push(self.advance(store, entry)?);
            }
            if read.ids.len() < BATCH {
                self.is_whole(store, connection).await?;
                return Ok(marks);
            }
        }
    }

    /// That the beginning was read, and the last entry whose number Redis has given out.
    async fn is_whole(&self, store: &Store, connection: &mut Connection) -> Result<(), Broken> {
        self.has_its_beginning()?;
        let missing = Broken::Damaged(self.last.saturating_add(1));
        let mut command = cmd("XINFO");
        command.arg("STREAM").arg(store.names.log(&self.generation));
        let facts: StreamInfoStreamReply = command.query_async(connection).await?;
        let end = facts.last_generated_id.strip_suffix("-0").and_then(|end| end.parse().ok());
        // More may have been written meanwhile.
        if end.is_none_or(|end: u64| end > self.last) && !self.has_more(store, connection).await? {
            return Err(missing);
        }
        Ok(())
    }

    async fn has_more(&self, store: &Store, connection: &mut Connection) -> Result<bool, Broken> {
        let mut command = cmd("XRANGE");
        command.arg(store.names.log(&self.generation)).arg(format!("({}-0", self.last));
        let next: StreamRangeReply =
            command.arg("+").arg("COUNT").arg(1).query_async(connection).await?;
        Ok(!next.ids.is_empty())
    }

    /// Proves that the log is the present one, that it has not lost what was read of it from
    /// `oldest` on, and that it can be written to.
    pub(super) async fn beat(
        &self,
        store: &Store,
        connection: &mut Connection,
        oldest: u64,
    ) -> Result<(), Broken> {
        let (names, mut command) = (&store.names, cmd("EVAL"));
        command.arg(BEAT).arg(3).arg(names.generation()).arg(names.log(&self.generation));
        command.arg(names.beat()).arg(&self.record).arg(self.last).arg(&self.entry);
        command.arg(oldest).arg(LIFE.count());
        let whole: bool = command.query_async(connection).await?;
        if whole { Ok(()) } else { Err(Broken::Replaced) }
    }
}

/// Appends `marks` to `log`, if that is how it ends.
pub(super) async fn append(
    store: &Store,
    log: &Extent,
    marks: &[Dated],
) -> Result<Appended, Unavailable> {
    let (names, mut command) = (&store.names, cmd("EVAL"));
    command.arg(APPEND).arg(2).arg(names.generation()).arg(names.log(&log.generation));
    command.arg(&log.generation).arg(log.last).arg(&log.tail).arg(log.first);
    let mut tail = log.tail.clone();
    for (number, mark) in (log.last.saturating_add(1)..).zip(marks) {
        let entry = Entry::behind(&tail, log.first, *mark);
        let sealed = sealed_entry(store, &log.generation, number, &entry);
        tail = sealed.ok_or_else(|| unavailable("an entry cannot be sealed"))?;
        command.arg(&tail);
    }
    let (done, first, last, found): (i64, u64, u64, Vec<u8>) = store.link.ask(&command).await?;
    Ok(match done {
        1 => Appended::Done(tail),
        0 => Appended::Extends(Extent { first, last, tail: found, ..log.clone() }),
        _ => Appended::Replaced,
    })
}
