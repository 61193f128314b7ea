//! The admin listener: for probes, scrapers and operators, never for clients.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use actix_web::web::{self, Data, Payload, ServiceConfig, resource};
use actix_web::{HttpRequest, HttpResponse};
use arc_swap::ArcSwap;
use serde::Serialize;
use serde_json::{Value, json};

use super::leaving::Leaving;
use super::problem::Problem;
use super::revocations::revocations;
use super::{answer, body, keys, token};
use crate::ports::{
    AuditTrail, Clock, GroupDirectory, IssuerKeys, IssuerStatus, KeyRing, SharedStore, StoreStatus,
    ready,
};
use crate::protocol::params::Form;
use crate::protocol::time::UnixTime;
use crate::service::configuration::{Configuration, Outcome, State};
use crate::service::exchange::Exchanger;
use crate::service::explain::explain;
use crate::service::introspect::Introspector;
use crate::service::rehearse::rehearse;
use crate::service::revoke::Revoker;
use crate::service::snapshot::Snapshot;
use crate::service::tokens::Tokens;
use crate::telemetry::metrics::{Metrics, Readings};

/// What the handlers of this listener work with.
#[derive(Debug)]
pub struct Admin {
    /// Whether this replica is about to go.
    pub leaving: Leaving,
    /// The configuration now.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// How that came about.
    pub configuration: Arc<Configuration>,
    /// Verifies tokens.
    pub tokens: Arc<Tokens>,
    /// Tells groups that Entra left out.
    pub groups: Arc<dyn GroupDirectory>,
    /// The key sets.
    pub keys: Arc<dyn IssuerKeys>,
    /// What replicas share, if they do.
    pub others: Option<Arc<dyn SharedStore>>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whose cache is measured.
    pub introspector: Arc<Introspector>,
    /// Rehearses exchanges.
    pub exchanger: Arc<Exchanger>,
    /// Revokes.
    pub revoker: Arc<Revoker>,
    /// The keys that sign.
    pub ring: Arc<dyn KeyRing>,
    /// Records what operators do.
    pub audit: Arc<dyn AuditTrail>,
    /// Everything that was counted.
    pub metrics: Arc<Metrics>,
}

/// The routes of this listener.
pub fn routes(service: &mut ServiceConfig) {
    let get = |path: &str| resource(path).default_service(web::to(only_get));
    let post = |path: &str| resource(path).default_service(web::to(only_post));
    service
        .service(get("/livez").route(web::get().to(livez)))
        .service(get("/readyz").route(web::get().to(readyz)))
        .service(get("/metrics").route(web::get().to(metrics)))
        .service(post("/explain").route(web::post().to(explained)))
        .service(get("/keys").route(web::get().to(keys::list)))
        .service(post("/keys/rotate").route(web::post().to(keys::rotate)))
        .service(post("/keys/retire").route(web::post().to(keys::retire)))
        .service(post("/revocations").route(web::post().to(revocations)))
        .default_service(web::to(nothing));
}

impl Admin {
    fn is_ready(&self, issuers: &[IssuerStatus], store: Option<&StoreStatus>) -> bool {
        !self.leaving.has_begun() && ready(issuers) && store.is_none_or(|store| store.decides)
    }
}

/// The process answers. Touches nothing else, or an outage would restart every replica.
async fn livez(request: HttpRequest) -> HttpResponse {
    told(&request, StatusCode::OK, &json!({ "status": "alive" }))
}

/// Whether tokens of every configured tenant can be answered for. An outage of what replicas share
/// makes none of them unready, unless nothing may be answered without it.
async fn readyz(request: HttpRequest, admin: Data<Admin>) -> HttpResponse {
    let issuers = admin.keys.status(admin.clock.now());
    let store = admin.others.as_ref().map(|others| others.status());
    if admin.leaving.has_begun() {
        return told(&request, StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "stopping" }));
    }
    let ready = admin.is_ready(&issuers, store.as_ref());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if ready { "ready" } else { "not_ready" };
    if !is_verbose(request.query_string()) {
        return told(&request, status, &json!({ "status": word }));
    }
    let issuers: Vec<_> = issuers.iter().map(issuer).collect();
    let configuration = configuration(&admin.configuration.state());
    let mut members = json!({ "status": word, "issuers": issuers, "configuration": configuration });
    if let (Some(members), Some(status)) = (members.as_object_mut(), &store) {
        members.insert("store".to_owned(), shared(status));
    }
    told(&request, status, &members)
}

/// As Kubernetes has it: `?verbose`, whatever its value.
fn is_verbose(query: &str) -> bool {
    query.split('&').any(|part| part.split('=').next() == Some("verbose"))
}

fn configuration(state: &State) -> Value {
    let last = state.last.as_ref().map(|change| {
        let outcome: &str = change.outcome.into();
        let mut last = json!({ "outcome": outcome, "at": change.at.seconds() });
        if let (Outcome::Refused, Some(members)) = (change.outcome, last.as_object_mut()) {
            members.insert("mistakes".to_owned(), json!(change.mistakes));
        }
        last
    });
    json!({
        "generation": state.generation,
        "loaded_at": state.loaded_at.seconds(),
        "file": state.file,
        "last_change": last,
        "restart_needed": state.restart_needed,
    })
}

fn shared(status: &StoreStatus) -> Value {
    let state: &str = status.state.into();
    json!({
        "state": state,
        "connected": status.connected,
        "when_unreachable": status.policy,
        "proved_seconds_ago": status.proof_age.map(|age| age.as_secs_f64()),
        "revocations_waiting": status.waiting,
        "last_error": status.last_error,
    })
}

fn issuer(status: &IssuerStatus) -> Value {
    json!({
        "issuer": status.issuer.to_string(),
        "document": status.document,
        "keys": status.keys,
        "keys_skipped": status.skipped,
        "fetched_at": status.fetched_at.map(UnixTime::seconds),
        "trusted": status.trusted,
        "failures": status.failures,
        "last_error": status.last_error,
    })
}

async fn metrics(request: HttpRequest, admin: Data<Admin>) -> HttpResponse {
    let issuers = admin.keys.status(admin.clock.now());
    let cache = admin.introspector.cache();
    let (ring, store) = (admin.ring.statuses(), admin.others.as_ref().map(|one| one.status()));
    admin.metrics.lifecycle.ready(admin.is_ready(&issuers, store.as_ref()));
    admin.metrics.lifecycle.clock_ahead(admin.clock.ahead());
    admin.metrics.unwritten(admin.revoker.unwritten());
    let audit = admin.audit.status();
    let readings = Readings {
        issuers: &issuers,
        ring: &ring,
        cache: cache.status(),
        store: store.as_ref(),
        audit: &audit,
    };
    match admin.metrics.render(&readings) {
        Ok(text) => {
            let kind = HeaderValue::from_static(prometheus::TEXT_FORMAT);
            answer::whole(&request, StatusCode::OK, kind, text.into())
        }
        Err(error) => {
            tracing::error!(%error, "metrics cannot be rendered");
            answer::start(&request, StatusCode::INTERNAL_SERVER_ERROR).finish()
        }
    }
}

/// Each step of the decision about one token; see [`explain`].
async fn explained(request: HttpRequest, payload: Payload, admin: Data<Admin>) -> HttpResponse {
    explanation(&request, payload, &admin).await.unwrap_or_else(|problem| problem.answer(&request))
}

async fn explanation(
    request: &HttpRequest,
    payload: Payload,
    admin: &Admin,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(request, payload).await?;
    let form = body::exchange_form(&bytes)?;
    let snapshot = admin.snapshot.load();
    if form.get("grant_type").is_some() {
        return rehearsal(request, admin, &snapshot, &form).await;
    }
    let token = body::token(&form)?;
    let caller = snapshot
        .asked_as(form.get("client"))
        .ok_or(Problem::Malformed("`client` must name a client of the configuration"))?;
    let asked = (&**snapshot, &**caller);
    let story = explain(&admin.tokens, &*admin.groups, &*admin.clock, asked, token).await;
    let story = story.map_err(|outage| {
        tracing::warn!(detail = %outage, "the token cannot be explained");
        Problem::Unavailable
    })?;
    Ok(told(request, StatusCode::OK, &story))
}

/// What an exchange would give, or which check refuses it; takes the form of `/token`, with the name
/// of the `client` instead of its credentials.
async fn rehearsal(
    request: &HttpRequest,
    admin: &Admin,
    snapshot: &Snapshot,
    form: &Form<'_>,
) -> Result<HttpResponse, Problem> {
    let caller = form.get("client").and_then(|name| snapshot.caller_named(name));
    let caller =
        caller.ok_or(Problem::Malformed("`client` must name a client of the configuration"))?;
    let asked = token::read(form)?;
    let story = rehearse(&admin.exchanger, snapshot, caller, &asked).await.map_err(|outage| {
        tracing::warn!(detail = %outage, "the exchange cannot be explained");
        Problem::Unavailable
    })?;
    Ok(told(request, StatusCode::OK, &story))
}

pub(super) fn told(
    request: &HttpRequest,
    status: StatusCode,
    members: &impl Serialize,
) -> HttpResponse {
    // For people as much as for programs: indented, and with a line end for the terminal.
    let mut text = serde_json::to_string_pretty(members).unwrap_or_default();
    text.push('\n');
    answer::whole(request, status, answer::JSON, text.into())
}

async fn only_get(request: HttpRequest) -> HttpResponse {
    answer::start(&request, StatusCode::METHOD_NOT_ALLOWED).insert_header((ALLOW, "GET")).finish()
}

async fn only_post(request: HttpRequest) -> HttpResponse {
    answer::start(&request, StatusCode::METHOD_NOT_ALLOWED).insert_header((ALLOW, "POST")).finish()
}

async fn nothing(request: HttpRequest) -> HttpResponse {
    answer::start(&request, StatusCode::NOT_FOUND)
        .insert_header((CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")))
        .body(
            "/livez  /readyz  /metrics  POST /explain (token, client)  POST /revocations  /keys\n",
        )
}
