//! What Tyk reads in the files that are written for it: the fields we use, and no other, with their
//! types and with what must be there. Facts of Tyk 5 (its OAS extension schema, `apidef`, `user` and
//! `config`), in our own form.

use serde_json::Value;

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    Flag,
    Integer,
    List,
    Map,
    OneOf(&'static [&'static str]),
    Text,
}

use Type::{Flag, Integer, List, Map, OneOf, Text};

/// A field: where it is (`*` is any name, `[]` any entry), its type, and whether it must be there
/// when what it is in is there.
pub(super) type Field = (&'static str, Type, bool);

const METHODS: Type = OneOf(&["ecdsa", "rsa"]);
const DRIVERS: Type = OneOf(&["grpc"]);

pub(super) const CLASSIC: &[Field] = &[
    ("name", Text, true),
    ("api_id", Text, true),
    ("org_id", Text, true),
    ("active", Flag, true),
    ("use_keyless", Flag, true),
    ("is_oas", Flag, false),
    ("proxy", Map, true),
    ("proxy.listen_path", Text, true),
    ("proxy.target_url", Text, true),
    ("proxy.strip_listen_path", Flag, false),
    ("version_data", Map, true),
    ("version_data.not_versioned", Flag, true),
    ("version_data.versions", Map, true),
    ("version_data.versions.*", Map, true),
    ("version_data.versions.*.name", Text, true),
    ("version_data.versions.*.use_extended_paths", Flag, true),
    ("auth_configs", Map, true),
    ("auth_configs.*", Map, true),
    ("auth_configs.*.auth_header_name", Text, true),
    ("external_oauth", Map, false),
    ("external_oauth.enabled", Flag, true),
    ("external_oauth.providers", List, true),
    ("external_oauth.providers.[]", Map, true),
    ("external_oauth.providers.[].introspection", Map, true),
    ("external_oauth.providers.[].introspection.enabled", Flag, true),
    ("external_oauth.providers.[].introspection.url", Text, true),
    ("external_oauth.providers.[].introspection.client_id", Text, true),
    ("external_oauth.providers.[].introspection.client_secret", Text, true),
    ("external_oauth.providers.[].introspection.identity_base_field", Text, true),
    ("external_oauth.providers.[].introspection.cache", Map, true),
    ("external_oauth.providers.[].introspection.cache.enabled", Flag, true),
    ("external_oauth.providers.[].introspection.cache.timeout", Integer, true),
    ("enable_jwt", Flag, false),
    ("jwt_signing_method", METHODS, false),
    ("jwt_source", Text, false),
    ("jwt_jwks_uris", List, false),
    ("jwt_jwks_uris.[]", Map, true),
    ("jwt_jwks_uris.[].url", Text, true),
    ("jwt_identity_base_field", Text, false),
    ("jwt_policy_field_name", Text, false),
    ("jwt_default_policies", List, false),
    ("jwt_default_policies.[]", Text, true),
    ("idp_client_id_mapping_disabled", Flag, false),
    ("scopes", Map, false),
    ("scopes.jwt", Map, true),
    ("scopes.jwt.scope_claim_name", Text, true),
    ("scopes.jwt.scope_to_policy", Map, true),
    ("scopes.jwt.scope_to_policy.*", Text, true),
    ("enable_coprocess_auth", Flag, false),
    ("custom_middleware", Map, false),
    ("custom_middleware.driver", DRIVERS, true),
    ("custom_middleware.auth_check", Map, true),
    ("custom_middleware.auth_check.name", Text, true),
    ("custom_middleware.auth_check.raw_body_only", Flag, false),
    ("config_data", Map, false),
    ("config_data.tessera", Map, true),
    ("config_data.tessera.api", Text, true),
    ("config_data.tessera.secret", Text, false),
];

/// Without the extension's name, which would be before each of them.
const EXTENSION: &str = "x-tyk-api-gateway";

pub(super) const OAS: &[Field] = &[
    ("openapi", OneOf(&["3.0.3"]), true),
    ("info", Map, true),
    ("info.title", Text, true),
    ("info.version", Text, true),
    ("paths", Map, true),
    ("security", List, false),
    ("security.[]", Map, true),
    ("security.[].*", List, true),
    ("components", Map, false),
    ("components.securitySchemes", Map, true),
    ("components.securitySchemes.*", Map, true),
    ("components.securitySchemes.*.type", OneOf(&["http", "oauth2"]), true),
    ("components.securitySchemes.*.scheme", OneOf(&["bearer"]), false),
    ("components.securitySchemes.*.bearerFormat", OneOf(&["JWT"]), false),
    ("components.securitySchemes.*.flows", Map, false),
    ("components.securitySchemes.*.flows.authorizationCode", Map, true),
    ("components.securitySchemes.*.flows.authorizationCode.authorizationUrl", Text, true),
    ("components.securitySchemes.*.flows.authorizationCode.tokenUrl", Text, true),
    ("components.securitySchemes.*.flows.authorizationCode.scopes", Map, true),
    ("x-tyk-api-gateway", Map, true),
    ("+.info", Map, true),
    ("+.info.id", Text, true),
    ("+.info.orgId", Text, true),
    ("+.info.name", Text, true),
    ("+.info.state", Map, true),
    ("+.info.state.active", Flag, true),
    ("+.info.state.internal", Flag, false),
    ("+.upstream", Map, true),
    ("+.upstream.url", Text, true),
    ("+.server", Map, true),
    ("+.server.listenPath", Map, true),
    ("+.server.listenPath.value", Text, true),
    ("+.server.listenPath.strip", Flag, false),
    ("+.server.authentication", Map, true),
    ("+.server.authentication.enabled", Flag, true),
    ("+.server.authentication.stripAuthorizationData", Flag, false),
    ("+.server.authentication.custom", Map, false),
    ("+.server.authentication.custom.enabled", Flag, true),
    ("+.server.authentication.custom.config", Map, true),
    ("+.server.authentication.custom.config.enabled", Flag, true),
    ("+.server.authentication.custom.config.functionName", Text, true),
    ("+.server.authentication.custom.config.rawBodyOnly", Flag, false),
    ("+.server.authentication.custom.header", Map, true),
    ("+.server.authentication.custom.header.enabled", Flag, true),
    ("+.server.authentication.custom.header.name", Text, false),
    ("+.server.authentication.securitySchemes", Map, false),
    ("S", Map, true),
    ("S.enabled", Flag, true),
    ("S.header", Map, true),
    ("S.header.enabled", Flag, true),
    ("S.header.name", Text, false),
    ("S.jwksURIs", List, false),
    ("S.jwksURIs.[]", Map, true),
    ("S.jwksURIs.[].url", Text, true),
    ("S.signingMethod", METHODS, false),
    ("S.identityBaseField", Text, false),
    ("S.subjectClaims", List, false),
    ("S.subjectClaims.[]", Text, true),
    ("S.policyFieldName", Text, false),
    ("S.basePolicyClaims", List, false),
    ("S.basePolicyClaims.[]", Text, true),
    ("S.scopes", Map, false),
    ("S.scopes.claimName", Text, true),
    ("S.scopes.claims", List, true),
    ("S.scopes.claims.[]", Text, true),
    ("S.scopes.scopeToPolicyMapping", List, true),
    ("S.scopes.scopeToPolicyMapping.[]", Map, true),
    ("S.scopes.scopeToPolicyMapping.[].scope", Text, true),
    ("S.scopes.scopeToPolicyMapping.[].policyId", Text, true),
    ("S.defaultPolicies", List, false),
    ("S.defaultPolicies.[]", Text, true),
    ("S.allowedIssuers", List, false),
    ("S.allowedIssuers.[]", Text, true),
    ("S.allowedAudiences", List, false),
    ("S.allowedAudiences.[]", Text, true),
    ("S.idpClientIdMappingDisabled", Flag, false),
    ("S.providers", List, false),
    ("S.providers.[]", Map, true),
    ("S.providers.[].introspection", Map, true),
    ("S.providers.[].introspection.enabled", Flag, true),
    ("S.providers.[].introspection.url", Text, true),
    ("S.providers.[].introspection.clientId", Text, true),
    ("S.providers.[].introspection.clientSecret", Text, true),
    ("S.providers.[].introspection.identityBaseField", Text, false),
    ("S.providers.[].introspection.cache", Map, true),
    ("S.providers.[].introspection.cache.enabled", Flag, true),
    ("S.providers.[].introspection.cache.timeout", Integer, true),
    ("S.tokenExchange", Map, false),
    ("S.tokenExchange.enabled", Flag, true),
    ("S.tokenExchange.providers", List, true),
    ("S.tokenExchange.providers.[]", Map, true),
    ("S.tokenExchange.providers.[].name", Text, true),
    ("S.tokenExchange.providers.[].issuers", List, true),
    ("S.tokenExchange.providers.[].issuers.[]", Text, true),
    ("S.tokenExchange.providers.[].tokenEndpoint", Text, true),
    ("S.tokenExchange.providers.[].clientAuth", Map, true),
    ("S.tokenExchange.providers.[].clientAuth.method", OneOf(&["client_secret_basic"]), true),
    ("S.tokenExchange.providers.[].clientAuth.clientId", Text, true),
    ("S.tokenExchange.providers.[].clientAuth.clientSecret", Text, true),
    ("S.tokenExchange.providers.[].defaultTarget", Map, true),
    ("S.tokenExchange.providers.[].defaultTarget.audience", Text, true),
    ("S.tokenExchange.providers.[].defaultTarget.scopes", List, false),
    ("S.tokenExchange.providers.[].defaultTarget.scopes.[]", Text, true),
    ("S.tokenExchange.providers.[].cache", Map, false),
    ("S.tokenExchange.providers.[].cache.enabled", Flag, true),
    ("+.middleware", Map, false),
    ("+.middleware.global", Map, true),
    ("+.middleware.global.pluginConfig", Map, true),
    ("+.middleware.global.pluginConfig.driver", DRIVERS, true),
    ("+.middleware.global.pluginConfig.data", Map, true),
    ("+.middleware.global.pluginConfig.data.enabled", Flag, true),
    ("+.middleware.global.pluginConfig.data.value", Map, true),
    ("+.middleware.global.pluginConfig.data.value.tessera", Map, true),
    ("+.middleware.global.pluginConfig.data.value.tessera.api", Text, true),
    ("+.middleware.global.pluginConfig.data.value.tessera.secret", Text, false),
];

pub(super) const POLICIES: &[Field] = &[
    ("*", Map, true),
    ("*.id", Text, true),
    ("*.name", Text, true),
    ("*.org_id", Text, true),
    ("*.active", Flag, true),
    ("*.is_inactive", Flag, true),
    ("*.rate", Integer, true),
    ("*.per", Integer, true),
    ("*.quota_max", Integer, true),
    ("*.quota_renewal_rate", Integer, true),
    ("*.key_expires_in", Integer, true),
    ("*.partitions", Map, true),
    ("*.partitions.quota", Flag, true),
    ("*.partitions.rate_limit", Flag, true),
    ("*.partitions.acl", Flag, true),
    ("*.partitions.complexity", Flag, true),
    ("*.partitions.per_api", Flag, true),
    ("*.access_rights", Map, true),
    ("*.access_rights.*", Map, true),
    ("*.access_rights.*.api_id", Text, true),
    ("*.access_rights.*.api_name", Text, true),
    ("*.access_rights.*.versions", List, true),
    ("*.access_rights.*.versions.[]", Text, true),
    ("*.tags", List, true),
];

pub(super) const GATEWAY: &[Field] = &[
    ("app_path", Text, true),
    ("policies", Map, true),
    ("policies.policy_source", OneOf(&["file"]), true),
    ("policies.policy_record_name", Text, true),
    ("policies.allow_explicit_policy_id", Flag, true),
    ("coprocess_options", Map, false),
    ("coprocess_options.enable_coprocess", Flag, true),
    ("coprocess_options.coprocess_grpc_server", Text, true),
    ("coprocess_options.grpc_recv_max_size", Integer, true),
    ("coprocess_options.grpc_send_max_size", Integer, true),
];

/// Everything in `value` that the table does not have, or has otherwise.
pub(super) fn problems(value: &Value, table: &[Field]) -> Vec<String> {
    let expand = |path: &str| {
        let schemes = format!("{EXTENSION}.server.authentication.securitySchemes.*");
        match path.split_once('.') {
            Some(("+", rest)) => format!("{EXTENSION}.{rest}"),
            Some(("S", rest)) => format!("{schemes}.{rest}"),
            _ if path == "S" => schemes,
            _ => path.to_owned(),
        }
    };
    let table: Vec<_> =
        table.iter().map(|(path, kind, required)| (expand(path), *kind, *required)).collect();
    let mut problems = Vec::new();
    look(value, "", "", &table, &mut problems);
    problems
}

type Rows = [(String, Type, bool)];

/// `place` is where we are, `path` how the table spells it.
fn look(value: &Value, place: &str, path: &str, table: &Rows, problems: &mut Vec<String>) {
    let join = |outer: &str, name: &str| {
        if outer.is_empty() { name.to_owned() } else { format!("{outer}.{name}") }
    };
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(items) => items.iter().map(|item| ("[]".to_owned(), item)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
    };
    for (required, ..) in table.iter().filter(|(_, _, required)| *required) {
        let Some(name) = required.strip_prefix(path).map(|rest| rest.trim_start_matches('.'))
        else {
            continue;
        };
        let direct = required.len() == join(path, name).len() && !name.contains('.');
        let free = ["*", "[]", ""].contains(&name);
        if direct && !free && value.is_object() && value.get(name).is_none() {
            problems.push(format!("{place}: `{name}` is missing"));
        }
    }
    for (name, child) in children {
        let place = join(place, &name);
        let known = |spelled: &str| table.iter().find(|(path, ..)| path == spelled);
        let exact = join(path, &name);
        let row = known(&exact).or_else(|| known(&join(path, "*")).filter(|_| name != "[]"));
        let Some((path, kind, _)) = row else {
            problems.push(format!("{place}: not a field of Tyk's that we know"));
            continue;
        };
        if !fits(child, *kind) {
            problems.push(format!("{place}: {child} is not {kind:?}"));
        }
        look(child, &place, path, table, problems);
    }
}

fn fits(value: &Value, kind: Type) -> bool {
    match kind {
        Flag => value.is_boolean(),
        Integer => value.is_i64(),
        List => value.is_array(),
        Map => value.is_object(),
        OneOf(known) => value.as_str().is_some_and(|text| known.contains(&text)),
        Text => value.as_str().is_some_and(|text| !text.trim().is_empty()),
    }
}

#[test]
fn the_table_is_closed() {
    let file = super::sample("oas").replace("tessera.yaml", "apps/swapped-oas.json");
    let mut file: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(problems(&file, OAS), [""; 0]);
    let scheme = "/x-tyk-api-gateway/server/authentication/securitySchemes/tessera";
    let scheme = file.pointer_mut(scheme).unwrap().as_object_mut().unwrap();
    scheme.insert("signingMehtod".to_owned(), "rsa".into());
    scheme.insert("signingMethod".to_owned(), "eddsa".into());
    scheme.remove("enabled");
    let found = problems(&file, OAS).join("\n");
    for part in ["`enabled` is missing", "signingMehtod: not a field", "\"eddsa\" is not OneOf"] {
        assert!(found.contains(part), "{part}: {found}");
    }
    assert_eq!(found.lines().count(), 3, "{found}");
}
