//! A real `tessera serve` whose trail goes where a test wants it.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;

use tessera::adapters::clock::SystemClock;
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::dev::server::Running;
use tessera::dev::tenant::{FakeEntra, KeySupply, Options};

use crate::cli::Folder;
use crate::exchange::fields;
use crate::replicas::SEAL;
use crate::support::process::wait_until;
use crate::support::service::Service;
use crate::support::{Answer, ISSUER, Request, TASKS_API, TYK};

/// Entra, and a folder for what a service writes.
pub(crate) struct Scene {
    pub(crate) entra: Running,
    pub(crate) folder: Folder,
}

impl Scene {
    pub(crate) fn new(name: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options { clock: Arc::new(SystemClock::new()), keys: KeySupply::Pooled };
        let entra = FakeEntra::start(listener, options).unwrap();
        Self { entra, folder: Folder::new(&format!("audit-{name}")) }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder.path())
    }

    /// A service whose file ends with `sections`, not started.
    pub(crate) fn command(&self, sections: &str) -> Command {
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
        let mut command = Service::command(&self.folder.file("tessera.yaml", &text));
        command.env("SEAL", SEAL);
        command
    }

    /// A service, ready.
    pub(crate) fn start(&self, sections: &str) -> Service {
        started(&mut self.command(sections))
    }

    pub(crate) fn alice(&self) -> String {
        let scopes = ["orders.read"];
        let token = self.entra.issuer(HOME_TENANT).delegated(&PORTAL, &ALICE, &ORDERS, &scopes);
        self.entra.sign(&token).unwrap()
    }
}

/// The service of `command`, ready.
pub(crate) fn started(command: &mut Command) -> Service {
    let service = Service::spawn(command);
    wait_until("readiness", || service.get("/readyz").status == 200);
    service
}

pub(crate) fn exchange(service: &Service, subject: &str) -> Answer {
    Request::form("/token", &fields(subject, TASKS_API)).basic(TYK).send(service.public)
}

pub(crate) fn metric(service: &Service, name: &str) -> u64 {
    let text = service.get("/metrics").text();
    let line = text.lines().find(|line| line.starts_with(name) && !line.starts_with('#'));
    let line = line.unwrap_or_else(|| panic!("{name}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Its exit code after SIGTERM, and everything that it logged.
pub(crate) fn terminate(mut service: Service) -> (Option<i32>, String) {
    service.signal("TERM");
    (service.ended(), service.log())
}
