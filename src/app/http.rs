//! The listeners that speak HTTP/1.1, with or without TLS.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, Service as _, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::web::Data;
use actix_web::{App as Routes, Error, HttpServer};
use rustls::ServerConfig;
use tracing_actix_web::TracingLogger;

use super::descriptors::Connections;
use super::stop::ADMIN_GRACE;
use crate::edge::admin::Admin;
use crate::edge::public::Public;
use crate::edge::{Leaving, RequestSpan, admin, public};

/// How long a client may take for the handshake, and then for the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How many handshakes a thread has under way. More have to wait until these are made or given up,
/// and take nothing meanwhile.
const HANDSHAKES: usize = 256;
/// How long a connection may be idle. Longer than the gateways before us keep theirs, so that none
/// is closed while a request is on its way.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// An open listener of which nothing is answered yet, and where it is.
pub(super) type Opened = io::Result<(Server, SocketAddr)>;

/// A server with our limits, bound to an address: the same steps for types that have no name.
macro_rules! open {
    ($server:expr, $address:expr, $tls:expr) => {{
        let server = $server
            .client_request_timeout(HEAD_DEADLINE)
            .tls_handshake_timeout(HEAD_DEADLINE)
            .max_connection_rate(HANDSHAKES)
            .disable_signals();
        let server = match $tls {
            Some(tls) => server.bind_rustls_0_23($address, tls)?,
            None => server.bind($address)?,
        };
        let at = server.addrs().first().copied().unwrap_or($address);
        Ok((server.run(), at))
    }};
}

/// What clients call.
pub(super) fn public(
    data: Data<Public>,
    leaving: Leaving,
    grace: Duration,
    (address, tls): (SocketAddr, Option<ServerConfig>),
) -> Opened {
    let server = HttpServer::new(move || answering(data.clone(), leaving.clone()));
    let server = server.max_connections(Connections::of_this_process().public);
    open!(server.keep_alive(KEEP_ALIVE).shutdown_timeout(grace.as_secs()), address, tls)
}

/// What is done about a request of a client, from its head to the answer's.
pub(super) fn answering(
    data: Data<Public>,
    leaving: Leaving,
) -> Routes<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    Routes::new()
        .app_data(data)
        .wrap(TracingLogger::<RequestSpan>::new())
        .wrap_fn(move |request, service| {
            let (leaving, answer) = (leaving.clone(), service.call(request));
            async move { answer.await.map(|answer| leaving.told(answer)) }
        })
        .configure(public::routes)
}

/// What operators call.
pub(super) fn admin(
    data: Data<Admin>,
    (address, tls): (SocketAddr, Option<ServerConfig>),
) -> Opened {
    let leaving = data.leaving.clone();
    let server = HttpServer::new(move || {
        let leaving = leaving.clone();
        Routes::new()
            .app_data(data.clone())
            .wrap(TracingLogger::<RequestSpan>::new())
            .wrap_fn(move |request, service| {
                let (leaving, answer) = (leaving.clone(), service.call(request));
                async move { answer.await.map(|answer| leaving.told(answer)) }
            })
            .configure(admin::routes)
    });
    let server = server.workers(1).max_connections(Connections::of_this_process().admin);
    open!(server.shutdown_timeout(ADMIN_GRACE.as_secs()), address, tls)
}
