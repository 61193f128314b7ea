//! What can go wrong with Entra, on demand, and how often it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

/// Most sayings about traces that are kept.
const KEPT: usize = 64;

/// The parts of the look-alike that fail and count separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// Discovery documents.
    Discovery,
    /// Key sets.
    Keys,
    /// The token endpoint.
    Token,
    /// Microsoft Graph.
    Graph,
}

impl Surface {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Discovery, Self::Keys, Self::Token, Self::Graph];

    /// Which surface serves `path`.
    pub(super) fn of(path: &str) -> Option<Self> {
        if path.ends_with("/.well-known/openid-configuration") {
            Some(Self::Discovery)
        } else if path.contains("/discovery/") {
            Some(Self::Keys)
        } else if path.ends_with("/oauth2/v2.0/token") {
            Some(Self::Token)
        } else {
            path.starts_with("/v1.0/").then_some(Self::Graph)
        }
    }
}

/// How a surface misbehaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    #[default]
    None,
    /// This status, with an error page.
    Status(u16),
    /// 429, and when to come back, in seconds.
    Throttled {
        /// `Retry-After`.
        retry_after: u64,
    },
    /// A redirect to this address, which must not be followed (A251).
    Redirect(String),
    /// No answer until another fault is set; then that.
    Hang,
    /// 200, said to be JSON, with these bytes.
    Garbage(Bytes),
    /// The right answer, cut off in the middle.
    Truncated,
    /// The right answer behind this many bytes of white space: well-formed, and far too long.
    Huge(usize),
    /// The right answer, said to be a web page.
    WrongContentType,
}

/// The present faults and the counters.
#[derive(Debug, Default)]
pub(super) struct Faults {
    discovery: Gate,
    keys: Gate,
    token: Gate,
    graph: Gate,
    paths: Mutex<BTreeMap<String, u64>>,
    /// What callers said about traces, the last few of them.
    traceparents: Mutex<VecDeque<String>>,
}

#[derive(Debug, Default)]
struct Gate {
    fault: watch::Sender<Fault>,
    requests: watch::Sender<u64>,
}

impl Faults {
    const fn gate(&self, surface: Surface) -> &Gate {
        match surface {
            Surface::Discovery => &self.discovery,
            Surface::Keys => &self.keys,
            Surface::Token => &self.token,
            Surface::Graph => &self.graph,
        }
    }

    pub(super) fn set(&self, surface: Surface, fault: Fault) {
        self.gate(surface).fault.send_replace(fault);
    }

    /// Counts a request, before anything else happens to it.
    pub(super) fn count(&self, surface: Surface, path: &str) {
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let count = paths.entry(path.to_owned()).or_default();
        *count = count.saturating_add(1);
        drop(paths);
        self.gate(surface).requests.send_modify(|count| *count = count.saturating_add(1));
    }

    /// Keeps what a caller says about its trace.
    pub(super) fn heard(&self, traceparent: &str) {
        let mut kept = self.traceparents.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back(traceparent.to_owned());
    }

    pub(super) fn traceparents(&self) -> Vec<String> {
        let kept = self.traceparents.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }

    /// The present fault of `surface`; waits while that is to hang.
    pub(super) async fn present(&self, surface: Surface) -> Fault {
        let mut fault = self.gate(surface).fault.subscribe();
        match fault.wait_for(|fault| *fault != Fault::Hang).await {
            Ok(fault) => fault.clone(),
            Err(_) => Fault::None,
        }
    }

    pub(super) fn requests(&self, surface: Surface) -> u64 {
        *self.gate(surface).requests.borrow()
    }

    pub(super) fn requests_to(&self, path: &str) -> u64 {
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.get(path).copied().unwrap_or_default()
    }

    /// Waits until `surface` has been asked `count` times in all.
    pub(super) async fn arrived(&self, surface: Surface, count: u64) {
        let mut requests = self.gate(surface).requests.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        drop(requests.wait_for(|seen| *seen >= count).await);
    }
}
