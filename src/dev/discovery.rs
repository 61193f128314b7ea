//! Discovery documents and key sets, for one tenant and for all of them, in both versions.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, Query};
use serde::Deserialize;
use serde_json::{Value, json};

use super::apps::APIS;
use super::refusal::OAuthError;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::apps::{LEDGER, ORDERS};
    use crate::dev::people::{HOME_TENANT, PARTNER_TENANT};
    use crate::dev::probe::Tenant;
    use crate::domain::tenant::PERSONAL_ACCOUNTS;
    use crate::protocol::jwk::{KeySet, KeyUse};

    /// The `issuer` members of a key set.
    fn issuers(keys: &Value) -> Vec<&str> {
        let keys = keys["keys"].as_array().unwrap();
        keys.iter().map(|key| key["issuer"].as_str().unwrap()).collect()
    }

    fn kids(keys: &Value) -> Vec<&str> {
        let keys = keys["keys"].as_array().unwrap();
        keys.iter().map(|key| key["kid"].as_str().unwrap()).collect()
    }

    /// Reads a discovery document and follows it to its keys.
    fn discover(tenant: &Tenant, path: &str) -> (Value, Value) {
        let document = tenant.get(&format!("{path}/.well-known/openid-configuration")).json();
        let keys = document["jwks_uri"].as_str().unwrap();
        let keys = keys.strip_prefix(tenant.entra.authority()).unwrap();
        let keys = tenant.get(keys).json();
        (document, keys)
    }

    #[test]
    fn a_tenant_has_one_issuer_for_each_version() {
        let tenant = Tenant::start();
        let base = tenant.entra.authority();
        for id in [HOME_TENANT, PARTNER_TENANT] {
            let (v2, keys) = discover(&tenant, &format!("/{id}/v2.0"));
            let issuer = format!("{base}/{id}/v2.0");
            assert_eq!(v2["issuer"], *issuer, "ENT-01");
            assert_eq!(v2["jwks_uri"], *format!("{base}/{id}/discovery/v2.0/keys"));
            assert_eq!(v2["token_endpoint"], *format!("{base}/{id}/oauth2/v2.0/token"));
            assert_eq!(issuers(&keys), [issuer], "ENT-03");
            let (v1, keys) = discover(&tenant, &format!("/{id}"));
            let issuer = format!("https://sts.windows.net/{id}/");
            assert_eq!(v1["issuer"], *issuer, "ENT-01");
            assert_eq!(v1["jwks_uri"], *format!("{base}/{id}/discovery/keys"));
            assert_eq!(issuers(&keys), [issuer], "ENT-03");
        }
    }

    #[test]
    fn documents_satisfy_a_strict_client() {
        let tenant = Tenant::start();
        for path in [HOME_TENANT.to_owned(), format!("{HOME_TENANT}/v2.0")] {
            let path = format!("/{path}/.well-known/openid-configuration");
            let document = tenant.get(&path).body;
            let read = serde_json::from_slice::<openidconnect::core::CoreProviderMetadata>;
            assert!(read(&document).is_ok(), "{path}");
        }
    }

    #[test]
    fn a_tenant_answers_to_its_name_with_its_id() {
        let tenant = Tenant::start();
        let (by_name, _) = discover(&tenant, "/contoso.example/v2.0");
        let (by_id, _) = discover(&tenant, &format!("/{HOME_TENANT}/v2.0"));
        assert_eq!(by_name, by_id);
        let nobody = tenant.get("/nobody.example/v2.0/.well-known/openid-configuration");
        assert_eq!((nobody.status, &nobody.json()["error"]), (400, &json!("invalid_tenant")));
        assert_eq!(tenant.get("/nobody.example/discovery/keys").status, 400);
    }

    #[test]
    fn where_tenants_mix_issuers_are_templates() {
        let tenant = Tenant::start();
        let base = tenant.entra.authority();
        for realm in ["common", "organizations"] {
            let (document, keys) = discover(&tenant, &format!("/{realm}/v2.0"));
            let template = format!("{base}/{{tenantid}}/v2.0");
            assert_eq!(document["issuer"], *template, "ENT-02");
            assert_eq!(document["jwks_uri"], *format!("{base}/{realm}/discovery/v2.0/keys"));
            let personal = format!("{base}/{PERSONAL_ACCOUNTS}/v2.0");
            assert_eq!(issuers(&keys), [template, personal], "ENT-03");
            let (document, _) = discover(&tenant, &format!("/{realm}"));
            assert_eq!(document["issuer"], "https://sts.windows.net/{tenantid}/", "ENT-02");
        }
    }

    #[test]
    fn custom_keys_are_published_only_to_those_who_ask() {
        let tenant = Tenant::start();
        let place = format!("/{HOME_TENANT}/v2.0/.well-known/openid-configuration");
        let about = |api: &str| tenant.get(&format!("{place}?appid={api}")).json();
        let keys = about(LEDGER.client_id)["jwks_uri"].as_str().unwrap().to_owned();
        assert!(keys.ends_with(&format!("/keys?appid={}", LEDGER.client_id)), "ENT-11");
        let keys_of = |query: String| {
            tenant.get(&format!("/{HOME_TENANT}/discovery/v2.0/keys{query}")).json()
        };
        let custom = keys_of(format!("?appid={}", LEDGER.client_id));
        assert_eq!(kids(&custom), [tenant.entra.custom_key().kid()]);
        let shared = keys_of(String::new());
        assert_eq!(kids(&shared), [tenant.entra.signing_key().kid()]);
        assert_eq!(keys_of(format!("?appid={}", ORDERS.client_id)), shared);
        assert_eq!(tenant.entra.key_set(HOME_TENANT, TokenVersion::V2), Some(shared));
    }

    #[test]
    fn key_sets_have_the_members_that_entra_writes() {
        let tenant = Tenant::start();
        let odd = json!({ "kty": "oct", "kid": "odd", "k": "AAAA", "issuer": "x" });
        tenant.entra.publish(odd);
        let answer = tenant.get(&format!("/{HOME_TENANT}/discovery/v2.0/keys"));
        let json = answer.json();
        let members: Vec<_> = json["keys"][0].as_object().unwrap().keys().collect();
        assert_eq!(members, ["e", "issuer", "kid", "kty", "n", "use", "x5c", "x5t"]);
        let keys = KeySet::parse(&answer.body, KeyUse::Entra).unwrap();
        assert_eq!((keys.keys().len(), keys.skipped()), (1, 1), "A25");
    }
}
