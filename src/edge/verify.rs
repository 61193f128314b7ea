//! `/verify/NAME`: forward authentication, for gateways that ask by HTTP (nginx, Traefik, Caddy, and
//! Envoy's external authorization).
//!
//! Everything but the name is the caller's: method, query, and whatever follows the name in the
//! path. The gateway itself says who it is in a header of its own, since `Authorization` is the
//! caller's too.

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use tracing::Instrument as _;

use super::decide::decide;
use super::problem::Problem;
use super::public::Public;
use super::{answer, caller, identity, request_id, told};
use crate::domain::audit::record::Door;
use crate::protocol::bearer::{self, BearerError};
use crate::protocol::client_auth::presented;
use crate::protocol::params::Form;
use crate::service::gate::{Admitted, Asked, Entrance, Gate, Refused, Shut};
use crate::service::snapshot::Snapshot;
use crate::telemetry::gateway_metrics::{Gateway, Misuse};

/// The credentials of the gateway: `Basic`, or `Bearer` with its own Entra token.
const GATEWAY_AUTHORIZATION: HeaderName = HeaderName::from_static("tessera-authorization");

pub(super) async fn verify(request: HttpRequest, public: Data<Public>) -> HttpResponse {
    let started = Instant::now();
    let snapshot = public.snapshot.load_full();
    let response = match entrance(&request, &public, &snapshot).await {
        Ok(entrance) => {
            let token = token(&request);
            let origin = request_id::origin(&request, Door::Verify);
            let asked = Asked { token, swap: None, origin };
            let deciding = decide(&public.gate, (&snapshot, &entrance), asked);
            let span = request_id::span(&request);
            let decided = deciding.instrument(span.clone()).await;
            let about = (Gateway::Verify, &entrance, None);
            let took = started.elapsed();
            span.in_scope(|| told::decided(&public.metrics, about, &decided, &snapshot, took));
            match decided {
                Ok(admitted) => pass(&request, &admitted, token.unwrap_or_default()),
                Err(refused) => refuse(&request, &refused, (&entrance, &snapshot)),
            }
        }
        Err(problem) => problem.answer(&request),
    };
    public.metrics.request("/verify", response.status().as_u16());
    response
}

/// Recognises the gateway, before anything of the caller is looked at (INT-05).
async fn entrance(
    request: &HttpRequest,
    public: &Public,
    snapshot: &Snapshot,
) -> Result<Entrance, Problem> {
    let values = request.headers().get_all(GATEWAY_AUTHORIZATION);
    let values: Result<Vec<_>, _> = values.map(HeaderValue::to_str).collect();
    let values = values.map_err(|_binary| Problem::GatewayUnproved)?;
    let nothing = Form::parse(b"").map_err(|_impossible| Problem::GatewayUnproved)?;
    let presented = presented(&values, &nothing).map_err(|_none| unproved(public))?;
    let client = caller::authenticated(request, public, snapshot, (&presented, Door::Verify)).await;
    // A challenge would be taken for one about the caller's own token.
    let challenges = |problem| matches!(problem, Problem::BearerInvalid | Problem::ClientInvalid);
    let client =
        client.map_err(|problem| if challenges(problem) { unproved(public) } else { problem })?;
    let name = request.match_info().query("name");
    Gate::entrance_of(snapshot, name, &client).map_err(|shut| match shut {
        Shut::NoSuchApi => {
            public.metrics.gateways.misused(Gateway::Verify, Misuse::NoSuchApi);
            tracing::warn!(client = %client.client.id, "{}", Misuse::NoSuchApi.remedy());
            Problem::NotFound
        }
        Shut::Unproved => unproved(public),
    })
}

fn unproved(public: &Public) -> Problem {
    public.metrics.gateways.misused(Gateway::Verify, Misuse::Unproved);
    Problem::GatewayUnproved
}

/// The caller's one token.
fn token(request: &HttpRequest) -> Result<&str, BearerError> {
    if bearer::is_in_query(request.query_string()) {
        return Err(BearerError::Malformed("a token in the address"));
    }
    let values = request.headers().get_all(AUTHORIZATION);
    bearer::token(values.map(|value| value.to_str().unwrap_or("\u{fffd}")))
}

fn pass(request: &HttpRequest, admitted: &Admitted, own: &str) -> HttpResponse {
    let mut response = answer::start(request, StatusCode::OK);
    for (name, value) in identity::headers(&admitted.visitor) {
        response.insert_header((HeaderName::from_static(name), value));
    }
    response.insert_header((AUTHORIZATION, admitted.authorization(own)));
    response.finish()
}

fn refuse(
    request: &HttpRequest,
    refused: &Refused,
    (entrance, snapshot): (&Entrance, &Snapshot),
) -> HttpResponse {
    let status = StatusCode::from_u16(refused.status());
    let mut response = answer::start(request, status.unwrap_or(StatusCode::FORBIDDEN));
    if let Some(challenge) = refused.challenge(&entrance.api, snapshot) {
        response.insert_header((WWW_AUTHENTICATE, challenge));
    }
    if let Some(seconds) = refused.retry_after() {
        response.insert_header((RETRY_AFTER, seconds));
    }
    response.insert_header((CONTENT_TYPE, answer::JSON));
    let (error, why) = (refused.code(), refused.told());
    response.body(format!(r#"{{"error":"{error}","error_description":"{why}"}}"#))
}
