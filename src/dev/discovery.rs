//! Discovery documents and key sets, for one tenant and for all of them, in both versions.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde::Deserialize;
use serde_json::{Value, json};

use super::apps::APIS;
use super::oauth::OAuthError;
use super::tenant::{Realm, World};
use crate::domain::tenant::TokenVersion;

/// The query of both.
#[derive(Debug, Deserialize)]
pub(super) struct About {
    /// The application whose own keys are asked for (ENT-11).
    appid: Option<String>,
}

pub(super) async fn v1_document(
    world: Data<World>,
    tenant: Path<String>,
    about: Query<About>,
) -> HttpResponse {
    document(&world, &tenant, TokenVersion::V1, &about)
}

pub(super) async fn v2_document(
    world: Data<World>,
    tenant: Path<String>,
    about: Query<About>,
) -> HttpResponse {
    document(&world, &tenant, TokenVersion::V2, &about)
}

pub(super) async fn v1_keys(
    world: Data<World>,
    tenant: Path<String>,
    about: Query<About>,
) -> HttpResponse {
    keys(&world, &tenant, TokenVersion::V1, &about)
}

pub(super) async fn v2_keys(
    world: Data<World>,
    tenant: Path<String>,
    about: Query<About>,
) -> HttpResponse {
    keys(&world, &tenant, TokenVersion::V2, &about)
}

fn keys(world: &World, tenant: &str, version: TokenVersion, about: &About) -> HttpResponse {
    let Some(realm) = Realm::parse(tenant) else { return unknown_tenant(world, tenant) };
    // An application without a key of its own is told the shared ones.
    let custom = about.appid.as_deref().is_some_and(has_custom_key);
    HttpResponse::Ok().json(json!({ "keys": world.key_set(realm, version, custom) }))
}

fn has_custom_key(appid: &str) -> bool {
    APIS.iter().any(|api| api.has_custom_key && api.client_id == appid)
}

fn document(world: &World, tenant: &str, version: TokenVersion, about: &About) -> HttpResponse {
    let Some(realm) = Realm::parse(tenant) else { return unknown_tenant(world, tenant) };
    // Entra keeps `common` in addresses, and answers a tenant's name with its id.
    let place = if realm == Realm::Any { tenant } else { realm.tenant() };
    let base = format!("{}/{place}", world.authority);
    let issuer = world.issuer(realm.tenant()).name(version);
    let query = about.appid.as_ref().map(|id| format!("?appid={id}")).unwrap_or_default();
    let infix = match version {
        TokenVersion::V1 => "",
        TokenVersion::V2 => "/v2.0",
    };
    let jwks_uri = format!("{base}/discovery{infix}/keys{query}");
    HttpResponse::Ok().json(described(&base, infix, &issuer, &jwks_uri))
}

/// The members of Entra's documents that a client or an API may look at. The look-alike has a
/// token endpoint and key sets; nobody can sign in by a browser.
fn described(base: &str, infix: &str, issuer: &str, jwks_uri: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "authorization_endpoint": format!("{base}/oauth2{infix}/authorize"),
        "token_endpoint_auth_methods_supported":
            ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "ver",
        ],
        "request_uri_parameter_supported": false,
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "tenant_region_scope": "EU",
        "cloud_instance_name": "look-alike.invalid",
    })
}

fn unknown_tenant(world: &World, tenant: &str) -> HttpResponse {
    OAuthError::unknown_tenant(tenant).answer(world.now())
}
