//! Whether this replica is about to go.
//!
//! From then on it is not ready, and every answer asks its connection to close (RFC 9112 §9.6): who
//! sends more opens another, which leads to a replica that stays. Everything is answered meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::ServiceResponse;
use actix_web::http::ConnectionType;

/// Shared by the listeners and whoever stops them.
#[derive(Clone, Debug, Default)]
pub struct Leaving(Arc<AtomicBool>);

impl Leaving {
    /// Says so to everybody, for good.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was said.
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// `answer`, with the wish to close if this replica goes.
    #[must_use]
    pub fn told<B>(&self, mut answer: ServiceResponse<B>) -> ServiceResponse<B> {
        if self.has_begun() {
            answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        }
        answer
    }
}
