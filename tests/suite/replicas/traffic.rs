//! Requests to every replica all the time, each answer held against the truth.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Replicas, TYK};
use crate::support::redis::wait_until;
use crate::support::{Answer, Request};

/// A token, and what is true of it.
pub(super) struct Watched {
    text: String,
    /// An opaque one is known only through Redis.
    kind: Kind,
    /// On each replica: it must not be active any more.
    dead: Vec<AtomicBool>,
    /// It is being revoked: both answers are right.
    dying: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Entra,
    Issued,
    Opaque,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) active: AtomicU64,
    pub(super) inactive: AtomicU64,
    pub(super) unavailable: AtomicU64,
    pub(super) opaque_unavailable: AtomicU64,
    slowest_micros: AtomicU64,
    wrong: std::sync::Mutex<Vec<String>>,
}

/// Asks until it is stopped.
pub(super) struct Traffic {
    watched: Arc<Vec<Watched>>,
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Watched {
    pub(super) fn good(kind: Kind, text: String, replicas: usize) -> Self {
        let dead = (0..replicas).map(|_| AtomicBool::new(false)).collect();
        Self { text, kind, dead, dying: AtomicBool::new(false) }
    }
}

impl Watched {
    /// It is active nowhere.
    const fn invented(text: String) -> Self {
        Self { text, kind: Kind::Opaque, dead: Vec::new(), dying: AtomicBool::new(true) }
    }
}

impl Traffic {
    /// Asks every replica about `watched`, each by a connection after the other.
    pub(super) fn start(replicas: &Replicas, watched: Vec<Watched>) -> Self {
        let (watched, seen) = (Arc::new(watched), Arc::new(Seen::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let threads = replicas.all.iter().enumerate().map(|(index, replica)| {
            let (watched, seen, stop) =
                (Arc::clone(&watched), Arc::clone(&seen), Arc::clone(&stop));
            let public = replica.public;
            thread::spawn(move || {
                for round in 0_u64.. {
                    if stop.load(Ordering::Acquire) {
                        break;
                    }
                    // One that nobody issued makes a replica ask Redis every time.
                    let invented = Watched::invented(format!("tsr_{index}-{round}"));
                    for token in watched.iter().chain([&invented]) {
                        let dead = token.dead.get(index);
                        let was_dead = dead.is_none_or(|dead| dead.load(Ordering::Acquire));
                        let begun = Instant::now();
                        let answer =
                            Request::introspect(&[("token", &token.text)]).basic(TYK).send(public);
                        seen.judge(token, index, (was_dead, begun.elapsed()), &answer);
                    }
                }
            })
        });
        let threads = threads.collect();
        Self { watched, seen, stop, threads }
    }

    /// A token as it is sent.
    pub(super) fn text(&self, token: usize) -> &str {
        &self.watched[token].text
    }

    /// From now on `token` may be dead anywhere.
    pub(super) fn dying(&self, token: usize) -> &str {
        self.watched[token].dying.store(true, Ordering::Release);
        &self.watched[token].text
    }

    /// From now on `token` must be dead on `replica`.
    pub(super) fn dead(&self, token: usize, replica: usize) {
        self.watched[token].dead[replica].store(true, Ordering::Release);
    }

    /// Waits until so many more requests have been answered, by whichever answer.
    #[track_caller]
    pub(super) fn wait_for(&self, more: u64) {
        let until = self.seen.total() + more;
        wait_until("traffic", || self.seen.total() >= until);
    }

    /// Stops, and asserts that no answer was wrong and none was slow. Tells what was seen.
    #[track_caller]
    pub(super) fn stop(self, what: &str, slowest: Duration) -> Arc<Seen> {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let seen = self.seen;
        let wrong = seen.wrong.lock().unwrap().clone();
        let took = Duration::from_micros(seen.slowest_micros.load(Ordering::Relaxed));
        seen.report(what, wrong.len(), took);
        assert!(wrong.is_empty(), "{what}: {} wrong: {:?}", wrong.len(), &wrong[..1]);
        assert!(took < slowest, "{what}: an answer took {took:?}");
        seen
    }
}

impl Seen {
    fn judge(
        &self,
        token: &Watched,
        replica: usize,
        (was_dead, took): (bool, Duration),
        answer: &Answer,
    ) {
        let micros = u64::try_from(took.as_micros()).unwrap();
        self.slowest_micros.fetch_max(micros, Ordering::Relaxed);
        let may_be_dead = token.dying.load(Ordering::Acquire);
        let right = match answer.status {
            200 if answer.is_active() => {
                self.active.fetch_add(1, Ordering::Relaxed);
                !was_dead
            }
            200 => {
                self.inactive.fetch_add(1, Ordering::Relaxed);
                may_be_dead
            }
            503 => {
                self.unavailable.fetch_add(1, Ordering::Relaxed);
                if token.kind == Kind::Opaque {
                    self.opaque_unavailable.fetch_add(1, Ordering::Relaxed);
                }
                true
            }
            _ => false,
        };
        if !right {
            let what = format!("{:?} at {replica}, dead: {was_dead}: {answer:?}", token.kind);
            self.wrong.lock().unwrap().push(what);
        }
    }

    fn total(&self) -> u64 {
        let all = [&self.active, &self.inactive, &self.unavailable];
        all.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// For whoever runs the tests with `--nocapture`.
    fn report(&self, what: &str, wrong: usize, slowest: Duration) {
        use std::io::Write as _;
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let line = format!(
            "{what}: {} active, {} inactive, {} unavailable ({} of them opaque), {wrong} wrong, \
             slowest {slowest:?}",
            count(&self.active),
            count(&self.inactive),
            count(&self.unavailable),
            count(&self.opaque_unavailable),
        );
        drop(writeln!(std::io::stderr(), "{line}"));
    }
}
