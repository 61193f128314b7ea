//! A gRPC client of others (`tests/clients/grpc.mjs`), for the listeners of gateways.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tessera::config::Endpoint;

use super::watch;

/// A client with one connection to one service.
pub(crate) struct Grpc {
    process: Child,
    calls: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// A call that got no answer: the gRPC status.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) i64);

impl Grpc {
    /// As Tyk calls its plugin.
    pub(crate) fn tyk(endpoint: Option<&Endpoint>) -> Self {
        Self::tyk_with(endpoint, &[])
    }

    /// The same by TLS: files of who vouches for the service, of the own certificate and its key.
    pub(crate) fn tyk_with(endpoint: Option<&Endpoint>, tls: &[&str]) -> Self {
        Self::start(endpoint, ("coprocess.proto", "coprocess.Dispatcher"), tls)
    }

    /// As Envoy asks for authorization.
    pub(crate) fn envoy(endpoint: Option<&Endpoint>) -> Self {
        Self::new(endpoint, "ext_authz.proto", "envoy.service.auth.v3.Authorization")
    }

    /// Of any service at any endpoint.
    pub(crate) fn new(endpoint: Option<&Endpoint>, proto: &str, service: &str) -> Self {
        Self::start(endpoint, (proto, service), &[])
    }

    fn start(endpoint: Option<&Endpoint>, (proto, service): (&str, &str), tls: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
        assert!(
            folder.join("node_modules/@grpc/grpc-js").exists(),
            "the libraries are missing; run: npm ci --prefix tests/clients   (make test does)"
        );
        let target = match endpoint.expect("the listener is open") {
            Endpoint::Tcp(address) => address.to_string(),
            Endpoint::Unix(path) => format!("unix://{}", path.display()),
        };
        let mut process = Command::new("node")
            .current_dir(&folder)
            .args(["grpc.mjs", &target, &format!("protos/{proto}"), service])
            .args(tls)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let calls = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, calls, answers }
    }

    /// The reply to a message.
    pub(crate) fn call(&mut self, method: &str, message: &Value) -> Result<Value, Status> {
        self.send(&json!({ "method": method, "message": message }));
        self.answer()
    }

    /// The reply to bytes that need not be a message.
    pub(crate) fn raw(&mut self, method: &str, bytes: &[u8]) -> Result<Value, Status> {
        let bytes = BASE64_STANDARD.encode(bytes);
        self.send(&json!({ "method": method, "bytes": bytes }));
        self.answer()
    }

    /// Makes a call; its answer comes in its turn.
    pub(crate) fn send(&mut self, call: &Value) {
        watch::message(call);
        writeln!(self.calls.as_mut().unwrap(), "{call}").unwrap();
    }

    /// The answer to the first call that has none yet.
    pub(crate) fn answer(&mut self) -> Result<Value, Status> {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        watch::reply(&line);
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("the client ended: {error} {line}");
        });
        match answer.get("reply") {
            Some(reply) => Ok(reply.clone()),
            None => Err(Status(answer["code"].as_i64().expect("a status"))),
        }
    }
}

impl Drop for Grpc {
    fn drop(&mut self) {
        drop(self.calls.take());
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
