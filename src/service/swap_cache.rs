//! Tokens that were swapped a moment ago: a gateway asks at every request, and its callers send the
//! same token for an hour.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::exchange::Issued;
use super::snapshot::{Caller, Snapshot};
use super::standing::Standing;
use super::tokens::Tokens;
use super::verify::Audiences;
use super::views::ViewId;
use crate::domain::api::Swap;
use crate::ports::{Clock, Revocations};
use crate::protocol::ids::Fingerprint;
use crate::protocol::time::{Seconds, UnixTime};

/// Most tokens that are kept; about 25 MB, if they are of the usual size.
const CAPACITY: usize = 10_000;

/// The exact subject token, whose configuration it was swapped under, and what was asked for.
type Key = (Fingerprint, ViewId, Fingerprint);

/// Each is handed out for half of its life, so that whoever gets it has some of it left, and only
/// while it would itself be found good.
pub struct SwapCache {
    kept: Cache<Key, Arc<Kept>>,
    tokens: Arc<Tokens>,
    revocations: Arc<dyn Revocations>,
    clock: Arc<dyn Clock>,
}

/// A token that was issued, and for how long it is handed out again.
struct Kept {
    text: Arc<str>,
    standing: Standing,
}

impl std::fmt::Debug for SwapCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SwapCache").finish_non_exhaustive()
    }
}

impl SwapCache {
    /// An empty cache, which verifies what it keeps with `tokens`.
    pub fn new(
        tokens: Arc<Tokens>,
        revocations: Arc<dyn Revocations>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { kept: Cache::new(CAPACITY), tokens, revocations, clock }
    }

    /// What `token` was swapped for by `caller`, if that may be handed out again.
    pub(super) fn get(&self, caller: &Caller, token: &str, swap: &Swap) -> Option<Arc<str>> {
        let kept = self.kept.get(&key(caller, token, swap))?;
        let stands = kept.standing.stands(self.clock.now(), &*self.revocations);
        stands.then(|| Arc::clone(&kept.text))
    }

    /// Keeps what `token` was swapped for. It is verified once, as the API behind the gateway would
    /// have it verified: so it is known by what it can be revoked, and which key of ours it needs.
    pub(super) async fn keep(
        &self,
        snapshot: &Snapshot,
        (caller, token, swap): (&Caller, &str, &Swap),
        issued: &Issued,
    ) -> Arc<str> {
        let text: Arc<str> = issued.text.as_str().into();
        let verified = self.tokens.verify(snapshot, &text, Audiences::ProtectedApis).await;
        if let Ok(vetted) = verified {
            let standing = vetted.standing(half_of(issued));
            let kept = Kept { text: Arc::clone(&text), standing };
            self.kept.insert(key(caller, token, swap), Arc::new(kept));
        }
        text
    }
}

/// The middle of its life.
fn half_of(issued: &Issued) -> UnixTime {
    let life = issued.token.expires.since(issued.token.issued_at);
    issued.token.issued_at.plus(Seconds::new(life.count() / 2))
}

/// As JSON, in which no two requests are spelled alike.
fn key(caller: &Caller, token: &str, swap: &Swap) -> Key {
    let asked = serde_json::json!([swap.resource, swap.scopes]).to_string();
    (Fingerprint::of(token.as_bytes()), caller.swaps, Fingerprint::of(asked.as_bytes()))
}
