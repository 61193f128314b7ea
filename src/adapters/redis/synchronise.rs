//! How a replica comes into step with the others: it reads everything, and writes down what it knows
//! and is not there.

use std::time::Duration;

use redis::cmd;
use redis::streams::StreamRangeReply;
use tokio::time::Instant;

use super::connect::Connection;
use super::generation;
use super::keeper::{Feed, Keeper, missing};
use super::lease::pause;
use super::listeners::Listeners;
use super::log::Broken;
use super::names::lease;
use super::news::Heard;
use super::position::{Dated, Position};
use super::store::Store;

/// How long one replica may take to write for all what a log has lost.
const WRITING: Duration = Duration::from_secs(5);
/// How long those who know what was revoked have to write it to a log that lost it, before a replica
/// that knows nothing believes it. They notice its loss within a second.
const SETTLING: Duration = Duration::from_secs(2);
/// How often is looked whether they have.
const LOOK: Duration = Duration::from_millis(50);

/// Removes what somebody put in a place where only another kind of entry can stand.
const TIDY: &str = "for i = 1, #KEYS do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= 'none' and kind ~= ARGV[i] then redis.call('DEL', KEYS[i]) end
end";

impl Keeper {
    /// Reads everything, and writes down what we know and is not there.
    pub(super) async fn synchronise(
        &self,
        mut connection: Connection,
        shared: Connection,
        listeners: &Listeners,
    ) -> Result<Feed, Broken> {
        let survivor = self.store.is_synchronised();
        tidy(&self.store, &mut connection, survivor).await?;
        // First of all: what is told from here on is heard.
        let news = newest(&self.store, &mut connection).await?;
        self.revocations.forget_log().await;
        let begun = Instant::now();
        let (log, entries) = self.read_log(&mut connection, survivor).await?;
        self.revocations.read(&entries, &log).await.map_err(|full| missing(&full))?;
        self.store.link.open(shared);
        let heard = Heard::default();
        let mut feed = Feed { connection, log, news, heard };
        self.complete(&mut feed, &entries).await?;
        if !survivor {
            self.settle(&mut feed, begun).await?;
            if feed.log.is_outdated() {
                self.renew_seals(&mut feed).await?;
            }
        }
        listeners.synchronised(survivor).await.map_err(|outage| missing(&outage))?;
        // Only where it can be written to can anybody tell us anything.
        self.prove(&mut feed).await?;
        self.store.follows(feed.log.record.clone());
        self.store.synchronised(begun);
        Ok(feed)
    }

    /// The present log and what it says. One that is damaged is replaced by whoever knows what was
    /// revoked; whoever does not must not guess.
    async fn read_log(
        &self,
        connection: &mut Connection,
        survivor: bool,
    ) -> Result<(Position, Vec<Option<Dated>>), Broken> {
        let (store, known) = (&*self.store, self.revocations.living());
        let known = survivor.then_some(known.as_slice());
        let mut log = generation::present(store, connection, known).await?;
        match (log.read_on(store, connection).await, known) {
            (Ok(entries), _) => Ok((log, entries)),
            (Err(damage @ Broken::Damaged(_)), Some(known)) => {
                tracing::error!(%damage, "a new log takes its place");
                generation::replace(store, connection, &log, known).await?;
                let mut log = generation::present(store, connection, Some(known)).await?;
                let entries = log.read_on(store, connection).await?;
                Ok((log, entries))
            }
            (Err(broken), _) => Err(broken),
        }
    }

    /// Writes down what we know and the log, which says `entries`, does not. One replica does so at a
    /// time: mostly all know the same, and what the first has written the others need not.
    async fn complete(&self, feed: &mut Feed, entries: &[Option<Dated>]) -> Result<(), Broken> {
        let said = self.revocations.nothing();
        let note = |entries: &[Option<Dated>]| {
            let marks: Vec<_> = entries.iter().flatten().map(|said| said.mark).collect();
            said.absorb(&marks).map_err(|full| missing(&full))
        };
        note(entries)?;
        let right = lease(&self.store.names.log(&feed.log.generation));
        let begun = Instant::now();
        while !self.revocations.missing_from(&said).is_empty() {
            let ours = self.store.acquire(&right, WRITING).await.unwrap_or(true);
            note(&self.read_on(feed).await?)?;
            if ours || begun.elapsed() > WRITING {
                let lost = self.revocations.missing_from(&said);
                if !lost.is_empty() {
                    let count = lost.len();
                    tracing::warn!(count, "revocations are written to the log again");
                }
                self.revocations.queue(lost.into_iter().map(Dated::from));
                let written = self.revocations.flush().await;
                self.store.release(&right).await;
                return written.map_err(|outage| missing(&outage));
            }
            pause(LOOK).await;
        }
        // What was revoked here meanwhile.
        self.revocations.flush().await.map_err(|outage| missing(&outage))
    }

    /// Takes in what the log says by now, and gives it.
    async fn read_on(&self, feed: &mut Feed) -> Result<Vec<Option<Dated>>, Broken> {
        let entries = feed.log.read_on(&self.store, &mut feed.connection).await?;
        self.revocations.read(&entries, &feed.log).await.map_err(|full| missing(&full))?;
        Ok(entries)
    }

    /// Waits until those who know what was revoked have had time to write it to a log that lost it,
    /// or to put another in its place. By our own clock: nothing in Redis can shorten that.
    async fn settle(&self, feed: &mut Feed, begun: Instant) -> Result<(), Broken> {
        loop {
            drop(self.read_on(feed).await?);
            self.prove(feed).await?;
            if begun.elapsed() > SETTLING {
                return Ok(());
            }
            pause(LOOK).await;
        }
    }
}

/// Those who know the truth put it in place of anything; whoever does not leaves alone what may be
/// the truth in disguise.
async fn tidy(store: &Store, connection: &mut Connection, survivor: bool) -> Result<(), Broken> {
    let names = &store.names;
    let mut places = vec![(names.news(), "stream")];
    if survivor {
        places.extend([(names.generation(), "string"), (names.ring(), "string")]);
    }
    let mut command = cmd("EVAL");
    command.arg(TIDY).arg(places.len());
    for (name, _) in &places {
        command.arg(name);
    }
    for (_, kind) in &places {
        command.arg(kind);
    }
    Ok(command.query_async(connection).await?)
}

/// The last piece of news there is.
async fn newest(store: &Store, connection: &mut Connection) -> Result<String, Broken> {
    let mut command = cmd("XREVRANGE");
    command.arg(store.names.news()).arg("+").arg("-").arg("COUNT").arg(1);
    let last: StreamRangeReply = command.query_async(connection).await?;
    Ok(last.ids.first().map_or_else(|| "0-0".to_owned(), |entry| entry.id.clone()))
}
