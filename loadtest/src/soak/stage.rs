//! What everybody knows of what is going on: where replicas are, what is broken, and when it was.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tessera::dev::keys::SigningKey;
use tessera::dev::tenant::FakeEntra;

use super::site::Site;
use crate::load::connection::get;

pub(super) const REPLICAS: usize = 3;
/// How often a balancer looks whether a replica is ready. Well below `shutdown.drain`.
const LOOK: Duration = Duration::from_millis(100);

/// Where a replica is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) place: usize,
    /// Which process at this place.
    pub(super) incarnation: u64,
    pub(super) id: u32,
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// When something was broken: from, and until, if it is over.
#[derive(Debug, Default)]
pub(super) struct Spans(Mutex<Vec<(Instant, Option<Instant>)>>);

impl Spans {
    fn all(&self) -> MutexGuard<'_, Vec<(Instant, Option<Instant>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self) {
        self.all().push((Instant::now(), None));
    }

    pub(super) fn end(&self) {
        for (_, end) in self.all().iter_mut() {
            end.get_or_insert_with(Instant::now);
        }
    }

    /// Whether it was broken at any moment of these.
    pub(super) fn touches(&self, from: Instant, to: Instant) -> bool {
        self.last_end(from, to).is_some()
    }

    /// When the last time ended that it was broken in these moments; `Some(None)`: it has not ended.
    pub(super) fn last_end(&self, from: Instant, to: Instant) -> Option<Option<Instant>> {
        let all = self.all();
        let mut touching =
            all.iter().filter(|(begin, end)| *begin <= to && end.is_none_or(|end| end >= from));
        touching.next_back().map(|(_, end)| *end)
    }
}

/// All of it.
pub(super) struct Stage {
    pub(super) begun: Instant,
    pub(super) entra: FakeEntra,
    pub(super) redis_away: Spans,
    pub(super) entra_away: Spans,
    /// Of each place: killed without a word, or frozen.
    pub(super) broken: [Spans; REPLICAS],
    signing: Mutex<SigningKey>,
    replicas: Mutex<[At; REPLICAS]>,
    ready: [AtomicBool; REPLICAS],
    oldest: AtomicU64,
    newest: AtomicU64,
    phase: AtomicUsize,
    over: AtomicBool,
    revoked_not_everywhere: AtomicI64,
}

impl Stage {
    pub(super) fn new(site: &Site, begun: Instant) -> Self {
        Self {
            begun,
            entra: site.entra.clone(),
            redis_away: Spans::default(),
            entra_away: Spans::default(),
            broken: Default::default(),
            signing: Mutex::new(site.entra.signing_key()),
            replicas: Mutex::new(site.addresses()),
            ready: Default::default(),
            oldest: AtomicU64::new(1),
            newest: AtomicU64::new(1),
            phase: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            revoked_not_everywhere: AtomicI64::new(0),
        }
    }

    pub(super) fn at(&self, place: usize) -> At {
        let all = self.replicas.lock().unwrap_or_else(PoisonError::into_inner);
        all[place % REPLICAS]
    }

    /// Another process took a place, and is ready only when it says so.
    pub(super) fn moved(&self, at: At) {
        self.unready(at.place);
        let mut all = self.replicas.lock().unwrap_or_else(PoisonError::into_inner);
        all[at.place % REPLICAS] = at;
    }

    /// As a balancer does: looks all the time whether a replica is ready.
    pub(super) fn look_after(&self, place: usize) {
        while !self.is_over() {
            let at = self.at(place);
            let is_ready = get(at.admin, "/readyz").is_ok_and(|(ready, _)| ready);
            // What was heard of one process says nothing of the next.
            let is_ready = is_ready && self.at(place) == at;
            self.ready[place % REPLICAS].store(is_ready, Ordering::SeqCst);
            sleep(LOOK);
        }
    }

    /// The first ready one from this place on.
    pub(super) fn replica(&self, place: usize) -> Option<At> {
        let places = (0..REPLICAS).map(|more| (place + more) % REPLICAS);
        places.into_iter().find(|place| self.is_ready(*place)).map(|place| self.at(place))
    }

    /// Nobody is sent there until it was looked at again.
    pub(super) fn unready(&self, place: usize) {
        self.ready[place % REPLICAS].store(false, Ordering::SeqCst);
    }

    pub(super) fn is_ready(&self, place: usize) -> bool {
        self.ready[place % REPLICAS].load(Ordering::SeqCst)
    }

    /// The key that Entra signs with now.
    pub(super) fn signing_key(&self) -> SigningKey {
        self.signing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn sign_with(&self, key: SigningKey) {
        *self.signing.lock().unwrap_or_else(PoisonError::into_inner) = key;
    }

    pub(super) fn oldest(&self) -> u64 {
        self.oldest.load(Ordering::SeqCst)
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest.load(Ordering::SeqCst)
    }

    /// A configuration may be in force from now on.
    pub(super) fn announce(&self, number: u64) {
        self.newest.store(number, Ordering::SeqCst);
    }

    /// No older one is.
    pub(super) fn in_force(&self, number: u64) {
        self.oldest.store(number, Ordering::SeqCst);
    }

    pub(super) fn phase(&self) -> usize {
        self.phase.load(Ordering::Relaxed)
    }

    pub(super) fn enter(&self, phase: usize) {
        self.phase.store(phase, Ordering::Relaxed);
    }

    pub(super) fn revoked_here_only(&self) {
        self.revoked_not_everywhere.fetch_add(1, Ordering::Relaxed);
    }

    /// How many revocations were told to the others only later.
    pub(super) fn here_only(&self) -> i64 {
        self.revoked_not_everywhere.load(Ordering::Relaxed)
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_know_what_they_touch() {
        let spans = Spans::default();
        let before = Instant::now();
        assert!(!spans.touches(before, Instant::now()));
        spans.begin();
        assert!(spans.touches(before, Instant::now()));
        assert_eq!(spans.last_end(before, Instant::now()), Some(None));
        spans.end();
        assert!(matches!(spans.last_end(before, Instant::now()), Some(Some(_))));
        sleep(Duration::from_millis(2));
        let after = Instant::now();
        assert!(!spans.touches(after, after));
    }
}
