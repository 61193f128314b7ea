//! A real `tessera serve` whose trail goes where a test wants it.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;

use serde_json::Value;
use tessera::adapters::clock::SystemClock;
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::dev::server::Running;
use tessera::dev::tenant::{FakeEntra, KeySupply, Options};

use crate::cli::Folder;
use crate::exchange::fields;
use crate::replicas::SEAL;
use crate::support::redis::wait_until;
use crate::support::{Answer, ISSUER, Request, TASKS_API, TYK};

/// Entra, and a folder for what a service writes.
pub(super) struct Scene {
    pub(super) entra: Running,
    pub(super) folder: Folder,
}

/// One process.
pub(super) struct Service {
    process: Child,
    log: Option<JoinHandle<String>>,
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Scene {
    pub(super) fn new(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options { clock: Arc::new(SystemClock::new()), keys: KeySupply::Pooled };
        let entra = FakeEntra::start(listener, options).unwrap();
        Self { entra, folder: Folder::new(&format!("audit-{name}")) }
    }

    pub(super) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder.path())
    }

    /// A service whose file ends with `sections`, not started.
    pub(super) fn command(&self, sections: &str) -> Command {
        let (authority, orders) = (self.entra.authority(), ORDERS.client_id);
        let text = format!(
            r#"
issuer: {ISSUER}
listen: {{ public: "127.0.0.1:0", admin: "127.0.0.1:0" }}
entra: [{{ tenant: {HOME_TENANT}, authority: "{authority}", audiences: [{orders}] }}]
resources:
  {TASKS_API}: {{ scopes: {{ tasks.run: [orders.read] }}, callers: [tyk], token: opaque }}
clients:
  tyk:
    secret: "${{env:TYK_SECRET}}"
    introspect: {{ audiences: [{orders}, "{TASKS_API}"] }}
    exchange: [{{ resource: "{TASKS_API}", scopes: [tasks.run], subjects: [user] }}]
{sections}
"#
        );
        let file = self.folder.file("tessera.yaml", &text);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tessera"));
        command.args(["serve", "--config", &file]).stdin(Stdio::null()).stdout(Stdio::null());
        command.env("SEAL", SEAL).env("TYK_SECRET", TYK.1).stderr(Stdio::piped());
        command
    }

    /// A service, ready.
    pub(super) fn start(&self, sections: &str) -> Service {
        Service::start(&mut self.command(sections))
    }

    pub(super) fn alice(&self) -> String {
        let scopes = ["orders.read"];
        let token = self.entra.issuer(HOME_TENANT).delegated(&PORTAL, &ALICE, &ORDERS, &scopes);
        self.entra.sign(&token).unwrap()
    }
}

impl Service {
    pub(super) fn start(command: &mut Command) -> Self {
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let first = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {said}")).unwrap();
            if line.contains("\"message\":\"started\"") {
                break line;
            }
            said += &line;
        };
        let started: Value = serde_json::from_str(&first).unwrap();
        let address = |name: &str| started[name].as_str().expect(&first).parse().unwrap();
        let (public, admin) = (address("public"), address("admin"));
        let log = std::thread::spawn(move || {
            lines.map_while(Result::ok).map(|line| line + "\n").collect::<String>()
        });
        let service = Self { process, log: Some(log), public, admin };
        wait_until("readiness", || Request::get("/readyz").send(admin).status == 200);
        service
    }

    pub(super) fn exchange(&self, subject: &str) -> Answer {
        Request::form("/token", &fields(subject, TASKS_API)).basic(TYK).send(self.public)
    }

    pub(super) fn introspect(&self, token: &str) -> Answer {
        Request::introspect(&[("token", token)]).basic(TYK).send(self.public)
    }

    pub(super) fn metric(&self, name: &str) -> u64 {
        let text = Request::get("/metrics").send(self.admin).text();
        let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
        let line = line.unwrap_or_else(|| panic!("{name}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub(super) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Its exit code, and everything that it logged.
    pub(super) fn ended(&mut self) -> (Option<i32>, String) {
        let code = self.process.wait().unwrap().code();
        (code, self.log.take().map(|log| log.join().unwrap()).unwrap_or_default())
    }

    pub(super) fn terminate(mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        self.ended()
    }

    pub(super) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
