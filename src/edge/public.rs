//! The public listener: what clients call.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::web::{self, Data, ServiceConfig, resource};
use actix_web::{HttpRequest, HttpResponse};
use arc_swap::ArcSwap;

use super::answer;
use super::introspect::introspect;
use super::problem::Problem;
use crate::ports::Signer;
use crate::service::authenticate::Authenticator;
use crate::service::introspect::Introspector;
use crate::service::snapshot::Snapshot;
use crate::telemetry::metrics::Metrics;

/// What the handlers of this listener work with.
#[derive(Debug)]
pub struct Public {
    /// The configuration now.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Knows callers.
    pub authenticator: Authenticator,
    /// Knows tokens.
    pub introspector: Arc<Introspector>,
    /// Has the public keys of our own answers.
    pub signer: Arc<dyn Signer>,
    /// Counts.
    pub metrics: Arc<Metrics>,
}

/// The routes of this listener.
pub fn routes(service: &mut ServiceConfig) {
    let introspection = resource("/introspect").route(web::post().to(introspect));
    let keys = resource("/jwks").route(web::get().to(jwks));
    service
        .service(introspection.default_service(web::to(only_post)))
        .service(keys.default_service(web::to(only_get)))
        .default_service(web::to(nothing));
}

/// The public keys of our own answers (RFC 7517 §5).
async fn jwks(request: HttpRequest, public: Data<Public>) -> HttpResponse {
    let kind = HeaderValue::from_static("application/jwk-set+json");
    let document = public.signer.public_keys().document.clone();
    public.metrics.request("/jwks", 200);
    answer::whole(&request, StatusCode::OK, kind, document)
}

async fn only_post(request: HttpRequest, public: Data<Public>) -> HttpResponse {
    public.metrics.request("/introspect", 405);
    Problem::MethodNotAllowed("POST").answer(&request)
}

async fn only_get(request: HttpRequest, public: Data<Public>) -> HttpResponse {
    public.metrics.request("/jwks", 405);
    Problem::MethodNotAllowed("GET").answer(&request)
}

async fn nothing(request: HttpRequest, public: Data<Public>) -> HttpResponse {
    public.metrics.request("other", 404);
    Problem::NotFound.answer(&request)
}
