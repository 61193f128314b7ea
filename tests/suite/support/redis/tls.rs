//! A server that speaks TLS only and asks its clients for a certificate.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use super::server::{RedisServer, words};
use crate::support::certificates::Authority;

/// How long the certificates are good for, in days.
const DAYS: u32 = 2;

/// The server and the certificates around it.
pub(crate) struct TlsServer {
    server: RedisServer,
    authority: Authority,
}

impl TlsServer {
    pub(super) fn start() -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let authority = Authority::new(&format!("redis-tls-{number}"));
        for kind in ["server", "client"] {
            authority.sign(kind, kind, DAYS);
        }
        let [ca, certificate, key] =
            ["ca.crt", "server.crt", "server.key"].map(|name| authority.path(name));
        let who = ["--tls-cert-file", &certificate, "--tls-key-file", &key];
        let clients = ["--tls-ca-cert-file", &ca, "--tls-auth-clients", "yes"];
        let on = |port: u16| words(&["--port", "0", "--tls-port", &port.to_string()]);
        Self { server: RedisServer::listening(on, &[who, clients].concat()), authority }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("rediss://{}", self.server.address())
    }

    /// Who vouches for the server, and for clients.
    pub(crate) fn ca_pem(&self) -> String {
        self.read("ca.crt")
    }

    /// The certificate of a client, and its private key.
    pub(crate) fn client_pem(&self) -> (String, String) {
        (self.read("client.crt"), self.read("client.key"))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.authority.path(name)).unwrap()
    }
}
