//! `POST /token` (RFC 8693 §2).

use std::time::Instant;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tracing::Instrument as _;

use super::introspect::unavailable;
use super::problem::Problem;
use super::public::Public;
use super::{answer, body, caller, request_id};
use crate::domain::denial::Denial;
use crate::protocol::exchange::{Request, RequestError, Response};
use crate::protocol::params::Form;
use crate::service::exchange::{Issued, Refused};
use crate::service::snapshot::{Caller, Snapshot};

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
    let presented = caller::credentials(request, &form, Problem::ClientMissing)?;
    let snapshot = public.snapshot.load();
    let caller = caller::authenticated(request, public, &snapshot, &presented).await?;
    let asked = read(&form)?;
    let span = request_id::span(request);
    let exchange = public.exchanger.exchange(&snapshot, &caller, &asked);
    let issued = exchange.instrument(span.clone()).await;
    let issued =
        issued.map_err(|refused| span.in_scope(|| refusal(request, public, &caller, &refused)))?;
    span.in_scope(|| record(&snapshot, &issued));
    public.metrics.exchanged(None);
    let scope = issued.token.scopes.join(" ");
    let body = serde_json::to_vec(&Response {
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
fn refusal(request: &HttpRequest, public: &Public, caller: &Caller, refused: &Refused) -> Problem {
    match refused {
        Refused::Unavailable(outage) => unavailable(request, outage),
        Refused::Denied(denial) => {
            told(caller, denial);
            public.metrics.exchanged(Some(denial.reason));
            Problem::Exchange(denial.reason.code())
        }
    }
}

fn told(caller: &Caller, denial: &Denial) {
    tracing::info!(
        client = %caller.client.id,
        reason = denial.reason.as_str(),
        check = denial.reason.check().as_str(),
        detail = %denial,
        "exchange refused"
    );
}

/// One line for each token issued: who asked, for whom, on whose behalf, for what, by which rule.
fn record(snapshot: &Snapshot, issued: &Issued) {
    let token = &issued.token;
    let lineage = token.lineage(&snapshot.issuer);
    let ancestor = token.ancestors.last().map(|hop| hop.id.to_string());
    tracing::info!(
        client = %token.client,
        principal = %token.principal,
        principal_type = token.kind.as_str(),
        actor = token.act.as_ref().map(|act| act.sub.as_str()),
        resource = token.resource,
        scope = token.scopes.join(" "),
        rule = issued.rule,
        expires = %token.expires,
        hop = token.hops(),
        token = lineage.hops.last().map(|hop| hop.id.to_string()),
        exchanged_from = ancestor,
        "token issued"
    );
}
