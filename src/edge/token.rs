//! `POST /token` (RFC 8693 §2).

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tracing::Instrument as _;

use super::introspect::unavailable;
use super::problem::Problem;
use super::public::Public;
use super::{answer, body, caller, request_id, told, traced};
use crate::domain::audit::record::Door;
use crate::domain::issued::IssuedToken;
use crate::protocol::exchange::{Request, RequestError, Response};
use crate::protocol::json;
use crate::protocol::params::Form;
use crate::service::exchange::Refused;
use crate::service::snapshot::{Caller, Snapshot};
use crate::telemetry::traces;

pub(super) async fn token(
    request: HttpRequest,
    payload: Payload,
    public: Data<Public>,
) -> HttpResponse {
    let started = Instant::now();
    let response = match answered(&request, payload, &public).await {
        Ok(response) => response,
        Err(problem) => problem.answer(&request),
    };
    public.metrics.exchange(response.status().as_u16(), started.elapsed());
    response
}

async fn answered(
    request: &HttpRequest,
    payload: Payload,
    public: &Public,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(request, payload).await?;
    let form = body::exchange_form(&bytes)?;
    let presented = match caller::credentials(request, &form) {
        Ok(presented) => presented,
        Err(error) => {
            let missing = Problem::ClientMissing;
            return Err(caller::unpresented((request, public), error, missing).await);
        }
    };
    let snapshot = public.snapshot.load();
    let caller =
        caller::authenticated(request, public, &snapshot, (&presented, Door::Public)).await?;
    let asked = read(&form)?;
    let (span, origin) = (request_id::span(request), request_id::origin(request, Door::Public));
    let exchange = public.exchanger.exchange(&snapshot, &caller, &asked, origin);
    let exchange = traces::step("exchange", exchange, traced::exchanged);
    let issued = exchange.instrument(span.clone()).await;
    traces::decided(|| traced::exchanged(&issued));
    let issued = issued.map_err(|refused| {
        let about = (&**snapshot, &*caller, &asked);
        span.in_scope(|| refusal(request, public, about, &refused))
    })?;
    span.in_scope(|| told::issued(&snapshot, &issued));
    let IssuedToken { client, resource, .. } = &issued.token;
    public.metrics.exchanged(client, Some(resource), None);
    let scope = issued.token.scopes.join(" ");
    let body = json::written(&Response {
        access_token: &issued.text,
        issued_token_type: issued.kind.as_str(),
        token_type: "Bearer",
        expires_in: issued.token.expires.since(issued.token.issued_at).count(),
        scope: &scope,
    });
    let body = body.map_err(|_impossible| Problem::Unavailable)?;
    Ok(answer::whole(request, StatusCode::OK, answer::JSON, body.into()))
}

/// The parameters of an exchange.
pub(super) fn read<'f>(form: &'f Form<'_>) -> Result<Request<'f>, Problem> {
    Request::read(form).map_err(|error| match error {
        RequestError::AuthorizationDetails => Problem::AuthorizationDetails,
        RequestError::GrantType => Problem::GrantType,
        RequestError::Malformed(why) => Problem::Malformed(why),
        RequestError::Scope => Problem::Scope,
    })
}

/// Tells the operator precisely, and the caller no more than the code.
fn refusal(
    request: &HttpRequest,
    public: &Public,
    (snapshot, caller, asked): (&Snapshot, &Caller, &Request<'_>),
    refused: &Refused,
) -> Problem {
    match refused {
        Refused::Unavailable(outage) => unavailable(request, outage),
        Refused::Denied(denial) => {
            told::not_issued(&caller.client, denial);
            let resource = snapshot.target(&caller.client, &asked.targets);
            let resource = resource.map(|resource| resource.id.as_str());
            public.metrics.exchanged(&caller.client.id, resource, Some(denial.reason));
            Problem::Exchange(denial.reason.code())
        }
    }
}
