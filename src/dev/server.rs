//! The look-alike on a socket: routes, start and stop.
//!
//! Plain HTTP, for the loopback address. Everything it knows is public, passwords included.

use std::net::TcpListener;
use std::ops::Deref;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::{io, thread};

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::web::{Data, Query, ServiceConfig, get, post, to as to_any};
use actix_web::{App, HttpResponse, HttpServer};
use serde::Deserialize;
use serde_json::json;

use super::tenant::{FakeEntra, OldKey, Options, World};
use super::{backend, discovery, graph, misbehave, oauth};

/// A look-alike on a thread of its own; stops when dropped.
#[derive(Debug)]
pub struct Running {
    entra: FakeEntra,
    handle: ServerHandle,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl FakeEntra {
    /// A look-alike on `listener`, and the server that the caller runs: nothing is answered until
    /// it is awaited.
    pub fn bind(listener: TcpListener, options: Options) -> io::Result<(Self, Server)> {
        let authority = format!("http://{}", listener.local_addr()?);
        let world = Arc::new(World::new(authority, options).map_err(io::Error::other)?);
        let data = Data::from(Arc::clone(&world));
        let app = move || {
            App::new().app_data(data.clone()).wrap(from_fn(misbehave::gate)).configure(routes)
        };
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run();
        Ok((Self(world), server))
    }

    /// A look-alike on `listener` that answers at once, whatever the caller's own runtime is.
    pub fn start(listener: TcpListener, options: Options) -> io::Result<Running> {
        let (entra, server) = Self::bind(listener, options)?;
        let handle = server.handle();
        let run = || actix_web::rt::System::new().block_on(server);
        let thread = thread::Builder::new().name("look-alike".to_owned()).spawn(run)?;
        Ok(Running { entra, handle, thread: Some(thread) })
    }
}

impl Deref for Running {
    type Target = FakeEntra;

    fn deref(&self) -> &FakeEntra {
        &self.entra
    }
}

impl Running {
    /// Stops answering and closes every connection; returns when that is done.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The order to stop is given by the call; the future only waits for it.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn routes(to: &mut ServiceConfig) {
    to.route("/{tenant}/.well-known/openid-configuration", get().to(discovery::v1_document))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get().to(discovery::v2_document))
        .route("/{tenant}/discovery/keys", get().to(discovery::v1_keys))
        .route("/{tenant}/discovery/v2.0/keys", get().to(discovery::v2_keys))
        .route("/{tenant}/oauth2/v2.0/token", post().to(oauth::token))
        .route("/v1.0/{kind}/{oid}/getMemberGroups", post().to(graph::member_groups))
        .route("/v1.0/{kind}/{oid}/getMemberObjects", post().to(graph::member_groups))
        .route("/dev/rotate", post().to(rotate))
        .route("/dev/api/{rest:.*}", to_any(backend::echo));
}

/// The query of `POST /dev/rotate`.
#[derive(Deserialize)]
struct Rotation {
    /// Whether the old key is gone at once; it stays unless told.
    #[serde(default)]
    drop: bool,
}

async fn rotate(world: Data<World>, rotation: Query<Rotation>) -> HttpResponse {
    let old = if rotation.drop { OldKey::Dropped } else { OldKey::Kept };
    match world.rotate(old) {
        Ok(key) => HttpResponse::Ok().json(json!({ "kid": key.kid() })),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::clock::ManualClock;
    use crate::dev::keys::SigningKey;
    use crate::dev::people::HOME_TENANT;
    use crate::dev::probe::Tenant;
    use crate::dev::tenant::KeySupply;
    use crate::domain::tenant::TokenVersion;
    use crate::protocol::time::UnixTime;

    fn published(entra: &FakeEntra) -> Vec<String> {
        let keys = entra.key_set(HOME_TENANT, TokenVersion::V2).unwrap();
        let keys = keys["keys"].as_array().unwrap().clone();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn an_old_key_stays_until_the_next_rotation() {
        let tenant = Tenant::start();
        let kid = |key: SigningKey| key.kid().to_owned();
        let first = kid(tenant.entra.signing_key());
        let answer = tenant.send("POST", "/dev/rotate", "", "");
        let second = answer.json()["kid"].as_str().unwrap().to_owned();
        assert_eq!(published(&tenant.entra), [second.clone(), first]);
        let third = kid(tenant.entra.rotate(OldKey::Kept).unwrap());
        assert_eq!(published(&tenant.entra), [third, second]);
        assert_eq!(tenant.send("POST", "/dev/rotate?drop=true", "", "").status, 200);
        assert_eq!(published(&tenant.entra), [kid(tenant.entra.signing_key())], "A250");
    }

    #[test]
    fn fresh_keys_are_nobody_elses() {
        let options = || {
            let clock = ManualClock::new(UnixTime::default());
            Options { clock: Arc::new(clock), keys: KeySupply::Fresh }
        };
        let start =
            || FakeEntra::start(TcpListener::bind("127.0.0.1:0").unwrap(), options()).unwrap();
        let (one, other) = (start(), start());
        assert_ne!(one.authority(), other.authority());
        assert_ne!(one.signing_key().kid(), other.signing_key().kid());
    }

    #[tokio::test]
    async fn a_caller_may_run_the_server_itself() {
        let clock = Arc::new(ManualClock::new(UnixTime::default()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = Options { clock, keys: KeySupply::Pooled };
        let (entra, server) = FakeEntra::bind(listener, options).unwrap();
        assert!(entra.authority().starts_with("http://127.0.0.1:"));
        let handle = server.handle();
        let (ran, ()) = tokio::join!(server, handle.stop(true));
        ran.unwrap();
    }
}
