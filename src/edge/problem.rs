//! Why a request got no answer about its token, and what the caller is told instead: fixed texts
//! that repeat nothing of the request (A227), as JSON whatever was asked for (JIR-14).

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use actix_web::{HttpRequest, HttpResponse};

use super::answer;
use crate::domain::denial::ErrorCode;
use crate::service::gate::RETRY_SECONDS;

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// `authorization_details` of a type that is not known (RFC 9396 §5; A181).
    AuthorizationDetails,
    /// The bearer token does not prove who calls (INT-10).
    BearerInvalid,
    /// The body is too long (A221).
    BodyTooLarge,
    /// The body did not come in time (A221).
    BodyTooSlow,
    /// The credentials prove nothing (INT-09).
    ClientInvalid,
    /// There are no credentials, and a signed answer was asked for: 400 by RFC 9701 §4 (JIR-02).
    ClientMissingForSigned,
    /// There are no credentials.
    ClientMissing,
    /// The body is compressed (A222).
    Encoded,
    /// The exchange is refused; the caller is told no more than the code (TEX-33).
    Exchange(ErrorCode),
    /// The gateway did not prove that it is the API's client.
    GatewayUnproved,
    /// Another grant than token exchange (TEX-01).
    GrantType,
    /// The request itself is malformed.
    Malformed(&'static str),
    /// Only this method is allowed here; `X-HTTP-Method-Override` does not change that (A224).
    MethodNotAllowed(&'static str),
    /// There is nothing at this path.
    NotFound,
    /// The token to be revoked was issued to another client (REV-03).
    OthersToken,
    /// `scope` is not a list of scopes (A153).
    Scope,
    /// Too many failures; seconds to wait (A231).
    Throttled(u64),
    /// The truth cannot be known now (INT-28).
    Unavailable,
    /// The token to be revoked was not issued here (REV-05).
    UnsupportedTokenType,
}

impl Problem {
    /// Status, `error` code (RFC 6749 §5.2) and description.
    const fn told(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::AuthorizationDetails => (
                StatusCode::BAD_REQUEST,
                "invalid_authorization_details",
                "authorization details are not supported",
            ),
            Self::BearerInvalid => (
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                "the bearer token does not identify a client of this service",
            ),
            Self::BodyTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "the body is too long")
            }
            Self::BodyTooSlow => {
                (StatusCode::REQUEST_TIMEOUT, "invalid_request", "the body did not come in time")
            }
            Self::ClientInvalid => {
                (StatusCode::UNAUTHORIZED, "invalid_client", "client authentication failed")
            }
            Self::ClientMissing => {
                (StatusCode::UNAUTHORIZED, "invalid_client", "client authentication is required")
            }
            Self::ClientMissingForSigned => {
                (StatusCode::BAD_REQUEST, "invalid_client", "client authentication is required")
            }
            Self::Encoded => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "invalid_request",
                "send the body without a content encoding",
            ),
            Self::Exchange(ErrorCode::InvalidRequest) => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "the subject token or the actor token is not acceptable",
            ),
            Self::Exchange(ErrorCode::InvalidScope) | Self::Scope => {
                (StatusCode::BAD_REQUEST, "invalid_scope", "the scope is not available")
            }
            Self::Exchange(ErrorCode::InvalidTarget) => {
                (StatusCode::BAD_REQUEST, "invalid_target", "the target is not available")
            }
            Self::Exchange(ErrorCode::UnauthorizedClient) => (
                StatusCode::BAD_REQUEST,
                "unauthorized_client",
                "the client may not exchange tokens",
            ),
            Self::GatewayUnproved => (StatusCode::FORBIDDEN, "access_denied", "unknown gateway"),
            Self::GrantType => (
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "the only grant here is token exchange (RFC 8693)",
            ),
            Self::OthersToken => {
                (StatusCode::BAD_REQUEST, "invalid_grant", "the token was issued to another client")
            }
            Self::UnsupportedTokenType => (
                StatusCode::BAD_REQUEST,
                "unsupported_token_type",
                "only tokens that were issued here can be revoked here",
            ),
            Self::Malformed(why) => (StatusCode::BAD_REQUEST, "invalid_request", why),
            Self::MethodNotAllowed(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "invalid_request",
                "the method is not allowed here",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "there is nothing here"),
            Self::Throttled(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "temporarily_unavailable",
                "too many failed attempts; wait before the next",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "the token cannot be checked at the moment",
            ),
        }
    }

    /// Which schemes the caller may try (RFC 9110 §11.6.1).
    fn challenges(self) -> &'static [&'static str] {
        match self {
            Self::BearerInvalid => &[r#"Bearer realm="tessera", error="invalid_token""#],
            Self::ClientInvalid => &[r#"Basic realm="tessera", charset="UTF-8""#],
            // No `error` when there were no credentials (ERR-12).
            Self::ClientMissing => {
                &[r#"Basic realm="tessera", charset="UTF-8""#, r#"Bearer realm="tessera""#]
            }
            Self::AuthorizationDetails
            | Self::BodyTooLarge
            | Self::BodyTooSlow
            | Self::ClientMissingForSigned
            | Self::Encoded
            | Self::Exchange(_)
            | Self::GatewayUnproved
            | Self::GrantType
            | Self::Malformed(_)
            | Self::MethodNotAllowed(_)
            | Self::NotFound
            | Self::OthersToken
            | Self::Scope
            | Self::Throttled(_)
            | Self::Unavailable
            | Self::UnsupportedTokenType => &[],
        }
    }

    /// What the caller gets.
    pub(super) fn answer(self, request: &HttpRequest) -> HttpResponse {
        let (status, error, description) = self.told();
        let mut answer = answer::start(request, status);
        for challenge in self.challenges() {
            answer.append_header((WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
        }
        match self {
            Self::MethodNotAllowed(allowed) => answer.insert_header((ALLOW, allowed)),
            Self::Throttled(seconds) => answer.insert_header((RETRY_AFTER, seconds)),
            Self::Unavailable => answer.insert_header((RETRY_AFTER, RETRY_SECONDS)),
            // The rest of the body is not read: the connection cannot be used again.
            Self::BodyTooLarge | Self::BodyTooSlow => answer.insert_header((CONNECTION, "close")),
            Self::AuthorizationDetails
            | Self::BearerInvalid
            | Self::ClientInvalid
            | Self::ClientMissing
            | Self::ClientMissingForSigned
            | Self::Encoded
            | Self::Exchange(_)
            | Self::GatewayUnproved
            | Self::GrantType
            | Self::Malformed(_)
            | Self::NotFound
            | Self::OthersToken
            | Self::Scope
            | Self::UnsupportedTokenType => &mut answer,
        };
        answer.insert_header((CONTENT_TYPE, answer::JSON));
        answer.body(format!(r#"{{"error":"{error}","error_description":"{description}"}}"#))
    }
}
