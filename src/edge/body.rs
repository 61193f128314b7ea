//! The form body of a request, read within bounds of bytes and of time.

use std::pin::pin;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, StreamExt as _};

use super::problem::Problem;
use crate::protocol::client_auth::CREDENTIAL_PARAMS;
use crate::protocol::exchange::REPEATABLE;
use crate::protocol::params::{Form, FormError, MAX_BODY_BYTES};

/// How long a caller may take to send a body.
const DEADLINE: Duration = Duration::from_secs(10);
/// The one media type of requests (RFC 7662 §2.1).
const FORM: &str = "application/x-www-form-urlencoded";

/// Parameters that belong in a body; in the query one of them is a mistake or an attempt (A217).
const PARAMS: [&str; 12] = [
    "actor_token",
    "actor_token_type",
    "audience",
    "authorization_details",
    "grant_type",
    "requested_token_type",
    "resource",
    "scope",
    "subject_token",
    "subject_token_type",
    "token",
    "token_type_hint",
];

/// Checks what must hold before a body is read.
fn check_head(request: &HttpRequest) -> Result<(), Problem> {
    check_query(request.query_string())?;
    if request.headers().contains_key(CONTENT_ENCODING) {
        return Err(Problem::Encoded);
    }
    check_type(request.headers())
}

/// Credentials and tokens must not stand in the address, where logs and caches see them (INT-30).
fn check_query(query: &str) -> Result<(), Problem> {
    if query.is_empty() {
        return Ok(());
    }
    // A query that cannot be read might hide one of them.
    let form = Form::parse(query.as_bytes()).map_err(malformed)?;
    if form.has_any(&CREDENTIAL_PARAMS) || form.has_any(&PARAMS) {
        return Err(Problem::Malformed("send parameters in the body, never in the query"));
    }
    Ok(())
}

/// The form media type, with no parameter but a harmless `charset` (A219).
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let mut values = headers.get_all(CONTENT_TYPE);
    let (one, more) = (values.next().and_then(|value| value.to_str().ok()), values.next());
    let (kind, parameters) = match one {
        Some(value) => value.split_once(';').unwrap_or((value, "")),
        None => ("", ""),
    };
    let parameters = parameters.trim();
    let utf8 = parameters.is_empty()
        || parameters.eq_ignore_ascii_case("charset=utf-8")
        || parameters.eq_ignore_ascii_case("charset=\"utf-8\"");
    if more.is_none() && kind.trim().eq_ignore_ascii_case(FORM) && utf8 {
        Ok(())
    } else {
        Err(Problem::Malformed("send application/x-www-form-urlencoded"))
    }
}

/// Reads the whole body, if the head of the request allows one.
pub(super) async fn read(request: &HttpRequest, payload: Payload) -> Result<Bytes, Problem> {
    check_head(request)?;
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|text| text.parse().ok()).is_some_and(|n: u64| n > LIMIT) {
        return Err(Problem::BodyTooLarge);
    }
    let mut collecting = pin!(collect(payload));
    // Mostly the body came with the head, and no timer is needed.
    if let Some(collected) = collecting.as_mut().now_or_never() {
        return collected;
    }
    let collected = tokio::time::timeout(DEADLINE, collecting).await;
    collected.map_err(|_elapsed| Problem::BodyTooSlow)?
}

const LIMIT: u64 = MAX_BODY_BYTES as u64;

async fn collect(mut payload: Payload) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_cut_off| Problem::Malformed("the body cannot be read"))?;
        let so_far = first.len().saturating_add(rest.len()).saturating_add(chunk.len());
        if so_far > MAX_BODY_BYTES {
            return Err(Problem::BodyTooLarge);
        }
        // Mostly the whole body comes at once, and is not copied.
        if first.is_empty() {
            first = chunk;
        } else {
            rest.extend_from_slice(&chunk);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    Ok([first, rest.freeze()].concat().into())
}

/// The token that is asked about (INT-02).
pub(super) fn token<'f>(form: &'f Form<'_>) -> Result<&'f str, Problem> {
    form.get("token").ok_or(Problem::Malformed("the parameter `token` is missing"))
}

/// Reads the parameters of a body.
pub(super) fn form(body: &[u8]) -> Result<Form<'_>, Problem> {
    Form::parse(body).map_err(malformed)
}

/// Reads the parameters of an exchange: two of them may be repeated (ruling D9).
pub(super) fn exchange_form(body: &[u8]) -> Result<Form<'_>, Problem> {
    Form::parse_repeating(body, &REPEATABLE).map_err(malformed)
}

const fn malformed(error: FormError) -> Problem {
    Problem::Malformed(match error {
        FormError::Duplicate => "a parameter occurs twice",
        FormError::Encoding => "a parameter is not well encoded",
        FormError::TooLarge => "there are too many parameters, or one is too long",
    })
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn parameters_in_the_query_are_refused_and_others_ignored() {
        for bad in ["token=x", "a=b&client_secret=s", "%74oken=x", "token", "a=%zz", "a=1&a=2"] {
            assert!(check_query(bad).is_err(), "A208, A217 {bad}");
        }
        for good in ["", "trace=1", "utm_source=x&y"] {
            assert!(check_query(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn only_forms_are_read() {
        let read = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
            }
            check_type(&headers)
        };
        let form = "application/x-www-form-urlencoded";
        assert!(read(&[form]).is_ok());
        assert!(read(&["Application/X-WWW-Form-Urlencoded; Charset=UTF-8"]).is_ok(), "A219");
        for bad in ["application/json", "multipart/form-data; boundary=x", "text/plain", ""] {
            assert!(read(&[bad]).is_err(), "A219 {bad}");
        }
        assert!(read(&[]).is_err(), "A219");
        assert!(read(&[form, "text/plain"]).is_err(), "two types are none");
        assert!(read(&["application/x-www-form-urlencoded; charset=utf-16"]).is_err());
    }
}
