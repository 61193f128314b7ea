//! `POST /introspect` (RFC 7662 §2).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tracing::Instrument as _;

use super::accept;
use super::problem::Problem;
use super::public::Public;
use super::{answer, body, request_id};
use crate::domain::rejection::safe;
use crate::ports::Unavailable;
use crate::protocol::client_auth::{Method, Presented, PresentedError, presented};
use crate::protocol::introspection::SIGNED_MEDIA_TYPE;
use crate::protocol::params::Form;
use crate::service::authenticate::Denied;
use crate::service::introspect::Verdict;
use crate::telemetry::metrics::{Answered, Authentication};

pub(super) async fn introspect(
    request: HttpRequest,
    payload: Payload,
    public: Data<Public>,
) -> HttpResponse {
    let started = Instant::now();
    let response = match decide(&request, payload, &public).await {
        Ok(response) => response,
        Err(problem) => problem.answer(&request),
    };
    public.metrics.introspection(response.status().as_u16(), started.elapsed());
    response
}

async fn decide(
    request: &HttpRequest,
    payload: Payload,
    public: &Public,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(request, payload).await?;
    let form = body::form(&bytes)?;
    let wanted = accept::wanted(request.headers());
    let authorization = authorization(request.headers())?;
    let presented = presented(&authorization, &form).map_err(|error| refused(error, wanted))?;
    refuse_self_introspection(&presented, &form)?;
    let snapshot = public.snapshot.load();
    let source = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let caller = public.authenticator.authenticate(&snapshot, &presented, source).await;
    let caller = caller.map_err(|denied| {
        request_id::span(request).in_scope(|| denial(public, &presented, &denied))
    })?;
    let token = body::token(&form)?;
    let verdict = match public.introspector.recall(&caller, token) {
        Ok(verdict) => verdict,
        Err(question) => public
            .introspector
            .decide(&snapshot, &caller, token, question)
            .instrument(request_id::span(request))
            .await
            .map_err(|outage| unavailable(request, &outage))?,
    };
    public.metrics.answered(outcome(&verdict));
    Ok(match wanted {
        accept::Form::Json => answer::whole(request, StatusCode::OK, answer::JSON, verdict.body),
        accept::Form::Signed => {
            let signed = public.introspector.sign(&snapshot, &caller, &verdict).await;
            let signed = signed.map_err(|outage| unavailable(request, &outage))?;
            let kind = HeaderValue::from_static(SIGNED_MEDIA_TYPE);
            answer::whole(request, StatusCode::OK, kind, signed.into())
        }
    })
}

/// Every `Authorization` header; one that is not text cannot be a credential.
fn authorization(headers: &HeaderMap) -> Result<Vec<&str>, Problem> {
    let values = headers.get_all(AUTHORIZATION);
    values.map(|value| value.to_str().map_err(|_binary| Problem::ClientInvalid)).collect()
}

fn refused(error: PresentedError, wanted: accept::Form) -> Problem {
    match error {
        PresentedError::Assertion | PresentedError::Malformed => Problem::ClientInvalid,
        PresentedError::MoreThanOne => {
            Problem::Malformed("there is more than one way to authenticate, or two client ids")
        }
        PresentedError::None if wanted == accept::Form::Signed => Problem::ClientMissingForSigned,
        PresentedError::None => Problem::ClientMissing,
    }
}

/// A token must not vouch for whoever asks about it (A233).
fn refuse_self_introspection(presented: &Presented<'_>, form: &Form<'_>) -> Result<(), Problem> {
    match presented {
        Presented::Bearer(bearer) if form.get("token") == Some(bearer) => {
            Err(Problem::BearerInvalid)
        }
        Presented::Assertion { .. } | Presented::Bearer(_) | Presented::Secret { .. } => Ok(()),
    }
}

fn denial(public: &Public, presented: &Presented<'_>, denied: &Denied) -> Problem {
    let (result, problem) = match denied {
        Denied::Invalid { method: Method::Bearer, .. } => {
            (Authentication::Invalid, Problem::BearerInvalid)
        }
        Denied::Invalid { .. } => (Authentication::Invalid, Problem::ClientInvalid),
        Denied::Throttled(seconds) => (Authentication::Throttled, Problem::Throttled(*seconds)),
        Denied::Unavailable(_) => (Authentication::Unavailable, Problem::Unavailable),
    };
    let method = presented.method();
    public.metrics.not_authenticated(method, result);
    let (client, why) = (claimed_name(presented), denied.to_string());
    // Who goes on after being throttled is counted, but cannot fill the log.
    if result == Authentication::Throttled {
        tracing::debug!(method = method.as_str(), client, why, "caller refused");
    } else {
        tracing::warn!(method = method.as_str(), client, why, "caller refused");
    }
    problem
}

/// The name that the caller gave itself, as it may be shown.
fn claimed_name(presented: &Presented<'_>) -> Option<String> {
    match presented {
        Presented::Secret { client_id, .. } => Some(safe(client_id)),
        Presented::Assertion { client_id, .. } => client_id.map(safe),
        Presented::Bearer(_) => None,
    }
}

fn unavailable(request: &HttpRequest, outage: &Unavailable) -> Problem {
    let dependency: &str = outage.dependency.into();
    let _inside = request_id::span(request).entered();
    tracing::warn!(dependency, detail = %outage.detail, "the token cannot be checked");
    Problem::Unavailable
}

const fn outcome(verdict: &Verdict) -> Answered {
    match verdict.refused {
        Some(reason) => Answered::Inactive { reason, cached: verdict.cached },
        None if verdict.cached => Answered::ActiveCached,
        None => Answered::ActiveDecided,
    }
}
