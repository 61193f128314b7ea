//! A gRPC server of unary calls, whose messages are bounded in size and in time.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tracing::Instrument as _;

use super::budget::Budget;
use super::{Doors, envoy, tyk};
use crate::edge::traced;

/// Longest message, in bytes: as much as Tyk sends by default. A request travels whole, with its
/// body.
const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;
/// How long a call may take from its first byte to its answer. Gateways wait as long as we do.
const DEADLINE: Duration = Duration::from_secs(10);
/// How many calls of one connection are answered at once; a gateway has one connection for all.
const STREAMS: u32 = 1024;
/// How long a connection is kept before a new one is asked for: after some time a gateway has found
/// the replicas that were added.
const AGE: Duration = Duration::from_mins(5);
/// How often a silent peer is asked whether it is there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// A whole answer to a call, on its way.
type Reply = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

/// For whom a listener answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answering {
    /// Envoy: `envoy.service.auth.v3.Authorization`.
    Envoy,
    /// Tyk: `coprocess.Dispatcher`.
    Tyk,
}

/// Answers the calls that come by the connections of `incoming`, until `stop`; then those under
/// way are finished.
pub async fn serve<C, E>(
    answering: Answering,
    doors: Arc<Doors>,
    incoming: impl Stream<Item = Result<C, E>>,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error>
where
    C: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    Server::builder()
        .timeout(DEADLINE)
        .max_concurrent_streams(STREAMS)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .max_connection_age(AGE)
        .max_connection_age_grace(DEADLINE)
        .serve_with_incoming_shutdown(Calls { answering, doors }, incoming, stop)
        .await
}

/// Finds the handler of each call.
#[derive(Clone, Debug)]
struct Calls {
    answering: Answering,
    doors: Arc<Doors>,
}

impl Service<http::Request<Body>> for Calls {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Reply;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Reply {
        let (doors, budget) = (Arc::clone(&self.doors), self.doors.budget.clone());
        match (self.answering, request.uri().path()) {
            (Answering::Tyk, "/coprocess.Dispatcher/Dispatch") => {
                let gateway = traced::metadata(request.headers());
                unary(request, budget, async move |object| {
                    let span = traced::call(
                        "coprocess.Dispatcher/Dispatch",
                        gateway,
                        tyk::asked_by(&object),
                    );
                    Ok(tyk::dispatch(&doors, object).instrument(span).await)
                })
            }
            (Answering::Tyk, "/coprocess.Dispatcher/DispatchEvent") => {
                unary(request, budget, async move |event| Ok(tyk::event(&event)))
            }
            (Answering::Envoy, "/envoy.service.auth.v3.Authorization/Check") => {
                let gateway = traced::metadata(request.headers());
                unary(request, budget, async move |check| {
                    let method = "envoy.service.auth.v3.Authorization/Check";
                    let span = traced::call(method, gateway, envoy::asked_by(&check));
                    Ok(envoy::check(&doors, &check).instrument(span).await)
                })
            }
            (Answering::Envoy | Answering::Tyk, _) => unimplemented(),
        }
    }
}

/// Reads the one message of a call, and writes its answer. What cannot be read, is too long or
/// comes too late gets a gRPC status, which every gateway takes as a refusal.
fn unary<In, Out, Handler, Handled>(
    request: http::Request<Body>,
    budget: Budget,
    handler: Handler,
) -> Reply
where
    In: Message + Default + Send + 'static,
    Out: Message + Send + 'static,
    Handler: FnOnce(In) -> Handled + Send + 'static,
    Handled: Future<Output = Result<Out, Status>> + Send + 'static,
{
    Box::pin(async move {
        let mut grpc = Grpc::new(ProstCodec::<Out, In>::default())
            .max_decoding_message_size(MAX_MESSAGE_BYTES);
        Ok(grpc.unary(Once(Some(handler)), request.map(|body| budget.pay(body))).await)
    })
}

/// A handler as the library takes it.
struct Once<Handler>(Option<Handler>);

impl<In, Out, Handler, Handled> UnaryService<In> for Once<Handler>
where
    Out: 'static,
    Handler: FnOnce(In) -> Handled,
    Handled: Future<Output = Result<Out, Status>> + Send + 'static,
{
    type Response = Out;
    type Future =
        Pin<Box<dyn Future<Output = Result<tonic::Response<Out>, Status>> + Send + 'static>>;

    fn call(&mut self, request: tonic::Request<In>) -> Self::Future {
        match self.0.take() {
            Some(handler) => {
                let answer = handler(request.into_inner());
                Box::pin(async move { answer.await.map(tonic::Response::new) })
            }
            None => Box::pin(async { Err(Status::new(Code::Internal, "called twice")) }),
        }
    }
}

fn unimplemented() -> Reply {
    let status = Status::new(Code::Unimplemented, "no such method on this listener");
    Box::pin(async { Ok(status.into_http()) })
}
