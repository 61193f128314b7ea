//! Answers: always with the headers that keep them out of caches (INT-25, A254).

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, PRAGMA, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;

use super::request_id;

/// JSON.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A JWT.
pub(super) const JWT: HeaderValue = HeaderValue::from_static("application/jwt");

/// An answer of `status`, still without a body.
pub(super) fn start(request: &HttpRequest, status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    set(&mut answer, CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set(&mut answer, PRAGMA, HeaderValue::from_static("no-cache"));
    set(&mut answer, X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(&mut answer, request_id::HEADER, request_id::of(request));
    answer
}

/// A whole answer that anybody may keep for five minutes: it says the same to everybody.
pub(super) fn public(request: &HttpRequest, kind: HeaderValue, body: Bytes) -> HttpResponse {
    let mut answer = HttpResponse::build(StatusCode::OK);
    set(&mut answer, CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    set(&mut answer, X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(&mut answer, request_id::HEADER, request_id::of(request));
    set(&mut answer, CONTENT_TYPE, kind);
    answer.body(body)
}

/// A whole answer.
pub(super) fn whole(
    request: &HttpRequest,
    status: StatusCode,
    kind: HeaderValue,
    body: Bytes,
) -> HttpResponse {
    let mut answer = start(request, status);
    set(&mut answer, CONTENT_TYPE, kind);
    answer.body(body)
}

/// Sets a header of which name and value are already well formed.
fn set(answer: &mut HttpResponseBuilder, name: HeaderName, value: HeaderValue) {
    answer.insert_header((name, value));
}
