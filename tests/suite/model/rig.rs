//! Tesserae of one configuration and one clock, beside an Entra look-alike: one with its own memory,
//! or several that share a Redis.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};
use tessera::adapters::clock::ManualClock;
use tessera::app::{App, Following, Watched};
use tessera::config::AuditSink;
use tessera::dev::apps::GRAPH_READER;
use tessera::dev::server::Running;
use tessera::dev::tenant::{FakeEntra, KeySupply, OldKey, Options};
use tessera::ports::Clock as _;
use tessera::protocol::time::Seconds;
use tokio::sync::{Notify, oneshot};

use super::setup::{CLIENTS, RANDOM_CLIENTS, Setup};
use super::tokens::canaries;
use crate::cli::Folder;
use crate::replicas::SEAL;
use crate::support::process::wait_until;
use crate::support::redis::RedisServer;
use crate::support::{Answer, Request, START, summed};

/// The shortest time between two fetches because of unknown keys, and a little.
const COOLDOWN: i64 = 11;

/// All of it; everything stops when it is dropped.
pub(super) struct Rig {
    pub(super) clock: Arc<ManualClock>,
    pub(super) entra: Running,
    pub(super) replicas: Vec<Replica>,
    /// The names of the keys that Entra publishes.
    pub(super) trusted: Vec<String>,
    text: String,
    store: Value,
    folder: Folder,
    _redis: Option<RedisServer>,
}

/// One tessera.
pub(super) struct Replica {
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
    at_once: Arc<Notify>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Rig {
    /// One with its own memory.
    pub(super) fn alone(first: &Setup) -> Self {
        Self::start(1, None, first)
    }

    /// So many that share everything.
    pub(super) fn sharing(count: usize, first: &Setup) -> Self {
        Self::start(count, Some(RedisServer::start()), first)
    }

    fn start(count: usize, redis: Option<RedisServer>, first: &Setup) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options { clock: Arc::<ManualClock>::clone(&clock), keys: KeySupply::Pooled };
        let entra = FakeEntra::start(listener, options).unwrap();
        let folder = Folder::new(&format!("model-{count}"));
        folder.file("seal", SEAL);
        folder.file("graph", GRAPH_READER.secret.unwrap());
        for (name, secret, _) in &CLIENTS {
            folder.file(name, secret);
        }
        let store = redis.as_ref().map_or(Value::Null, |redis| {
            let sealing = format!("${{file:{}/seal}}", folder.path());
            json!({ "redis": { "url": redis.url(), "results": "all" }, "sealing_key": sealing })
        });
        let text = first.text(entra.authority(), folder.path(), &store);
        let file = folder.file("tessera.yaml", &text);
        let replicas: Vec<_> = (0..count).map(|_| Replica::start(&file, &clock)).collect();
        for replica in &replicas {
            wait_until("readiness", || Request::get("/readyz").send(replica.admin).status == 200);
        }
        let trusted = vec![entra.signing_key().kid().to_owned()];
        Self { clock, entra, replicas, trusted, text, store, folder, _redis: redis }
    }

    pub(super) fn now(&self) -> i64 {
        self.clock.now().seconds()
    }

    pub(super) fn advance(&self, seconds: i64) {
        self.clock.advance(Seconds::new(seconds));
    }

    /// Puts `setup` in force everywhere.
    #[track_caller]
    pub(super) fn reload(&mut self, setup: &Setup) {
        let text = setup.text(self.entra.authority(), self.folder.path(), &self.store);
        if text == self.text {
            return;
        }
        let before: Vec<_> = self.replicas.iter().map(Replica::reloads).collect();
        let beside = self.folder.file("tessera.yaml.new", &text);
        std::fs::rename(beside, format!("{}/tessera.yaml", self.folder.path())).unwrap();
        self.replicas.iter().for_each(|replica| replica.at_once.notify_one());
        for (replica, before) in self.replicas.iter().zip(before) {
            wait_until("another configuration", || replica.reloads() > before);
            let state = Request::get("/readyz?verbose").send(replica.admin).json();
            assert_ne!(state["configuration"]["last"]["outcome"], "refused", "{state} {text}");
        }
        self.text = text;
    }

    /// Waits until what was revoked at one replica holds at all: the log has it before the canary.
    #[track_caller]
    pub(super) fn settle(&self, at: usize) {
        if self.replicas.len() == 1 {
            return;
        }
        let [canary, _] = canaries(&self.entra);
        let ordered =
            Request::form("/revocations", &[("token", &canary)]).send(self.replicas[at].admin);
        assert_eq!(ordered.json()["revoked"], "token", "{ordered:?}");
        for replica in &self.replicas {
            wait_until("the revocation", || !replica.watches(&canary).is_active());
        }
    }

    /// Entra signs with another key from now on; all replicas have seen one of its tokens.
    #[track_caller]
    pub(super) fn rotate(&mut self, old: OldKey) {
        let before = self.entra.signing_key();
        let now = self.entra.rotate(old).unwrap();
        self.trusted = vec![now.kid().to_owned()];
        self.trusted.extend((old == OldKey::Kept).then(|| before.kid().to_owned()));
        for replica in &self.replicas {
            // A fetch that began before the rotation may have been under way: then the next counts.
            let seen = (0..2).any(|_| {
                self.advance(COOLDOWN);
                canaries(&self.entra).iter().all(|canary| replica.watches(canary).is_active())
            });
            assert!(seen, "a token of the new key is good");
        }
    }

    /// Our own keys, too.
    #[track_caller]
    pub(super) fn rotate_own(&self, at: usize) {
        let answer = Request::form("/keys/rotate", &[]).send(self.replicas[at].admin);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

impl Replica {
    fn start(file: &str, clock: &Arc<ManualClock>) -> Self {
        let (mut config, watched) =
            Watched::load(Path::new(file)).unwrap_or_else(|report| panic!("{report}"));
        config.audit.to = AuditSink::Nowhere;
        let at_once = Arc::new(Notify::new());
        let following = Following { watched, at_once: Arc::clone(&at_once) };
        let (stop, stopped) = oneshot::channel::<()>();
        let (bound, addresses) = mpsc::channel();
        let clock = Arc::<ManualClock>::clone(clock);
        let thread = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.unwrap().block_on(async {
                let app = App::bind(&config, clock).unwrap().following(following);
                bound.send((app.public, app.admin)).unwrap();
                // A dropped sender is an order to stop as well.
                let stopped = async { drop(stopped.await) };
                app.run(stopped, std::future::pending()).await.unwrap();
            });
        });
        let (public, admin) = addresses.recv().expect("tessera starts");
        Self { public, admin, at_once, stop: Some(stop), thread: Some(thread) }
    }

    /// How many changes were looked at, whatever became of them.
    fn reloads(&self) -> u64 {
        let text = Request::get("/metrics").send(self.admin).text();
        summed(&text, "tessera_config_reloads_total", &[])
    }

    /// What the client is told that introspects canaries.
    fn watches(&self, canary: &str) -> Answer {
        self.introspect(CLIENTS[RANDOM_CLIENTS].0, canary)
    }

    /// What `client` is told about `token`.
    pub(super) fn introspect(&self, client: &str, token: &str) -> Answer {
        self.post("/introspect", client, &[("token", token)])
    }

    /// A form that `client` sends.
    pub(super) fn post(&self, path: &str, client: &str, fields: &[(&str, &str)]) -> Answer {
        let (name, secret, _) = CLIENTS.iter().find(|(name, ..)| *name == client).unwrap();
        Request::form(path, fields).basic((name, secret)).send(self.public)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(thread::panicking() || ended.is_ok(), "tessera stopped with a panic");
        }
    }
}
