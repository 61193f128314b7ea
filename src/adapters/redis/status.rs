//! How the store is doing, for operators.

use std::sync::Arc;

use super::revocations::SharedRevocations;
use super::store::Store;
use crate::ports::{SharedStore, StoreMeasures, StoreState, StoreStatus};

/// Tells how Redis and the other replicas look from here.
#[derive(Debug)]
pub struct SharedStatus {
    /// What is told about.
    pub store: Arc<Store>,
    /// Which revocations wait.
    pub revocations: Arc<SharedRevocations>,
}

impl SharedStore for SharedStatus {
    fn status(&self) -> StoreStatus {
        let store = &self.store;
        let state = match (store.is_synchronised(), store.is_current()) {
            (false, _) => StoreState::Joining,
            (true, true) => StoreState::Current,
            (true, false) => StoreState::Behind,
        };
        let connected = store.link.is_open();
        StoreStatus {
            state,
            connected,
            policy: store.policy.into(),
            decides: store.known().is_ok(),
            proof_age: store.proof_age(),
            waiting: self.revocations.waiting(),
            synchronisations: store.synchronisations(),
            learnt: self.revocations.learnt(),
            last_error: (!connected).then(|| store.link.why().to_string()),
        }
    }

    fn measures(&self) -> StoreMeasures {
        StoreMeasures {
            commands: Arc::clone(self.store.link.commands()),
            propagation: Arc::clone(self.revocations.propagation()),
        }
    }
}
