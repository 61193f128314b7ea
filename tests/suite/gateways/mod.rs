//! Gateways other than Tyk, by the very files in `examples/`: the real programs where they can be
//! had, and elsewhere the requests that they send, as their sources have them.

mod agentgateway;
mod apisix;
mod caddy;
mod checks;
mod envoy;
mod kong;
mod nginx;
mod traefik;

use std::fs;
use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tessera::config::Endpoint;

use crate::cli::Folder;
use crate::support::process::{Running, free_port, log, wait_until};
use crate::support::upstream::Upstream;
use crate::support::{Answer, ORDERS_API, Request, TYK, World};

/// The secret of `tyk` in the examples, which are made for `tessera dev`.
const DEV_SECRET: &str = "tyk-dev-secret-4c9e1b7a6d2f8035e1a9";
/// The API of the examples, as the configuration has it.
const API: &str = "https://gateway.example.com/orders";
/// A test that waits longer for an answer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// The credentials of the gateway, as `Authorization: Basic` has them.
fn credentials((client, secret): (&str, &str)) -> String {
    BASE64_STANDARD.encode(format!("{client}:{secret}"))
}

/// What `apis.orders` says beside the client and its audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Swap {
    /// The caller's token goes on to the backend.
    No,
    /// It is swapped for one of the backend.
    Yes,
}

/// A world with the API that the examples protect.
fn world(swap: Swap) -> World {
    let exchange = match swap {
        Swap::No => String::new(),
        Swap::Yes => {
            format!("exchange: {{ resource: \"{ORDERS_API}\", scopes: [orders.read] }}, ")
        }
    };
    World::configured(|text| {
        let usual = format!("  orders: {{ client: {}, ", TYK.0);
        assert!(text.contains(&usual), "{text}");
        text.replacen(&usual, &format!("{usual}{exchange}resource: \"{API}\", "), 1)
    })
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// A program, where the system or `make test` has it.
pub(crate) fn program(name: &str) -> Command {
    let tools = root().join("target/tools");
    let places = [tools.join("usr/sbin"), tools.join("usr/bin"), "/usr/sbin".into()];
    let found = places.map(|place| place.join(name)).into_iter().find(|path| path.exists());
    Command::new(found.unwrap_or_else(|| name.into()))
}

/// An example with other addresses and secrets.
#[track_caller]
fn adapted(example: &str, changes: &[(&str, &str)]) -> String {
    let mut text = fs::read_to_string(root().join("examples").join(example)).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "`{from}` is not in examples/{example}");
        text = text.replace(from, to);
    }
    text
}

/// Where everything is.
#[derive(Clone, Copy, Debug)]
struct Places {
    /// Where callers find the gateway.
    gateway: SocketAddr,
    /// tessera's public listener.
    tessera: SocketAddr,
    /// tessera's door for Envoy.
    envoy: SocketAddr,
    /// The backend.
    backend: SocketAddr,
}

/// A gateway in a process of its own, between a caller and a backend, that asks a tessera.
struct Scene {
    address: SocketAddr,
    // In this order, so that nobody's connections are cut while they are used.
    _gateway: Running,
    _folder: Folder,
    backend: Upstream,
    world: Option<World>,
}

impl Scene {
    /// Starts what `command` gives: it is told where everything is, and where its files belong.
    fn start(name: &str, swap: Swap, command: impl FnOnce(Places, &Folder) -> Command) -> Self {
        let here = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (address, world, backend) = (here(free_port()), world(swap), Upstream::start());
        let Some(Endpoint::Tcp(envoy)) = world.envoy else { panic!("Envoy's door is an address") };
        let places =
            Places { gateway: address, tessera: world.public, envoy, backend: backend.address() };
        let folder = Folder::new(&format!("{name}-{}", address.port()));
        let mut command = command(places, &folder);
        let mut gateway = Running::start(command.stdin(Stdio::null()), &folder);
        wait_until("the start of the gateway", || {
            assert!(!gateway.has_ended(), "{name} ended: {}", log(&folder));
            TcpStream::connect(address).is_ok()
        });
        Self { address, _gateway: gateway, _folder: folder, backend, world: Some(world) }
    }

    fn world(&self) -> &World {
        self.world.as_ref().expect("tessera runs")
    }

    /// Alice's token, as the API takes it.
    fn alice(&self) -> String {
        self.world().sign(&self.world().alice())
    }

    /// Asks for an order.
    #[track_caller]
    fn ask(&self, token: &str) -> Answer {
        self.send(&Request::get("/orders/1").bearer(token))
    }

    #[track_caller]
    fn send(&self, request: &Request) -> Answer {
        request.send(self.address)
    }
}

/// Sends exactly these bytes, and nothing more.
#[track_caller]
fn replay(to: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    // Gateways keep their connections; this one is not needed again.
    stream.shutdown(Shutdown::Write).unwrap();
    Answer::read(&mut stream)
}

/// A form, sent as a gateway does it: these lines of a head, and the fields in this order.
fn form(head: &str, fields: &[(&str, &str)]) -> String {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let head = head.replace('\n', "\r\n");
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
