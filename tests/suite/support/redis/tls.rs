//! A server that speaks TLS only and asks its clients for a certificate.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::run;
use super::server::{RedisServer, words};
use crate::cli::Folder;

/// How OpenSSL makes the three certificates; the names of the sections are those of the files.
const OPENSSL: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
O = tessera test
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:localhost
[client]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = clientAuth
";

/// The server and the certificates around it.
pub(crate) struct TlsServer {
    server: RedisServer,
    folder: Folder,
}

impl TlsServer {
    pub(super) fn start() -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = Folder::new(&format!("redis-tls-{number}"));
        folder.file("openssl.cnf", OPENSSL);
        make(&folder, "ca", &[]);
        for signed in ["server", "client"] {
            make(&folder, signed, &["-CA", "ca.pem", "-CAkey", "ca.key"]);
        }
        let [ca, certificate, key] =
            ["ca.pem", "server.pem", "server.key"].map(|name| path(&folder, name));
        let who = ["--tls-cert-file", &certificate, "--tls-key-file", &key];
        let clients = ["--tls-ca-cert-file", &ca, "--tls-auth-clients", "yes"];
        let on = |port: u16| words(&["--port", "0", "--tls-port", &port.to_string()]);
        Self { server: RedisServer::listening(on, &[who, clients].concat()), folder }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("rediss://{}", self.server.address())
    }

    /// Who vouches for the server, and for clients.
    pub(crate) fn ca_pem(&self) -> String {
        self.read("ca.pem")
    }

    /// The certificate of a client, and its private key.
    pub(crate) fn client_pem(&self) -> (String, String) {
        (self.read("client.pem"), self.read("client.key"))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(path(&self.folder, name)).unwrap()
    }
}

/// Makes a key and a certificate for it, signed by itself or as `signing` says.
fn make(folder: &Folder, name: &str, signing: &[&str]) {
    let mut openssl = Command::new("openssl");
    openssl.current_dir(folder.path());
    openssl.args(["req", "-x509", "-config", "openssl.cnf", "-extensions", name, "-days", "2"]);
    openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-subj", &format!("/CN=tessera test {name}")]);
    openssl.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")]);
    run(openssl.args(signing));
}

fn path(folder: &Folder, name: &str) -> String {
    format!("{}/{name}", folder.path())
}
