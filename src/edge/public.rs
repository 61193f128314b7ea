//! The public listener: what clients call.

use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use actix_web::web::{self, Data, ServiceConfig, resource};
use actix_web::{HttpRequest, HttpResponse};
use arc_swap::ArcSwap;

use super::introspect::introspect;
use super::problem::Problem;
use super::revoke::revoke;
use super::token::token;
use super::verify::verify;
use super::{answer, metadata, protected};
use crate::ports::Signer;
use crate::service::authenticate::Authenticator;
use crate::service::exchange::Exchanger;
use crate::service::gate::Gate;
use crate::service::introspect::Introspector;
use crate::service::revoke::Revoker;
use crate::service::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

/// What the handlers of this listener work with.
#[derive(Debug)]
pub struct Public {
    /// The configuration now.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Knows callers.
    pub authenticator: Arc<Authenticator>,
    /// Knows tokens.
    pub introspector: Arc<Introspector>,
    /// Decides for gateways.
    pub gate: Arc<Gate>,
    /// Exchanges tokens.
    pub exchanger: Arc<Exchanger>,
    /// Revokes tokens.
    pub revoker: Arc<Revoker>,
    /// Has the public keys of what we sign.
    pub signer: Arc<dyn Signer>,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

/// The routes of this listener.
pub fn routes(service: &mut ServiceConfig) {
    let posted = |path: &'static str| resource(path).default_service(web::to(only_post));
    service
        .service(posted("/introspect").route(web::post().to(introspect)))
        .service(posted("/token").route(web::post().to(token)))
        .service(posted("/revoke").route(web::post().to(revoke)));
    let read = |path: &'static str| resource(path).default_service(web::to(only_get));
    let keys = read("/jwks").route(web::get().to(jwks)).route(web::head().to(jwks));
    // The name, and whatever of the caller's own address a gateway puts after it.
    let asked = resource(["/verify/{name}", "/verify/{name}/{rest:.*}"]).to(verify);
    service.service(keys).service(asked).default_service(web::to(elsewhere));
}

/// The public keys of what we sign (RFC 7517 §5).
async fn jwks(request: HttpRequest, public: Data<Public>) -> HttpResponse {
    let kind = HeaderValue::from_static("application/jwk-set+json");
    let document = public.signer.public_keys().document.clone();
    if document.is_empty() {
        // A set without keys would tell gateways that none is good.
        public.metrics.request("/jwks", 503);
        return Problem::Unavailable.answer(&request);
    }
    public.metrics.request("/jwks", 200);
    answer::public(&request, kind, document)
}

async fn only_post(request: HttpRequest, public: Data<Public>) -> HttpResponse {
    public.metrics.request(known(request.path()), 405);
    Problem::MethodNotAllowed("POST").answer(&request)
}

async fn only_get(request: HttpRequest, public: Data<Public>) -> HttpResponse {
    public.metrics.request(known(request.path()), 405);
    Problem::MethodNotAllowed("GET, HEAD").answer(&request)
}

/// The documents whose place depends on the configuration; otherwise nothing.
async fn elsewhere(request: HttpRequest, public: Data<Public>) -> HttpResponse {
    let snapshot = public.snapshot.load();
    if metadata::is_at(request.path(), &snapshot) {
        let response = metadata::metadata(&request, &snapshot);
        public.metrics.request("/.well-known", response.status().as_u16());
        return response;
    }
    if let Some(response) = protected::metadata(&request, &snapshot) {
        public.metrics.request("/.well-known", response.status().as_u16());
        return response;
    }
    public.metrics.request("other", 404);
    Problem::NotFound.answer(&request)
}

/// The path as metrics name it: one of a closed list.
fn known(path: &str) -> &'static str {
    let paths = ["/introspect", "/token", "/revoke", "/jwks"];
    paths.into_iter().find(|known| *known == path).unwrap_or("other")
}
