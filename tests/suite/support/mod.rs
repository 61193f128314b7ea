//! A whole tessera on loopback sockets, beside an Entra look-alike, with a clock set by hand.

pub(crate) mod certificates;
pub(crate) mod folder;
pub(crate) mod grpc;
mod http;
pub(crate) mod logs;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod redis;
pub(crate) mod server;
pub(crate) mod service;
mod trail;
pub(crate) mod upstream;
pub(crate) mod watch;

use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tessera::adapters::clock::ManualClock;
use tessera::app::App;
use tessera::config::{self, AuditSink, Endpoint, PlainSecrets, SystemEnvironment};
use tessera::dev::apps::{BILLING, GATEWAY, GRAPH_READER, INVOICE_AGENT, ORDERS, PORTAL};
use tessera::dev::keys::SigningKey;
use tessera::dev::people::{ALICE, HOME_TENANT, PARTNER_TENANT};
use tessera::dev::server::Running;
use tessera::dev::tenant::{FakeEntra, KeySupply, Options};
use tessera::dev::token::TokenBuilder;
use tessera::domain::rejection::Reason;
use tessera::ports::Clock as _;
use tessera::protocol::time::UnixTime;
use tokio::sync::oneshot;

pub(crate) use http::{Answer, Request};
use trail::Trail;

/// What has not happened by now does not happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// When every test begins.
pub(crate) const START: UnixTime = UnixTime::from_seconds(1_795_435_200);
/// Name and secret of the client that sees orders and billing.
pub(crate) const TYK: (&str, &str) = ("tyk", "tyk-test-secret-4c9e1b7a6d2f8035e1a9");
/// Name and secret of the client that sees billing only.
pub(crate) const BILLING_GATEWAY: (&str, &str) =
    ("billing-gw", "billing-test-secret-0b8e5d2f9c714a36");
/// Name and secret of a client that may introspect nothing.
pub(crate) const NOBODY: (&str, &str) = ("nobody", "nobody-test-secret-d47a1e90b3c65f28aa");
/// Name and secret of an agent that exchanges what other agents pass to it.
pub(crate) const PLANNER: (&str, &str) = (PLANNER_ID, PLANNER_SECRET);
const TYK_ID: &str = TYK.0;
const PLANNER_ID: &str = "planner";
const PLANNER_SECRET: &str = "planner-test-secret-5a1d7c90e2b84f36";
/// A resource that takes JWTs.
pub(crate) const ORDERS_API: &str = "https://orders.internal";
/// A resource that takes opaque tokens.
pub(crate) const TASKS_API: &str = "https://tasks.internal";
/// A resource whose name is no URI, and which takes RS256.
pub(crate) const PLAIN_API: &str = "plain";
/// The client that signs assertions, by [`assertion_key`].
pub(crate) const SIGNER: &str = "orders-api";
/// Who tessera is.
pub(crate) const ISSUER: &str = "https://sts.example.com";

/// The key of [`SIGNER`].
pub(crate) fn assertion_key() -> SigningKey {
    SigningKey::pooled("assertion").unwrap()
}

thread_local! {
    /// What every configuration ends with, on this thread.
    static STORE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs `test` with this section `store` in every configuration that it uses.
pub(crate) fn with_store(section: &str, test: impl FnOnce()) {
    STORE.replace(section.to_owned());
    test();
    STORE.take();
}

/// A running tessera and its surroundings; everything stops when it is dropped.
pub(crate) struct World {
    /// Entra and Graph.
    pub(crate) entra: Running,
    /// The time, for all of them.
    pub(crate) clock: Arc<ManualClock>,
    /// The public listener.
    pub(crate) public: SocketAddr,
    /// The admin listener.
    pub(crate) admin: SocketAddr,
    /// The listener of Tyk's plugin.
    pub(crate) tyk: Option<Endpoint>,
    /// The listener of Envoy's external authorization.
    pub(crate) envoy: Option<Endpoint>,
    trail: Option<Trail>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl World {
    /// With the usual configuration.
    pub(crate) fn start() -> Self {
        Self::configured(str::to_owned)
    }

    /// With a configuration that is `change` of the usual one. What is fetched at start has been
    /// fetched, so that a test that counts requests counts only those it causes.
    pub(crate) fn configured(change: impl FnOnce(&str) -> String) -> Self {
        let world = Self::unready(change);
        eventually("readiness", || world.readiness() == 200);
        world
    }

    /// As [`Self::configured`], for an Entra that does not answer.
    pub(crate) fn unready(change: impl FnOnce(&str) -> String) -> Self {
        logs::listen();
        let clock = Arc::new(ManualClock::new(START));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options { clock: Arc::<ManualClock>::clone(&clock), keys: KeySupply::Pooled };
        let entra = FakeEntra::start(listener, options).unwrap();
        let mut text = change(&usual(entra.authority()));
        STORE.with_borrow(|store| text.extend(["\n", store]));
        let config = config::load(&text, "test", &SystemEnvironment, PlainSecrets::Allowed);
        let mut config = config.unwrap_or_else(|report| panic!("{report}"));
        watch::configuration(&text);
        let mut trail = None;
        if matches!(config.audit.to, AuditSink::Stdout) {
            // That belongs to the tests.
            config.audit.to = trail.insert(Trail::new()).sink();
        }
        let (stop, stopped) = oneshot::channel();
        let (bound, addresses) = mpsc::channel();
        let its_clock = Arc::<ManualClock>::clone(&clock);
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.unwrap().block_on(async {
                let app = App::bind(&config, its_clock).unwrap();
                let gateways = (app.tyk.clone(), app.envoy.clone());
                bound.send((app.public, app.admin, gateways)).unwrap();
                // A dropped sender is an order to stop as well.
                let stopped = async { drop(stopped.await) };
                app.run(stopped, std::future::pending()).await.unwrap();
            });
        });
        let (public, admin, (tyk, envoy)) = addresses.recv().expect("tessera starts");
        watch::listeners([public, admin]);
        let (stop, thread) = (Some(stop), Some(thread));
        Self { entra, clock, public, admin, tyk, envoy, trail, stop, thread }
    }

    /// A good v2 token: Alice, through the portal, for orders.
    pub(crate) fn alice(&self) -> TokenBuilder {
        let scopes = ["orders.read", "orders.write"];
        self.entra.issuer(HOME_TENANT).delegated(&PORTAL, &ALICE, &ORDERS, &scopes)
    }

    /// A good v1 token: Alice, through the portal, for billing.
    pub(crate) fn alice_v1(&self) -> TokenBuilder {
        self.entra.issuer(HOME_TENANT).delegated(&PORTAL, &ALICE, &BILLING, &["invoices.read"])
    }

    /// Signed by Entra's own key.
    pub(crate) fn sign(&self, token: &TokenBuilder) -> String {
        self.entra.sign(token).unwrap()
    }

    /// What [`TYK`] is told about `token`.
    pub(crate) fn introspect(&self, token: &str) -> Answer {
        self.introspect_as(TYK, token)
    }

    /// What a client with a secret is told about `token`.
    pub(crate) fn introspect_as(&self, (id, secret): (&str, &str), token: &str) -> Answer {
        Request::introspect(&[("client_id", id), ("client_secret", secret), ("token", token)])
            .send(self.public)
    }

    /// The story of `token` at the admin listener, as [`TYK`] would see it.
    pub(crate) fn explain(&self, token: &str) -> Value {
        let answer =
            Request::form("/explain", &[("token", token), ("client", TYK.0)]).send(self.admin);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The story of an exchange at the admin listener, as `client` would ask for it.
    pub(crate) fn rehearse(&self, client: &str, fields: &[(&str, &str)]) -> Value {
        let fields = [fields, &[("client", client)]].concat();
        let answer = Request::form("/explain", &fields).send(self.admin);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The moment `seconds` from now, in seconds since 1970.
    pub(crate) fn clock_at(&self, seconds: i64) -> i64 {
        self.clock.now().seconds() + seconds
    }

    /// The present value of one metric, with its labels as they are exported.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.metrics();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no `{name}` in {text}")).parse().unwrap()
    }

    /// The sum of all series of one counter that have these labels, as in `client="tyk"`.
    pub(crate) fn counted(&self, name: &str, labels: &[&str]) -> u64 {
        summed(&self.metrics(), name, labels)
    }

    /// Asserts that `token` is active, and gives the identity context.
    #[track_caller]
    pub(crate) fn assert_active(&self, token: &str) -> Value {
        let answer = self.introspect(token);
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        assert_eq!(body["active"], true, "{body} {}", self.explain(token)["refused"]);
        body
    }

    /// Asserts that the caller is told nothing but `{"active":false}`, that the operator is told
    /// `reason`, and that this was not because everything is refused.
    #[track_caller]
    pub(crate) fn assert_refused(&self, token: &str, reason: Reason) {
        self.introspect(token).assert_inactive();
        let story = self.explain(token);
        assert_eq!(story["active"], false);
        assert_eq!(story["refused"]["reason"], reason.as_str(), "{}", story["refused"]);
        self.assert_active(&self.sign(&self.alice()));
    }

    /// The status of `/readyz`.
    pub(crate) fn readiness(&self) -> u16 {
        Request::get("/readyz").send(self.admin).status
    }

    /// The present metrics, as text.
    pub(crate) fn metrics(&self) -> String {
        Request::get("/metrics").send(self.admin).text()
    }
}

/// The sum of all series of one counter in `text` that have these labels.
pub(crate) fn summed(text: &str, name: &str, labels: &[&str]) -> u64 {
    let series = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    let wanted = series.filter(|rest| labels.iter().all(|label| rest.contains(label)));
    wanted.map(|rest| rest.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

/// Makes real requests until what the service does by itself, in the background, has happened.
#[track_caller]
pub(crate) fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Whatever this test did with it, its metrics are looked at.
        if !thread::panicking() {
            drop(Request::get("/metrics").try_send(self.admin));
        }
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(thread::panicking() || ended.is_ok(), "tessera stopped with a panic");
        }
        drop(self.trail.take());
        watch::listeners_are_gone([self.public, self.admin]);
        watch::assert_quiet();
    }
}

/// The usual configuration.
fn usual(authority: &str) -> String {
    let (orders, billing) = (ORDERS.client_id, BILLING.uri);
    let (gateway, agent) = (GATEWAY.client_id, INVOICE_AGENT.client_id);
    let graph = (GRAPH_READER.client_id, GRAPH_READER.secret.unwrap());
    let key = serde_json::json!({ "keys": [assertion_key().jwk()] });
    format!(
        r#"
issuer: {ISSUER}
listen: {{ public: "127.0.0.1:0", admin: "127.0.0.1:0", tyk: "127.0.0.1:0", envoy: "127.0.0.1:0" }}
entra:
  - tenant: {HOME_TENANT}
    authority: {authority}
    audiences: [{orders}, {billing}]
    caller_audiences: [api://tessera]
    graph: {{ client_id: {}, client_secret: {}, endpoint: "{authority}" }}
resources:
  {ORDERS_API}:
    scopes: {{ orders.read: [orders.read, Orders.Read.All, tasks.run], orders.write: [orders.write], orders.export: [orders.export] }}
    callers: [{TYK_ID}, {SIGNER}, invoice-agent, {PLANNER_ID}, gateway]
  {TASKS_API}:
    scopes: {{ tasks.run: [orders.read] }}
    token: opaque
    callers: [{TYK_ID}, {SIGNER}, invoice-agent, {PLANNER_ID}]
  {PLAIN_API}:
    scopes: {{ read: [orders.read, tasks.run], jobs: [Orders.Read.All] }}
    algorithm: RS256
    ttl: 1m
    callers: [{TYK_ID}, {PLANNER_ID}, invoice-agent]
    release: [groups, roles]
apis:
  orders: {{ client: {TYK_ID}, audiences: [{orders}], scopes: [orders.read] }}
  swapped:
    client: {TYK_ID}
    audiences: [{orders}]
    exchange: {{ resource: "{ORDERS_API}", scopes: [orders.read] }}
    resource: https://api.example.com/orders
  open: {{ client: {TYK_ID}, audiences: [{orders}, {billing}], policies: optional, guard: network }}
clients:
  {}:
    secret: {}
    introspect: {{ audiences: [{orders}, {billing}, "{ORDERS_API}", "{TASKS_API}", {PLAIN_API}], phantom: true }}
    default_resource: {ORDERS_API}
    exchange:
      - {{ resource: "{ORDERS_API}", scopes: [orders.read, orders.write], subjects: [user, service, agent], actors: [invoice-agent, {SIGNER}] }}
      - {{ resource: "{TASKS_API}", scopes: [tasks.run], subjects: [user] }}
      - {{ resource: {PLAIN_API}, scopes: [read, jobs], subjects: [user, service], impersonate: true }}
  {PLANNER_ID}:
    secret: {PLANNER_SECRET}
    introspect: {{ audiences: ["{ORDERS_API}"] }}
    exchange:
      - {{ resource: "{ORDERS_API}", scopes: [orders.read], subjects: [user, agent], from: ["{TASKS_API}", "{ORDERS_API}", {PLAIN_API}] }}
      - {{ resource: "{TASKS_API}", scopes: [tasks.run], subjects: [user], from: ["{TASKS_API}", {orders}] }}
  {}: {{ secret: {}, introspect: {{ audiences: [{billing}] }} }}
  {}: {{ secret: {} }}
  {SIGNER}:
    jwks: {key}
    introspect: {{ audiences: [{orders}], release: [username, email, name] }}
    exchange: [{{ resource: "{ORDERS_API}", scopes: [orders.read], subjects: [user] }}]
  gateway: {{ entra_app: {gateway}, introspect: {{ audiences: [{orders}] }} }}
  invoice-agent:
    entra_app: {agent}
    introspect: {{ audiences: [{orders}] }}
    exchange:
      - {{ resource: "{ORDERS_API}", scopes: [orders.read], subjects: [user, agent] }}
      - {{ resource: "{TASKS_API}", scopes: [tasks.run], subjects: [user] }}
mapping:
  - name: gold-customers
    when: {{ groups: [7d6f1c0e-2f0d-4a59-9a54-5b3f0a4c0f51], principal_type: [user] }}
    grant: {{ policies: [gold], scopes: [orders.export] }}
  - name: approvers
    when: {{ roles: [Orders.Approver] }}
    grant: {{ policies: [approvals], roles: [approver] }}
  - name: agents
    when: {{ principal_type: [agent] }}
    grant: {{ policies: [agent-limited] }}
"#,
        graph.0, graph.1, TYK.0, TYK.1, BILLING_GATEWAY.0, BILLING_GATEWAY.1, NOBODY.0, NOBODY.1,
    )
}

/// A second trusted tenant, to be put into the usual configuration.
pub(crate) fn and_partner(text: &str) -> String {
    let home = format!("  - tenant: {HOME_TENANT}\n");
    let authority = text.lines().find(|line| line.trim().starts_with("authority:")).unwrap();
    let partner = format!(
        "  - tenant: {PARTNER_TENANT}\n{authority}\n    audiences: [{}]\n",
        ORDERS.client_id
    );
    text.replacen(&home, &format!("{partner}{home}"), 1)
}
