//! A replica is stopped under load, and no request fails.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::client::Connection;
use super::site;
use crate::support::process::wait_until;

/// How many clients there are. Each has a connection that it keeps.
const CLIENTS: usize = 48;
/// How many answers each replica gives before something happens, and after it.
const ENOUGH: u64 = 500;

/// What clients and whoever directs them know of a replica.
struct Seen {
    public: SocketAddr,
    admin: SocketAddr,
    /// Whether new connections are sent there, as a Service or a balancer decides: by readiness.
    chosen: AtomicBool,
    answers: AtomicU64,
    asked_to_close: AtomicU64,
}

struct Load {
    replicas: [Seen; 2],
    token: String,
    over: AtomicBool,
    failed: Mutex<Vec<String>>,
}

impl Load {
    /// Looks at readiness all the time.
    fn balance(&self) {
        while !self.over.load(Ordering::Acquire) {
            for replica in &self.replicas {
                // A listener that is gone is not ready either.
                let ready = ready(replica.admin).unwrap_or(false);
                replica.chosen.store(ready, Ordering::Release);
            }
        }
    }

    /// Asks over one connection for as long as that goes on, then over another.
    fn ask(&self, number: usize) {
        let mut next = number;
        while !self.over.load(Ordering::Acquire) {
            let replica = &self.replicas[next % 2];
            next += 1;
            if !replica.chosen.load(Ordering::Acquire) {
                continue;
            }
            if let Err(why) = self.stay(replica) {
                self.failed.lock().unwrap().push(why);
            }
        }
    }

    fn stay(&self, replica: &Seen) -> Result<(), String> {
        let failed = |what: &str, error: io::Error| format!("{what}: {error}");
        let mut connection =
            Connection::open(replica.public).map_err(|error| failed("connecting", error))?;
        while !self.over.load(Ordering::Acquire) {
            let reply =
                connection.introspect(&self.token).map_err(|error| failed("asking", error))?;
            if !reply.is_active() {
                return Err(format!("{reply:?}"));
            }
            replica.answers.fetch_add(1, Ordering::Relaxed);
            if reply.close {
                replica.asked_to_close.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
        Ok(())
    }
}

fn ready(admin: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(admin)?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}

#[test]
fn no_request_fails_when_a_replica_stops_under_load() {
    let site = site("load", "drain: 5s, grace: 10s");
    let (mut going, staying) = (site.serve(), site.serve());
    let replicas = [&going, &staying].map(|service| Seen {
        public: service.public,
        admin: service.admin,
        chosen: AtomicBool::new(true),
        answers: AtomicU64::new(0),
        asked_to_close: AtomicU64::new(0),
    });
    let failed = Mutex::new(Vec::new());
    let load = Load { replicas, token: site.alice(), over: AtomicBool::new(false), failed };
    let load = Arc::new(load);
    let mut threads: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let load = Arc::clone(&load);
            thread::spawn(move || load.ask(number))
        })
        .collect();
    let balancing = Arc::clone(&load);
    threads.push(thread::spawn(move || balancing.balance()));
    let answers = |replica: usize| load.replicas[replica].answers.load(Ordering::Relaxed);
    wait_until("load on both", || answers(0) > ENOUGH && answers(1) > ENOUGH);
    going.signal("TERM");
    assert_eq!(going.ended(), Some(0));
    let before = answers(1);
    wait_until("load on the other", || answers(1) > before + ENOUGH);
    load.over.store(true, Ordering::Release);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(*load.failed.lock().unwrap(), Vec::<String>::new());
    let moved = load.replicas[0].asked_to_close.load(Ordering::Relaxed);
    assert!(moved >= 10, "the connections of about half of the clients moved: {moved}");
    assert_eq!(load.replicas[1].asked_to_close.load(Ordering::Relaxed), 0);
}
