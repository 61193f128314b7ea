//! What this service can do, for clients that look it up (RFC 8414 §2, §3).

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::answer;
use super::problem::Problem;
use crate::protocol::exchange::GRANT_TYPE;
use crate::service::snapshot::Snapshot;

/// Whether the document is at `path`: before the issuer's own path by RFC 8414 §3, after it by
/// `OpenID` Connect. A client compares the issuer with the place it looked at (META-02), so it is
/// nowhere else.
pub(super) fn is_at(path: &str, snapshot: &Snapshot) -> bool {
    let (_, own) = snapshot.issuer_parts();
    path.strip_prefix("/.well-known/oauth-authorization-server") == Some(own)
        || path.strip_suffix("/.well-known/openid-configuration") == Some(own)
}

/// The answer at such a path.
pub(super) fn metadata(request: &HttpRequest, snapshot: &Snapshot) -> HttpResponse {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Problem::MethodNotAllowed("GET, HEAD").answer(request);
    }
    answer::public(request, answer::JSON, document(snapshot).to_string().into())
}

fn document(snapshot: &Snapshot) -> Value {
    let issuer = &snapshot.issuer;
    let at = |path: &str| format!("{issuer}{path}");
    let methods = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
    let algorithms = ["RS256", "PS256", "ES256"];
    let mut document = json!({
        "issuer": issuer,
        "token_endpoint": at("/token"),
        "introspection_endpoint": at("/introspect"),
        "revocation_endpoint": at("/revoke"),
        "jwks_uri": at("/jwks"),
        // Required by RFC 8414 §2, and empty: there is no authorization endpoint (ruling D8).
        "response_types_supported": [],
        "grant_types_supported": [GRANT_TYPE],
        "introspection_signing_alg_values_supported": ["RS256"],
        // Readers of the OpenID Connect form insist on these.
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    for endpoint in ["token_endpoint", "introspection_endpoint", "revocation_endpoint"] {
        let named = |what: &str| format!("{endpoint}_auth_{what}_supported");
        if let Some(members) = document.as_object_mut() {
            members.insert(named("methods"), json!(methods));
            members.insert(named("signing_alg_values"), json!(algorithms));
        }
    }
    let protected = snapshot.protected_resources();
    if let Some(members) = document.as_object_mut().filter(|_| !protected.is_empty()) {
        // Those that name this service (RFC 9728 §4).
        members.insert("protected_resources".to_owned(), json!(protected));
    }
    let scopes = snapshot.scopes();
    if let Some(members) = document.as_object_mut().filter(|_| !scopes.is_empty()) {
        members.insert("scopes_supported".to_owned(), json!(scopes));
    }
    document
}
