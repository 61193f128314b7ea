//! Keeps the audit trail: a queue, and one thread that empties it into a file, standard output or
//! Redis.
//!
//! Nothing that was taken into the queue is dropped: what cannot be written is tried again until it
//! can be. So the queue fills up when its sink stalls, and what finds no room there is not granted.

mod counts;
mod file;
mod sink;
mod stream;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use crate::adapters::redis::Store;
use crate::config::{Audit, AuditSink};
use crate::domain::audit::chain::Hasher;
use crate::domain::audit::record::{Event, Introspections, Record};
use crate::ports::{AuditStatus, AuditTrail, Clock, Dependency, Unavailable};
use counts::Counts;
use sink::Sink;
use writer::{Order, Writer};

/// Most records in the queue: some ten megabytes.
const QUEUE: usize = 8192;
/// Introspections leave this much of it to what must not be lost.
const RESERVED: usize = QUEUE / 2;
/// How long somebody waits for room, or for a record to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why no trail can be kept.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Its file cannot be used.
    #[error("`audit.file`, {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: String,
    },
    /// A chain needs a name.
    #[error(transparent)]
    Unnamed(#[from] Unavailable),
    /// It needs a thread.
    #[error("no thread for the audit trail: {0}")]
    Thread(std::io::Error),
    /// It is to go to Redis, and there is none.
    #[error("`audit.to: redis` without `store.redis`")]
    NoRedis,
}

/// Records were not written when the service had to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} audit records could not be written before the end")]
pub struct Unwritten(pub u64);

/// The trail, as everybody uses it.
#[derive(Debug)]
pub struct Trail {
    queue: mpsc::Sender<Order>,
    hurry: Arc<Notify>,
    counts: Arc<Counts>,
    introspections: AtomicU8,
    clock: Arc<dyn Clock>,
}

impl Trail {
    /// Begins the trail that `audit` describes. `store` is the Redis that replicas share.
    pub fn begin(
        audit: &Audit,
        store: Option<&Arc<Store>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuditError> {
        let hasher =
            audit.key.as_ref().map_or(Hasher::Plain, |key| Hasher::keyed(key.expose_secret()));
        let (sink, chain): (Box<dyn Sink>, _) = match &audit.to {
            AuditSink::Nowhere => (Box::new(sink::Nowhere), None),
            AuditSink::Stdout => (Box::new(sink::stdout().map_err(AuditError::Thread)?), None),
            AuditSink::File(settings) => {
                let (file, chain) = file::RotatingFile::open(settings, &hasher)?;
                (Box::new(file), chain)
            }
            AuditSink::Redis => {
                let store = store.ok_or(AuditError::NoRedis)?;
                (Box::new(stream::RedisStream(Arc::clone(store))), None)
            }
        };
        let chain = match chain {
            Some(chain) => chain,
            None => writer::new_chain(hasher)?,
        };
        Self::with(sink, chain, audit.introspections, clock)
    }

    fn with(
        sink: Box<dyn Sink>,
        chain: crate::domain::audit::chain::Chain,
        introspections: Introspections,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuditError> {
        let (queue, orders) = mpsc::channel(QUEUE);
        let counts = Arc::new(Counts::default());
        let (hurry, told) = (Arc::<Notify>::default(), (Arc::clone(&counts), Arc::clone(&clock)));
        let writer = Writer::new(chain, sink, told, Arc::clone(&hurry));
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(orders))
            .map_err(AuditError::Thread)?;
        let introspections = AtomicU8::new(code(introspections));
        Ok(Self { queue, hurry, counts, introspections, clock })
    }

    /// From now on these introspections are recorded.
    pub fn set_introspections(&self, introspections: Introspections) {
        self.introspections.store(code(introspections), Ordering::Relaxed);
    }

    /// Tells in the log where the trail stands, as soon as that is written.
    pub fn announce(&self) {
        // Without room there is more to be told than this.
        drop(self.queue.try_send(Order::Announce));
        self.hurry.notify_one();
    }

    /// Writes what is in the queue, and that the service stopped. Nothing is recorded afterwards.
    pub async fn close(&self, patience: Duration) -> Result<(), Unwritten> {
        let (done, closed) = oneshot::channel();
        let closing = async {
            self.queue.send(Order::Close(done)).await.ok()?;
            self.hurry.notify_one();
            closed.await.ok()
        };
        match timeout(patience, closing).await {
            Ok(Some(())) => Ok(()),
            Ok(None) | Err(_) => Err(Unwritten(self.counts.queued())),
        }
    }

    fn order(&self, record: Record, written: Option<oneshot::Sender<()>>) -> Order {
        Order::Write { time: self.clock.now(), record: Box::new(record), written }
    }

    /// Takes the record into the queue as soon as there is room.
    async fn queued(
        &self,
        record: Record,
        written: Option<oneshot::Sender<()>>,
        until: Instant,
    ) -> Result<(), Unavailable> {
        let event = record.event;
        match timeout_at(until, self.queue.reserve()).await {
            Ok(Ok(room)) => {
                self.counts.taken();
                room.send(self.order(record, written));
                self.hurry.notify_one();
                Ok(())
            }
            Ok(Err(_closed)) => Err(self.lost(event, "it has been closed")),
            Err(_elapsed) => Err(self.lost(event, "its queue is full")),
        }
    }

    fn lost(&self, event: Event, why: &str) -> Unavailable {
        self.counts.lost(event);
        unavailable(why)
    }
}

#[async_trait]
impl AuditTrail for Trail {
    fn introspections(&self) -> Introspections {
        match self.introspections.load(Ordering::Relaxed) {
            0 => Introspections::All,
            1 => Introspections::Decisions,
            _ => Introspections::Off,
        }
    }

    fn note(&self, record: Record) {
        let event = record.event;
        if self.queue.capacity() <= RESERVED {
            return self.counts.lost(event);
        }
        match self.queue.try_reserve() {
            Ok(room) => {
                self.counts.taken();
                room.send(self.order(record, None));
            }
            Err(_full_or_closed) => self.counts.lost(event),
        }
    }

    async fn accept(&self, record: Record) -> Result<(), Unavailable> {
        // Strangers can cause as many as they like.
        let by_stranger = record.event == Event::AuthenticationFailed;
        if by_stranger && self.queue.capacity() <= RESERVED {
            return Err(self.lost(record.event, "its queue is full"));
        }
        self.queued(record, None, deadline()).await
    }

    async fn write(&self, record: Record) -> Result<(), Unavailable> {
        let (written, done) = oneshot::channel();
        let until = deadline();
        self.queued(record, Some(written), until).await?;
        match timeout_at(until, done).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(unavailable("its sink does not take records")),
        }
    }

    fn status(&self) -> AuditStatus {
        self.counts.status()
    }
}

/// Until when somebody waits who begins now.
fn deadline() -> Instant {
    let now = Instant::now();
    now.checked_add(PATIENCE).unwrap_or(now)
}

const fn code(introspections: Introspections) -> u8 {
    match introspections {
        Introspections::All => 0,
        Introspections::Decisions => 1,
        Introspections::Off => 2,
    }
}

fn unavailable(why: &str) -> Unavailable {
    Unavailable { dependency: Dependency::Audit, detail: format!("the audit trail: {why}") }
}
