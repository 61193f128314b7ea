//! Puts the pieces together, starts them and stops them.

mod descriptors;
mod gateways;
mod http;
mod incoming;
mod kept;
mod key_events;
mod live;
mod parts;
mod peer;
mod stop;
mod tls;
mod unix_socket;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use futures_util::future::try_join_all;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::adapters::audit::{AuditError, Trail};
use crate::adapters::http_client::HttpSetupError;
use crate::adapters::issuer_keys::KeySets;
use crate::adapters::redis::NotSealable;
use crate::adapters::sealed::SealedError;
use crate::adapters::signing::{RingError, SigningKeys};
use crate::config::{Config, Endpoint, Shutdown};
use crate::edge::Leaving;
use crate::edge::grpc::{Answering, Doors};
use crate::ports::Clock;
use gateways::{Gateway, How};
use key_events::KeyEvents;
use live::Live;
pub use live::{Commit, Following, LivePart, Watched};
use parts::Parts;
pub use parts::{Outside, answering, doors, rehearsing};
use stop::{Listeners, Stopping, seconds};
use tls::TlsHandles;

/// How often is looked whether a key set is due.
const REFRESH_LOOK: Duration = Duration::from_secs(1);
/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No audit trail can be kept.
    #[error("audit: {0}")]
    Audit(#[from] AuditError),
    /// The HTTP client cannot be made.
    #[error(transparent)]
    Http(#[from] HttpSetupError),
    /// A listener cannot be opened.
    #[error("cannot listen on {endpoint} (`listen.{name}`): {source}")]
    Listen {
        /// The key of the configuration.
        name: &'static str,
        /// The place.
        endpoint: Endpoint,
        /// Why.
        source: io::Error,
    },
    /// A metric cannot be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// What was revoked cannot be read.
    #[error("revocations: {0}")]
    Revocations(#[from] SealedError),
    /// What replicas share cannot be sealed.
    #[error(transparent)]
    Sealing(#[from] NotSealable),
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// There is no key to sign answers with.
    #[error("signing keys: {0}")]
    Signer(#[from] RingError),
}

/// The whole service, with its listeners open but nothing answered yet.
pub struct App {
    /// Where the public listener is.
    pub public: SocketAddr,
    /// Where the admin listener is.
    pub admin: SocketAddr,
    /// Where Tyk's plugin is, if there is one.
    pub tyk: Option<Endpoint>,
    /// Where Envoy's external authorization is, if there is one.
    pub envoy: Option<Endpoint>,
    servers: [Server; 2],
    gateways: Vec<Gateway>,
    doors: Arc<Doors>,
    keys: Arc<KeySets>,
    signing: Arc<SigningKeys>,
    following: Option<kept::Following>,
    live: Live,
    files: Option<Following>,
    leaving: Leaving,
    shutdown: Shutdown,
    trail: Arc<Trail>,
    tasks: TaskTracker,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { public, admin, .. } = self;
        f.debug_struct("App").field("public", public).field("admin", admin).finish_non_exhaustive()
    }
}

impl App {
    /// Opens the listeners of `config`. To be called in the runtime that will run the service.
    pub fn bind(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let tasks = TaskTracker::new();
        for (api, listener) in config.guarded_by_network() {
            tracing::warn!(api, %listener, "`guard: network`: let nobody but the gateway reach it");
        }
        let Parts { public, admin, doors, signing, keys, following, trail, mut live } =
            Parts::new(config, Arc::clone(&clock), &tasks)?;
        let tls = TlsHandles::new(&config.listen.tls, &public.metrics, clock);
        let leaving = admin.leaving.clone();
        let grace = seconds(config.shutdown.grace);
        let at = (config.listen.public, tls.http("public")?);
        let (public_server, public) = http::public(public, leaving.clone(), grace, at)
            .map_err(not_open("public", &Endpoint::Tcp(config.listen.public)))?;
        let at = (config.listen.admin, tls.http("admin")?);
        let (admin_server, admin) = http::admin(admin, at)
            .map_err(not_open("admin", &Endpoint::Tcp(config.listen.admin)))?;
        let open = |name, answering, endpoint: &Option<Endpoint>| {
            let Some(endpoint) = endpoint else { return Ok(None) };
            let how = How { answering, grace, tls: tls.grpc(name)? };
            Gateway::open(how, endpoint).map(Some).map_err(not_open(name, endpoint))
        };
        let tyk = open("tyk", Answering::Tyk, &config.listen.tyk)?;
        let envoy = open("envoy", Answering::Envoy, &config.listen.envoy)?;
        live.add(Box::new(tls));
        let at = |gateway: &Option<Gateway>| gateway.as_ref().map(|gateway| gateway.at.clone());
        Ok(Self {
            public,
            admin,
            tyk: at(&tyk),
            envoy: at(&envoy),
            servers: [public_server, admin_server],
            gateways: tyk.into_iter().chain(envoy).collect(),
            doors,
            keys,
            signing,
            following,
            live,
            files: None,
            leaving,
            shutdown: config.shutdown,
            trail,
            tasks,
        })
    }

    /// The same, which takes up what changes in the files of its configuration.
    #[must_use]
    pub fn following(self, files: Following) -> Self {
        Self { files: Some(files), ..self }
    }

    /// The same, where another configuration goes to `part` as well.
    #[must_use]
    pub fn with(mut self, part: Box<dyn LivePart>) -> Self {
        self.live.add(part);
        self
    }

    /// Answers until `stop`, then finishes what it began; `hurry` is a second order, which leaves
    /// out the drain. Fails when a listener breaks.
    pub async fn run(
        self,
        stop: impl Future<Output = ()>,
        hurry: impl Future<Output = ()>,
    ) -> io::Result<()> {
        self.announce();
        let Self { servers, gateways, doors, keys, signing, following, .. } = self;
        let Self { trail, live, files, tasks, .. } = self;
        let stopping = Stopping { leaving: self.leaving, rules: self.shutdown };
        let stopped = CancellationToken::new();
        drop(tasks.spawn(stopped.clone().run_until_cancelled_owned(refresh(keys))));
        let key_events = KeyEvents::new(Arc::<Trail>::clone(&trail));
        drop(tasks.spawn(tend(signing, key_events, stopped.clone())));
        if let Some(following) = following {
            following.start(&tasks, &stopped);
        }
        if let Some(files) = files {
            drop(tasks.spawn(stopped.clone().run_until_cancelled_owned(live.follow(files))));
        }
        let [public_server, admin_server] = servers;
        let listeners = Listeners {
            public: public_server.handle(),
            admin: admin_server.handle(),
            close_gateways: CancellationToken::new(),
            gateways_closed: CancellationToken::new(),
        };
        let (close, closed) = (listeners.close_gateways.clone(), listeners.gateways_closed.clone());
        let gateways =
            gateways.into_iter().map(|gateway| gateway.run(Arc::clone(&doors), close.clone()));
        let gateways = async move {
            let ended = try_join_all(gateways).await;
            closed.cancel();
            ended
        };
        let servers = async { tokio::try_join!(public_server, admin_server, gateways).map(drop) };
        tokio::pin!(servers);
        let told = async {
            stop.await;
            stopping.leave(hurry).await;
        };
        let ended = tokio::select! {
            ended = &mut servers => ended,
            () = told => tokio::join!(servers, stopping.close(listeners)).0,
        };
        let closed = stopping.end((&tasks, &stopped), &trail).await;
        ended.and(closed)
    }

    fn announce(&self) {
        let Self { public, admin, tyk, envoy, trail, .. } = self;
        let told = |at: &Option<Endpoint>| at.as_ref().map(ToString::to_string);
        tracing::info!(
            %public,
            %admin,
            tyk = told(tyk),
            envoy = told(envoy),
            version = env!("CARGO_PKG_VERSION"),
            "started"
        );
        trail.announce();
    }
}

/// Keeps the key sets fresh, from the start.
async fn refresh(keys: Arc<KeySets>) {
    let mut ticks = tokio::time::interval(REFRESH_LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        keys.refresh_due();
    }
}

/// Keeps our own keys as time and orders ask for, beside everything else: making one takes long.
async fn tend(signing: Arc<SigningKeys>, mut key_events: KeyEvents, stopped: CancellationToken) {
    let mut ticks = tokio::time::interval(REFRESH_LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A change under way is finished: half of one would be lost.
    while stopped.run_until_cancelled(ticks.tick()).await.is_some() {
        let its = Arc::clone(&signing);
        // A panic in there is told by its own message; the next look is made all the same.
        drop(tokio::task::spawn_blocking(move || its.tend()).await);
        key_events.record(&signing.statuses()).await;
    }
}

fn not_open(name: &'static str, endpoint: &Endpoint) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::Listen { name, endpoint: endpoint.clone(), source }
}
