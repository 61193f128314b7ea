//! The connection that all requests share: what it does not answer in time is an outage, never a
//! queue.
//!
//! Requests neither connect nor wait for a connection. After a few commands in a row without an
//! answer the connection is given up, every further command fails at once, and the keeper makes
//! another: a breaker that closes again by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::FutureExt as _;
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

use super::connect::Connection;
use crate::adapters::spans;
use crate::domain::rejection::safe;
use crate::ports::{Calls, Dependency, NEAR, Unavailable};

/// How long one command may take.
pub(super) const COMMAND: Duration = Duration::from_millis(250);
/// How long the library waits for an answer: longer than we do, so that it is our patience that
/// ends.
pub(super) const SHARED_PATIENCE: Duration = COMMAND.saturating_mul(4);
/// Commands without an answer, in a row, after which the connection is given up.
const FAILURES: u32 = 3;
/// How long what is shared is waited for after the start.
const FIRST: Duration = Duration::from_secs(1);
/// Most commands under way; one more is an outage.
const AT_ONCE: usize = 1024;

/// The shared connection, if there is one now.
pub(super) struct Link {
    open: ArcSwapOption<Opened>,
    slots: Semaphore,
    broken: Notify,
    /// Whether there was ever a connection.
    met: watch::Sender<bool>,
    why: ArcSwap<String>,
    commands: Arc<Calls>,
}

/// A connection, and how it has been doing.
struct Opened {
    connection: Connection,
    /// Commands without an answer, in a row.
    silent: AtomicU32,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("open", &self.is_open()).finish_non_exhaustive()
    }
}

impl Link {
    /// Nothing is connected yet.
    pub(super) fn new() -> Self {
        Self {
            open: ArcSwapOption::empty(),
            slots: Semaphore::new(AT_ONCE),
            broken: Notify::new(),
            met: watch::Sender::new(false),
            why: ArcSwap::from_pointee("not connected yet".to_owned()),
            commands: Arc::new(Calls::new(NEAR)),
        }
    }

    /// Whether commands are sent at all.
    pub(super) fn is_open(&self) -> bool {
        self.open.load().is_some()
    }

    /// Why the last thing that failed did.
    pub(super) fn why(&self) -> Arc<String> {
        self.why.load_full()
    }

    /// The commands so far.
    pub(super) const fn commands(&self) -> &Arc<Calls> {
        &self.commands
    }

    /// From now on commands go over `connection`.
    pub(super) fn open(&self, connection: Connection) {
        // What gave up the one before has been heard.
        let _ = self.broken.notified().now_or_never();
        self.open.store(Some(Arc::new(Opened { connection, silent: AtomicU32::new(0) })));
        self.met.send_replace(true);
    }

    /// Waits for the first connection of all, but not for long.
    pub(super) async fn meet(&self) {
        let mut met = self.met.subscribe();
        drop(timeout(FIRST, met.wait_for(|met| *met)).await);
    }

    /// From now on commands fail at once, because of `why`.
    pub(super) fn close(&self, why: String) {
        self.why.store(Arc::new(why));
        self.open.store(None);
    }

    /// Waits until commands gave the connection up.
    pub(super) async fn given_up(&self) {
        self.broken.notified().await;
    }

    /// The answer to one command.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        let span = spans::redis(command);
        let answer = self.answer(command).instrument(span.clone()).await;
        if answer.is_err() {
            spans::failed(&span, "no_answer".to_owned());
        }
        answer
    }

    async fn answer<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        let Some(opened) = self.open.load_full() else {
            self.commands.failed(None);
            return Err(unavailable(&self.why()));
        };
        let Ok(_slot) = self.slots.try_acquire() else {
            return Err(self.failed("too many commands wait for their answer", None));
        };
        let mut connection = opened.connection.clone();
        let begun = Instant::now();
        match timeout(COMMAND, command.query_async(&mut connection)).await {
            Ok(Ok(answer)) => {
                opened.silent.store(0, Ordering::Relaxed);
                self.commands.good(begun.elapsed());
                Ok(answer)
            }
            Ok(Err(error)) => {
                let failed = self.failed(&told(&error), Some(begun.elapsed()));
                if is_of_connection(&error) {
                    self.give_up(&opened);
                }
                Err(failed)
            }
            Err(_elapsed) => {
                let why = format!("no answer within {} ms", COMMAND.as_millis());
                let failed = self.failed(&why, Some(begun.elapsed()));
                if opened.silent.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= FAILURES {
                    self.give_up(&opened);
                }
                Err(failed)
            }
        }
    }

    fn failed(&self, why: &str, took: Option<Duration>) -> Unavailable {
        self.commands.failed(took);
        self.why.store(Arc::new(why.to_owned()));
        unavailable(why)
    }

    /// Sends nothing over `opened` any more, unless it was replaced already.
    fn give_up(&self, opened: &Arc<Opened>) {
        let before = self.open.compare_and_swap(opened, None);
        if before.as_ref().is_some_and(|before| Arc::ptr_eq(before, opened)) {
            self.broken.notify_one();
        }
    }
}

/// Whether the connection is of no use any more: it broke, or it leads to a server that was the
/// master once.
fn is_of_connection(error: &RedisError) -> bool {
    let demoted = ErrorKind::Server(ServerErrorKind::ReadOnly);
    (error.is_io_error() && !error.is_timeout())
        || error.is_connection_dropped()
        || error.kind() == demoted
        || error.kind() == ErrorKind::Parse
}

/// What an error says, fit for a log.
pub(super) fn told(error: &RedisError) -> String {
    safe(&error.to_string())
}

pub(super) fn unavailable(why: &str) -> Unavailable {
    Unavailable { dependency: Dependency::Store, detail: format!("Redis: {why}") }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use redis::cmd;

    use super::*;
    use crate::adapters::redis::connect::connect;
    use crate::adapters::redis::test_config;
    use crate::config::Node;

    /// A server that answers a `GET` when it is told to, and everything else at once.
    fn server(go_on: Receiver<()>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = [0; 4096];
            loop {
                let read = stream.read(&mut bytes).unwrap();
                let commands = String::from_utf8_lossy(&bytes[..read]).matches('*').count();
                if String::from_utf8_lossy(&bytes[..read]).contains("GET") {
                    go_on.recv().unwrap();
                }
                stream.write_all("+OK\r\n".repeat(commands).as_bytes()).unwrap();
                if read == 0 {
                    return;
                }
            }
        }));
        address
    }

    async fn linked() -> (Link, Sender<()>) {
        let (sender, receiver) = channel();
        let address = server(receiver);
        let node = Node { host: address.ip().to_string(), port: address.port() };
        let redis = test_config::at(Some(node));
        let link = Link::new();
        link.open(connect(&redis, SHARED_PATIENCE, 0).await.unwrap());
        (link, sender)
    }

    #[tokio::test]
    async fn one_command_without_an_answer_is_an_outage_and_three_end_the_connection() {
        let (link, go_on) = linked().await;
        let ask = || async { link.ask::<String>(cmd("GET").arg("a")).await };
        assert!(ask().await.unwrap_err().detail.contains("no answer within 250 ms"));
        assert!(link.is_open(), "it may have been a hiccup");
        go_on.send(()).unwrap();
        go_on.send(()).unwrap();
        assert_eq!(ask().await.unwrap(), "OK");
        for _ in 0..2 {
            assert!(ask().await.is_err());
            assert!(link.is_open());
        }
        assert!(ask().await.is_err());
        assert!(!link.is_open());
        link.given_up().await;
        let begun = Instant::now();
        assert!(ask().await.is_err());
        assert!(begun.elapsed() < COMMAND, "from now on at once");
    }
}
