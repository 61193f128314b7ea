//! Traces: a real receiver is sent what a real process did, and nothing that must not leave it.

use std::io::Read as _;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use tessera::config::Endpoint;
use tessera::dev::apps::ORDERS;
use tessera::dev::people::ALICE;
use tessera::dev::tenant::OldKey;
use tessera::protocol::trace_context::TraceParent;

use crate::cli::Folder;
use crate::plugin::{asking, object};
use crate::replicas::SEAL;
use crate::support::grpc::Grpc;
use crate::support::process::wait_until;
use crate::support::receiver::{Receiver, section, text};
use crate::support::redis::RedisServer;
use crate::support::service::{Service, Site};
use crate::support::{Answer, Request, TYK};

/// A caller's place in a trace that it records.
const RECORDED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// Another caller's, who records nothing.
const UNRECORDED: &str = "00-5cf92f3577b34da6a3ce929d0e0e4737-11f067aa0ba902b8-00";
/// In a query, which may hold a token.
const QUERY: &str = "query-that-nobody-may-see";
/// Longest time between the order to stop and the end: two seconds for traces, one for log lines,
/// and what else a process has to do beside others.
const STOP: Duration = Duration::from_secs(8);

fn site(name: &str, traces: &str) -> Site {
    Site::new(name, |text| format!("{text}{traces}"))
}

fn ask(service: &Service, token: &str, traceparent: &str) -> Answer {
    let request = Request::introspect(&[("token", token)]).basic(TYK);
    request.header("traceparent", traceparent).send(service.public)
}

/// A token whose key nobody has seen yet.
fn cold(site: &Site) -> String {
    site.entra.rotate(OldKey::Kept).unwrap();
    site.alice()
}

fn stop(service: &mut Service) {
    let begun = Instant::now();
    service.signal("TERM");
    assert_eq!(service.ended(), Some(0));
    assert!(begun.elapsed() < STOP, "{:?}", begun.elapsed());
}

fn parent(text: &str) -> TraceParent {
    TraceParent::read(text).unwrap()
}

fn is_of(span: &Span, place: &str) -> bool {
    span.trace_id == parent(place).trace.to_be_bytes()
}

#[track_caller]
fn named<'s>(spans: &'s [Span], name: &str, below: &[u8]) -> &'s Span {
    let found = spans.iter().find(|span| span.name == name && span.parent_span_id == below);
    found.unwrap_or_else(|| panic!("{name} in {spans:#?}"))
}

#[track_caller]
fn assert_says(span: &Span, expected: &[(&str, &str)]) {
    for (name, value) in expected {
        assert_eq!(text(&span.attributes, name).as_deref(), Some(*value), "{name} of {span:#?}");
    }
}

#[test]
fn the_trace_of_a_caller_goes_on_through_us_to_entra() {
    let receiver = Receiver::start();
    let site = site("traced", &receiver.section("0"));
    let mut service = site.serve();
    let token = cold(&site);
    assert_eq!(ask(&service, &token, RECORDED).json()["active"], true);
    wait_until("the trace", || receiver.spans().len() >= 5);
    let spans = receiver.spans();
    assert!(spans.iter().all(|span| is_of(span, RECORDED)), "{spans:#?}");

    let ours = named(&spans, "POST /introspect", &parent(RECORDED).span.to_be_bytes());
    assert_eq!(ours.kind, 2, "a server");
    assert_says(
        ours,
        &[
            ("http.request.method", "POST"),
            ("http.route", "/introspect"),
            ("url.path", "/introspect"),
            ("url.scheme", "http"),
            ("http.response.status_code", "200"),
            ("tessera.client", "tyk"),
            ("tessera.outcome", "active"),
            ("tessera.source", "decided"),
        ],
    );
    let decision = named(&spans, "decide", &ours.span_id);
    assert_says(decision, &[("tessera.outcome", "active"), ("tessera.source", "decided")]);
    let fetch = named(&spans, "fetch keys", &decision.span_id);
    let call = named(&spans, "GET", &fetch.span_id);
    assert_eq!(call.kind, 3, "a client");
    let port = site.entra.authority().rsplit(':').next().unwrap();
    let expected = [("server.port", port), ("http.response.status_code", "200")];
    assert_says(call, &expected);
    let heard: Vec<_> = site.entra.traceparents().iter().map(|text| parent(text)).collect();
    assert!(!heard.is_empty());
    for place in heard {
        assert!(place.sampled && place.trace == parent(RECORDED).trace);
        let calls = spans.iter().filter(|span| span.kind == 3);
        assert!(calls.into_iter().any(|call| call.span_id == place.span.to_be_bytes()));
    }

    // Known by now; and what is sent at the end is sent before the end.
    assert_eq!(ask(&service, &token, RECORDED).json()["active"], true);
    stop(&mut service);
    let spans = receiver.spans();
    let [.., known] = &spans[..] else { panic!("no spans") };
    assert_says(known, &[("tessera.outcome", "active"), ("tessera.source", "memory")]);
    for head in receiver.heads() {
        assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
        assert!(head.contains(&format!("authorization: {}", TYK.1)), "{head}");
    }
}

#[test]
fn no_span_holds_a_secret_a_token_a_query_or_a_person() {
    let receiver = Receiver::start();
    let site = site("traced-secrets", &receiver.section("1"));
    let mut service = site.serve();
    let (token, basic) = (cold(&site), BASE64_STANDARD.encode(format!("{}:{}", TYK.0, TYK.1)));
    let tampered = format!("{}AAAA", &token[..token.len() - 4]);
    for token in [&token, &tampered] {
        assert_eq!(service.introspect(token).status, 200);
    }
    let exchange = Request::form(
        "/token",
        &[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", &token),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("resource", "https://orders.internal"),
        ],
    );
    let issued = exchange.basic(TYK).send(service.public);
    assert_eq!(issued.status, 200);
    let issued = issued.json()["access_token"].as_str().unwrap().to_owned();
    for target in [&*format!("/jwks?{QUERY}"), &format!("/{QUERY}"), &format!("/verify/a/{QUERY}")]
    {
        Request::get(target).send(service.public);
    }
    service.get("/metrics");
    stop(&mut service);
    let (spans, log) = (receiver.spans(), service.log());
    for name in ["POST /introspect", "decide", "POST /token", "exchange", "GET /jwks"] {
        assert!(spans.iter().any(|span| span.name == name), "{name} in {spans:#?}");
    }
    let refused = spans.iter().find(|span| {
        text(&span.attributes, "tessera.reason").as_deref() == Some("signature_invalid")
    });
    assert_says(refused.unwrap(), &[("tessera.outcome", "inactive")]);
    let is_asked = |path| spans.iter().any(|span| span.name.contains(path));
    assert!(!is_asked("/readyz") && !is_asked("/metrics"), "probes tell nothing");
    for text in [&*token, &token[..40], &tampered, &issued, TYK.1, &basic, QUERY, ALICE.oid] {
        receiver.assert_lacks(text);
    }
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let line = lines.iter().find(|line| line["message"] == "token refused").unwrap();
    let of_line = u128::from_str_radix(line["trace_id"].as_str().unwrap(), 16).unwrap();
    assert_eq!(of_line.to_be_bytes(), &*refused.unwrap().trace_id, "{line}");
    assert!(line["span"]["request_id"].is_string(), "{line}");
}

#[test]
fn what_is_not_recorded_leaves_nothing_but_the_name_of_its_trace_in_a_log_line() {
    let receiver = Receiver::start();
    let site = site("untraced", &receiver.section("0"));
    let mut service = site.serve();
    let token = cold(&site);
    assert_eq!(ask(&service, &token, UNRECORDED).status, 200);
    for malformed in ["00-x", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", ""] {
        assert_eq!(ask(&service, &token, malformed).status, 200);
    }
    assert_eq!(service.introspect(&token).status, 200);
    assert!(site.entra.traceparents().is_empty());
    ask(&service, "no-token", UNRECORDED).assert_inactive();
    // The only one that is recorded.
    assert_eq!(ask(&service, &token, RECORDED).status, 200);
    stop(&mut service);
    let spans = receiver.spans();
    assert!(!spans.is_empty() && spans.iter().all(|span| is_of(span, RECORDED)), "{spans:#?}");
    assert_refusal_names(&service.log(), UNRECORDED);
}

#[test]
fn without_the_section_nothing_is_sent_on() {
    let site = site("traces-off", "");
    let mut service = site.serve();
    assert_eq!(ask(&service, &cold(&site), RECORDED).json()["active"], true);
    assert!(site.entra.traceparents().is_empty());
    ask(&service, "no-token", RECORDED).assert_inactive();
    stop(&mut service);
    assert_refusal_names(&service.log(), RECORDED);
}

#[track_caller]
fn assert_refusal_names(log: &str, place: &str) {
    let refused = log.lines().find(|line| line.contains("\"token refused\"")).expect(log);
    let line: Value = serde_json::from_str(refused).unwrap();
    let TraceParent { trace, span, .. } = parent(place);
    assert_eq!(line["trace_id"], format!("{trace:032x}"), "{line}");
    assert_eq!(line["span_id"], format!("{span:016x}"), "{line}");
}

#[test]
fn a_receiver_that_is_gone_or_hangs_is_in_nobodys_way() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = closed.local_addr().unwrap();
    drop(closed);
    let hanging = Receiver::hanging();
    for (name, traces, told) in [
        ("receiver-gone", section(gone, "1"), "\"traces are not delivered\""),
        ("receiver-hangs", hanging.section("1"), "\"the last traces are lost"),
    ] {
        let site = site(name, &traces);
        let mut service = site.serve();
        let token = site.alice();
        for _ in 0..50 {
            assert_eq!(service.introspect(&token).json()["active"], true);
        }
        wait_until("an attempt", || service.log().contains(told) || !hanging.heads().is_empty());
        if told.contains("not delivered") {
            let metrics = service.get("/metrics").text();
            let lost = metrics.lines().find_map(|line| {
                line.strip_prefix("tessera_trace_spans_lost_total ")?.parse::<u64>().ok()
            });
            assert!(lost.unwrap() > 0, "{metrics}");
        }
        stop(&mut service);
        let log = service.log();
        assert_eq!(log.matches(told).count(), 1, "{log}");
        assert!(!log.contains(TYK.1), "{log}");
    }
}

#[test]
fn a_gateway_that_asks_by_grpc_is_part_of_the_trace() {
    let receiver = Receiver::start();
    let site = Site::new("traced-grpc", |text| {
        let listen = "listen: { tyk: \"127.0.0.1:0\", envoy: \"127.0.0.1:0\", ";
        let audience = ORDERS.client_id;
        let apis = format!("apis: {{ orders: {{ client: tyk, audiences: [{audience}] }} }}\n");
        format!("{}{apis}{}", text.replace("listen: { ", listen), receiver.section("0"))
    });
    let mut service = site.serve();
    let bearer = format!("Bearer {}", site.alice());
    let at =
        |name: &str| Some(Endpoint::Tcp(service.started[name].as_str().unwrap().parse().unwrap()));
    let mut envoy = Grpc::envoy(at("envoy").as_ref());
    let headers = json!({ "authorization": bearer, "traceparent": UNRECORDED });
    let http = json!({ "method": "GET", "path": "/", "headers": headers });
    let route = json!({ "api": "orders", "secret": TYK.1 });
    let check =
        json!({ "attributes": { "request": { "http": http }, "context_extensions": route } });
    let call =
        json!({ "method": "Check", "message": check, "metadata": { "traceparent": RECORDED } });
    envoy.send(&call);
    assert!(envoy.answer().unwrap()["ok_response"].is_object());
    let mut tyk = Grpc::tyk(at("tyk").as_ref());
    let headers = [("Authorization", &*bearer), ("Traceparent", RECORDED)];
    let dispatch = json!({ "method": "Dispatch", "message": object(&asking("orders"), &headers) });
    tyk.send(&dispatch);
    tyk.answer().unwrap();
    stop(&mut service);

    let (spans, caller) = (receiver.spans(), parent(RECORDED).span.to_be_bytes());
    assert!(spans.iter().all(|span| is_of(span, RECORDED)), "{spans:#?}");
    for name in ["envoy.service.auth.v3.Authorization/Check", "coprocess.Dispatcher/Dispatch"] {
        let span = named(&spans, name, &caller);
        assert_eq!(span.kind, 2, "a server");
        let said =
            [("rpc.system.name", "grpc"), ("rpc.method", name), ("tessera.outcome", "admitted")];
        assert_says(span, &said);
        named(&spans, "decide", &span.span_id);
    }
}

#[test]
fn a_command_to_redis_tells_its_name_and_nothing_of_its_content() {
    let (receiver, redis) = (Receiver::start(), RedisServer::start());
    let folder = Folder::new("traced-redis-keys");
    let seal = folder.file("seal", SEAL);
    let site = Site::new("traced-redis", |text| {
        let redis = format!("redis: {{ url: \"{}\", results: all }}", redis.url());
        let store = format!("store: {{ {redis}, sealing_key: \"${{file:{seal}}}\" }}\n");
        format!("{text}{store}{}", receiver.section("0"))
    });
    let mut service = site.serve();
    let token = cold(&site);
    assert_eq!(ask(&service, &token, RECORDED).json()["active"], true);
    stop(&mut service);
    let spans = receiver.spans();
    let commands = spans
        .iter()
        .filter(|span| text(&span.attributes, "db.system.name").as_deref() == Some("redis"));
    let commands: Vec<_> = commands.collect();
    assert!(!commands.is_empty(), "{spans:#?}");
    for span in commands {
        assert_eq!(span.kind, 3, "a client");
        assert_says(span, &[("db.operation.name", &span.name)]);
        assert_eq!(span.attributes.len(), 2, "{span:#?}");
        assert!(span.name.bytes().all(|byte| byte.is_ascii_uppercase()), "{span:#?}");
    }
    receiver.assert_lacks("tessera:");
}

#[test]
fn a_pipe_that_nobody_reads_holds_up_neither_answers_nor_the_end() {
    /// More than a pipe holds (64 KiB), at some 300 bytes a line.
    const LINES: usize = 500;
    let site = site("stuck-log", "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tessera"));
    command.args(["serve", "--config", &site.file]).env("TYK_SECRET", TYK.1);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut errors = process.stderr.take().unwrap();
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        errors.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    let started: Value = serde_json::from_slice(&line).unwrap();
    let public = started["public"].as_str().unwrap().parse().unwrap();
    for number in 0..LINES {
        let token = format!("no-token-{number}");
        Request::introspect(&[("token", &token)]).basic(TYK).send(public).assert_inactive();
    }
    let begun = Instant::now();
    let id = process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    wait_until("the end", || process.try_wait().unwrap().is_some());
    assert!(begun.elapsed() < STOP, "{:?}", begun.elapsed());
    assert_eq!(process.wait().unwrap().code(), Some(0));
    let mut written = String::new();
    errors.read_to_string(&mut written).unwrap();
    let refused = written.matches("\"token refused\"").count();
    assert!((1..LINES).contains(&refused), "the pipe was full: {refused}");
}
