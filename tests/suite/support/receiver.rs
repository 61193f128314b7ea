//! A receiver of traces: OTLP over HTTP, as a collector speaks it.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::watch;

/// Everything that was received.
#[derive(Default)]
struct Heard {
    heads: Vec<String>,
    bodies: Vec<Vec<u8>>,
}

/// A receiver in threads of its own, which end with the tests.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
}

impl Receiver {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        Self::answering(true)
    }

    /// One that takes everything and never says so.
    pub(crate) fn hanging() -> Self {
        Self::answering(false)
    }

    fn answering(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Heard>>::default();
        let its = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let its = Arc::clone(&its);
                thread::spawn(move || serve(&stream.unwrap(), &its, answers));
            }
        });
        Self { address, heard }
    }

    /// The section of a configuration that sends traces here.
    pub(crate) fn section(&self, sample: &str) -> String {
        section(self.address, sample)
    }

    /// All spans so far, in the order in which they ended.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let heard = self.heard.lock().unwrap();
        let read = |body: &Vec<u8>| ExportTraceServiceRequest::decode(&**body).unwrap();
        let requests = heard.bodies.iter().map(read);
        let scopes = requests.flat_map(|request| request.resource_spans).flat_map(|resource| {
            let named = resource.resource.unwrap().attributes;
            assert_eq!(text(&named, "service.name").as_deref(), Some("tessera"));
            resource.scope_spans
        });
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heard.lock().unwrap().heads.clone()
    }

    /// Asserts that `what` is nowhere in what was sent.
    #[track_caller]
    pub(crate) fn assert_lacks(&self, what: &str) {
        let heard = self.heard.lock().unwrap();
        assert!(!heard.bodies.is_empty() && !what.is_empty());
        let holds = |body: &Vec<u8>| body.windows(what.len()).any(|part| part == what.as_bytes());
        assert!(!heard.bodies.iter().any(holds), "{what}");
    }
}

/// The same, for a receiver at `address`.
pub(crate) fn section(address: SocketAddr, sample: &str) -> String {
    let header = "authorization: \"${env:TYK_SECRET}\"";
    format!(
        "traces: {{ endpoint: \"http://{address}\", sample: {sample}, headers: {{ {header} }} }}\n"
    )
}

/// A text among attributes.
pub(crate) fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.clone()? {
        AnyValue { value: Some(Value::StringValue(text)) } => Some(text),
        AnyValue { value: Some(Value::IntValue(number)) } => Some(number.to_string()),
        other => panic!("{other:?}"),
    }
}

/// Every request of one connection.
fn serve(stream: &TcpStream, all: &Mutex<Heard>, answers: bool) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned)
        });
        let mut body = vec![0; length.unwrap().parse().unwrap()];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        watch::said("a trace", &String::from_utf8_lossy(&body));
        let mut kept = all.lock().unwrap();
        kept.heads.push(head);
        kept.bodies.push(body);
        drop(kept);
        if answers {
            let kind = "Content-Type: application/x-protobuf\r\nContent-Length: 0\r\n";
            (&*stream).write_all(format!("HTTP/1.1 200 OK\r\n{kind}\r\n").as_bytes()).unwrap();
        }
    }
}
