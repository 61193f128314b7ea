//! `/keys`: the keys that sign what we issue, for operators.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::admin::{Admin, told};
use super::problem::Problem;
use super::{body, request_id};
use crate::domain::audit::record::{Door, Event, Record};
use crate::domain::keyring::{Rotation, SigningAlgorithm};

pub(super) async fn list(request: HttpRequest, admin: Data<Admin>) -> HttpResponse {
    let keys = admin.ring.statuses();
    told(&request, StatusCode::OK, &json!({ "keys": keys }))
}

pub(super) async fn rotate(
    request: HttpRequest,
    payload: Payload,
    admin: Data<Admin>,
) -> HttpResponse {
    rotated(&request, payload, &admin).await.unwrap_or_else(|problem| problem.answer(&request))
}

async fn rotated(
    request: &HttpRequest,
    payload: Payload,
    admin: &Admin,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(request, payload).await?;
    let form = body::form(&bytes)?;
    let only: Option<SigningAlgorithm> = match form.get("algorithm") {
        None => None,
        Some(name) => {
            let wrong = Problem::Malformed("`algorithm` is ES256 or RS256");
            Some(name.parse().map_err(|_unknown| wrong)?)
        }
    };
    let origin = request_id::origin(request, Door::Admin);
    let which = only.map_or("all", SigningAlgorithm::as_str);
    let record = Record::new(Event::KeyRotationOrdered).from(origin).detail(which);
    let recorded = recorded(admin, record).await;
    let done = admin.ring.rotate(only).await.map_err(|outage| {
        tracing::error!(detail = %outage, "the keys cannot be rotated");
        Problem::Unavailable
    })?;
    let done: Vec<_> = done
        .into_iter()
        .map(|(algorithm, rotation)| match rotation {
            Rotation::Done => json!({ "algorithm": algorithm.as_str(), "rotated": true }),
            Rotation::Waits { until } => json!({
                "algorithm": algorithm.as_str(), "rotated": false, "rotates_at": until,
                "why": "the next key has not been published for long enough",
            }),
        })
        .collect();
    recorded?;
    Ok(told(request, StatusCode::OK, &json!({ "rotations": done })))
}

pub(super) async fn retire(
    request: HttpRequest,
    payload: Payload,
    admin: Data<Admin>,
) -> HttpResponse {
    retired(&request, payload, &admin).await.unwrap_or_else(|problem| problem.answer(&request))
}

async fn retired(
    request: &HttpRequest,
    payload: Payload,
    admin: &Admin,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(request, payload).await?;
    let form = body::form(&bytes)?;
    let kid = form.get("kid").ok_or(Problem::Malformed("the parameter `kid` is missing"))?;
    let origin = request_id::origin(request, Door::Admin);
    let mut record = Record::new(Event::KeyRetirementOrdered).from(origin);
    if let Some(known) = admin.ring.statuses().iter().find(|key| *key.entry.kid == *kid) {
        record = record.detail(&known.entry.kid);
    } else {
        record = record.refused("no_such_key");
    }
    let recorded = recorded(admin, record).await;
    let done = admin.ring.retire(kid).await.map_err(|outage| {
        tracing::error!(detail = %outage, "the key cannot be retired");
        Problem::Unavailable
    })?;
    recorded?;
    match done {
        Ok(()) => Ok(told(request, StatusCode::OK, &json!({ "retired": true }))),
        Err(_unknown) => Err(Problem::NotFound),
    }
}

/// The order comes on record before it is carried out, so that whoever hangs up leaves one. What
/// cannot be recorded is carried out all the same, and then the operator is told.
async fn recorded(admin: &Admin, record: Record) -> Result<(), Problem> {
    admin.audit.accept(record).await.map_err(|outage| {
        tracing::error!(detail = %outage, "what was done to the keys is not on record");
        Problem::Unavailable
    })
}
