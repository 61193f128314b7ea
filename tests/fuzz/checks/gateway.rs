//! What the checks of both gateways have in common: a whole service without its listeners, one good
//! token, and who may pass.

use std::net::TcpListener;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tessera::adapters::clock::ManualClock;
use tessera::config::{self, AuditSink, PlainSecrets, SystemEnvironment};
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::dev::server::Running;
use tessera::dev::tenant::{FakeEntra, KeySupply, Options};
use tessera::edge::grpc::Doors;
use tessera::protocol::time::UnixTime;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;

/// What an input says in place of [`Service::token`] and [`SECRET`], which it cannot know.
pub(crate) const PLACES: [&str; 2] = ["$TOKEN", "$SECRET"];
pub(crate) const SECRET: &str = "tyk-fuzz-secret-4c9e1b7a6d2f8035e1a9";
pub(crate) const RESOURCE: &str = "https://orders.internal";
const START: UnixTime = UnixTime::from_seconds(1_795_435_200);

/// The service.
pub(crate) struct Service {
    /// Alice's token for orders: the one good token there is.
    pub(crate) token: String,
    pub(crate) doors: Arc<Doors>,
    /// One question after the other.
    runtime: Mutex<Runtime>,
    _entra: Running,
}

pub(crate) static SERVICE: LazyLock<Service> = LazyLock::new(Service::start);

impl Service {
    fn start() -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options { clock: Arc::<ManualClock>::clone(&clock), keys: KeySupply::Pooled };
        let entra = FakeEntra::start(listener, options).unwrap();
        let scopes = ["orders.read", "orders.write"];
        let token = entra.issuer(HOME_TENANT).delegated(&PORTAL, &ALICE, &ORDERS, &scopes);
        let token = entra.sign(&token).unwrap();
        let text = file(entra.authority());
        let config = config::load(&text, "fuzz", &SystemEnvironment, PlainSecrets::Allowed);
        let mut config = config.unwrap_or_else(|report| panic!("{report}"));
        config.audit.to = AuditSink::Nowhere;
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = TaskTracker::new();
        let doors = runtime.block_on(async { tessera::app::doors(&config, clock, &tasks) });
        let runtime = Mutex::new(runtime);
        Self { token, doors: doors.unwrap(), runtime, _entra: entra }
    }

    /// The answer to one question.
    pub(crate) fn ask<T>(&self, question: impl Future<Output = T>) -> T {
        self.runtime.lock().unwrap_or_else(PoisonError::into_inner).block_on(question)
    }

    /// Puts what an input cannot know in the place of what it says instead.
    pub(crate) fn fill(&self, text: &mut String) {
        for (place, value) in PLACES.into_iter().zip([&*self.token, SECRET]) {
            if text.contains(place) {
                *text = text.replace(place, value);
            }
        }
    }
}

fn file(authority: &str) -> String {
    let orders = ORDERS.client_id;
    format!(
        r#"
issuer: https://sts.example.com
listen: {{ public: "127.0.0.1:0", admin: "127.0.0.1:0", tyk: "127.0.0.1:0", envoy: "127.0.0.1:0" }}
cache: {{ bytes: 1 MiB }}
entra: [{{ tenant: {HOME_TENANT}, authority: "{authority}", audiences: [{orders}] }}]
resources: {{ "{RESOURCE}": {{ scopes: {{ orders.read: [orders.read] }}, callers: [tyk] }} }}
apis:
  orders: {{ client: tyk, audiences: [{orders}], scopes: [orders.read], policies: optional }}
  open: {{ client: tyk, audiences: [{orders}], policies: optional, guard: network }}
  swapped: {{ client: tyk, audiences: [{orders}], policies: optional, exchange: {{ resource: "{RESOURCE}", scopes: [orders.read] }} }}
  admins: {{ client: tyk, audiences: [{orders}], scopes: [orders.admin], policies: optional }}
clients:
  tyk:
    secret: {SECRET}
    introspect: {{ audiences: [{orders}] }}
    exchange: [{{ resource: "{RESOURCE}", scopes: [orders.read], subjects: [user] }}]
"#
    )
}

/// Who asks about what, as far as it decides.
pub(crate) struct Asked<'a> {
    pub(crate) api: &'a str,
    pub(crate) secret: Option<&'a str>,
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    /// Whether a token stands in the address.
    pub(crate) in_address: bool,
}

impl Asked<'_> {
    /// Whether the request may pass: asked by the gateway of an API that Alice may call, with her token
    /// in the one place for it, and nothing that would hide what we say about her.
    pub(crate) fn may_pass(&self) -> bool {
        let known = match self.secret {
            Some(secret) => secret == SECRET && ["orders", "open", "swapped"].contains(&self.api),
            None => self.api == "open",
        };
        let named = |name: &str| {
            let is = |header: &&(&str, &str)| header.0.eq_ignore_ascii_case(name);
            self.headers.iter().filter(is).map(|(_, value)| *value).collect::<Vec<_>>()
        };
        let hides = |value: &&str| {
            value
                .split(',')
                .map(str::trim)
                .any(|name| is_ours(name) || name.eq_ignore_ascii_case("authorization"))
        };
        let [one] = *named("authorization") else { return false };
        let (scheme, token) = one.split_once(' ').unwrap_or((one, ""));
        let token = token.trim_start_matches(' ');
        let shown = scheme.eq_ignore_ascii_case("bearer") && token == SERVICE.token;
        known && shown && !self.in_address && !named("connection").iter().any(hides)
    }
}

/// Whether a backend could take a header of this name for one that we set.
pub(crate) fn is_ours(name: &str) -> bool {
    name.to_ascii_lowercase().contains("tessera")
}

/// Nothing in `shown` that only the caller or the gateway should know.
pub(crate) fn tells_nothing(shown: &str) {
    assert!(!shown.contains(SECRET) && !shown.contains(&SERVICE.token), "{shown}");
    assert!(!shown.contains(char::is_control), "{shown:?}");
}

/// A value that can stand in a header.
pub(crate) fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}
