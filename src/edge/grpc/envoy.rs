//! Envoy's external authorization (`envoy.service.auth.v3.Authorization`).

use std::time::Instant;

use super::{Doors, recognised};
use crate::domain::audit::record::{Door, Origin};
use crate::edge::decide::decide;
use crate::edge::{identity, told};
use crate::protocol::bearer::{self, BearerError};
use crate::protocol::ext_authz::{
    AppendAction, AttributeContext, CheckRequest, CheckResponse, DeniedResponse, HeaderValue,
    HeaderValueOption, HttpRequest, HttpResponse, HttpStatus, OkResponse, Status,
};
use crate::service::gate::{Admitted, Asked, Refused};
use crate::telemetry::gateway_metrics::{Gateway, Misuse};

/// The keys of `context_extensions`.
const API: &str = "api";
const SECRET: &str = "secret";

/// `google.rpc.Code`: why a request may not pass, beside the HTTP status.
const UNAUTHENTICATED: i32 = 16;
const PERMISSION_DENIED: i32 = 7;
const UNAVAILABLE: i32 = 14;

/// Answers one call.
pub async fn check(doors: &Doors, check: &CheckRequest) -> CheckResponse {
    let started = Instant::now();
    let snapshot = doors.snapshot.load_full();
    let attributes = check.attributes.as_ref();
    let request = attributes.and_then(|known| known.request.as_ref()?.http.as_ref());
    let (Some(attributes), Some(request)) = (attributes, request) else {
        return misused(doors, Misuse::Message);
    };
    let AttributeContext { context_extensions: route, .. } = attributes;
    let Some(name) = route.get(API) else { return misused(doors, Misuse::ConfigData) };
    let secret = route.get(SECRET).map(String::as_str);
    let entrance = match recognised(&snapshot, name, secret) {
        Ok(entrance) => entrance,
        Err(misuse) => return misused(doors, misuse),
    };
    let token = token(request);
    let asked = Asked { token, swap: None, origin: Origin::by(Door::Envoy) };
    let decided = decide(&doors.gate, (&snapshot, &entrance), asked).await;
    told::decided(
        &doors.metrics,
        (Gateway::Envoy, &entrance, None),
        &decided,
        &snapshot,
        started.elapsed(),
    );
    match decided {
        Ok(admitted) => pass(request, &admitted, token.unwrap_or_default()),
        Err(refused) => {
            let challenge = refused.challenge(&entrance.api, &snapshot);
            refuse(&refused, challenge)
        }
    }
}

/// The headers of the request that Envoy asks about.
pub(super) fn asked_by(check: &CheckRequest) -> impl Iterator<Item = (&str, &str)> {
    let attributes = check.attributes.iter().filter_map(|known| known.request.as_ref());
    attributes.filter_map(|request| request.http.as_ref()).flat_map(headers)
}

/// The one token of the request.
fn token(request: &HttpRequest) -> Result<&str, BearerError> {
    if bearer::is_in_query(request.path.split_once('?').map_or("", |(_, query)| query)) {
        return Err(BearerError::Malformed("a token in the address"));
    }
    let named = |wanted: &'static str| {
        headers(request)
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value)
    };
    if named("connection").any(identity::is_hidden_by) {
        return Err(BearerError::Malformed("a Connection that takes away what is said here"));
    }
    bearer::token(named("authorization"))
}

/// Name and value of every header that we are told.
fn headers(request: &HttpRequest) -> impl Iterator<Item = (&str, &str)> {
    let joined = request.headers.iter().map(|(name, value)| (&**name, &**value));
    let single = request.header_map.iter().flat_map(|map| &map.headers);
    joined.chain(single.map(|header| (&*header.key, text(header))))
}

/// The value of a header, whichever form Envoy gave it; one that is not text is no token.
fn text(header: &HeaderValue) -> &str {
    if header.raw_value.is_empty() {
        return &header.value;
    }
    std::str::from_utf8(&header.raw_value).unwrap_or("\u{fffd}")
}

/// Everything goes that the caller may have said himself, in whatever spelling.
fn pass(request: &HttpRequest, admitted: &Admitted, own: &str) -> CheckResponse {
    let forged = headers(request).map(|(name, _)| name).filter(|name| identity::is_ours(name));
    let mut changes =
        OkResponse { headers_to_remove: forged.map(str::to_owned).collect(), ..Default::default() };
    for (name, value) in identity::headers(&admitted.visitor) {
        if value.is_empty() {
            changes.headers_to_remove.push(name.to_owned());
        } else {
            changes.headers_to_remove.retain(|forged| forged != name);
            changes.headers.push(header(name, value));
        }
    }
    changes.headers.push(header("authorization", admitted.authorization(own)));
    CheckResponse {
        status: Some(Status::default()),
        http_response: Some(HttpResponse::Ok(changes)),
    }
}

/// A header in the place of whatever the caller sent under that name.
fn header(key: &str, value: String) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: key.to_owned(), value, raw_value: Vec::new() }),
        append_action: AppendAction::OverwriteIfExistsOrAdd.into(),
    }
}

fn refuse(refused: &Refused, challenge: Option<String>) -> CheckResponse {
    let code = match refused.status() {
        401 => UNAUTHENTICATED,
        503 => UNAVAILABLE,
        _ => PERMISSION_DENIED,
    };
    let mut headers: Vec<_> =
        challenge.into_iter().map(|challenge| header("www-authenticate", challenge)).collect();
    headers.extend(refused.retry_after().map(|after| header("retry-after", after.to_string())));
    denied(code, (refused.status(), refused.code(), refused.told()), headers)
}

fn misused(doors: &Doors, misuse: Misuse) -> CheckResponse {
    let (status, why) = doors.misused(Gateway::Envoy, misuse, None);
    let error = if status == 403 { "access_denied" } else { "server_error" };
    denied(PERMISSION_DENIED, (status, error, why), Vec::new())
}

fn denied(
    code: i32,
    (status, error, why): (u16, &str, &str),
    mut headers: Vec<HeaderValueOption>,
) -> CheckResponse {
    headers.push(header("content-type", "application/json".to_owned()));
    headers.push(header("cache-control", "no-store".to_owned()));
    let body = format!(r#"{{"error":"{error}","error_description":"{why}"}}"#);
    let status = Some(HttpStatus { code: status.into() });
    CheckResponse {
        status: Some(Status { code, message: why.to_owned() }),
        http_response: Some(HttpResponse::Denied(DeniedResponse { status, headers, body })),
    }
}
