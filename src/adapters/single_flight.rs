//! One piece of work for many who ask for the same thing at the same time.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::background::Background;
use super::spans::beside;

/// The work under way, by what it is for.
pub(super) struct Flights<K, V> {
    name: &'static str,
    under_way: Arc<UnderWay<K, V>>,
    background: Background,
}

type Receiver<V> = watch::Receiver<Option<V>>;
type UnderWay<K, V> = Mutex<HashMap<K, Receiver<V>>>;

/// What to do for the first who asks.
pub(super) enum Start<V, F> {
    /// The answer is known.
    Answer(V),
    /// This finds it.
    Work(F),
}

/// The answer, now or later.
pub(super) enum Ticket<V> {
    /// It is known.
    Ready(V),
    /// Somebody is finding it.
    Waiting(Receiver<V>),
}

impl<V: Clone> Ticket<V> {
    /// The answer; `None` when the work died before it found one.
    pub(super) async fn answer(self) -> Option<V> {
        match self {
            Self::Ready(value) => Some(value),
            Self::Waiting(mut receiver) => {
                receiver.wait_for(Option::is_some).await.ok().and_then(|value| value.clone())
            }
        }
    }
}

impl<K, V> Flights<K, V>
where
    K: Copy + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Nothing is under way yet; `name` is what traces call it.
    pub(super) fn new(name: &'static str, background: Background) -> Self {
        Self { name, under_way: Arc::default(), background }
    }

    /// Joins the work under way for `key`, or else does what `start` says. The work goes on when
    /// the caller goes away.
    ///
    /// Nobody else starts work or sees it end while `start` runs, so it must be short.
    pub(super) fn join<F>(&self, key: K, start: impl FnOnce() -> Start<V, F>) -> Ticket<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut under_way = lock(&self.under_way);
        if let Some(receiver) = under_way.get(&key) {
            return Ticket::Waiting(receiver.clone());
        }
        let work = match start() {
            Start::Answer(value) => return Ticket::Ready(value),
            Start::Work(work) => beside(self.name, work),
        };
        let (sender, receiver) = watch::channel(None);
        under_way.insert(key, receiver.clone());
        let landing = Landing { under_way: Arc::clone(&self.under_way), key };
        self.background.spawn(async move {
            let value = work.await;
            // Whoever asks from here on starts anew; whoever waits is told.
            drop(landing);
            sender.send_replace(Some(value));
        });
        Ticket::Waiting(receiver)
    }
}

/// Removes the work from the list even when it panics or its runtime ends.
struct Landing<K: Eq + Hash, V> {
    under_way: Arc<UnderWay<K, V>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.key);
    }
}

/// A panic cannot leave a map half changed, so a poisoned lock is still good.
fn lock<K, V>(under_way: &UnderWay<K, V>) -> MutexGuard<'_, HashMap<K, Receiver<V>>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::runtime::Handle;
    use tokio::sync::Notify;
    use tokio_util::task::TaskTracker;

    use super::*;

    fn flights() -> Flights<u8, u32> {
        Flights::new("test", Background::new(TaskTracker::new(), Handle::current()))
    }

    #[tokio::test]
    async fn many_who_ask_at_once_share_one_answer_and_a_dropped_one_takes_nothing_along() {
        let flights = flights();
        let started = Arc::new(AtomicU32::new(0));
        let gate = Arc::new(Notify::new());
        let ask = || {
            flights.join(1, || {
                let (started, gate) = (Arc::clone(&started), Arc::clone(&gate));
                Start::Work(async move {
                    gate.notified().await;
                    started.fetch_add(1, Ordering::Relaxed) + 1
                })
            })
        };
        let first = ask();
        let others: Vec<_> = (0..50).map(|_| ask()).collect();
        drop(first);
        gate.notify_one();
        for other in others {
            assert_eq!(other.answer().await, Some(1));
        }
        gate.notify_one();
        assert_eq!(ask().answer().await, Some(2), "what is done is not joined");
    }

    #[tokio::test]
    async fn work_that_dies_leaves_no_trace() {
        let flights = flights();
        let doomed = flights.join(1, || Start::Work(async { panic!("on purpose") }));
        assert_eq!(doomed.answer().await, None);
        let next = flights.join(1, || Start::Work(async { 7 }));
        assert_eq!(next.answer().await, Some(7));
        let known = flights.join(1, || Start::<u32, std::future::Ready<u32>>::Answer(8));
        assert_eq!(known.answer().await, Some(8));
    }
}
