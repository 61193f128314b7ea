//! `POST /introspect` (RFC 7662 §2).

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tracing::Instrument as _;

use super::problem::Problem;
use super::public::Public;
use super::{accept, answer, body, caller, request_id, told, traced};
use crate::domain::audit::record::Door;
use crate::ports::Unavailable;
use crate::protocol::client_auth::Presented;
use crate::protocol::introspection::SIGNED_MEDIA_TYPE;
use crate::protocol::params::Form;
use crate::service::verdict_cache::Question;
use crate::telemetry::traces;

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
    let missing = match wanted {
        accept::Form::Signed => Problem::ClientMissingForSigned,
        accept::Form::Json | accept::Form::Phantom => Problem::ClientMissing,
    };
    let presented = match caller::credentials(request, &form) {
        Ok(presented) if vouches_for_itself(&presented, &form) => {
            let why = "the token must not vouch for whoever asks about it";
            return Err(caller::turned_away((request, public), presented.method(), why).await);
        }
        Ok(presented) => presented,
        Err(error) => return Err(caller::unpresented((request, public), error, missing).await),
    };
    let snapshot = public.snapshot.load();
    let caller =
        caller::authenticated(request, public, &snapshot, (&presented, Door::Public)).await?;
    let token = body::token(&form)?;
    let question = Question::of(&caller, token);
    let verdict = if let Some(verdict) = public.introspector.recall(&question) {
        verdict
    } else {
        let decide = public.introspector.decide(&snapshot, &caller, token, question);
        traces::step("decide", decide, traced::verdict)
            .instrument(request_id::span(request))
            .await
            .map_err(|outage| unavailable(request, &outage))?
    };
    traces::decided(|| traced::known(&verdict));
    told::answered(&public.metrics, &snapshot, &caller, &verdict);
    if public.introspector.records(&verdict) {
        let origin = request_id::origin(request, Door::Public);
        public.introspector.record(&caller, &question, &verdict, origin);
    }
    Ok(match wanted {
        accept::Form::Json => answer::whole(request, StatusCode::OK, answer::JSON, verdict.body),
        accept::Form::Phantom => {
            let jwt = match verdict.refused {
                None => public.introspector.phantom(&snapshot, &caller, token).await,
                Some(_) => Ok(None),
            };
            match jwt.map_err(|outage| unavailable(request, &outage))? {
                Some(jwt) => answer::whole(request, StatusCode::OK, answer::JWT, jwt.into()),
                None => answer::whole(request, StatusCode::OK, answer::JSON, verdict.body),
            }
        }
        accept::Form::Signed => {
            let signed = public.introspector.sign(&snapshot, &caller, &verdict).await;
            let signed = signed.map_err(|outage| unavailable(request, &outage))?;
            let kind = HeaderValue::from_static(SIGNED_MEDIA_TYPE);
            answer::whole(request, StatusCode::OK, kind, signed.into())
        }
    })
}

/// Whether the caller's own token is the one in question (A233).
fn vouches_for_itself(presented: &Presented<'_>, form: &Form<'_>) -> bool {
    match presented {
        Presented::Bearer { token, .. } => form.get("token") == Some(token),
        Presented::Assertion { .. } | Presented::Secret { .. } => false,
    }
}

pub(super) fn unavailable(request: &HttpRequest, outage: &Unavailable) -> Problem {
    let dependency: &str = outage.dependency.into();
    let _inside = request_id::span(request).entered();
    tracing::warn!(dependency, detail = %outage.detail, "the token cannot be checked");
    Problem::Unavailable
}
