//! Several tessera processes that share a Redis: they behave as one, whatever happens to it.

mod faults;
mod same;
mod sharing;
mod topologies;
mod traffic;
mod trust;

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tessera::adapters::clock::SystemClock;
use tessera::dev::apps::{GRAPH_READER, ORDERS, PORTAL};
use tessera::dev::people::{ALICE, HOME_TENANT, Person};
use tessera::dev::server::Running;
use tessera::dev::tenant::{FakeEntra, KeySupply, Options};
use tessera::dev::token::TokenBuilder;
use tessera::ports::Clock as _;
use tessera::protocol::client_auth::JWT_BEARER;
use tessera::protocol::time::UnixTime;

use crate::cli::Folder;
use crate::exchange::fields;
use crate::support::redis::wait_until;
use crate::support::{
    Answer, ISSUER, ORDERS_API, Request, SIGNER, TASKS_API, TYK, assertion_key, watch,
};

/// What everything in Redis is sealed with.
pub(crate) const SEAL: &str = "5ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea15ea1";
/// What it is sealed with after a change.
const NEXT_SEAL: &str = "7ea17ea17ea17ea17ea17ea17ea17ea17ea17ea17ea17ea17ea17ea17ea17ea1";
/// The password of the user `tessera`, where Redis has one.
const PASSWORD: &str = "redis-test-password-4f1d8a";

/// Replicas of one configuration, beside one Entra look-alike.
pub(crate) struct Replicas {
    pub(crate) entra: Running,
    folder: Folder,
    file: String,
    pub(crate) all: Vec<Replica>,
}

/// One process; it is killed when it is dropped.
pub(crate) struct Replica {
    process: Child,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    log: Arc<Mutex<String>>,
}

/// The section `store` for a server at `url`; `more` stands inside of `redis`.
pub(crate) fn store(url: &str, more: &str) -> String {
    format!("store: {{ redis: {{ url: \"{url}\"{more} }}, sealing_key: \"${{env:SEAL}}\" }}")
}

impl Replicas {
    /// So many that share `store`, all ready.
    pub(crate) fn start(count: usize, store: &str) -> Self {
        let mut replicas = Self::none(store);
        for _ in 0..count {
            replicas.add();
        }
        replicas.wait_until_ready();
        replicas
    }

    /// None yet.
    fn none(store: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options { clock: Arc::new(SystemClock::new()), keys: KeySupply::Pooled };
        let entra = FakeEntra::start(listener, options).unwrap();
        let folder = Folder::new(&format!("replicas-{}", port_of(entra.authority())));
        let file = folder.file("tessera.yaml", &configuration(entra.authority(), store));
        Self { entra, folder, file, all: Vec::new() }
    }

    /// Starts one more.
    fn add(&mut self) -> usize {
        self.add_with("SEAL", SEAL)
    }

    /// Starts one more, with another value of an environment variable.
    fn add_with(&mut self, name: &str, value: &str) -> usize {
        self.all.push(Replica::start(&self.file, &[(name, value)]));
        self.all.len() - 1
    }

    /// Writes the configuration anew, for those that are started from here on.
    fn reconfigure(&mut self, store: &str) {
        let text = configuration(self.entra.authority(), store);
        self.file = self.folder.file("tessera.yaml", &text);
    }

    #[track_caller]
    fn wait_until_ready(&self) {
        for replica in &self.all {
            wait_until("readiness", || replica.ready().0 == 200);
        }
    }

    /// Waits until every replica is proved to know what the others know.
    #[track_caller]
    pub(crate) fn wait_until_current(&self) {
        for replica in &self.all {
            wait_until("being current", || replica.ready().1["store"]["state"] == "current");
        }
    }

    /// A good token of Alice for orders.
    pub(crate) fn alice(&self) -> String {
        self.token_of(&ALICE)
    }

    pub(crate) fn token_of(&self, person: &Person) -> String {
        let scopes = ["orders.read"];
        let token = self.entra.issuer(HOME_TENANT).delegated(&PORTAL, person, &ORDERS, &scopes);
        self.entra.sign(&token).unwrap()
    }

    /// Everything that all of them logged.
    fn logs(&self) -> String {
        self.all.iter().map(|replica| replica.log.lock().unwrap().clone()).collect()
    }
}

/// A name for the folder of a test: the port that only it has.
fn port_of(authority: &str) -> &str {
    authority.rsplit(':').next().unwrap()
}

impl Replica {
    fn start(file: &str, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tessera"));
        watch::configuration(&std::fs::read_to_string(file).unwrap());
        command.args(["serve", "--config", file]).stdin(Stdio::null()).stdout(Stdio::null());
        command.env("SEAL", SEAL).env("TYK_SECRET", TYK.1).env("REDIS_PASSWORD", PASSWORD);
        command.env("GRAPH_SECRET", GRAPH_READER.secret.unwrap());
        let mut process =
            command.envs(environment.iter().copied()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let first = lines.next().expect("a first line").unwrap();
        let started: Value = serde_json::from_str(&first).unwrap_or_else(|_| panic!("{first}"));
        let address = |name: &str| started[name].as_str().expect(&first).parse().unwrap();
        let (public, admin) = (address("public"), address("admin"));
        watch::said("the log", &first);
        watch::listeners([public, admin]);
        let log = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&log);
        drop(thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                watch::said("the log", &line);
                let mut kept = kept.lock().unwrap();
                kept.push_str(&line);
                kept.push('\n');
            }
        }));
        Self { process, public, admin, log }
    }

    pub(crate) fn introspect(&self, token: &str) -> Answer {
        Request::introspect(&[("token", token)]).basic(TYK).send(self.public)
    }

    /// What is told about `token` in a word: `active`, `inactive`, or the status.
    pub(crate) fn verdict(&self, token: &str) -> String {
        let answer = self.introspect(token);
        match answer.status {
            200 if answer.is_active() => "active".to_owned(),
            200 => "inactive".to_owned(),
            status => status.to_string(),
        }
    }

    pub(crate) fn exchange(&self, subject: &str, resource: &str) -> Answer {
        Request::form("/token", &fields(subject, resource)).basic(TYK).send(self.public)
    }

    /// The token that an exchange gives.
    #[track_caller]
    pub(crate) fn issued(&self, subject: &str, resource: &str) -> String {
        let answer = self.exchange(subject, resource);
        assert_eq!(answer.status, 200, "{answer:?} {}", self.log.lock().unwrap());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// What an operator orders.
    pub(crate) fn order(&self, name: &str, value: &str) -> Answer {
        Request::form("/revocations", &[(name, value)]).send(self.admin)
    }

    /// Revokes for the client that got it.
    pub(crate) fn revoke(&self, token: &str) -> Answer {
        Request::form("/revoke", &[("token", token)]).basic(TYK).send(self.public)
    }

    /// The status and the answer of `/readyz?verbose`.
    fn ready(&self) -> (u16, Value) {
        let answer = Request::get("/readyz?verbose").send(self.admin);
        (answer.status, answer.json())
    }

    /// The names of the published keys.
    fn published(&self) -> Vec<String> {
        let set = Request::get("/jwks").send(self.public).json();
        let mut kids: Vec<_> = set["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect();
        kids.sort_unstable();
        kids
    }

    pub(crate) fn metrics(&self) -> String {
        Request::get("/metrics").send(self.admin).text()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Ends it at once, without a chance to do anything.
    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        watch::listeners_are_gone([self.public, self.admin]);
        watch::assert_quiet();
    }
}

/// The present moment.
fn now() -> UnixTime {
    SystemClock::new().now()
}

/// What proves the client that signs assertions, once.
fn assertion() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let id = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    let assertion = TokenBuilder::client_assertion(SIGNER, ISSUER, &id, now());
    assertion.sign(&assertion_key()).unwrap()
}

/// Whether a good token is active by now; until then it may be an outage, and nothing else.
#[track_caller]
fn active_or_unavailable(replica: &Replica, token: &str) -> bool {
    let verdict = replica.verdict(token);
    assert!(["active", "503"].contains(&&*verdict), "{verdict}");
    verdict == "active"
}

/// What `replica` answers to whoever shows it.
fn asserted(replica: &Replica, assertion: &str) -> Answer {
    let kind = ("client_assertion_type", JWT_BEARER);
    let fields = [("client_assertion", assertion), kind, ("token", "x")];
    Request::introspect(&fields).send(replica.public)
}

/// A configuration with every secret by reference.
fn configuration(authority: &str, store: &str) -> String {
    let (orders, graph) = (ORDERS.client_id, GRAPH_READER.client_id);
    let key = serde_json::json!({ "keys": [assertion_key().jwk()] });
    format!(
        r#"
issuer: {ISSUER}
listen: {{ public: "127.0.0.1:0", admin: "127.0.0.1:0" }}
entra:
  - tenant: {HOME_TENANT}
    authority: {authority}
    audiences: [{orders}]
    graph: {{ client_id: {graph}, client_secret: "${{env:GRAPH_SECRET}}", endpoint: "{authority}" }}
resources:
  {ORDERS_API}: {{ scopes: {{ orders.read: [orders.read] }}, callers: [tyk] }}
  {TASKS_API}: {{ scopes: {{ tasks.run: [orders.read] }}, callers: [tyk], token: opaque }}
clients:
  tyk:
    secret: "${{env:TYK_SECRET}}"
    introspect: {{ audiences: [{orders}, "{ORDERS_API}", "{TASKS_API}"] }}
    exchange:
      - {{ resource: "{ORDERS_API}", scopes: [orders.read], subjects: [user] }}
      - {{ resource: "{TASKS_API}", scopes: [tasks.run], subjects: [user] }}
  {SIGNER}:
    jwks: {key}
    introspect: {{ audiences: [{orders}] }}
mapping:
  - name: gold-customers
    when: {{ groups: [7d6f1c0e-2f0d-4a59-9a54-5b3f0a4c0f51] }}
    grant: {{ policies: [gold] }}
{store}
"#
    )
}
