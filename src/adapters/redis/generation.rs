//! Which log of revocations is the present one, and who may say so.

use redis::cmd;

use super::connect::Connection;
use super::log::{APPENDED_AT_ONCE, Broken, LIFE};
use super::position::{Entry, Position, sealed_entry};
use super::seal::SealedBy;
use super::store::{Store, random_name};
use crate::domain::revocation::Mark;

/// Letters of a generation's name.
const NAME_LETTERS: usize = 16;

/// Writes entries of a log that is not the present one yet.
const FILL: &str = "local n = tonumber(ARGV[1])
if n == 1 then redis.call('DEL', KEYS[1]) end
for i = 3, #ARGV do
  redis.call('XADD', KEYS[1], n .. '-0', 's', ARGV[i])
  n = n + 1
end
redis.call('EXPIRE', KEYS[1], ARGV[2])";

/// Makes a log the present one, if the record is still what was found; otherwise removes it. The one
/// before it ends by itself.
const SWITCH: &str = "if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
  redis.call('DEL', KEYS[2])
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('EXPIRE', KEYS[3], 3600)
return 1";

/// Before the first entry of the present log, which is begun now if there is none. `known`: what we
/// know to be revoked, if we know it all, and so may replace a record that says nothing.
pub(super) async fn present(
    store: &Store,
    connection: &mut Connection,
    known: Option<&[Mark]>,
) -> Result<Position, Broken> {
    loop {
        let record = recorded(store, connection).await?;
        match (read(store, &record), known) {
            (Some((name, by)), _) => return Ok(Position::start(name, record, by)),
            (None, _) if record.is_empty() => {
                begin(store, connection, &[], known.unwrap_or_default()).await?;
            }
            (None, Some(known)) => {
                tracing::error!("the name of the log of revocations was altered; a new log begins");
                begin(store, connection, &record, known).await?;
            }
            (None, None) => return Err(Broken::Damaged(0)),
        }
    }
}

/// Begins a new log, which says `known`, in place of `old`, unless another replica has done so
/// already.
pub(super) async fn replace(
    store: &Store,
    connection: &mut Connection,
    old: &Position,
    known: &[Mark],
) -> Result<(), Broken> {
    if recorded(store, connection).await? == old.record {
        begin(store, connection, &old.record, known).await?;
    }
    Ok(())
}

async fn recorded(store: &Store, connection: &mut Connection) -> Result<Vec<u8>, Broken> {
    let record: Option<Vec<u8>> =
        cmd("GET").arg(store.names.generation()).query_async(connection).await?;
    Ok(record.unwrap_or_default())
}

/// Writes the whole log first, and then says that it is the present one: whoever reads that reads
/// all of it, even if we end in between.
async fn begin(
    store: &Store,
    connection: &mut Connection,
    found: &[u8],
    known: &[Mark],
) -> Result<(), Broken> {
    let failed = || Broken::Unavailable("a generation cannot be sealed".to_owned());
    let name = random_name().ok_or_else(failed)?;
    let log = store.names.log(&name);
    let first = Entry { began: 1, after: String::new(), mark: None, made: None };
    let mut last = sealed_entry(store, &name, 1, &first).ok_or_else(failed)?;
    let mut entries = vec![last.clone()];
    for (number, mark) in (2..).zip(known) {
        let entry = Entry::behind(&last, 1, (*mark).into());
        last = sealed_entry(store, &name, number, &entry).ok_or_else(failed)?;
        entries.push(last.clone());
    }
    let mut number = 1_usize;
    for some in entries.chunks(APPENDED_AT_ONCE) {
        let mut command = cmd("EVAL");
        command.arg(FILL).arg(1).arg(&log).arg(number).arg(LIFE.count()).arg(some);
        let () = command.query_async(connection).await?;
        number = number.saturating_add(some.len());
    }
    let key = store.names.generation();
    let sealed = store.seals.seal(&key, name.as_bytes()).ok_or_else(failed)?;
    let before = found.get(..NAME_LETTERS).map(String::from_utf8_lossy).unwrap_or_default();
    let mut command = cmd("EVAL");
    command.arg(SWITCH).arg(3).arg(&key).arg(&log).arg(store.names.log(&before)).arg(found);
    command.arg([name.as_bytes(), &sealed].concat()).arg(LIFE.count());
    // Another may have been faster: then that one's is the present one.
    let begun: bool = command.query_async(connection).await?;
    if begun {
        tracing::info!(generation = name, revocations = known.len(), "a new log begins");
    }
    Ok(())
}

/// The name in a record: in plain, so that scripts can compare it, and sealed, so that nobody else
/// can have written it.
pub(super) fn read(store: &Store, record: &[u8]) -> Option<(String, SealedBy)> {
    let (name, sealed) = record.split_at_checked(NAME_LETTERS)?;
    let (opened, by) = store.seals.open_dated(&store.names.generation(), sealed)?;
    let name = (opened.as_slice() == name).then(|| String::from_utf8(name.to_vec()).ok());
    name.flatten().map(|name| (name, by))
}
