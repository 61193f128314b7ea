//! The metadata of protected resources (RFC 9728): which issuer's tokens an API takes.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderValue, VARY};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::answer;
use super::problem::Problem;
use crate::domain::api::{Api, ProtectedResource};
use crate::service::snapshot::Snapshot;

/// Where such documents are (RFC 9728 §3).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The answer at such a path; `None` at any other.
///
/// An API's document is at the issuer, under the API's name: refusals point there. It is also where
/// clients look by themselves, if the gateway sends that path of the API's own host here.
pub(super) fn metadata(request: &HttpRequest, snapshot: &Snapshot) -> Option<HttpResponse> {
    let rest = request.path().strip_prefix(WELL_KNOWN)?;
    // Where a client looks by itself comes first: it discards what names another resource.
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let derived = host.and_then(|host| at_host(snapshot, host, rest));
    let found = derived.or_else(|| {
        let name = rest.strip_prefix(snapshot.issuer_parts().1)?.strip_prefix('/')?;
        snapshot.api(name).filter(|api| api.resource.is_some())
    });
    let (api, resource) = found.and_then(|api| Some((&**api, api.resource.as_ref()?)))?;
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Some(Problem::MethodNotAllowed("GET, HEAD").answer(request));
    }
    let document = document(api, resource, snapshot).to_string();
    let mut response = answer::public(request, answer::JSON, document.into());
    response.headers_mut().insert(VARY, HeaderValue::from_static("Host"));
    Some(response)
}

/// The API whose resource is at this host and path.
fn at_host<'s>(snapshot: &'s Snapshot, host: &str, path: &str) -> Option<&'s Arc<Api>> {
    // A resource without a path may be spelled with a slash at its end.
    let spellings: &[&str] = if path.is_empty() { &["", "/"] } else { &[path] };
    ["https", "http"].into_iter().find_map(|scheme| {
        let at = |path: &&str| snapshot.api_of_resource(&format!("{scheme}://{host}{path}"));
        spellings.iter().find_map(at)
    })
}

/// What a token needs in any case, and what more it can have, where it is minted here.
fn scopes<'s>(api: &'s Api, snapshot: &'s Snapshot) -> BTreeSet<&'s str> {
    let minted = api.audiences.iter().filter_map(|audience| snapshot.resource(audience));
    let more = minted.flat_map(|resource| resource.scopes.iter().map(|scope| &*scope.name));
    api.scopes.iter().map(|scope| &**scope).chain(more).collect()
}

/// Members without a value are left out (RFC 9728 §3.2).
fn document(api: &Api, resource: &ProtectedResource, snapshot: &Snapshot) -> Value {
    let mut document = json!({
        "resource": resource.id,
        "authorization_servers": resource.authorization_servers,
        "bearer_methods_supported": ["header"],
        "resource_name": api.name,
    });
    let scopes = scopes(api, snapshot);
    if let Some(members) = document.as_object_mut().filter(|_| !scopes.is_empty()) {
        members.insert("scopes_supported".to_owned(), json!(scopes));
    }
    document
}
