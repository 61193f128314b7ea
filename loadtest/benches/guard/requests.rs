//! Whole requests, from a head that was read to an answer that can be written: middleware, caller,
//! decision, metrics and logs, but no socket.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use actix_web::dev::{Service as _, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::rt::System;
use actix_web::test::{TestRequest, init_service};
use gungraun::{library_benchmark, library_benchmark_group};
use tessera::adapters::clock::SystemClock;
use tessera::app::answering;
use tessera::dev::keys::base64url;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::at_most;
use crate::fixture::{RESOURCE, configuration, look_alike};
use crate::mint::{SECRET, tokens};

/// How many requests came before the one that is counted: every table has its size then, and
/// whatever is made at first use is made.
const BEFORE: usize = 50;

/// Asks what is counted.
type Ask = Box<dyn FnOnce() -> ServiceResponse>;

/// What a future gives that waits for nothing: the hot path never does.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for something"),
    }
}

/// Whether a token was asked about before.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    Before,
    Never,
}

/// A service that has answered other requests to `path`, about tokens of which `body` was made; and
/// the next one. Nothing of it ends before the process does, which is one benchmark.
fn service(path: &'static str, body: fn(&str) -> String, seen: Seen) -> Ask {
    let (entra, system) = (Box::leak(Box::new(look_alike())), Box::leak(Box::new(System::new())));
    let config = configuration(entra.authority());
    // As in a process of its own; there is nothing in it that anybody reads.
    std::mem::forget(tessera::telemetry::logs::start(config.log, None).unwrap());
    let mut bodies: Vec<_> =
        tokens(entra, 0..BEFORE).unwrap().iter().map(|token| body(token)).collect();
    let last = match seen {
        Seen::Before => bodies.last().cloned(),
        Seen::Never => bodies.pop(),
    };
    let request = move |body: String| {
        let form = ("content-type", "application/x-www-form-urlencoded");
        TestRequest::post().uri(path).insert_header(form).set_payload(body).to_request()
    };
    let (last, handle) = system.block_on(async {
        let clock = Arc::new(SystemClock::new());
        let routes = answering(&config, clock, &TaskTracker::new()).unwrap();
        let service = init_service(routes).await;
        for body in bodies {
            let answer = service.call(request(body)).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
        }
        let last = request(last.unwrap());
        let answer = async move { service.call(last).await.unwrap().map_into_boxed_body() };
        (answer, Handle::current())
    });
    if path == "/token" {
        // Given out when another thread has written the record of it, and not before.
        return Box::new(|| system.block_on(last));
    }
    std::mem::forget(Box::leak(Box::new(handle)).enter());
    Box::new(|| at_once(last))
}

fn introspection(token: &str) -> String {
    format!("client_id=tyk&client_secret={SECRET}&token={token}")
}

/// Names a key that nobody has.
fn of_no_key(token: &str) -> String {
    let header = base64url(br#"{"typ":"JWT","alg":"RS256","kid":"a-key-that-nobody-has"}"#);
    let (_, rest) = token.split_once('.').unwrap();
    introspection(&format!("{header}.{rest}"))
}

fn exchange(token: &str) -> String {
    let resource = RESOURCE.replace(':', "%3A").replace('/', "%2F");
    format!(
        "client_id=tyk&client_secret={SECRET}&subject_token={token}&subject_token_type=\
         urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&grant_type=\
         urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&resource={resource}&scope=\
         orders.read"
    )
}

// A whole request.
#[library_benchmark]
#[bench::cached(args = (service("/introspect", introspection, Seen::Before)), config = at_most(104_000))]
#[bench::cold(args = (service("/introspect", introspection, Seen::Never)), config = at_most(630_000))]
#[bench::unknown_key(args = (service("/introspect", of_no_key, Seen::Before)), config = at_most(205_000))]
fn introspect(ask: Ask) -> ServiceResponse {
    good(ask())
}

// A whole request, with a signature by ES256.
#[library_benchmark]
#[bench::warm(args = (service("/token", exchange, Seen::Before)), config = at_most(560_000))]
#[bench::cold(args = (service("/token", exchange, Seen::Never)), config = at_most(1_040_000))]
fn exchanged(ask: Ask) -> ServiceResponse {
    good(ask())
}

fn good(answer: ServiceResponse) -> ServiceResponse {
    assert_eq!(answer.status(), StatusCode::OK);
    black_box(answer)
}

library_benchmark_group!(name = whole, benchmarks = [introspect, exchanged]);
