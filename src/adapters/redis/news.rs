//! What replicas tell each other, and nobody needs later: a stream of its own.

use std::collections::HashMap;

use redis::cmd;
use redis::streams::StreamId;
use serde::{Deserialize, Serialize};

use super::link::unavailable;
use super::store::Store;
use crate::ports::Unavailable;
use crate::protocol::ids::Fingerprint;
use crate::protocol::time::{Seconds, UnixTime};

/// How many pieces of news are kept for those who were away for a moment.
const NEWS_KEPT: usize = 10_000;
/// How old news may be, or how far ahead the clock of who tells it. Whoever can write to Redis could
/// tell the same again and again.
const FRESH: Seconds = Seconds::new(30);

/// Adds pieces of news to the stream.
const TELL: &str = "for i = 2, #ARGV do
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 's', ARGV[i])
end";

/// What a replica tells the others.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(in crate::adapters) enum News {
    /// The keys that sign have changed.
    Ring,
    /// The key set of an issuer has changed.
    KeySets,
    /// Somebody failed to authenticate, under the key of these bytes.
    Failed([u8; 32]),
}

/// The same, who tells it, and when.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    by: String,
    at: UnixTime,
    news: News,
}

/// What was heard lately, so that nothing is heard twice.
#[derive(Debug, Default)]
pub(super) struct Heard(HashMap<Fingerprint, UnixTime>);

impl Store {
    /// Tells the others.
    pub(in crate::adapters) async fn tell(&self, news: &[News]) -> Result<(), Unavailable> {
        let (name, at) = (self.names.news(), self.clock.now());
        let mut command = cmd("EVAL");
        command.arg(TELL).arg(1).arg(&name).arg(NEWS_KEPT);
        for news in news {
            let told = Told { by: self.me.clone(), at, news: *news };
            let told = serde_json::to_vec(&told);
            let told = told.map_err(|error| unavailable(&error.to_string()))?;
            command.arg(self.sealed(&name, &told)?);
        }
        self.link.ask(&command).await
    }
}

impl Heard {
    /// What another replica told, if that is new.
    pub(super) fn of(&mut self, store: &Store, entry: &StreamId) -> Option<News> {
        let sealed: Vec<u8> = entry.get("s")?;
        let text = store.seals.open(&store.names.news(), &sealed)?;
        let Told { by, at, news } = serde_json::from_slice(&text).ok()?;
        let now = store.clock.now();
        let fresh = at.plus(FRESH) >= now && now.plus(FRESH) >= at;
        if by == store.me || !fresh {
            return None;
        }
        if self.0.len() >= NEWS_KEPT {
            self.0.retain(|_, at| at.plus(FRESH) >= now);
        }
        // No two pieces of news are sealed alike.
        let first = self.0.insert(Fingerprint::of(&sealed), at).is_none();
        first.then_some(news)
    }
}
