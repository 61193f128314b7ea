//! A file with just this fault, for every fault.

use serde_json::json;
use strum::VariantArray as _;

use super::{BASE, Edition, Fault, Format, SECRET, World};

type Case = (Fault, fn() -> World, fn(&mut World));

const ASKED: &str = "apps/asked.json";
const CHECKED: &str = "apps/checked.json";
const PLAIN: &str = "apps/plain.json";
const PLUGGED: &str = "apps/plugged.json";
const SEEN: &str = "apps/seen.json";
const CHECKED_OAS: &str = "apps/checked-oas.json";
const SEEN_OAS: &str = "apps/seen-oas.json";
const PLUGGED_OAS: &str = "apps/plugged-oas.json";
const SWAPPED: &str = "apps/swapped-oas.json";
const POLICIES: &str = "policies.json";
const CONF: &str = "tyk.conf.json";

const AUTH: &str = "/x-tyk-api-gateway/server/authentication";
const INTROSPECTION: &str = "/external_oauth/providers/0/introspection";

/// Within the scheme that checks tokens.
fn scheme(name: &str) -> String {
    format!("{AUTH}/securitySchemes/tessera/{name}")
}

/// Within the provider that exchanges them.
fn provider(name: &str) -> String {
    format!("{AUTH}/securitySchemes/tessera-exchange/tokenExchange/providers/0/{name}")
}

fn introspection(name: &str) -> String {
    format!("{INTROSPECTION}/{name}")
}

fn plugin_data(name: &str) -> String {
    format!("/x-tyk-api-gateway/middleware/global/pluginConfig/{name}")
}

/// The classic world, whose one introspected API now needs policies.
fn strict() -> World {
    let mut world = World::classic();
    world.config.apis.iter_mut().find(|api| api.name == "asked").unwrap().policies =
        crate::domain::api::PolicyNeed::Required;
    world
}

/// One API that takes Entra's tokens and needs no policy, checked by Tyk beside an exchange.
fn seldom_announced() -> World {
    let mut world = World::oas();
    world.config.signing.rules.announce = crate::protocol::time::Seconds::minutes(5);
    world
}

const CASES: &[Case] = &[
    (Fault::ApiDiffers, World::classic, |world| {
        world.set(PLUGGED, "/proxy/target_url", json!("http://elsewhere"));
    }),
    (Fault::ApiDiffers, World::classic, |world| world.set(PLUGGED, "/api_id", json!("p2"))),
    (Fault::ApiDiffers, World::oas, |world| {
        let path = "/x-tyk-api-gateway/server/listenPath/value";
        world.set(PLUGGED_OAS, path, json!("/other/"));
    }),
    (Fault::ApiDiffers, World::oas, |world| {
        world.set(PLUGGED_OAS, "/x-tyk-api-gateway/info/orgId", json!("another"));
    }),
    (Fault::ApiMissing, World::classic, |world| drop(world.files.remove(ASKED))),
    (Fault::ApiUnknown, World::classic, |world| {
        let mut other = world.files[PLAIN].clone();
        other["api_id"] = json!("other");
        other["proxy"]["listen_path"] = json!("/other/");
        other["config_data"]["tessera"]["api"] = json!("other");
        world.files.insert("apps/other.json".to_owned(), other);
    }),
    (Fault::AudienceOpen, World::oas, |world| world.cut(CHECKED_OAS, &scheme("allowedAudiences"))),
    (Fault::AudienceOpen, World::oas, |world| {
        let all = json!(["https://orders.internal", "https://reports.internal"]);
        world.set(CHECKED_OAS, &scheme("allowedAudiences"), all);
    }),
    (Fault::AudienceOpen, World::oas, |world| {
        // The companion alone is a classic definition.
        world.files.remove(CHECKED_OAS);
        world.cut(CHECKED, "/is_oas");
        world.cut(CHECKED, "/jwt_jwks_uris");
        let url = "aHR0cHM6Ly9zdHMuZXhhbXBsZS5jb20vandrcw==";
        world.set(CHECKED, "/jwt_source", json!(url));
    }),
    (Fault::ClientDiffers, World::classic, |world| {
        world.set(ASKED, &introspection("client_id"), json!("kong"));
    }),
    (Fault::ClientDiffers, World::oas, |world| {
        world.set(SWAPPED, &provider("clientAuth/clientId"), json!("kong"));
    }),
    (Fault::ConfigDataApi, World::classic, |world| {
        world.set(PLUGGED, "/config_data/tessera/api", json!("order"));
    }),
    (Fault::ConfigDataDisabled, World::classic, |world| {
        world.set(PLUGGED, "/config_data_disabled", json!(true));
    }),
    (Fault::ConfigDataDisabled, World::oas, |world| {
        world.set(PLUGGED_OAS, &plugin_data("data/enabled"), json!(false));
    }),
    (Fault::ConfigDataExchange, World::classic, |world| {
        let other = json!({ "resource": "https://reports.internal" });
        world.set(SEEN, "/config_data/tessera/exchange", other);
    }),
    (Fault::ConfigDataMissing, World::classic, |world| world.cut(PLUGGED, "/config_data")),
    (Fault::ConfigDataMissing, World::oas, |world| {
        world.set(PLUGGED_OAS, &plugin_data("data/value"), json!({ "tesera": {} }));
    }),
    (Fault::ConfigDataUnreadable, World::classic, |world| {
        world.set(PLUGGED, "/config_data/tessera/exchagne", json!({ "resource": "x" }));
    }),
    (Fault::ConfigDataUnreadable, World::oas, |world| {
        world.set(PLUGGED_OAS, &plugin_data("data/value/tessera/api"), json!(7));
    }),
    (Fault::CoprocessAddress, World::classic, |world| {
        let server = json!("tcp://127.0.0.1:5556");
        world.set(CONF, "/coprocess_options/coprocess_grpc_server", server);
    }),
    (Fault::CoprocessDisabled, World::classic, |world| {
        world.set(CONF, "/coprocess_options/enable_coprocess", json!(false));
    }),
    (Fault::CoprocessDisabled, World::classic, |world| world.cut(CONF, "/coprocess_options")),
    (Fault::CoprocessSizes, World::classic, |world| {
        world.set(CONF, "/coprocess_options/grpc_send_max_size", json!(100_000_000));
    }),
    (Fault::CoprocessSizes, World::classic, |world| {
        world.set(CONF, "/coprocess_options/grpc_recv_max_size", json!(1024));
    }),
    (Fault::DefaultPolicies, World::classic, |world| {
        world.set(CHECKED, "/jwt_default_policies", json!(["gold"]));
    }),
    (Fault::ExchangeCache, World::oas, |world| {
        world.set(SWAPPED, &provider("cache/enabled"), json!(true));
    }),
    (Fault::ExchangeElsewhere, World::oas, |world| {
        world.set(SWAPPED, &provider("tokenEndpoint"), json!("https://idp.example/token"));
    }),
    (Fault::ExchangeIgnored, World::oas, |world| world.edition = Edition::OpenSource),
    (Fault::ExchangeIssuers, World::oas, |world| {
        world.set(SWAPPED, &provider("issuers"), json!(["https://idp.example"]));
    }),
    (Fault::ExchangeTarget, World::oas, |world| {
        world.set(SWAPPED, &provider("defaultTarget/scopes"), json!(["orders.write"]));
    }),
    (Fault::ExchangeTarget, World::oas, |world| {
        world.set(SWAPPED, &provider("defaultTarget/audience"), json!("https://reports.internal"));
    }),
    (Fault::ExchangeUnchecked, World::oas, |world| {
        world.set(SWAPPED, &scheme("enabled"), json!(false));
    }),
    (Fault::ExchangeUnchecked, World::oas, |world| {
        world.set(SWAPPED, "/security", json!([{ "tessera-exchange": [] }, { "tessera": [] }]));
    }),
    (Fault::IdExtractor, World::classic, |world| {
        let extractor = json!({ "extract_from": "header", "extract_with": "value" });
        world.set(SEEN, "/custom_middleware/id_extractor", extractor);
    }),
    (Fault::IdExtractor, World::oas, |world| {
        let extractor = json!({ "enabled": true, "source": "header", "with": "value" });
        world.set(SEEN_OAS, &format!("{AUTH}/custom/config/idExtractor"), extractor);
    }),
    (Fault::IdExtractorWithExchange, World::classic, |world| {
        let extractor = json!({ "extract_from": "header", "extract_with": "value" });
        world.set(PLUGGED, "/custom_middleware/id_extractor", extractor);
    }),
    (Fault::IdentityField, World::classic, |world| world.cut(CHECKED, "/jwt_identity_base_field")),
    (Fault::IdentityField, World::classic, |world| {
        world.set(ASKED, &introspection("identity_base_field"), json!("sub"));
    }),
    (Fault::IdentityField, World::oas, |world| {
        world.set(CHECKED_OAS, &scheme("subjectClaims"), json!(["principal", "sub"]));
    }),
    (Fault::IntrospectionCache, World::classic, |world| {
        world.set(ASKED, &introspection("cache"), json!({ "enabled": true, "timeout": 60 }));
    }),
    (Fault::IntrospectionCacheForEver, World::classic, |world| {
        world.set(ASKED, &introspection("cache/enabled"), json!(true));
    }),
    (Fault::IntrospectionElsewhere, World::classic, |world| {
        world.set(ASKED, &introspection("url"), json!("https://idp.example/introspect"));
    }),
    (Fault::IssuersDiffer, World::oas, |world| {
        world.set(CHECKED_OAS, &scheme("allowedIssuers"), json!(["https://idp.example"]));
    }),
    (Fault::IssuersDiffer, World::oas, |world| {
        // Every tenant of Entra has the same keys.
        world.cut(SWAPPED, &scheme("allowedIssuers"));
    }),
    (Fault::JwksCache, seldom_announced, |world| {
        world.set(CHECKED_OAS, &scheme("jwksURIs/0/cacheTimeout"), json!("1h0m0s"));
    }),
    (Fault::JwksElsewhere, World::classic, |world| {
        world.set(CHECKED, "/jwt_source", json!("aHR0cHM6Ly9pZHAuZXhhbXBsZS9qd2tz"));
    }),
    (Fault::JwksElsewhere, World::classic, |world| {
        // A classic definition is not read for it.
        world.cut(CHECKED, "/jwt_source");
        let uris = json!([{ "url": "https://sts.example.com/jwks" }]);
        world.set(CHECKED, "/jwt_jwks_uris", uris);
    }),
    (Fault::JwksElsewhere, World::oas, |world| {
        let uri = json!("https://idp.example/jwks");
        world.set(CHECKED_OAS, &scheme("jwksURIs/0/url"), uri);
    }),
    (Fault::JwksPlain, World::classic, |world| {
        world.set(CHECKED, "/jwt_source", json!("https://sts.example.com/jwks"));
    }),
    (Fault::JwtClientMapping, World::classic, |world| {
        world.cut(CHECKED, "/idp_client_id_mapping_disabled");
    }),
    (Fault::JwtClientMapping, World::oas, |world| {
        world.set(CHECKED_OAS, &scheme("idpClientIdMappingDisabled"), json!(false));
    }),
    (Fault::JwtMethod, World::classic, |world| {
        world.set(CHECKED, "/jwt_signing_method", json!("rsa"));
    }),
    (Fault::JwtMethod, World::oas, |world| {
        world.set(CHECKED_OAS, &scheme("signingMethod"), json!("eddsa"));
    }),
    (Fault::JwtPolicyField, World::classic, |world| {
        world.set(CHECKED, "/jwt_policy_field_name", json!("policies"));
    }),
    (Fault::JwtPolicyField, World::oas, |world| {
        world.set(CHECKED_OAS, &scheme("basePolicyClaims"), json!(["policies"]));
    }),
    (Fault::JwtPolicyMapping, World::classic, |world| world.cut(CHECKED, "/scopes")),
    (Fault::JwtPolicyMapping, World::oas, |world| {
        let some = json!([{ "scope": "gold", "policyId": "gold" }]);
        world.set(CHECKED_OAS, &scheme("scopes/scopeToPolicyMapping"), some);
    }),
    (Fault::Keyless, World::classic, |world| world.set(PLUGGED, "/use_keyless", json!(true))),
    (Fault::Keyless, World::oas, |world| {
        world.set(PLUGGED_OAS, &format!("{AUTH}/enabled"), json!(false));
    }),
    (Fault::NoRoad, World::classic, |world| world.set(CHECKED, "/enable_jwt", json!(false))),
    (Fault::NoRoad, World::classic, |world| {
        world.set(ASKED, &introspection("enabled"), json!(false));
    }),
    (Fault::PluginDriver, World::classic, |world| {
        world.set(PLUGGED, "/custom_middleware/driver", json!("python"));
    }),
    (Fault::PluginHook, World::classic, |world| {
        world.set(PLUGGED, "/custom_middleware/pre", json!([{ "name": "TesseraAuth" }]));
    }),
    (Fault::PluginHook, World::classic, |world| {
        world.cut(PLUGGED, "/custom_middleware/auth_check");
    }),
    (Fault::PluginHook, World::oas, |world| {
        let hooks = json!([{ "enabled": true, "functionName": "Other" }]);
        world.set(PLUGGED_OAS, "/x-tyk-api-gateway/middleware/global/postPlugins", hooks);
    }),
    (Fault::PluginOff, World::classic, |world| world.cut(PLUGGED, "/enable_coprocess_auth")),
    (Fault::PluginOff, World::oas, |world| {
        world.set(PLUGGED_OAS, &format!("{AUTH}/custom/config/enabled"), json!(false));
    }),
    (Fault::PoliciesNotApplied, strict, |_| {}),
    (Fault::PolicyInactive, World::classic, |world| {
        world.set(POLICIES, "/gold/active", json!(false));
    }),
    (Fault::PolicyInactive, World::classic, |world| {
        world.set(POLICIES, "/gold/is_inactive", json!(true));
    }),
    (Fault::PolicyMissing, World::classic, |world| world.cut(POLICIES, "/silver")),
    (Fault::PolicyMissing, World::oas, |world| world.cut(POLICIES, "/tessera-swapped")),
    (Fault::PolicyOpensNothing, World::classic, |world| {
        world.set(POLICIES, "/gold/access_rights", json!({ "other": { "api_id": "other" } }));
    }),
    (Fault::PolicyOrganisation, World::classic, |world| {
        world.set(POLICIES, "/gold/org_id", json!("another"));
    }),
    (Fault::PolicyPartitions, World::classic, |world| {
        world.set(POLICIES, "/silver/partitions", json!({ "per_api": true }));
    }),
    (Fault::PolicyPartitions, World::classic, |world| world.cut(POLICIES, "/silver/partitions")),
    (Fault::PolicyUnused, World::classic, |world| {
        let policy = world.files[POLICIES]["gold"].clone();
        world.set(POLICIES, "/bronze", policy);
    }),
    (Fault::RoadDiffers, World::classic, |world| {
        let route = &mut world.config.apis.iter_mut().find(|api| api.name == "asked").unwrap().tyk;
        route.as_mut().unwrap().road = crate::domain::api::Road::Plugin;
    }),
    (Fault::SecretInPlain, World::classic, |world| {
        world.set(PLAIN, "/config_data/tessera/secret", json!(SECRET));
    }),
    (Fault::SecretInPlain, World::classic, |world| {
        world.set(ASKED, &introspection("client_secret"), json!(SECRET));
    }),
    (Fault::SecretInPlain, World::oas, |world| {
        world.set(SWAPPED, &provider("clientAuth/clientSecret"), json!(SECRET));
    }),
    (Fault::SecretMissing, World::classic, |world| {
        world.cut(PLUGGED, "/config_data/tessera/secret");
    }),
    (Fault::SecretMissing, World::classic, |world| {
        let api = world.config.apis.iter_mut().find(|api| api.name == "plugged").unwrap();
        api.guard = crate::domain::api::Guard::Network;
        let swap = api.exchange.clone().expect("it is swapped");
        let swap = json!({ "resource": swap.resource, "scopes": swap.scopes });
        world.set(PLUGGED, "/config_data/tessera/exchange", swap);
        world.cut(PLUGGED, "/config_data/tessera/secret");
    }),
    (Fault::StripAuthorization, World::classic, |world| {
        world.set(PLUGGED, "/strip_auth_data", json!(true));
    }),
    (Fault::StripAuthorization, World::oas, |world| {
        world.set(SWAPPED, &format!("{AUTH}/stripAuthorizationData"), json!(true));
    }),
];

#[test]
fn each_fault_is_found_alone() {
    for (index, (fault, world, change)) in CASES.iter().enumerate() {
        let mut world = world();
        change(&mut world);
        assert_eq!(world.faults(), [*fault], "case {index}:\n{}", world.told());
    }
    for fault in Fault::VARIANTS {
        assert!(CASES.iter().any(|(known, ..)| known == fault), "{fault:?} has no case");
        assert!(fault.meaning().ends_with('.') && !fault.remedy().is_empty(), "{fault:?}");
    }
}

#[test]
fn one_policy_alone_needs_no_partitions() {
    let one = BASE.replace("[gold, orders-read]", "[silver]");
    let mut world = World::new(
        &format!(
            "{one}\napis:\n  a: {{ client: tyk, audiences: [api://orders], tyk: {{ listen_path: /a/, \
             upstream: http://a }} }}\n"
        ),
        Format::Classic,
    );
    world.cut(POLICIES, "/silver/partitions");
    assert_eq!(world.told(), "");
}
