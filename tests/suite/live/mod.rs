//! A configuration that changes while the service runs: what is taken up, what is refused, and that
//! nobody who calls notices anything but the change.

mod files;
mod kept;
mod keys;
mod load;
mod refused;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;
use tessera::adapters::clock::SystemClock;
use tessera::dev::apps::{GRAPH_READER, ORDERS, PORTAL};
use tessera::dev::people::{ALICE, HOME_TENANT, PARTNER_TENANT};
use tessera::dev::server::Running;
use tessera::dev::tenant::{FakeEntra, KeySupply, Options};

use crate::cli::Folder;
use crate::support::process::{self, wait_until};
use crate::support::{Answer, Request, watch};

/// A client, and its secret at the start.
const TYK: (&str, &str) = ("tyk", "tyk-live-secret-4c9e1b7a6d2f8035e1a9");
/// Another.
const KONG: (&str, &str) = ("kong", "kong-live-secret-0b8e5d2f9c714a36d2");

/// A running `tessera serve`, its files, and an Entra look-alike.
struct Service {
    entra: Running,
    folder: Folder,
    process: process::Running,
    public: SocketAddr,
    admin: SocketAddr,
}

impl Service {
    /// With the usual configuration.
    fn start(name: &str) -> Self {
        Self::configured(name, |text| text)
    }

    /// With a configuration that is `change` of the usual one, ready.
    fn configured(name: &str, change: impl FnOnce(String) -> String) -> Self {
        let folder = Folder::new(&format!("live-{name}"));
        folder.file("tyk", TYK.1);
        folder.file("kong", &format!("{}\n", KONG.1));
        Self::at(folder, "tessera.yaml", change)
    }

    /// With the file of this name in `folder`, where it may be already.
    fn at(folder: Folder, name: &str, change: impl FnOnce(String) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options { clock: Arc::new(SystemClock::new()), keys: KeySupply::Pooled };
        let entra = FakeEntra::start(listener, options).unwrap();
        let file = format!("{}/{name}", folder.path());
        fs::write(&file, change(usual(entra.authority(), folder.path()))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tessera"));
        command
            .args(["serve", "--config", &file])
            .env("GRAPH_SECRET", GRAPH_READER.secret.unwrap());
        let mut process = process::Running::start(&mut command, &folder);
        let mut started = None;
        wait_until("the start", || {
            assert!(!process.has_ended(), "{}", process::log(&folder));
            started = events(&process::log(&folder), "started").pop();
            started.is_some()
        });
        let started = started.unwrap();
        let address = |name: &str| started[name].as_str().unwrap().parse().unwrap();
        let (public, admin) = (address("public"), address("admin"));
        watch::listeners([public, admin]);
        watch::configuration(&fs::read_to_string(&file).unwrap());
        let service = Self { entra, folder, process, public, admin };
        wait_until("readiness", || Request::get("/readyz").send(admin).status == 200);
        service
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder.path())
    }

    /// The text of the configuration now.
    fn text(&self) -> String {
        fs::read_to_string(self.path("tessera.yaml")).unwrap()
    }

    /// Orders to read the files at once.
    fn hang_up(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    }

    /// What is told about the configuration.
    fn configuration(&self) -> Value {
        let answer = Request::get("/readyz?verbose").send(self.admin);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["configuration"].clone()
    }

    fn generation(&self) -> u64 {
        self.configuration()["generation"].as_u64().unwrap()
    }

    /// Replaces the file as editors do, and waits until what it says is in force.
    #[track_caller]
    fn change(&self, change: impl FnOnce(&str) -> String) {
        let before = self.text();
        let after = change(&before);
        assert_ne!(before, after, "a change");
        self.after(|| {
            self.replace("tessera.yaml", &after);
            self.hang_up();
        });
    }

    /// Does `what`, and waits until another configuration is in force because of it.
    #[track_caller]
    fn after(&self, what: impl FnOnce()) {
        let (before, refused) = (self.generation(), self.changes("refused"));
        what();
        wait_until("another configuration", || {
            let now = self.configuration();
            assert_eq!(self.changes("refused"), refused, "{now}");
            now["generation"] == before + 1
        });
    }

    /// Writes the file beside the old one, and puts it in its place.
    fn replace(&self, name: &str, text: &str) {
        let beside = self.folder.file(&format!("{name}.new"), text);
        fs::rename(beside, self.path(name)).unwrap();
    }

    /// A good token of Alice for orders, in the home tenant.
    fn token(&self) -> String {
        self.token_of(HOME_TENANT)
    }

    fn token_of(&self, tenant: &str) -> String {
        let token = self.entra.issuer(tenant).delegated(&PORTAL, &ALICE, &ORDERS, &["orders.read"]);
        self.entra.sign(&token).unwrap()
    }

    fn ask(&self, client: (&str, &str), token: &str) -> Answer {
        Request::introspect(&[("token", token)]).basic(client).send(self.public)
    }

    /// What [`TYK`] is told about an active token.
    #[track_caller]
    fn active(&self, token: &str) -> Value {
        let answer = self.ask(TYK, token);
        assert!(answer.status == 200 && answer.is_active(), "{answer:?} {}", self.log());
        answer.json()
    }

    /// Everything that was logged.
    fn log(&self) -> String {
        process::log(&self.folder)
    }

    /// The value of a metric, with its labels as they are exported.
    #[track_caller]
    fn metric(&self, name: &str) -> u64 {
        let text = Request::get("/metrics").send(self.admin).text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no `{name}` in {text}")).parse().unwrap()
    }

    /// How many changes had this outcome.
    fn changes(&self, outcome: &str) -> u64 {
        self.metric(&format!("tessera_config_reloads_total{{result=\"{outcome}\"}}"))
    }
}

/// The lines of a log that say `message`.
fn events(log: &str, message: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["message"] == message).collect()
}

/// The usual configuration; `folder` has the secrets.
fn usual(authority: &str, folder: &str) -> String {
    let (orders, reader) = (ORDERS.client_id, GRAPH_READER.client_id);
    format!(
        r#"issuer: https://sts.example.com
listen: {{ public: "127.0.0.1:0", admin: "127.0.0.1:0" }}
entra:
  - tenant: {HOME_TENANT}
    authority: {authority}
    audiences: [{orders}]
    caller_audiences: [api://tessera]
    graph: {{ client_id: {reader}, client_secret: "${{env:GRAPH_SECRET}}", endpoint: "{authority}" }}
clients:
  tyk:
    secret: "${{file:{folder}/tyk}}"
    introspect: {{ audiences: [{orders}] }}
  kong:
    secret: "${{file:{folder}/kong}}"
    introspect: {{ audiences: [{orders}] }}
mapping:
  - name: everybody
    when: {{ principal_type: [user] }}
    grant: {{ policies: [p-1] }}
log: {{ level: info }}
"#
    )
}

/// With a second tenant.
fn and_partner(text: &str) -> String {
    let authority = text.lines().find(|line| line.trim().starts_with("authority:")).unwrap();
    let orders = ORDERS.client_id;
    let partner = format!("  - tenant: {PARTNER_TENANT}\n{authority}\n    audiences: [{orders}]\n");
    text.replacen("clients:\n", &format!("{partner}clients:\n"), 1)
}
