//! How much of all messages may be under way at once: each may be long, and none is looked at before
//! it is whole, not even whether its sender is known.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::{Code, Status};

/// Most bytes of unfinished messages, on all connections of all listeners together.
const BYTES: usize = 64 * 1024 * 1024;

/// What is left.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<AtomicUsize>);

impl Budget {
    /// All of it.
    pub(super) fn whole() -> Self {
        Self(Arc::new(AtomicUsize::new(BYTES)))
    }

    /// `body`, paid for while it comes.
    pub(super) const fn pay(self, body: tonic::body::Body) -> Paid {
        Paid { body, budget: self, taken: 0 }
    }

    fn take(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// A message under way.
pub(super) struct Paid {
    body: tonic::body::Body,
    budget: Budget,
    taken: usize,
}

impl Body for Paid {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(part)) = &frame
            && let Some(bytes) = part.data_ref().map(Bytes::len)
        {
            if !self.budget.take(bytes) {
                let why = "too many messages are under way";
                return Poll::Ready(Some(Err(Status::new(Code::ResourceExhausted, why))));
            }
            self.taken = self.taken.saturating_add(bytes);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Paid {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back() {
        let budget = Budget::whole();
        assert!(budget.take(BYTES) && !budget.take(1));
        let paid = Paid { body: tonic::body::Body::empty(), budget: budget.clone(), taken: BYTES };
        drop(paid);
        assert!(budget.take(BYTES));
    }
}
