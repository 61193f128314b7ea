//! The pieces of one process, made from a configuration.

use std::sync::Arc;

use actix_web::web::Data;
use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::adapters::background::Background;
use crate::adapters::graph::GraphGroups;
use crate::adapters::http_client::{HttpClient, HttpSetupError};
use crate::adapters::issuer_keys::KeySets;
use crate::adapters::opaque_tokens::MemoryOpaqueTokens;
use crate::adapters::random::SystemRandom;
use crate::adapters::replay::MemoryReplayGuard;
use crate::adapters::revocations::MemoryRevocations;
use crate::adapters::signing::{SharedKeys, SigningKeys};
use crate::adapters::throttle::FailureThrottle;
use crate::config::{Config, Signing};
use crate::edge::admin::Admin;
use crate::edge::public::Public;
use crate::ports::{Clock, GroupDirectory, IssuerKeys, Signer};
use crate::service::authenticate::{Authenticator, BearerCache};
use crate::service::exchange::{self, Exchanger};
use crate::service::introspect::{self, Introspector};
use crate::service::revoke::Revoker;
use crate::service::snapshot::Snapshot;
use crate::service::tokens::{Own, Tokens};
use crate::service::verdict_cache::VerdictCache;
use crate::service::verify::Verifier;
use crate::telemetry::metrics::Metrics;

/// What we need from outside: Entra and Graph.
#[derive(Debug)]
pub struct Outside {
    /// The key sets of the configured tenants.
    pub keys: Arc<KeySets>,
    /// The groups that tokens left out.
    pub groups: Arc<GraphGroups>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

impl Outside {
    /// Connects nothing yet. Fetches run on the present runtime, registered with `tasks`.
    pub fn new(
        config: &Config,
        clock: Arc<dyn Clock>,
        tasks: &TaskTracker,
    ) -> Result<Self, HttpSetupError> {
        let http = HttpClient::new()?;
        let background = Background::new(tasks.clone(), Handle::current());
        let (tenants, clusters, rules) = (&config.tenants, &config.clusters, config.key_sets);
        let groups = GraphGroups::new(tenants, &http, Arc::clone(&clock), background.clone());
        let keys = KeySets::new((tenants, clusters), rules, http, Arc::clone(&clock), background);
        Ok(Self { keys: Arc::new(keys), groups: Arc::new(groups), clock })
    }

    /// What verifies tokens with these keys.
    pub fn verifier(&self) -> Verifier {
        let keys: Arc<dyn IssuerKeys> = Arc::<KeySets>::clone(&self.keys);
        Verifier::new(keys, Arc::clone(&self.clock))
    }
}

/// An exchanger to rehearse with, beside the service: it knows no token that was minted here, and
/// nothing that was revoked.
pub fn rehearsing(
    config: &Config,
    clock: Arc<dyn Clock>,
    tasks: &TaskTracker,
) -> Result<Arc<Exchanger>, StartError> {
    let beside = Config { signing: Signing::default(), ..config.clone() };
    let outside = Outside::new(&beside, clock, tasks)?;
    let Parts { public, .. } = Parts::new(&beside, outside)?;
    Ok(Arc::clone(&public.exchanger))
}

/// What the handlers of both listeners work with.
#[derive(Debug)]
pub(super) struct Parts {
    /// For the public listener.
    pub(super) public: Data<Public>,
    /// For the admin listener.
    pub(super) admin: Data<Admin>,
    /// What has to be tended.
    pub(super) signing: Arc<SigningKeys>,
}

impl Parts {
    pub(super) fn new(config: &Config, outside: Outside) -> Result<Self, StartError> {
        let verifier = Arc::new(outside.verifier());
        let Outside { keys, groups, clock } = outside;
        let groups: Arc<dyn GroupDirectory> = groups;
        let signing = Arc::new(SigningKeys::start(&config.signing, Arc::clone(&clock))?);
        let shared = Arc::new(SharedKeys(Arc::clone(&signing)));
        let signer: Arc<dyn Signer> = Arc::<SharedKeys>::clone(&shared);
        let own = Own {
            signer: Arc::clone(&signer),
            opaque: Arc::new(MemoryOpaqueTokens::new(Arc::clone(&clock))),
            revocations: Arc::new(MemoryRevocations::kept_in(
                config.signing.folder.as_ref(),
                Arc::clone(&clock),
            )?),
        };
        let tokens = Arc::new(Tokens::new(verifier, Some(own.clone()), Arc::clone(&clock)));
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::of(config)));
        let metrics = Arc::new(Metrics::new()?);
        let introspector = Arc::new(Introspector::new(introspect::Parts {
            tokens: Arc::clone(&tokens),
            groups: Arc::clone(&groups),
            own: own.clone(),
            clock: Arc::clone(&clock),
            cache: VerdictCache::new(config.cache.bytes, Arc::clone(&own.revocations)),
        }));
        let authenticator = Arc::new(Authenticator {
            tokens: Arc::clone(&tokens),
            throttle: Arc::new(FailureThrottle::new(Arc::clone(&clock))),
            replay: Arc::new(MemoryReplayGuard::new(Arc::clone(&clock))),
            clock: Arc::clone(&clock),
            bearers: BearerCache::new(Arc::clone(&own.revocations)),
        });
        let exchanger = Arc::new(Exchanger::new(exchange::Parts {
            tokens: Arc::clone(&tokens),
            authenticator: Arc::clone(&authenticator),
            groups: Arc::clone(&groups),
            own: own.clone(),
            random: Arc::new(SystemRandom::default()),
            clock: Arc::clone(&clock),
        }));
        let revoker = Arc::new(Revoker::new(Arc::clone(&tokens), own, Arc::clone(&clock)));
        let public = Public {
            snapshot: Arc::clone(&snapshot),
            authenticator,
            introspector: Arc::clone(&introspector),
            exchanger: Arc::clone(&exchanger),
            revoker: Arc::clone(&revoker),
            signer,
            metrics: Arc::clone(&metrics),
        };
        let admin = Admin {
            snapshot,
            tokens,
            groups,
            keys,
            clock,
            introspector,
            exchanger,
            revoker,
            ring: shared,
            metrics,
        };
        Ok(Self { public: Data::new(public), admin: Data::new(admin), signing })
    }
}
