//! The thread that gives records their place, and writes them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use tokio::runtime;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::counts::Counts;
use super::sink::Sink;
use crate::adapters::random::SystemRandom;
use crate::domain::audit::chain::{Chain, Hasher};
use crate::domain::audit::record::{Event, Record};
use crate::domain::rejection::safe;
use crate::ports::{Clock, Random as _, Unavailable};
use crate::protocol::time::UnixTime;

/// Most records that are written at once.
const BATCH: usize = 256;
/// How long records of introspections are gathered: to be woken for each costs more than it.
const GATHER: Duration = Duration::from_millis(5);
/// How long after a write it is made sure that it outlives a loss of power.
const SYNC: Duration = Duration::from_secs(1);
/// How long after a failure it is tried again: at first, and at most.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// To write a record.
    Write {
        /// When it happened.
        time: UnixTime,
        /// What happened.
        record: Box<Record>,
        /// Who waits until it is written.
        written: Option<oneshot::Sender<()>>,
    },
    /// To tell in the log where the chain stands.
    Announce,
    /// To write the last record, and to say when that is done.
    Close(oneshot::Sender<()>),
}

impl Order {
    /// Whether it is to be done soon: somebody waits for it, or has been answered already.
    fn hurries(&self) -> bool {
        match self {
            Self::Write { record, .. } => record.event != Event::Introspected,
            Self::Announce | Self::Close(_) => true,
        }
    }
}

/// A chain that nothing else is called.
pub(super) fn new_chain(hasher: Hasher) -> Result<Chain, Unavailable> {
    let mut bytes = [0; 12];
    SystemRandom::default().fill(&mut bytes)?;
    Ok(Chain::new(BASE64_URL_SAFE_NO_PAD.encode(bytes), hasher))
}

pub(super) struct Writer {
    chain: Chain,
    sink: Box<dyn Sink>,
    counts: Arc<Counts>,
    clock: Arc<dyn Clock>,
    /// Told when something is ordered that hurries.
    hurry: Arc<Notify>,
    lines: Vec<u8>,
    /// Until when what was written is to be made safe.
    unsynced: Option<Instant>,
}

impl Writer {
    pub(super) fn new(
        chain: Chain,
        sink: Box<dyn Sink>,
        (counts, clock): (Arc<Counts>, Arc<dyn Clock>),
        hurry: Arc<Notify>,
    ) -> Self {
        Self { chain, sink, counts, clock, hurry, lines: Vec::new(), unsynced: None }
    }

    /// Writes until it is told to close, or nobody is left.
    pub(super) fn run(mut self, orders: mpsc::Receiver<Order>) {
        // Of its own: a sink that blocks must block nothing else.
        match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.work(orders)),
            Err(error) => tracing::error!(%error, "the audit trail cannot be written"),
        }
    }

    async fn work(&mut self, mut orders: mpsc::Receiver<Order>) {
        self.own(Event::Started).await;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            batch.clear();
            if self.next(&mut orders, &mut batch).await == 0 {
                return self.end().await;
            }
            self.gather(&mut orders, &mut batch).await;
            if let Some(closing) = self.batch(&mut batch).await {
                orders.close();
                while orders.recv_many(&mut batch, BATCH).await > 0 {
                    drop(self.batch(&mut batch).await);
                }
                self.end().await;
                // Fails only when nobody waits any more.
                let _ = closing.send(());
                return;
            }
        }
    }

    /// Waits for orders; meanwhile makes safe what is due.
    async fn next(&mut self, orders: &mut mpsc::Receiver<Order>, batch: &mut Vec<Order>) -> usize {
        if let Some(due) = self.unsynced {
            if let Ok(count) = timeout_at(due, orders.recv_many(batch, BATCH)).await {
                return count;
            }
            self.sync().await;
        }
        orders.recv_many(batch, BATCH).await
    }

    /// Lets others add to the batch, so that many records cost one write and one change of threads.
    async fn gather(&self, orders: &mut mpsc::Receiver<Order>, batch: &mut Vec<Order>) {
        if batch.iter().any(Order::hurries) {
            // Whoever is at work on this core may have more; if nobody is, this takes no time.
            std::thread::yield_now();
        } else {
            // Fails when nobody hurries: then it is time.
            let _ = timeout(GATHER, self.hurry.notified()).await;
        }
        while batch.len() < BATCH
            && let Ok(order) = orders.try_recv()
        {
            batch.push(order);
        }
    }

    /// Writes the records of a batch; gives who waits for the end, if it was ordered.
    async fn batch(&mut self, batch: &mut Vec<Order>) -> Option<oneshot::Sender<()>> {
        let (mut events, mut waiting) = (Vec::new(), Vec::new());
        let (mut announce, mut closing) = (false, None);
        for order in batch.drain(..) {
            match order {
                Order::Write { time, record, written } => {
                    events.push(record.event);
                    self.line(time, &record);
                    waiting.extend(written);
                }
                Order::Announce => announce = true,
                Order::Close(done) => closing = Some(done),
            }
        }
        self.flush().await;
        if announce {
            self.announce("the audit trail goes on from here");
        }
        for event in events {
            self.counts.written(event);
        }
        for written in waiting {
            // Fails only when nobody waits any more.
            let _ = written.send(());
        }
        closing
    }

    fn line(&mut self, time: UnixTime, record: &Record) {
        if let Err(error) = self.chain.append(time, record, &mut self.lines) {
            // Every record is an object of texts and numbers, which can always be written.
            tracing::error!(%error, "an audit record cannot be spelled");
        }
    }

    /// A record of the trail itself.
    async fn own(&mut self, event: Event) {
        let record = Record::new(event).detail(&about_us());
        self.line(self.clock.now(), &record);
        self.flush().await;
        self.counts.began(event);
    }

    async fn end(&mut self) {
        self.own(Event::Stopped).await;
        self.sync().await;
        self.announce("the audit trail ends");
    }

    /// What is in the log cannot be changed by whoever changes only the trail.
    fn announce(&self, what: &str) {
        let record = self.chain.next().saturating_sub(1);
        tracing::info!(chain = self.chain.name(), record, hash = %self.chain.head(), "{what}");
    }

    /// Writes all lines, however long that takes.
    async fn flush(&mut self) {
        let (mut done, [mut pause, longest]) = (0, BACK_OFF);
        self.counts.begins();
        while let Some(rest) = self.lines.get(done..).filter(|rest| !rest.is_empty()) {
            let error = match self.sink.write(rest).await {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(taken) => {
                    done = done.saturating_add(taken);
                    pause = BACK_OFF[0];
                    if self.counts.recovered() {
                        tracing::info!("audit records can be written again");
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            self.failed(&error);
            wait(pause).await;
            pause = pause.saturating_mul(2).min(longest);
        }
        self.counts.ends();
        self.lines.clear();
        // What a burst needed is given back.
        self.lines.shrink_to(BATCH.saturating_mul(1024));
        self.unsynced
            .get_or_insert_with(|| Instant::now().checked_add(SYNC).unwrap_or_else(Instant::now));
    }

    async fn sync(&mut self) {
        self.unsynced = None;
        self.counts.begins();
        let synced = self.sink.sync().await;
        self.counts.ends();
        if let Err(error) = synced {
            self.failed(&error);
            self.unsynced = Instant::now().checked_add(SYNC);
        }
    }

    fn failed(&self, error: &io::Error) {
        let why = safe(&error.to_string());
        if self.counts.failed(why.clone()) {
            tracing::error!(why, "audit records cannot be written: nothing is issued meanwhile");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what is waited for is somebody else's doing")]
fn wait(time: Duration) -> tokio::time::Sleep {
    tokio::time::sleep(time)
}

/// Which process writes: chains of several replicas may be collected in one place.
fn about_us() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let (host, version) = (host.trim(), env!("CARGO_PKG_VERSION"));
    format!("tessera {version} on {host}, process {}", std::process::id())
}
