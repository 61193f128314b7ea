//! API definitions as `OpenAPI` documents with Tyk's extension.

use serde_json::{Map, Value, json};

use super::classic::config_data;
use super::site::{
    HOOK, IDENTITY, POLICIES_CLAIM, POLICY_CLAIM, Site, Tokens, policies_apply_nowhere,
};
use crate::domain::api::{Api, Road, TykRoute};

/// The name of the scheme that lets requests in.
const SCHEME: &str = "tessera";
/// The name of the scheme that exchanges tokens.
const EXCHANGE: &str = "tessera-exchange";

/// What a road adds to the document.
struct Parts {
    /// `components.securitySchemes`
    public: Map<String, Value>,
    /// `x-tyk-api-gateway.server.authentication`
    authentication: Value,
    /// `x-tyk-api-gateway.middleware`
    middleware: Option<Value>,
}

pub(super) fn definition(
    site: &Site<'_>,
    (api, route): (&Api, &TykRoute),
) -> Result<Value, String> {
    let parts = match route.road {
        Road::Introspection => introspection(site, api)?,
        Road::Jwt => jwt(site, api)?,
        Road::Plugin => plugin(site, api)?,
        Road::Exchange => exchange(site, api)?,
    };
    let mut extension = json!({
        "info": {
            "id": route.api_id,
            "orgId": route.org_id,
            "name": api.name,
            "state": { "active": true, "internal": false },
        },
        "upstream": { "url": route.upstream },
        "server": {
            "listenPath": { "value": route.listen_path, "strip": true },
            "authentication": parts.authentication,
        },
    });
    if let (Some(members), Some(middleware)) = (extension.as_object_mut(), parts.middleware) {
        members.insert("middleware".to_owned(), middleware);
    }
    let mut document = json!({
        "openapi": "3.0.3",
        "info": { "title": api.name, "version": "1" },
        "paths": {},
        "x-tyk-api-gateway": extension,
    });
    if let Some(members) = document.as_object_mut().filter(|_| !parts.public.is_empty()) {
        let all = parts.public.keys().map(|name| (name.clone(), json!([])));
        let all: Map<_, _> = all.collect();
        members.insert("security".to_owned(), json!([all]));
        members.insert("components".to_owned(), json!({ "securitySchemes": parts.public }));
    }
    Ok(document)
}

fn header() -> Value {
    json!({ "enabled": true, "name": "Authorization" })
}

/// Where tokens come from, which `OpenAPI` wants to know of such a scheme.
fn flows(site: &Site<'_>) -> Value {
    let entra = site.config.tenants.first().map(|tenant| {
        let base = format!("{}{}/oauth2/v2.0", tenant.authority, tenant.id);
        json!({
            "authorizationUrl": format!("{base}/authorize"),
            "tokenUrl": format!("{base}/token"),
            "scopes": {},
        })
    });
    json!({ "type": "oauth2", "flows": { "authorizationCode": entra } })
}

fn one(name: &str, scheme: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), scheme)])
}

fn introspection(site: &Site<'_>, api: &Api) -> Result<Parts, String> {
    policies_apply_nowhere(api)?;
    let scheme = json!({
        "enabled": true,
        "header": header(),
        "providers": [{
            "introspection": {
                "enabled": true,
                "url": site.introspect(),
                "clientId": api.client.as_str(),
                "clientSecret": site.secret(api)?,
                "identityBaseField": IDENTITY,
                "cache": { "enabled": false, "timeout": 0 },
            },
        }],
    });
    let schemes = one(SCHEME, scheme);
    let authentication = json!({ "enabled": true, "securitySchemes": schemes });
    Ok(Parts { public: one(SCHEME, flows(site)), authentication, middleware: None })
}

fn plugin(site: &Site<'_>, api: &Api) -> Result<Parts, String> {
    let authentication = json!({
        "enabled": true,
        "custom": {
            "enabled": true,
            "config": { "enabled": true, "functionName": HOOK, "rawBodyOnly": true },
            "header": header(),
        },
    });
    let middleware = json!({
        "global": {
            "pluginConfig": {
                "driver": "grpc",
                "data": { "enabled": true, "value": config_data(site, api)? },
            },
        },
    });
    Ok(Parts { public: Map::new(), authentication, middleware: Some(middleware) })
}

fn jwt(site: &Site<'_>, api: &Api) -> Result<Parts, String> {
    let schemes = one(SCHEME, checked(site, &site.tokens(api)?));
    let authentication = json!({ "enabled": true, "securitySchemes": schemes });
    Ok(Parts { public: one(SCHEME, bearer()), authentication, middleware: None })
}

fn bearer() -> Value {
    json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" })
}

/// A scheme of Tyk's JWT middleware. Some settings have two names: older versions know the first.
fn checked(site: &Site<'_>, tokens: &Tokens) -> Value {
    let uris: Vec<_> = tokens.jwks.iter().map(|url| json!({ "url": url })).collect();
    let mut scheme = json!({
        "enabled": true,
        "header": header(),
        "jwksURIs": uris,
        "signingMethod": tokens.method,
        "identityBaseField": tokens.identity,
        "subjectClaims": [tokens.identity],
        "allowedIssuers": tokens.issuers,
        "allowedAudiences": tokens.audiences,
        "idpClientIdMappingDisabled": true,
    });
    let Some(members) = scheme.as_object_mut() else { return scheme };
    if tokens.with_policies {
        let same = |policy: String| json!({ "scope": policy, "policyId": policy });
        let mapping: Vec<_> = site.granted().into_iter().map(same).collect();
        members.insert("policyFieldName".to_owned(), json!(POLICY_CLAIM));
        members.insert("basePolicyClaims".to_owned(), json!([POLICY_CLAIM]));
        let scopes = json!({
            "claimName": POLICIES_CLAIM,
            "claims": [POLICIES_CLAIM],
            "scopeToPolicyMapping": mapping,
        });
        members.insert("scopes".to_owned(), scopes);
    }
    if let Some(policy) = &tokens.otherwise {
        members.insert("defaultPolicies".to_owned(), json!([policy]));
    }
    scheme
}

/// Tyk's exchange verifies nothing, so its JWT middleware stands beside it.
fn exchange(site: &Site<'_>, api: &Api) -> Result<Parts, String> {
    let tokens = site.tokens(api)?;
    let swap = api.exchange.as_ref().ok_or("it has no `exchange`")?;
    let mut target = json!({ "audience": swap.resource });
    if let Some(members) = target.as_object_mut().filter(|_| !swap.scopes.is_empty()) {
        members.insert("scopes".to_owned(), json!(swap.scopes));
    }
    let scheme = json!({
        "enabled": true,
        "header": header(),
        "tokenExchange": {
            "enabled": true,
            "providers": [{
                "name": "tessera",
                "issuers": tokens.issuers,
                "tokenEndpoint": site.token(),
                "clientAuth": {
                    "method": "client_secret_basic",
                    "clientId": api.client.as_str(),
                    "clientSecret": site.secret(api)?,
                },
                "defaultTarget": target,
                "cache": { "enabled": false },
            }],
        },
    });
    let mut schemes = one(SCHEME, checked(site, &tokens));
    schemes.insert(EXCHANGE.to_owned(), scheme);
    let mut public = one(SCHEME, bearer());
    public.insert(EXCHANGE.to_owned(), flows(site));
    let authentication = json!({
        "enabled": true,
        "stripAuthorizationData": false,
        "securitySchemes": schemes,
    });
    Ok(Parts { public, authentication, middleware: None })
}
