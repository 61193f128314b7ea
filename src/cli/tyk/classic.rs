//! Classic API definitions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::site::policies_apply_nowhere;
use super::site::{HOOK, IDENTITY, POLICIES_CLAIM, POLICY_CLAIM, Site, Tokens};
use crate::domain::api::{Api, Guard, Road, TykRoute};

/// The definition of an API, for a gateway that knows it in this form only.
pub(super) fn definition(
    site: &Site<'_>,
    (api, route): (&Api, &TykRoute),
) -> Result<Value, String> {
    let mut definition = common(api, route);
    match route.road {
        Road::Introspection => introspection(site, api, &mut definition)?,
        Road::Plugin => plugin(site, api, &mut definition)?,
        Road::Jwt => {
            if site.others_are_signed(api) {
                let why = "a classic definition cannot check the audience, and tokens of other \
                           resources would open this API: use `--format oas`, or `road: plugin`";
                return Err(why.to_owned());
            }
            let tokens = site.tokens(api)?;
            jwt(site, &tokens, &mut definition);
            // In base64: Tyk 5 keeps the key set of a plain URL for the first request alone.
            let source = STANDARD.encode(site.jwks());
            definition.insert("jwt_source".to_owned(), json!(source));
        }
        Road::Exchange => {
            let why = "token exchange is no part of classic definitions: use `--format oas`";
            return Err(why.to_owned());
        }
    }
    Ok(Value::Object(definition))
}

/// What stands beside an `OpenAPI` document in a folder that Tyk reads: it loads such a document for
/// a classic definition only, and takes most settings from that.
pub(super) fn beside_oas(
    site: &Site<'_>,
    (api, route): (&Api, &TykRoute),
) -> Result<Value, String> {
    let mut definition = common(api, route);
    match route.road {
        Road::Introspection => introspection(site, api, &mut definition)?,
        Road::Plugin => plugin(site, api, &mut definition)?,
        Road::Jwt | Road::Exchange => {
            let tokens = site.tokens(api)?;
            jwt(site, &tokens, &mut definition);
            let uris: Vec<_> = tokens.jwks.iter().map(|url| json!({ "url": url })).collect();
            definition.insert("jwt_jwks_uris".to_owned(), json!(uris));
        }
    }
    definition.insert("is_oas".to_owned(), json!(true));
    Ok(Value::Object(definition))
}

fn common(api: &Api, route: &TykRoute) -> Map<String, Value> {
    let mut definition = Map::new();
    add(
        &mut definition,
        json!({
            "name": api.name,
            "api_id": route.api_id,
            "org_id": route.org_id,
            "active": true,
            "use_keyless": false,
            "proxy": {
                "listen_path": route.listen_path,
                "target_url": route.upstream,
                "strip_listen_path": true,
            },
            "version_data": {
                "not_versioned": true,
                "versions": { "Default": { "name": "Default", "use_extended_paths": true } },
            },
        }),
    );
    definition
}

fn add(definition: &mut Map<String, Value>, more: Value) {
    if let Value::Object(members) = more {
        definition.extend(members);
    }
}

fn introspection(
    site: &Site<'_>,
    api: &Api,
    definition: &mut Map<String, Value>,
) -> Result<(), String> {
    policies_apply_nowhere(api)?;
    add(
        definition,
        json!({
            "external_oauth": {
                "enabled": true,
                "providers": [{
                    "introspection": {
                        "enabled": true,
                        "url": site.introspect(),
                        "client_id": api.client.as_str(),
                        "client_secret": site.secret(api)?,
                        "identity_base_field": IDENTITY,
                        "cache": { "enabled": false, "timeout": 0 },
                    },
                }],
            },
            "auth_configs": { "externalOAuth": source() },
        }),
    );
    Ok(())
}

fn plugin(site: &Site<'_>, api: &Api, definition: &mut Map<String, Value>) -> Result<(), String> {
    add(
        definition,
        json!({
            "enable_coprocess_auth": true,
            "auth_configs": { "coprocess": source() },
            "custom_middleware": {
                "driver": "grpc",
                "auth_check": { "name": HOOK, "raw_body_only": true },
            },
            "config_data": config_data(site, api)?,
        }),
    );
    Ok(())
}

fn jwt(site: &Site<'_>, tokens: &Tokens, definition: &mut Map<String, Value>) {
    add(
        definition,
        json!({
            "enable_jwt": true,
            "auth_configs": { "jwt": source() },
            "jwt_signing_method": tokens.method,
            "jwt_identity_base_field": tokens.identity,
            "idp_client_id_mapping_disabled": true,
        }),
    );
    if tokens.with_policies {
        let same = site.granted().into_iter().map(|policy| (policy.clone(), json!(policy)));
        let mapping: Map<_, _> = same.collect();
        add(
            definition,
            json!({
                "jwt_policy_field_name": POLICY_CLAIM,
                "scopes": {
                    "jwt": { "scope_claim_name": POLICIES_CLAIM, "scope_to_policy": mapping },
                },
            }),
        );
    }
    if let Some(policy) = &tokens.otherwise {
        add(definition, json!({ "jwt_default_policies": [policy] }));
    }
}

fn source() -> Value {
    json!({ "auth_header_name": "Authorization" })
}

/// What the plugin is told about the API. What becomes of the token stays in one place: here.
pub(super) fn config_data(site: &Site<'_>, api: &Api) -> Result<Value, String> {
    let mut asked = json!({ "api": api.name });
    if let Some(members) = asked.as_object_mut().filter(|_| api.guard == Guard::Secret) {
        members.insert("secret".to_owned(), json!(site.secret(api)?));
    }
    Ok(json!({ "tessera": asked }))
}
