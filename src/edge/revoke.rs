//! `POST /revoke` (RFC 7009 §2).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tracing::Instrument as _;

use super::introspect::unavailable;
use super::problem::Problem;
use super::public::Public;
use super::{answer, body, caller, request_id};
use crate::domain::audit::record::Door;
use crate::service::revoke::NotRevoked;

pub(super) async fn revoke(
    request: HttpRequest,
    payload: Payload,
    public: Data<Public>,
) -> HttpResponse {
    let response = match answered(&request, payload, &public).await {
        Ok(response) => response,
        Err(problem) => problem.answer(&request),
    };
    public.metrics.request("/revoke", response.status().as_u16());
    response
}

async fn answered(
    request: &HttpRequest,
    payload: Payload,
    public: &Public,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(request, payload).await?;
    let form = body::form(&bytes)?;
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
    let token = body::token(&form)?;
    let origin = request_id::origin(request, Door::Public);
    let revoked = public.revoker.by_client(&snapshot, &caller, token, origin);
    match revoked.instrument(request_id::span(request)).await {
        Ok(()) => {
            public.metrics.revoked("token");
            Ok(answer::start(request, StatusCode::OK).finish())
        }
        Err(NotRevoked::OfAnother) => Err(Problem::OthersToken),
        Err(NotRevoked::NotOurs) => Err(Problem::UnsupportedTokenType),
        Err(NotRevoked::Unavailable(outage)) => Err(unavailable(request, &outage)),
    }
}
