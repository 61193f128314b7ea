//! A small web server on a real socket that answers what a test tells it to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode};
use futures_util::{StreamExt as _, stream};
use tokio::sync::Semaphore;
use url::Url;

/// One prepared answer.
#[derive(Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

#[derive(Clone)]
enum Body {
    Text(String),
    Endless,
    Stalled,
}

impl Reply {
    pub(super) fn new(status: u16, text: &str) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body: Body::Text(text.to_owned()) }
    }

    pub(super) fn json(text: &str) -> Self {
        Self::new(200, text)
    }

    pub(super) fn redirect(to: &str) -> Self {
        Self::new(302, "").with("location", to)
    }

    /// A body without an announced length and without an end.
    pub(super) fn endless() -> Self {
        Self { body: Body::Endless, ..Self::json("") }
    }

    /// A body whose end never comes.
    pub(super) fn stalled() -> Self {
        Self { body: Body::Stalled, ..Self::json("") }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn build(self) -> HttpResponse {
        let mut response = HttpResponse::build(StatusCode::from_u16(self.status).unwrap());
        for header in self.headers {
            response.insert_header(header);
        }
        let piece = || Ok::<_, actix_web::Error>(Bytes::from_static(b"{\"keys\":["));
        match self.body {
            Body::Text(text) => response.body(text),
            Body::Endless => response.streaming(stream::repeat_with(|| {
                // Large pieces: the limit must be met before the deadline, on slow machines too.
                Ok::<_, actix_web::Error>(Bytes::from(vec![b' '; 64 * 1024]))
            })),
            Body::Stalled => {
                response.streaming(stream::iter([piece()]).chain(stream::pending()).boxed_local())
            }
        }
    }
}

#[derive(Default)]
struct State {
    replies: HashMap<String, Reply>,
    seen: Vec<Seen>,
}

/// One request that came in.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: String,
    pub(super) authorization: Option<String>,
}

/// The server; it ends with the test.
pub(super) struct TestServer {
    state: Arc<Mutex<State>>,
    gate: Arc<Semaphore>,
    base: Url,
    handle: ServerHandle,
}

/// Enough for every request of a test to pass the gate.
const OPEN: usize = 1_000_000;

impl TestServer {
    /// Starts a server that answers 404 to everything.
    pub(super) fn start() -> Self {
        let state = Arc::<Mutex<State>>::default();
        let gate = Arc::new(Semaphore::new(OPEN));
        let shared = Data::new((Arc::clone(&state), Arc::clone(&gate)));
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let make = move || {
                    App::new()
                        .app_data(Data::clone(&shared))
                        .default_service(actix_web::web::to(answer))
                };
                let server = HttpServer::new(make)
                    .workers(1)
                    .disable_signals()
                    .shutdown_timeout(0)
                    .bind("127.0.0.1:0")
                    .unwrap();
                let address = server.addrs()[0];
                let server = server.run();
                sender.send((address, server.handle())).unwrap();
                server.await.unwrap();
            });
        });
        let (address, handle) = receiver.recv().unwrap();
        let base = Url::parse(&format!("http://{address}")).unwrap();
        Self { state, gate, base, handle }
    }

    pub(super) fn url(&self, path: &str) -> Url {
        self.base.join(path).unwrap()
    }

    /// From now on `path` is answered by `reply`.
    pub(super) fn on(&self, path: &str, reply: Reply) {
        self.state.lock().unwrap().replies.insert(path.to_owned(), reply);
    }

    /// The requests so far, in order.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// How many requests for `path` came in.
    pub(super) fn hits(&self, path: &str) -> usize {
        self.seen().iter().filter(|seen| seen.path == path).count()
    }

    /// Requests that come in from now on wait until the gate is opened.
    pub(super) async fn close_gate(&self) {
        self.gate.acquire_many(OPEN.try_into().unwrap()).await.unwrap().forget();
    }

    /// Lets all waiting requests go on.
    pub(super) fn open_gate(&self) {
        self.gate.add_permits(OPEN);
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

type Shared = Data<(Arc<Mutex<State>>, Arc<Semaphore>)>;

async fn answer(request: HttpRequest, body: Bytes, shared: Shared) -> HttpResponse {
    let (state, gate) = shared.get_ref();
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let seen = Seen {
        path: request.path().to_owned(),
        query: request.query_string().to_owned(),
        body: String::from_utf8(body.to_vec()).unwrap(),
        authorization: header("authorization"),
    };
    let reply = {
        let mut state = state.lock().unwrap();
        state.seen.push(seen);
        state.replies.get(request.path()).cloned()
    };
    let _passed = gate.acquire().await.unwrap();
    reply.unwrap_or_else(|| Reply::new(404, "{}")).build()
}
