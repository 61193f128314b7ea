//! `POST /revocations`: an operator ends a principal's, a client's or one token's tokens.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::admin::{Admin, told};
use super::problem::Problem;
use super::{body, request_id};
use crate::domain::audit::record::Door;
use crate::domain::rejection::Rejection;
use crate::ports::Reach;
use crate::protocol::params::Form;
use crate::protocol::time::UnixTime;
use crate::service::revoke::{Failed, Outcome, Target};
use crate::service::snapshot::Snapshot;

/// What may be named; exactly one of them.
const NAMED: [&str; 4] = ["principal", "client", "token", "tree"];

pub(super) async fn revocations(
    request: HttpRequest,
    payload: Payload,
    admin: Data<Admin>,
) -> HttpResponse {
    answered(&request, payload, &admin).await.unwrap_or_else(|problem| problem.answer(&request))
}

async fn answered(
    request: &HttpRequest,
    payload: Payload,
    admin: &Admin,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(request, payload).await?;
    let form = body::form(&bytes)?;
    let snapshot = admin.snapshot.load();
    let target = target(&snapshot, &form)?;
    let now = admin.clock.now();
    let up_to = up_to(&form, now)?;
    let kind = target.kind();
    let origin = request_id::origin(request, Door::Admin);
    match admin.revoker.by_operator(&snapshot, target, up_to, origin).await {
        Ok(Outcome::Revoked(mark, reach)) => {
            admin.metrics.revoked(kind);
            let up_to = (mark.up_to != UnixTime::MAX).then_some(mark.up_to);
            let members = json!({
                "revoked": kind, "issued_up_to": up_to, "remembered_until": mark.forget_at,
                "everywhere": reach == Reach::Everywhere,
            });
            Ok(told(request, StatusCode::OK, &members))
        }
        Ok(Outcome::EndedAlready) => {
            Ok(told(request, StatusCode::OK, &json!({ "revoked": null, "why": "it has ended" })))
        }
        Err(Failed::Rejected(rejection)) => Ok(refused(request, &rejection)),
        Err(Failed::Unavailable(outage)) => {
            tracing::warn!(detail = %outage, "a revocation cannot be carried out");
            Err(Problem::Unavailable)
        }
    }
}

fn target<'f>(snapshot: &'f Snapshot, form: &'f Form<'_>) -> Result<Target<'f>, Problem> {
    let named: Vec<_> =
        NAMED.into_iter().filter_map(|name| Some((name, form.get(name)?))).collect();
    match named.as_slice() {
        [("principal", text)] => text.parse().map(Target::Principal).map_err(|_other| {
            Problem::Malformed("`principal` is written <oid>.<tid>, in lower case")
        }),
        [("client", name)] => snapshot
            .caller_named(name)
            .map(|caller| Target::Client(&caller.client.id))
            .ok_or(Problem::Malformed("`client` must name a client of the configuration")),
        [("token", text)] => Ok(Target::Token(text)),
        [("tree", text)] => Ok(Target::Tree(text)),
        _ => Err(Problem::Malformed("name one of principal, client, token and tree")),
    }
}

/// Now, unless an earlier moment is given, in seconds since 1970.
fn up_to(form: &Form<'_>, now: UnixTime) -> Result<UnixTime, Problem> {
    let Some(text) = form.get("issued_up_to") else { return Ok(now) };
    let moment = text.parse().ok().map(UnixTime::from_seconds);
    moment
        .filter(|moment| (UnixTime::default()..=now).contains(moment))
        .ok_or(Problem::Malformed("`issued_up_to` is a moment until now, in seconds since 1970"))
}

fn refused(request: &HttpRequest, rejection: &Rejection) -> HttpResponse {
    let members = json!({
        "error": "invalid_request",
        "error_description": "the token is none that could be good",
        "reason": rejection.reason.as_str(),
        "detail": rejection.to_string(),
    });
    told(request, StatusCode::BAD_REQUEST, &members)
}
