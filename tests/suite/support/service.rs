//! `tessera serve` as a process of its own, which can be told to stop as an orchestrator does.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::Value;
use tessera::adapters::clock::SystemClock;
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::configuration::for_orders;
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::dev::server::Running;
use tessera::dev::tenant::{FakeEntra, KeySupply, Options};

use super::process::wait_until;
use super::{Answer, Request, TYK, watch};
use crate::cli::Folder;

/// An Entra look-alike that goes with the time, and a configuration for it in a file.
pub(crate) struct Site {
    pub(crate) entra: Running,
    _folder: Folder,
    pub(crate) file: String,
}

/// One process; it is killed when it is dropped.
pub(crate) struct Service {
    process: Child,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Its first line of log, which says where everything is.
    pub(crate) started: Value,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Site {
    /// With a configuration that is `change` of the one for orders.
    pub(crate) fn new(name: &str, change: impl FnOnce(&str) -> String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options { clock: Arc::new(SystemClock::new()), keys: KeySupply::Pooled };
        let entra = FakeEntra::start(listener, options).unwrap();
        let folder = Folder::new(name);
        let file = folder.file("tessera.yaml", &change(&for_orders(entra.authority())));
        Self { entra, _folder: folder, file }
    }

    /// Starts a service, and waits until it is ready.
    pub(crate) fn serve(&self) -> Service {
        let service = Service::start(&self.file);
        wait_until("readiness", || service.get("/readyz").status == 200);
        service
    }

    /// A good token of Alice for orders.
    pub(crate) fn alice(&self) -> String {
        let issuer = self.entra.issuer(HOME_TENANT);
        let token = issuer.delegated(&PORTAL, &ALICE, &ORDERS, &["orders.read"]);
        self.entra.sign(&token).unwrap()
    }
}

impl Service {
    pub(crate) fn start(file: &str) -> Self {
        Self::spawn(&mut Self::command(file))
    }

    /// What is started.
    pub(crate) fn command(file: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tessera"));
        watch::configuration(&std::fs::read_to_string(file).unwrap_or_default());
        command.args(["serve", "--config", file]).env("TYK_SECRET", TYK.1);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Starts it in another way.
    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut before = String::new();
        let started = loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {before}")).unwrap();
            watch::said("the log", &line);
            match serde_json::from_str::<Value>(&line) {
                Ok(entry) if entry["message"] == "started" => break entry,
                _ => before.extend([&*line, "\n"]),
            }
        };
        let address = |name: &str| started[name].as_str().unwrap().parse().unwrap();
        let (public, admin) = (address("public"), address("admin"));
        watch::listeners([public, admin]);
        let log = Arc::new(Mutex::new(before));
        let kept = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                watch::said("the log", &line);
                kept.lock().unwrap().extend([&*line, "\n"]);
            }
        });
        Self { process, public, admin, started, log, reader: Some(reader) }
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks the admin listener.
    pub(crate) fn get(&self, path: &str) -> Answer {
        Request::get(path).send(self.admin)
    }

    /// What Tyk is told about `token`.
    pub(crate) fn introspect(&self, token: &str) -> Answer {
        Request::introspect(&[("token", token)]).basic(TYK).send(self.public)
    }

    /// Ends it at once, without a chance to do anything.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it has ended: the exit code.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> Option<i32> {
        wait_until("the end", || self.process.try_wait().unwrap().is_some());
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.process.wait().unwrap().code()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        // Its log ends with it.
        drop(self.reader.take().map(JoinHandle::join));
        watch::listeners_are_gone([self.public, self.admin]);
        watch::assert_quiet();
    }
}
