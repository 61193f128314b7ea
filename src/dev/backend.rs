//! An API behind a gateway: it tells what reached it, so that one sees what a gateway passes on.

use std::collections::BTreeMap;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Method, address and headers of the request, and what its bearer token says. The token is shown by
/// what it says alone, and nothing is checked: that is the gateway's part here.
pub(super) async fn echo(request: HttpRequest) -> HttpResponse {
    let headers: BTreeMap<_, _> = request
        .headers()
        .iter()
        .filter(|(name, _)| **name != AUTHORIZATION)
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    HttpResponse::Ok().json(json!({
        "method": request.method().as_str(),
        "path": request.path(),
        "headers": headers,
        "token": token.and_then(claims),
    }))
}

/// What a JWT says.
fn claims(authorization: &str) -> Option<Value> {
    let payload = authorization.split('.').nth(1)?;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use crate::dev::probe::Tenant;

    #[test]
    fn the_backend_tells_what_reached_it() {
        let answer = Tenant::start().send("PUT", "/dev/api/7?x=1", "X-Tessera-Actor: a\r\n", "");
        let body = answer.json();
        assert_eq!((&body["method"], &body["path"]), (&"PUT".into(), &"/dev/api/7".into()));
        assert_eq!(body["headers"]["x-tessera-actor"], "a");
        assert!(body["token"].is_null());
    }
}
