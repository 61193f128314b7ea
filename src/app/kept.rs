//! What is kept beyond one request: in the memory of this process, in a folder, or in a Redis that
//! replicas share.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::adapters::background::Background;
use crate::adapters::issuer_keys::KeySets;
use crate::adapters::opaque_tokens::MemoryOpaqueTokens;
use crate::adapters::redis::{Keeper, Listeners, Messenger, RedisAnswers, Replica, SharedStatus};
use crate::adapters::replay::MemoryReplayGuard;
use crate::adapters::revocations::MemoryRevocations;
use crate::adapters::signing::SigningKeys;
use crate::adapters::throttle::FailureThrottle;
use crate::config::{Config, SharedResults};
use crate::ports::{
    Clock, OpaqueTokens, ReplayGuard, Revocations, SharedAnswers, SharedStore, Throttle,
};

/// Where everything is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) signing: Arc<SigningKeys>,
    pub(super) opaque: Arc<dyn OpaqueTokens>,
    pub(super) revocations: Arc<dyn Revocations>,
    pub(super) replay: Arc<dyn ReplayGuard>,
    pub(super) throttle: Arc<dyn Throttle>,
    /// The answers of other replicas, where they are shared.
    pub(super) answers: Option<Arc<dyn SharedAnswers>>,
    /// How the other replicas look from here.
    pub(super) others: Option<Arc<dyn SharedStore>>,
    pub(super) following: Option<Following>,
}

/// What keeps that in step with the others, or with a disk.
#[derive(Debug)]
pub(super) enum Following {
    /// The other replicas.
    Others { keeper: Box<Keeper>, listeners: Arc<Listeners>, messenger: Messenger },
    /// A folder, which may be full for a while.
    Folder(Arc<MemoryRevocations>),
}

/// How often is looked whether a full disk has room again.
const LOOK: Duration = Duration::from_secs(1);

impl Kept {
    /// In this process, and the folder of the configuration.
    pub(super) fn here(config: &Config, clock: &Arc<dyn Clock>) -> Result<Self, StartError> {
        let time = || Arc::clone(clock);
        let folder = config.signing.folder.as_ref();
        let revocations = Arc::new(MemoryRevocations::kept_in(folder, time())?);
        Ok(Self {
            signing: Arc::new(SigningKeys::start(&config.signing, time())?),
            opaque: Arc::new(MemoryOpaqueTokens::new(time())),
            revocations: Arc::<MemoryRevocations>::clone(&revocations),
            replay: Arc::new(MemoryReplayGuard::new(time())),
            throttle: Arc::new(FailureThrottle::new(time())),
            answers: None,
            others: None,
            following: folder.map(|_| Following::Folder(revocations)),
        })
    }

    /// In what all replicas share.
    pub(super) fn shared(
        config: &Config,
        replica: Replica,
        (key_sets, background): (&Arc<KeySets>, Background),
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let time = || Arc::clone(clock);
        let signing = SigningKeys::shared(&config.signing, &replica, Handle::current(), time())?;
        let signing = Arc::new(signing);
        let here = Arc::new(FailureThrottle::new(time()));
        let (throttle, messenger) = replica.throttle(Arc::clone(&here));
        let Replica { store, revocations, opaque, replay, keeper } = replica;
        let (its, sets, tokens) = (Arc::clone(&signing), Arc::clone(key_sets), Arc::clone(&opaque));
        let listeners = Arc::new(Listeners::new(its, sets, here, tokens));
        let all = config.redis.as_ref().is_some_and(|redis| redis.results == SharedResults::All);
        let answers = all.then(|| RedisAnswers { store: Arc::clone(&store), background });
        let others = SharedStatus { store, revocations: Arc::clone(&revocations) };
        Ok(Self {
            signing,
            opaque,
            revocations,
            replay: Arc::new(replay),
            throttle: Arc::new(throttle),
            answers: answers.map(|answers| Arc::new(answers) as _),
            others: Some(Arc::new(others)),
            following: Some(Following::Others { keeper: Box::new(keeper), listeners, messenger }),
        })
    }
}

impl Following {
    /// Starts until `stopped`.
    pub(super) fn start(self, tasks: &TaskTracker, stopped: &CancellationToken) {
        match self {
            Self::Others { keeper, listeners, messenger } => {
                drop(tasks.spawn(Arc::clone(&listeners).listen(stopped.clone())));
                drop(tasks.spawn(keeper.keep(listeners, stopped.clone())));
                drop(tasks.spawn(messenger.deliver(stopped.clone())));
            }
            Self::Folder(revocations) => {
                drop(tasks.spawn(keep_writing(revocations, stopped.clone())));
            }
        }
    }
}

/// Writes what could not be written, as soon as that can be done.
async fn keep_writing(revocations: Arc<MemoryRevocations>, stopped: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stopped.run_until_cancelled(ticks.tick()).await.is_some() {
        // That it cannot be done is told by whoever revoked.
        drop(revocations.write_what_waits().await);
    }
    if let Err(error) = revocations.write_what_waits().await {
        tracing::error!(%error, "revocations are lost with this process");
    }
}
