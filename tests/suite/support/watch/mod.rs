//! P11, for the whole suite: no answer, log line, metric, audit record, trace or output of a command
//! repeats 16 characters of a secret or token that any test has used.
//!
//! [`super::Request`] and the services of the suite tell here what they send and are configured with,
//! and everything that comes back or is written passes through here. What is found fails the test
//! that looks next, which need not be the one that caused it.

mod known;
mod tokens;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::process::Output;
use std::sync::{LazyLock, Mutex, RwLock};
use std::thread;

use serde_json::Value;
use tessera::dev::apps::GRAPH_READER;

use super::{Answer, BILLING_GATEWAY, NOBODY, PLANNER, TYK};
use known::Known;

/// Parameters whose values are secrets.
const SECRETS: [&str; 1] = ["client_secret"];
/// Parameters whose values are tokens, if they look like one: tests send much else in their place.
const TOKENS: [&str; 4] = ["token", "subject_token", "actor_token", "client_assertion"];
/// A longer body is there to be refused.
const MAX_BODY: usize = 256 * 1024;
/// The header in which a gateway is told what to pass on.
const PASSED_ON: &str = "authorization";
/// How folders of `tessera dev` are called, which shows the secrets that it has made up.
const OF_DEV: &str = "tessera-dev-";
/// What stands before a secret in a configuration.
const SETTINGS: [&str; 3] = ["secret:", "password:", "sealing_key:"];

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(|| {
    let mut known = Known::new();
    for secret in [TYK.1, BILLING_GATEWAY.1, NOBODY.1, PLANNER.1, GRAPH_READER.secret.unwrap()] {
        known.add(secret.as_bytes());
    }
    RwLock::new(known)
});
/// Everything that should not have been said.
static LEAKS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Where services listen whose answers are looked at.
static LISTENERS: LazyLock<Mutex<HashSet<SocketAddr>>> = LazyLock::new(Mutex::default);

/// From now on `text` is a secret.
pub(crate) fn secret(text: &str) {
    if !KNOWN.read().unwrap().has(text.as_bytes()) {
        KNOWN.write().unwrap().add(text.as_bytes());
    }
}

/// From now on the secrets in this configuration are, and those in the files that it names.
pub(crate) fn configuration(text: &str) {
    for name in SETTINGS {
        for (_, after) in text.match_indices(name).map(|(at, _)| text.split_at(at + name.len())) {
            let value = after.trim_start_matches([' ', '"', '\'']);
            let value = value.split([' ', ',', '"', '\'', '\n']).next().unwrap();
            match value.strip_prefix("${file:") {
                Some(path) => {
                    let text = std::fs::read_to_string(path.trim_end_matches('}'));
                    secret(text.unwrap_or_default().trim_end());
                }
                None if value.starts_with("${") => {}
                None => secret(value.trim_end_matches('}')),
            }
        }
    }
}

/// From now on the private key in this file is a secret.
pub(crate) fn private_key(file: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.contains("---")).for_each(secret);
}

/// From now on whatever is secret in these headers and this body is.
pub(super) fn sent(headers: &[(String, String)], body: &[u8]) -> Vec<String> {
    let mut tokens = Vec::new();
    for (_, value) in headers {
        if let Some((_, credentials)) = value.split_once(' ').filter(|_| is_credentials(value)) {
            let password = tokens::password(credentials);
            if password.is_some() || tokens::is_in(credentials) {
                tokens.push(credentials.trim().to_owned());
            }
            tokens.extend(password);
        }
    }
    if body.len() <= MAX_BODY {
        let pairs = url::form_urlencoded::parse(body);
        let secrets = pairs.filter(|(name, value)| {
            SECRETS.contains(&&**name) || TOKENS.contains(&&**name) && tokens::is_in(value)
        });
        tokens.extend(secrets.map(|(_, value)| value.into_owned()));
    }
    for token in &tokens {
        secret(token);
    }
    tokens
}

fn is_credentials(value: &str) -> bool {
    let scheme = value.split(' ').next().unwrap();
    ["basic", "bearer"].iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

/// The same for a message of JSON.
pub(super) fn message(message: &Value) {
    match message {
        Value::String(text) => drop(sent(&[(String::new(), text.clone())], &[])),
        Value::Array(all) => all.iter().for_each(self::message),
        Value::Object(all) => all.values().for_each(self::message),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// From now on the answers from there are looked at.
pub(crate) fn listeners(at: [SocketAddr; 2]) {
    LISTENERS.lock().unwrap().extend(at);
}

/// Others may be given those addresses.
pub(crate) fn listeners_are_gone(at: [SocketAddr; 2]) {
    LISTENERS.lock().unwrap().retain(|known| !at.contains(known));
}

/// Looks at an answer to a request with these secrets. One that is good may give other tokens; they
/// are secrets from now on. What a gateway passes on may be the caller's own.
pub(super) fn answer(from: SocketAddr, sent: &[String], answer: &Answer) {
    if !LISTENERS.lock().unwrap().contains(&from) {
        return;
    }
    let headers = answer.headers().map(|(name, value)| (name, value.as_bytes()));
    for (name, text) in headers.chain([("body", answer.bytes())]) {
        let text = String::from_utf8_lossy(text);
        match answer.status {
            300.. => said(name, &text),
            _ if name == PASSED_ON => given(name, &text, &[]),
            _ => given(name, &text, sent),
        }
    }
    assert_quiet();
}

/// Looks at what may hold tokens; those `sent` are not among them.
fn given(what: &str, text: &str, sent: &[String]) {
    let (rest, tokens) = tokens::taken_out(text);
    for token in &tokens {
        if sent.contains(token) {
            found(what, text, "a token that was sent");
        }
        secret(token);
    }
    // What stands in a token that was given.
    for text in tokens.iter().flat_map(|token| tokens::readable(token)) {
        look(what, &text);
    }
    look(what, &rest);
}

/// Looks at a reply by gRPC. Tyk gets back what it sent, changed: so with the definition and its
/// secret, and with the caller's headers.
pub(super) fn reply(line: &str) {
    let mut reply: Value = serde_json::from_str(line).unwrap_or_default();
    if let Some(object) = reply["reply"].as_object_mut() {
        object.remove("spec");
        if let Some(request) = object.get_mut("request").and_then(Value::as_object_mut) {
            request.remove("headers");
        }
    }
    given("a reply to a gateway", &reply.to_string(), &[]);
    assert_quiet();
}

/// Looks at something that can have no token at all: a log line, metrics, a record, an error.
pub(crate) fn said(what: &str, text: &str) {
    if let Some(token) = tokens::taken_out(text).1.first() {
        found(what, text, token);
    }
    look(what, text);
}

/// Looks at what a command has written.
pub(crate) fn output(output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        said("a command", &String::from_utf8_lossy(text));
    }
    assert_quiet();
}

/// Looks at the logs and the audit trails in a folder.
pub(crate) fn folder(folder: &Path) {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with(OF_DEV) {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let of_records = path.extension().is_some_and(|name| name == "jsonl");
        if path.file_name().is_some_and(|name| name == "log") || of_records {
            let text = std::fs::read(&path).unwrap_or_default();
            said(&path.display().to_string(), &String::from_utf8_lossy(&text));
        }
    }
}

/// The first piece of a secret in `text`.
pub(crate) fn piece(text: &str) -> Option<Range<usize>> {
    KNOWN.read().unwrap().piece(text.as_bytes())
}

fn look(what: &str, text: &str) {
    if let Some(piece) = piece(text) {
        let piece = String::from_utf8_lossy(&text.as_bytes()[piece]).into_owned();
        found(what, text, &piece);
    }
}

fn found(what: &str, text: &str, piece: &str) {
    let line = text.lines().find(|line| line.contains(piece)).unwrap_or(text);
    LEAKS.lock().unwrap().push(format!("{what} repeats {piece:?} (P11): {line}"));
}

/// Asserts that nothing was said since the last look that should not have been.
#[track_caller]
pub(crate) fn assert_quiet() {
    if !thread::panicking() {
        let leaks = std::mem::take(&mut *LEAKS.lock().unwrap());
        assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    }
}
