//! What everything that is kept in Redis has in common: the connection, the names, and sealed
//! entries.

use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use redis::cmd;
use secrecy::zeroize::Zeroizing;
use serde::de::DeserializeOwned;

use super::link::{Link, unavailable};
use super::names::Names;
use super::pulse::Pulse;
use super::seal::Seals;
use crate::adapters::random::SystemRandom;
use crate::config::{Redis, WhenUnreachable};
use crate::ports::{Clock, Random as _, Unavailable};
use crate::protocol::time::Seconds;

/// One entry of the stream for each record, in order.
const ADD_RECORDS: &str =
    "for _, line in ipairs(ARGV) do redis.call('XADD', KEYS[1], '*', 'record', line) end";

/// What the parts share.
#[derive(Debug)]
pub struct Store {
    pub(super) link: Link,
    pub(in crate::adapters) seals: Seals,
    pub(in crate::adapters) names: Names,
    /// Names this replica among the others.
    pub(super) me: String,
    pub(super) clock: Arc<dyn Clock>,
    /// What the configuration says about outages.
    pub(super) policy: WhenUnreachable,
    /// What says which log is the present one, as it stood when that was read last.
    pub(super) record: ArcSwap<Vec<u8>>,
    pub(super) pulse: Pulse,
}

impl Store {
    /// Nothing is connected yet. `None` when the cryptographic library refuses.
    pub(super) fn new(redis: &Redis, clock: Arc<dyn Clock>) -> Option<Self> {
        Some(Self {
            link: Link::new(),
            seals: Seals::new(&redis.sealing)?,
            names: Names::new(redis.prefix.clone()),
            me: random_name()?,
            clock,
            policy: redis.when_unreachable,
            record: ArcSwap::default(),
            pulse: Pulse::new(),
        })
    }
}

/// A name that nothing else has: 96 random bits, in 16 letters.
pub(super) fn random_name() -> Option<String> {
    let mut bytes = [0; 12];
    SystemRandom::default().fill(&mut bytes).ok()?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Sealed entries.
impl Store {
    /// The entry `name`, opened. What does not open was written by somebody else: an outage, since
    /// what stood there is not known.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Unavailable> {
        let sealed: Option<Vec<u8>> = self.link.ask(cmd("GET").arg(name)).await?;
        sealed.map(|sealed| self.opened(name, &sealed)).transpose()
    }

    pub(super) fn opened(
        &self,
        name: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unavailable> {
        self.seals.open(name, sealed).ok_or_else(|| {
            tracing::error!(
                entry = name,
                "an entry in Redis is not opened by `store.sealing_key`: it was sealed with \
                 another key, or altered"
            );
            unavailable("an entry cannot be opened")
        })
    }

    pub(super) fn sealed(&self, name: &str, text: &[u8]) -> Result<Vec<u8>, Unavailable> {
        self.seals.seal(name, text).ok_or_else(|| unavailable("an entry cannot be sealed"))
    }

    /// Keeps the entry `name` for `life`.
    pub(in crate::adapters) async fn put(
        &self,
        name: &str,
        text: &[u8],
        life: Seconds,
    ) -> Result<(), Unavailable> {
        let sealed = self.sealed(name, text)?;
        let mut command = cmd("SET");
        command.arg(name).arg(sealed).arg("EX").arg(life.count().max(1));
        self.link.ask(&command).await
    }

    /// The entries of those of `names` that have one, read as JSON. An entry that is none is none:
    /// while the sealing key is changed, some replicas write under the one, some under the other.
    pub(in crate::adapters) async fn read<T: DeserializeOwned>(&self, names: &[String]) -> Vec<T> {
        let mut found = Vec::new();
        for name in names {
            if let Ok(Some(text)) = self.get(name).await {
                found.extend(serde_json::from_slice::<T>(&text).ok());
            }
        }
        found
    }

    /// Adds lines to the audit trail, all or none of them. They are not sealed: they hold no secret,
    /// their own hashes show whether they are what they were, and others are to read them.
    pub(in crate::adapters) async fn audit(&self, lines: &[&[u8]]) -> Result<(), Unavailable> {
        self.link.meet().await;
        let mut command = cmd("EVAL");
        command.arg(ADD_RECORDS).arg(1).arg(self.names.audit()).arg(lines);
        self.link.ask(&command).await
    }

    /// Removes the entries of `names`.
    pub(in crate::adapters) async fn remove(&self, names: &[String]) {
        for name in names {
            let removed: Result<(), _> = self.link.ask(cmd("DEL").arg(name)).await;
            drop(removed);
        }
    }
}
