//! Follows what the other replicas do, over a connection of its own, and keeps the shared one open.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::cmd;
use redis::streams::{StreamId, StreamReadReply};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::connect::{ATTEMPT, Connection, connect};
use super::generation;
use super::lease::pause;
use super::link::{COMMAND, SHARED_PATIENCE};
use super::listeners::Listeners;
use super::log::Broken;
use super::news::Heard;
use super::position::Position;
use super::revocations::SharedRevocations;
use super::store::Store;
use crate::config::Redis;
use crate::ports::Unavailable;

/// How long a read waits for something new. Everything is well proved that often.
const BLOCK: Duration = Duration::from_millis(400);
/// How long an answer may take on this connection.
const PATIENCE: Duration = BLOCK.saturating_add(COMMAND);
/// The first wait after a connection broke, and the longest.
const WAITS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(400)];
/// How long a log that a former sealing key sealed in part is followed before it is sealed anew:
/// replicas that have only that key may be on their way out.
const RENEWAL: Duration = Duration::from_mins(1);

/// Keeps one replica in step with the others.
#[derive(Debug)]
pub struct Keeper {
    pub(super) redis: Redis,
    pub(super) store: Arc<Store>,
    pub(super) revocations: Arc<SharedRevocations>,
    pub(super) attempts: AtomicUsize,
}

/// Where the reading of both streams stands.
pub(super) struct Feed {
    pub(super) connection: Connection,
    pub(super) log: Position,
    pub(super) news: String,
    /// What was heard lately.
    pub(super) heard: Heard,
}

impl Keeper {
    /// Follows until `stopped`; whatever happens to Redis, it begins again.
    pub async fn keep(self, listeners: Arc<Listeners>, stopped: CancellationToken) {
        let ([mut wait, longest], mut complaint) = (WAITS, String::new());
        while !stopped.is_cancelled() {
            let before = self.store.synchronisations();
            let session = stopped.run_until_cancelled(self.session(&listeners)).await;
            let Some(Err(broken)) = session else { break };
            if self.store.synchronisations() > before {
                [wait, _] = WAITS;
                complaint.clear();
            }
            self.lost(&broken, &mut complaint);
            let _ = stopped.run_until_cancelled(pause(wait)).await;
            wait = wait.saturating_mul(2).min(longest);
        }
        // What could not be told so far is told now or never.
        if self.revocations.waiting() > 0 && self.revocations.flush().await.is_err() {
            let count = self.revocations.waiting();
            tracing::error!(
                count,
                "revocations that no other replica knows are lost with this one"
            );
        }
    }

    /// Complains, but not of the same thing at every attempt.
    fn lost(&self, broken: &Broken, complaint: &mut String) {
        let why = broken.to_string();
        self.store.falls_behind();
        if *complaint != why {
            let serving = self.store.known().is_ok();
            tracing::warn!(why, serving, "the other replicas cannot be followed");
            complaint.clone_from(&why);
        }
        self.store.link.close(why);
    }

    /// From a new connection to its end.
    async fn session(&self, listeners: &Listeners) -> Result<Infallible, Broken> {
        let connection = self.connected(PATIENCE).await?;
        let shared = self.connected(SHARED_PATIENCE).await?;
        let mut feed = self.synchronise(connection, shared, listeners).await?;
        let (log, at) = (&feed.log.generation, feed.log.last);
        tracing::info!(log, at, "in step with other replicas");
        let begun = Instant::now();
        loop {
            self.follow(&mut feed, listeners).await?;
            if feed.log.is_outdated() && begun.elapsed() > RENEWAL {
                self.renew_seals(&mut feed).await?;
            }
        }
    }

    /// A new connection, whichever node it leads to.
    pub(super) async fn connected(&self, patience: Duration) -> Result<Connection, Broken> {
        let slow =
            || Broken::Unavailable(format!("no connection within {} ms", ATTEMPT.as_millis()));
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let connecting = timeout(ATTEMPT, connect(&self.redis, patience, attempt)).await;
        Ok(connecting.map_err(|_elapsed| slow())??)
    }

    /// Writes what a former sealing key sealed anew, so that a replica that has only the present one
    /// can read it.
    pub(super) async fn renew_seals(&self, feed: &mut Feed) -> Result<(), Broken> {
        tracing::info!("the log of revocations is sealed anew, with the present sealing key");
        let known = self.revocations.living();
        generation::replace(&self.store, &mut feed.connection, &feed.log, &known).await?;
        Err(Broken::Replaced)
    }

    /// Waits for something new, takes it in, and proves that nothing is missing.
    async fn follow(&self, feed: &mut Feed, listeners: &Listeners) -> Result<(), Broken> {
        let asked = Instant::now();
        let read = tokio::select! {
            read = feed.next(&self.store) => read?,
            () = self.store.link.given_up() => {
                return Err(Broken::Unavailable(self.store.link.why().to_string()));
            }
        };
        let (log, news) = (self.store.names.log(&feed.log.generation), self.store.names.news());
        for stream in &read.keys {
            if stream.key == log {
                self.take_in(feed, &stream.ids).await?;
            } else if stream.key == news {
                feed.news = stream.ids.last().map_or_else(|| feed.news.clone(), |id| id.id.clone());
                let heard = stream.ids.iter().filter_map(|entry| feed.heard.of(&self.store, entry));
                listeners.heard(heard);
            }
        }
        self.prove(feed).await?;
        self.store.keeps_up(asked);
        if self.revocations.waiting() > 0 {
            // Fails when the link is down, which is noticed elsewhere.
            drop(self.revocations.flush().await);
        }
        Ok(())
    }

    async fn take_in(&self, feed: &mut Feed, entries: &[StreamId]) -> Result<(), Broken> {
        let said: Result<Vec<_>, _> =
            entries.iter().map(|entry| feed.log.advance(&self.store, entry)).collect();
        self.revocations.read(&said?, &feed.log).await.map_err(|full| missing(&full))
    }

    /// That nothing which is of use is missing from the log, and that it can be written to.
    pub(super) async fn prove(&self, feed: &mut Feed) -> Result<(), Broken> {
        let oldest = self.revocations.oldest().await.ok_or(Broken::Replaced)?;
        feed.log.beat(&self.store, &mut feed.connection, oldest).await
    }
}

impl Feed {
    /// The next entries of both streams; none when there are none for a while.
    async fn next(&mut self, store: &Store) -> Result<StreamReadReply, Broken> {
        let mut command = cmd("XREAD");
        command.arg("BLOCK").arg(BLOCK.as_millis().to_string()).arg("STREAMS");
        command.arg(store.names.log(&self.log.generation)).arg(store.names.news());
        command.arg(format!("{}-0", self.log.last)).arg(&self.news);
        let read: Option<StreamReadReply> = command.query_async(&mut self.connection).await?;
        Ok(read.unwrap_or_default())
    }
}

pub(super) fn missing(outage: &Unavailable) -> Broken {
    Broken::Unavailable(outage.detail.clone())
}
