//! What happens to the keys that sign, for the audit trail: whoever made it happen, a schedule, an
//! operator, a command beside the service, or another replica.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::audit::record::{Event, Record};
use crate::domain::keyring::{KeyState, KeyStatus};
use crate::ports::AuditTrail;

/// The keys as they were seen last.
#[derive(Debug)]
pub(super) struct KeyEvents {
    audit: Arc<dyn AuditTrail>,
    seen: HashMap<Arc<str>, KeyState>,
}

impl KeyEvents {
    pub(super) fn new(audit: Arc<dyn AuditTrail>) -> Self {
        Self { audit, seen: HashMap::new() }
    }

    /// Records in what `now` differs from what was seen last; at first, what there is. What cannot be
    /// recorded is new again at the next look.
    pub(super) async fn record(&mut self, now: &[KeyStatus]) {
        for KeyStatus { entry, .. } in now {
            if self.seen.get(&entry.kid) != Some(&entry.state) {
                let what = format!("{} {} {}", entry.algorithm.as_str(), entry.kid, entry.state);
                if !self.changed(&what).await {
                    return;
                }
                self.seen.insert(Arc::clone(&entry.kid), entry.state);
            }
        }
        let is_there = |kid: &str| now.iter().any(|status| &*status.entry.kid == kid);
        let gone: Vec<_> = self.seen.keys().filter(|kid| !is_there(kid)).cloned().collect();
        for kid in gone {
            if !self.changed(&format!("{kid} gone")).await {
                return;
            }
            self.seen.remove(&kid);
        }
    }

    async fn changed(&self, what: &str) -> bool {
        self.audit.accept(Record::new(Event::KeyChanged).detail(what)).await.is_ok()
    }
}
