//! The pieces of one process, made from a configuration.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::web::Data;
use actix_web::{App as Routes, Error};
use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::kept::{Following, Kept};
use super::live::{Applier, Live, Told};
use super::{StartError, http};
use crate::adapters::audit::Trail;
use crate::adapters::background::Background;
use crate::adapters::graph::GraphGroups;
use crate::adapters::http_client::{HttpClient, HttpSetupError};
use crate::adapters::issuer_keys::KeySets;
use crate::adapters::random::SystemRandom;
use crate::adapters::redis::{Replica, Store};
use crate::adapters::signing::{SharedKeys, SigningKeys};
use crate::config::{Audit, AuditSink, Config, Signing};
use crate::edge::Leaving;
use crate::edge::admin::Admin;
use crate::edge::grpc::Doors;
use crate::edge::public::Public;
use crate::ports::{
    AuditTrail, Clock, GroupDirectory, IssuerKeys, ReplayGuard, SharedAnswers, Signer, Throttle,
    Upstream,
};
use crate::service::authenticate::{Authenticator, BearerCache};
use crate::service::configuration::Configuration;
use crate::service::exchange::{self, Exchanger};
use crate::service::gate::Gate;
use crate::service::introspect::{self, Introspector};
use crate::service::revoke::Revoker;
use crate::service::shared_answers::Answers;
use crate::service::snapshot::Snapshot;
use crate::service::swap_cache::SwapCache;
use crate::service::tokens::{Own, Tokens};
use crate::service::verdict_cache::VerdictCache;
use crate::service::verify::Verifier;
use crate::telemetry::metrics::{Metrics, Sources};

/// What we need from outside: Entra and Graph.
#[derive(Debug)]
pub struct Outside {
    /// The key sets of the configured tenants.
    pub keys: Arc<KeySets>,
    /// The groups that tokens left out.
    pub groups: Arc<GraphGroups>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What both of them asked.
    pub upstream: Upstream,
}

impl Outside {
    /// Connects nothing yet. What is learnt is shared in `store`, if there is one. Fetches run on
    /// the present runtime, registered with `tasks`.
    pub fn new(
        config: &Config,
        store: Option<&Arc<Store>>,
        clock: Arc<dyn Clock>,
        tasks: &TaskTracker,
    ) -> Result<Self, HttpSetupError> {
        let (http, upstream) = (HttpClient::new()?, Upstream::default());
        let (to_graph, to_issuers) =
            (http.counted_as(&upstream.graph), http.counted_as(&upstream.issuer_keys));
        let background = Background::new(tasks.clone(), Handle::current());
        let (tenants, clusters, rules) = (&config.tenants, &config.clusters, config.key_sets);
        let (time, its) = (Arc::clone(&clock), background.clone());
        let groups = GraphGroups::new(tenants, &to_graph, store, time, its);
        let keys =
            KeySets::new((tenants, clusters), rules, to_issuers, Arc::clone(&clock), background);
        let keys = match store {
            Some(store) => keys.shared(store),
            None => keys,
        };
        Ok(Self { keys: Arc::new(keys), groups: Arc::new(groups), clock, upstream })
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
    let audit = Audit { to: AuditSink::Nowhere, ..config.audit.clone() };
    let beside = Config { signing: Signing::default(), redis: None, audit, ..config.clone() };
    let Parts { public, .. } = Parts::new(&beside, clock, tasks)?;
    Ok(Arc::clone(&public.exchanger))
}

/// What the public listener does with a request, without the listener: the guard benchmarks count its
/// instructions. To be called in the runtime that will run it.
pub fn answering(
    config: &Config,
    clock: Arc<dyn Clock>,
    tasks: &TaskTracker,
) -> Result<
    Routes<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<impl MessageBody + use<>>,
            Error = Error,
            InitError = (),
        > + use<>,
    >,
    StartError,
> {
    let Parts { public, admin, .. } = Parts::new(config, clock, tasks)?;
    Ok(http::answering(public, admin.leaving.clone()))
}

/// What the listeners for gateways work with, without the listeners: fuzzing asks there. To be called in
/// the runtime that will run it.
pub fn doors(
    config: &Config,
    clock: Arc<dyn Clock>,
    tasks: &TaskTracker,
) -> Result<Arc<Doors>, StartError> {
    Ok(Parts::new(config, clock, tasks)?.doors)
}

/// What the handlers of both listeners work with.
#[derive(Debug)]
pub(super) struct Parts {
    /// For the public listener.
    pub(super) public: Data<Public>,
    /// For the admin listener.
    pub(super) admin: Data<Admin>,
    /// For the listeners of gateways.
    pub(super) doors: Arc<Doors>,
    /// What has to be tended.
    pub(super) signing: Arc<SigningKeys>,
    /// The same.
    pub(super) keys: Arc<KeySets>,
    /// What follows other replicas, if there are any.
    pub(super) following: Option<Following>,
    /// What is closed last.
    pub(super) trail: Arc<Trail>,
    /// What takes up another configuration.
    pub(super) live: Live,
}

impl Parts {
    /// To be called in the runtime that will run the service.
    pub(super) fn new(
        config: &Config,
        clock: Arc<dyn Clock>,
        tasks: &TaskTracker,
    ) -> Result<Self, StartError> {
        let replica = config.redis.as_ref().map(|redis| Replica::new(redis, &clock)).transpose()?;
        let store = replica.as_ref().map(|replica| &replica.store);
        let trail = Arc::new(Trail::begin(&config.audit, store, Arc::clone(&clock))?);
        let audit: Arc<dyn AuditTrail> = Arc::<Trail>::clone(&trail);
        let outside = Outside::new(config, store, clock, tasks)?;
        let verifier = Arc::new(outside.verifier());
        let Outside { keys, groups, clock, upstream } = outside;
        let Kept { signing, opaque, revocations, replay, throttle, answers, others, following } =
            kept(config, replica, (&keys, tasks), &clock)?;
        let directory: Arc<dyn GroupDirectory> = Arc::<GraphGroups>::clone(&groups);
        let shared = Arc::new(SharedKeys(Arc::clone(&signing)));
        let signer: Arc<dyn Signer> = Arc::<SharedKeys>::clone(&shared);
        let own = Own { signer: Arc::clone(&signer), opaque, revocations };
        let tokens = Arc::new(Tokens::new(verifier, Some(own.clone()), Arc::clone(&clock)));
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::of(config)));
        let configuration = Arc::new(Configuration::first(clock.now()));
        let applier = Applier::new(Arc::clone(&snapshot), Arc::clone(&keys), groups);
        let store = others.as_ref().map(|others| others.measures());
        let metrics = Arc::new(Metrics::new(&Sources { upstream, store })?);
        let its_answers = answers.map(|shared| shared_answers(shared, &keys, &own, &clock));
        let told = Told::new(&configuration, &metrics, &audit);
        let mut live = Live::new(config, applier, told, Arc::clone(&clock));
        live.add(Box::new(Arc::clone(&trail)));
        let introspector = Arc::new(Introspector::new(introspect::Parts {
            tokens: Arc::clone(&tokens),
            groups: Arc::clone(&directory),
            own: own.clone(),
            clock: Arc::clone(&clock),
            cache: VerdictCache::new(config.cache.bytes, Arc::clone(&own.revocations)),
            shared: its_answers,
            audit: Arc::clone(&audit),
        }));
        let share = || (Arc::clone(&clock), Arc::clone(&audit));
        let guards = (throttle, replay);
        let authenticator = Arc::new(authenticator(&tokens, guards, &own, share()));
        let exchanger = Arc::new(Exchanger::new(exchange::Parts {
            tokens: Arc::clone(&tokens),
            authenticator: Arc::clone(&authenticator),
            groups: Arc::clone(&directory),
            own: own.clone(),
            random: Arc::new(SystemRandom::default()),
            clock: Arc::clone(&clock),
            audit: Arc::clone(&audit),
        }));
        let swaps =
            SwapCache::new(Arc::clone(&tokens), Arc::clone(&own.revocations), Arc::clone(&clock));
        let deciding = (Arc::clone(&introspector), Arc::clone(&exchanger));
        let gate = Arc::new(Gate::new(deciding, swaps, share().1));
        let revoker = Arc::new(Revoker::new(Arc::clone(&tokens), own, share()));
        let doors = Doors::new(&snapshot, &gate, &clock, (&metrics, &audit));
        let public = Public {
            snapshot: Arc::clone(&snapshot),
            gate,
            authenticator,
            introspector: Arc::clone(&introspector),
            exchanger: Arc::clone(&exchanger),
            revoker: Arc::clone(&revoker),
            signer,
            metrics: Arc::clone(&metrics),
        };
        let admin = Admin {
            leaving: Leaving::default(),
            snapshot,
            configuration,
            tokens,
            groups: directory,
            keys: Arc::<KeySets>::clone(&keys),
            others,
            clock,
            introspector,
            exchanger,
            revoker,
            ring: shared,
            audit,
            metrics,
        };
        let (public, admin) = (Data::new(public), Data::new(admin));
        Ok(Self { public, admin, doors: Arc::new(doors), signing, keys, following, trail, live })
    }
}

/// What is kept: here, or where replicas share it.
fn kept(
    config: &Config,
    replica: Option<Replica>,
    (keys, tasks): (&Arc<KeySets>, &TaskTracker),
    clock: &Arc<dyn Clock>,
) -> Result<Kept, StartError> {
    match replica {
        Some(replica) => {
            let background = Background::new(tasks.clone(), Handle::current());
            Kept::shared(config, replica, (keys, background), clock)
        }
        None => Kept::here(config, clock),
    }
}

/// The answers of other replicas, held against what this one knows.
fn shared_answers(
    shared: Arc<dyn SharedAnswers>,
    keys: &Arc<KeySets>,
    own: &Own,
    clock: &Arc<dyn Clock>,
) -> Answers {
    let keys: Arc<dyn IssuerKeys> = Arc::<KeySets>::clone(keys);
    Answers { shared, keys, own: own.clone(), clock: Arc::clone(clock) }
}

/// What knows clients, and those who are none.
fn authenticator(
    tokens: &Arc<Tokens>,
    (throttle, replay): (Arc<dyn Throttle>, Arc<dyn ReplayGuard>),
    own: &Own,
    (clock, audit): (Arc<dyn Clock>, Arc<dyn AuditTrail>),
) -> Authenticator {
    let bearers = BearerCache::new(Arc::clone(&own.revocations));
    Authenticator { tokens: Arc::clone(tokens), throttle, replay, clock, bearers, audit }
}
