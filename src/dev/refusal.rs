//! How the look-alike says no: Entra's shape and numbers, in our own words.

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use serde_json::json;

use crate::protocol::time::UnixTime;

/// A refusal as Entra writes it (RFC 6749 §5.2, and a number).
#[derive(Debug)]
pub(super) struct OAuthError {
    error: &'static str,
    code: u32,
    text: String,
}

impl OAuthError {
    /// `error` of RFC 6749, Entra's number, and a sentence of our own.
    pub(super) fn new(error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self { error, code, text: text.into() }
    }

    /// There is no such tenant.
    pub(super) fn unknown_tenant(tenant: &str) -> Self {
        Self::new("invalid_tenant", 90002, format!("no tenant is called '{tenant}' here"))
    }

    /// The answer; only a client that failed to authenticate gets a 401 (RFC 6749 §5.2).
    pub(super) fn answer(&self, now: UnixTime) -> HttpResponse {
        let status = match self.error {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            "temporarily_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(json!({
            "error": self.error,
            "error_description": format!("AADSTS{}: {}.", self.code, self.text),
            "error_codes": [self.code],
            "timestamp": now.to_string().replace('T', " "),
            "trace_id": "00000000-0000-0000-0000-000000000000",
            "correlation_id": "00000000-0000-0000-0000-000000000000",
        }))
    }

    /// A parameter is not there.
    pub(super) fn missing(parameter: &str) -> Self {
        Self::new("invalid_request", 900_144, format!("the body must have '{parameter}'"))
    }

    /// The client did not prove who it is.
    pub(super) fn bad_client(code: u32, text: &str) -> Self {
        Self::new("invalid_client", code, text)
    }

    /// There is no such application in the tenant.
    pub(super) fn unknown_app(client_id: &str) -> Self {
        let text = format!("no application '{client_id}' in this tenant");
        Self::new("unauthorized_client", 700_016, text)
    }

    /// The look-alike itself failed.
    pub(super) fn out_of_order(error: impl std::fmt::Display) -> Self {
        Self::new("temporarily_unavailable", 90033, error.to_string())
    }
}
