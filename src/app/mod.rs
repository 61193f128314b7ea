//! Puts the pieces together, starts them and stops them.

mod gateways;
mod incoming;
mod kept;
mod key_events;
mod live;
mod parts;
mod stop;
mod unix_socket;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, Service as _};
use actix_web::{App as Routes, HttpServer};
use futures_util::future::try_join_all;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_actix_web::TracingLogger;

use crate::adapters::audit::{AuditError, Trail};
use crate::adapters::http_client::HttpSetupError;
use crate::adapters::issuer_keys::KeySets;
use crate::adapters::redis::NotSealable;
use crate::adapters::sealed::SealedError;
use crate::adapters::signing::{RingError, SigningKeys};
use crate::config::{Config, Endpoint, Shutdown};
use crate::edge::grpc::{Answering, Doors};
use crate::edge::{Leaving, RequestSpan, admin, public};
use crate::ports::Clock;
use gateways::Gateway;
use key_events::KeyEvents;
use live::Live;
pub use live::{Commit, Following, LivePart, Watched};
use parts::Parts;
pub use parts::{Outside, rehearsing};
use stop::{ADMIN_GRACE, Listeners, Stopping, seconds};

/// How often is looked whether a key set is due.
const REFRESH_LOOK: Duration = Duration::from_secs(1);
/// How long a client may take to send the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long a connection may be idle. Longer than the gateways before us keep theirs, so that none
/// is closed while a request is on its way.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

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
        let Parts { public, admin, doors, signing, keys, following, trail, live } =
            Parts::new(config, clock, &tasks)?;
        let leaving = admin.leaving.clone();
        let grace = seconds(config.shutdown.grace);
        let its = leaving.clone();
        let public_server = HttpServer::new(move || {
            let its = its.clone();
            Routes::new()
                .app_data(public.clone())
                .wrap(TracingLogger::<RequestSpan>::new())
                .wrap_fn(move |request, service| {
                    let (leaving, answer) = (its.clone(), service.call(request));
                    async move { answer.await.map(|answer| leaving.told(answer)) }
                })
                .configure(public::routes)
        });
        let public_server = public_server
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_DEADLINE)
            .shutdown_timeout(grace.as_secs())
            .disable_signals()
            .bind(config.listen.public)
            .map_err(not_open("public", &Endpoint::Tcp(config.listen.public)))?;
        let its = leaving.clone();
        let admin_server = HttpServer::new(move || {
            let its = its.clone();
            Routes::new()
                .app_data(admin.clone())
                .wrap(TracingLogger::<RequestSpan>::new())
                .wrap_fn(move |request, service| {
                    let (leaving, answer) = (its.clone(), service.call(request));
                    async move { answer.await.map(|answer| leaving.told(answer)) }
                })
                .configure(admin::routes)
        });
        let admin_server = admin_server
            .workers(1)
            .client_request_timeout(HEAD_DEADLINE)
            .shutdown_timeout(ADMIN_GRACE.as_secs())
            .disable_signals()
            .bind(config.listen.admin)
            .map_err(not_open("admin", &Endpoint::Tcp(config.listen.admin)))?;
        let open = |name, answering, endpoint: &Option<Endpoint>| {
            let open = |endpoint| {
                Gateway::open(answering, endpoint, grace).map_err(not_open(name, endpoint))
            };
            endpoint.as_ref().map(open).transpose()
        };
        let tyk = open("tyk", Answering::Tyk, &config.listen.tyk)?;
        let envoy = open("envoy", Answering::Envoy, &config.listen.envoy)?;
        let at = |gateway: &Option<Gateway>| gateway.as_ref().map(|gateway| gateway.at.clone());
        Ok(Self {
            public: first(&public_server.addrs(), config.listen.public),
            admin: first(&admin_server.addrs(), config.listen.admin),
            tyk: at(&tyk),
            envoy: at(&envoy),
            servers: [public_server.run(), admin_server.run()],
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

fn first(bound: &[SocketAddr], asked: SocketAddr) -> SocketAddr {
    bound.first().copied().unwrap_or(asked)
}
