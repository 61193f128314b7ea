//! File descriptors run out: whoever opens connections without end takes up the room of clients, and
//! nothing that the service needs itself.

use std::io::Write as _;
use std::net::TcpStream;
use std::num::NonZero;
use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use tessera::dev::tenant::OldKey;

use crate::lifecycle::client::Connection;
use crate::support::process::wait_until;
use crate::support::service::{Service, Site};
use crate::support::{Request, TYK};

fn metric(service: &Service, name: &str) -> usize {
    let text = service.get("/metrics").text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no `{name}` in {text}")).parse().unwrap()
}

#[test]
fn a_flood_of_connections_leaves_descriptors_for_everything_else() {
    // Every thread has some of its own.
    let limit = 128 + 32 * available_parallelism().map_or(1, NonZero::get);
    let site = Site::new("descriptors", str::to_owned);
    let tessera = Service::command(&site.file);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"]);
    limited.arg(tessera.get_program()).args(tessera.get_args());
    let given = tessera.get_envs().filter_map(|(name, value)| Some((name, value?)));
    limited.envs(given).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let service = Service::spawn(&mut limited);
    wait_until("readiness", || service.get("/readyz").status == 200);
    assert_eq!(metric(&service, "process_max_fds"), limit);
    let mut gateway = Connection::open(service.public).unwrap();
    assert!(gateway.introspect(&site.alice()).unwrap().is_active());
    let open = metric(&service, "process_open_fds");

    // Each says enough to be kept for a minute, and more come than there is room for.
    let room = limit / 2;
    let flood: Vec<_> = (0..room + 200)
        .map(|_| {
            let mut stream = TcpStream::connect(service.public).unwrap();
            stream.write_all(b"GET /jwks HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
            stream
        })
        .collect();
    wait_until("the flood", || metric(&service, "process_open_fds") + 8 > open + room);
    assert!(metric(&service, "process_open_fds") <= open + room + 8, "{limit}");
    // Who was there before is answered, operators are, and so is what Entra has to be asked for.
    assert!(gateway.introspect(&site.alice()).unwrap().is_active());
    let fetched = site.entra.requests(tessera::dev::faults::Surface::Keys);
    site.entra.rotate(OldKey::Kept).unwrap();
    let by_new_key = site.alice();
    assert!(gateway.introspect(&by_new_key).unwrap().is_active());
    assert!(site.entra.requests(tessera::dev::faults::Surface::Keys) > fetched);
    let order = Request::form("/revocations", &[("token", &*by_new_key)]).send(service.admin);
    assert_eq!(order.status, 200, "{order:?}");
    assert!(!gateway.introspect(&by_new_key).unwrap().is_active());

    drop(flood);
    let ask = Request::introspect(&[("token", &*site.alice())]).basic(TYK);
    wait_until("recovery", || {
        ask.try_send(service.public).is_some_and(|answer| answer.status == 200)
    });
    wait_until("room", || metric(&service, "process_open_fds") <= open + 8);
}
