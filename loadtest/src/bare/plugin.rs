//! The bare plugin: what reading a message of Tyk and writing it again costs in the same library.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use anyhow::Context as _;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::{Grpc, UnaryService};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::load::messages::Object;

/// Gives every message back as it came.
struct Echo;

impl UnaryService<Object> for Echo {
    type Response = Object;
    type Future = Ready<Result<Response<Object>, Status>>;

    fn call(&mut self, object: Request<Object>) -> Self::Future {
        ready(Ok(Response::new(object.into_inner())))
    }
}

#[derive(Clone)]
struct Calls;

impl Service<http::Request<Body>> for Calls {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            Ok(Grpc::new(ProstCodec::<Object, Object>::default()).unary(Echo, request).await)
        })
    }
}

/// Serves until killed; writes its address to standard error.
pub(crate) fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let incoming = TcpIncoming::bind(any)?.with_nodelay(Some(true));
        eprintln!("{}", incoming.local_addr()?);
        let served = Server::builder().serve_with_incoming(Calls, incoming).await;
        served.context("the bare plugin broke")
    })
}
