//! What is to be done when another replica has changed something: beside the following of the log,
//! which waits for none of it.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::link::unavailable;
use super::news::News;
use super::opaque_tokens::SharedOpaqueTokens;
use crate::adapters::issuer_keys::KeySets;
use crate::adapters::signing::SigningKeys;
use crate::adapters::throttle::FailureThrottle;
use crate::ports::{Throttle as _, ThrottleKey, Unavailable};
use crate::protocol::ids::Fingerprint;

/// The parts of a replica that others change.
#[derive(Debug)]
pub struct Listeners {
    signing: Arc<SigningKeys>,
    key_sets: Arc<KeySets>,
    throttle: Arc<FailureThrottle>,
    opaque: Arc<SharedOpaqueTokens>,
    wake: Wake,
}

/// Which of them are to look.
#[derive(Debug, Default)]
struct Wake {
    signing: Notify,
    key_sets: Notify,
    opaque: Notify,
}

impl Listeners {
    /// The keys that sign, the keys of issuers, failures to authenticate, and opaque tokens.
    pub fn new(
        signing: Arc<SigningKeys>,
        key_sets: Arc<KeySets>,
        throttle: Arc<FailureThrottle>,
        opaque: Arc<SharedOpaqueTokens>,
    ) -> Self {
        Self { signing, key_sets, throttle, opaque, wake: Wake::default() }
    }

    /// After everything was read. Whoever joins needs the keys that sign before it can serve. A
    /// `survivor` has them; Redis may have lost what it kept there.
    pub(super) async fn synchronised(&self, survivor: bool) -> Result<(), Unavailable> {
        if survivor {
            self.wake.signing.notify_one();
            self.wake.opaque.notify_one();
        } else {
            let signing = Arc::clone(&self.signing);
            let shared = tokio::task::spawn_blocking(move || signing.join()).await;
            shared.map_err(|error| unavailable(&error.to_string()))??;
            self.key_sets.take_up().await;
        }
        self.wake.key_sets.notify_one();
        Ok(())
    }

    /// After others told something.
    pub(super) fn heard(&self, told: impl Iterator<Item = News>) {
        for news in told {
            match news {
                News::Ring => self.wake.signing.notify_one(),
                News::KeySets => self.wake.key_sets.notify_one(),
                News::Failed(key) => self.throttle.failed(&ThrottleKey(Fingerprint::from(key))),
            }
        }
    }

    /// Looks whenever there is reason to, until `stopped`.
    pub async fn listen(self: Arc<Self>, stopped: CancellationToken) {
        let signing = async {
            loop {
                self.wake.signing.notified().await;
                let signing = Arc::clone(&self.signing);
                // What fails here is told by itself, and tried again every second.
                drop(tokio::task::spawn_blocking(move || signing.look_again()).await);
            }
        };
        let key_sets = async {
            loop {
                self.wake.key_sets.notified().await;
                self.key_sets.take_up().await;
                self.key_sets.give().await;
            }
        };
        let opaque = async {
            loop {
                self.wake.opaque.notified().await;
                if let Err(outage) = self.opaque.rewrite().await {
                    tracing::warn!(detail = %outage, "opaque tokens cannot be written again");
                }
            }
        };
        let all = async { tokio::join!(signing, key_sets, opaque) };
        let ended: Option<((), (), ())> = stopped.run_until_cancelled(all).await;
        debug_assert!(ended.is_none(), "these go on for ever");
    }
}
