//! The surroundings of an agent: tessera behind a proxy that sees what agents ask, and a gateway
//! that asks tessera whom to let through to an API.

use std::fs::read_to_string;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tessera::dev::apps::{INVOICE_AGENT, ORDERS};
use tessera::dev::people::HOME_TENANT;

use crate::cli::text;
use crate::support::server::{Received, Reply, Server};
use crate::support::{Answer, ISSUER, ORDERS_API, Request, TASKS_API, TYK, World};

/// What a test does at a place before the place itself answers, or in its stead.
type Hook = Box<dyn FnMut(&Received) -> Option<Reply> + Send>;

/// A place that agents send requests to.
#[derive(Clone, Default)]
pub(super) struct Place {
    seen: Arc<Mutex<Vec<Received>>>,
    hook: Arc<Mutex<Option<Hook>>>,
}

impl Place {
    /// From now on `hook` is asked first; what was seen so far is forgotten.
    pub(super) fn first(&self, hook: impl FnMut(&Received) -> Option<Reply> + Send + 'static) {
        self.forget();
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    /// As if nothing had come here so far, and no hook was set.
    pub(super) fn forget(&self) {
        self.seen.lock().unwrap().clear();
        self.hook.lock().unwrap().take();
    }

    /// Notes the request; the answer of the hook, if it has one.
    pub(super) fn receive(&self, received: &Received) -> Option<Reply> {
        self.seen.lock().unwrap().push(received.clone());
        self.hook.lock().unwrap().as_mut().and_then(|hook| hook(received))
    }

    /// How many requests there were for `target`.
    pub(super) fn count(&self, target: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|received| received.target == target).count()
    }

    /// What was received.
    pub(super) fn seen(&self) -> Vec<Received> {
        self.seen.lock().unwrap().clone()
    }

    /// The bearer token of each request.
    pub(super) fn tokens(&self) -> Vec<String> {
        self.seen().iter().map(|received| bearer(received).to_owned()).collect()
    }
}

/// The token that came; empty when none did.
fn bearer(received: &Received) -> &str {
    let value = received.header("authorization").unwrap_or_default();
    value.strip_prefix("Bearer ").unwrap_or_default()
}

/// The two languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Agent {
    Python,
    TypeScript,
}

impl Agent {
    pub(super) const ALL: [Self; 2] = [Self::Python, Self::TypeScript];

    /// The agent at the command line.
    fn command(self) -> Command {
        match self {
            Self::Python => python("agent.py"),
            Self::TypeScript => program("node", &[path(&compiled().join("agent.js"))]),
        }
    }

    /// A program of a few lines that imports the module.
    pub(super) fn inline(self, text: &str) -> Command {
        let (mut command, folder) = match self {
            Self::Python => (program("python3", &["-c", text]), examples().join("python")),
            Self::TypeScript => (program("node", &["--input-type=module", "-e", text]), compiled()),
        };
        command.current_dir(folder).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// Where the compiled agent is: asserted to be made of the present source.
fn compiled() -> PathBuf {
    let folder = examples().join("typescript");
    for name in ["agent", "mcp-client", "tessera"] {
        let source = read_to_string(folder.join(format!("{name}.ts"))).unwrap();
        let map = read_to_string(folder.join(format!("dist/{name}.js.map")));
        let map: Value = serde_json::from_str(&map.unwrap_or_default()).unwrap_or_default();
        assert_eq!(
            map["sourcesContent"][0], source,
            "{name}.ts is not compiled; run: make clients   (make test does)"
        );
    }
    folder.join("dist")
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(super) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/agents")
}

/// A script of the Python folder.
pub(super) fn python(script: &str) -> Command {
    let mut command = program("python3", &[path(&examples().join("python").join(script))]);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A program that speaks to this machine alone, whatever proxy it would go through otherwise.
fn program(interpreter: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(interpreter);
    command.args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
    command
}

/// How an agent ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) said: String,
    pub(super) log: String,
}

/// Asserts that nobody finds a token or a secret here.
#[track_caller]
pub(super) fn assert_no_token(text: &str) {
    for part in ["eyJ", "tsr_", INVOICE_AGENT.secret.unwrap(), TYK.1] {
        assert!(!text.contains(part), "`{part}` in {text}");
    }
}

/// Everything around an agent.
pub(super) struct Rig {
    pub(super) world: World,
    pub(super) issuer: String,
    /// The URL of the gateway.
    pub(super) gateway: String,
    /// What comes to tessera.
    pub(super) sts: Place,
    /// What comes to the gateway.
    pub(super) front: Place,
    /// What the gateway lets through to the API.
    pub(super) api: Place,
    _servers: [Server; 2],
}

impl Rig {
    pub(super) fn start() -> Self {
        Self::configured(str::to_owned)
    }

    /// With `change` of the configuration of these tests.
    pub(super) fn configured(change: impl FnOnce(&str) -> String) -> Self {
        let ((at_issuer, issuer), (at_gateway, gateway)) = (Server::reserve(), Server::reserve());
        let world = World::configured(|text| change(&configuration(text, &issuer)));
        let (sts, front, api) = (Place::default(), Place::default(), Place::default());
        let (public, its) = (world.public, (sts.clone(), front.clone(), api.clone()));
        let proxy = Server::start(at_issuer, move |received| {
            its.0.receive(received).unwrap_or_else(|| received.passed_on().send(public).into())
        });
        let gate = Server::start(at_gateway, move |received| {
            its.1.receive(received).unwrap_or_else(|| forward_auth(received, public, &its.2))
        });
        Self { world, issuer, gateway, sts, front, api, _servers: [proxy, gate] }
    }

    /// Runs an agent, an application in Entra, for a user.
    #[track_caller]
    pub(super) fn run(&self, agent: Agent, user_token: &str, arguments: &[&str]) -> Ended {
        let mut command = agent.command();
        command.args(arguments);
        self.finish(self.as_entra_app(command), user_token)
    }

    /// Runs an agent with this identity.
    #[track_caller]
    pub(super) fn run_as(
        &self,
        agent: Agent,
        identity: (&str, &str),
        user_token: &str,
        arguments: &[&str],
    ) -> Ended {
        let mut command = agent.command();
        command.args(arguments).envs([identity]);
        self.finish(command, user_token)
    }

    /// With the environment of an agent that is an application in Entra.
    pub(super) fn as_entra_app(&self, mut command: Command) -> Command {
        let authority = self.world.entra.authority();
        command
            .env("AGENT_TOKEN_URL", format!("{authority}/{HOME_TENANT}/oauth2/v2.0/token"))
            .env("AGENT_CLIENT_ID", INVOICE_AGENT.client_id)
            .env("AGENT_CLIENT_SECRET", INVOICE_AGENT.secret.unwrap());
        command
    }

    /// Runs a program to its end, and asserts that it shows no token to whoever reads along.
    #[track_caller]
    pub(super) fn finish(&self, mut command: Command, input: &str) -> Ended {
        command.env("TESSERA_ISSUER", &self.issuer);
        let mut child = command.spawn().expect("python3 and node are installed");
        writeln!(child.stdin.take().unwrap(), "{input}").unwrap();
        let output = child.wait_with_output().unwrap();
        let (said, log) = (text(&output.stdout), text(&output.stderr));
        assert_no_token(&said);
        assert_no_token(&log);
        Ended { code: output.status.code(), said, log }
    }

    /// A URL at the gateway.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.gateway)
    }

    /// How many tokens tessera issued so far.
    pub(super) fn issued(&self) -> u64 {
        self.world.counted("tessera_exchanges_total", &["result=\"issued\""])
    }
}

/// A gateway: it asks tessera about the request, and passes it on to the API or refuses it as
/// tessera says. The first part of the path is the name of the API.
fn forward_auth(received: &Received, public: SocketAddr, api: &Place) -> Reply {
    let name = received.target.split('/').nth(1).unwrap();
    let asked = Request::get(&format!("/verify/{name}")).gateway(TYK);
    let asked = match received.header("authorization") {
        Some(value) => asked.header("Authorization", value),
        None => asked,
    };
    let verdict: Answer = asked.send(public);
    if verdict.status != 200 {
        return verdict.into();
    }
    let told = |header: &str| verdict.header(header).expect("an identity header").to_owned();
    let order = json!({
        "path": received.target,
        "for": told("x-tessera-principal"),
        "by": told("x-tessera-actor"),
        "scope": told("x-tessera-scope"),
    });
    api.receive(received).unwrap_or_else(|| Reply::json(&order))
}

/// The usual configuration, for `issuer`, with an agent that may read and write orders, and a
/// gateway before them.
fn configuration(text: &str, issuer: &str) -> String {
    let rule = "scopes: [orders.read], subjects: [user, agent] }";
    assert_eq!(text.matches(rule).count(), 1, "the agent's rule for orders");
    let wider = format!(
        "scopes: [orders.read, orders.write], subjects: [user, agent], from: [{}, \"{TASKS_API}\"] }}",
        ORDERS.client_id
    );
    let api = |name: &str, scopes: &str| {
        format!(
            "  {name}: {{ client: {}, audiences: [\"{ORDERS_API}\"], policies: optional{scopes} }}\n",
            TYK.0
        )
    };
    let apis = [
        "apis:\n".to_owned(),
        api("reads", ""),
        api("changes", ", scopes: [orders.write]"),
        api("exports", ", scopes: [orders.export]"),
    ];
    text.replacen(ISSUER, issuer, 1).replacen(rule, &wider, 1).replacen(
        "apis:\n",
        &apis.concat(),
        1,
    )
}
