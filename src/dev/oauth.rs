//! The token endpoint: who may have which token, and Entra-like refusals in our own words.

use actix_web::http::header;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde_json::json;

use super::apps::{Api, App, GRAPH, PORTAL};
use super::issue::LIFETIME;
use super::login::{authenticated, signed_in};
use super::people::HOME_TENANT;
use super::refusal::OAuthError;
use super::scopes::Requested;
use super::tenant::{GraphToken, Realm, World};
use super::token::TokenBuilder;
use crate::protocol::params::Form;

pub(super) async fn token(
    world: Data<World>,
    tenant: Path<String>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    match granted(&world, &tenant, &request, &body) {
        Ok(answer) => answer,
        Err(error) => error.answer(world.now()),
    }
}

fn granted(
    world: &World,
    tenant: &str,
    request: &HttpRequest,
    body: &[u8],
) -> Result<HttpResponse, OAuthError> {
    let form = Form::parse(body)
        .map_err(|error| OAuthError::new("invalid_request", 900_144, error.to_string()))?;
    let realm = Realm::parse(tenant).ok_or_else(|| OAuthError::unknown_tenant(tenant))?;
    let app = authenticated(request, &form)?;
    // Only the portal is registered for several tenants.
    if !matches!(realm, Realm::Any | Realm::Tenant(HOME_TENANT)) && app != &PORTAL {
        return Err(OAuthError::unknown_app(app.client_id));
    }
    match form.get("grant_type") {
        Some("client_credentials") => client_credentials(world, realm, app, &form),
        Some("password") => password(world, realm, app, &form),
        None => Err(OAuthError::missing("grant_type")),
        Some(other) => Err(OAuthError::new(
            "unsupported_grant_type",
            70003,
            format!(
                "'{other}' is no grant of this look-alike; it has client_credentials, password"
            ),
        )),
    }
}

fn client_credentials(
    world: &World,
    realm: Realm,
    app: &App,
    form: &Form<'_>,
) -> Result<HttpResponse, OAuthError> {
    let Realm::Tenant(tenant) = realm else {
        return Err(OAuthError::new("invalid_request", 50059, "an application must name a tenant"));
    };
    if app.secret.is_none() {
        return Err(OAuthError::bad_client(7_000_218, "a public client cannot ask for itself"));
    }
    let requested =
        Requested::parse(world, form.get("scope").ok_or_else(|| OAuthError::missing("scope"))?)?;
    let api = requested.for_app()?;
    let token = world.issuer(tenant).app_only(app, api);
    Ok(answered(&json!({
        "token_type": "Bearer", "expires_in": LIFETIME.count(), "ext_expires_in": LIFETIME.count(),
        "access_token": signed(world, &token, api)?,
    })))
}

fn password(
    world: &World,
    realm: Realm,
    app: &App,
    form: &Form<'_>,
) -> Result<HttpResponse, OAuthError> {
    let person = signed_in(realm, form)?;
    let requested =
        Requested::parse(world, form.get("scope").ok_or_else(|| OAuthError::missing("scope"))?)?;
    let (api, scopes) = requested.for_person(person)?;
    let issuer = world.issuer(person.tenant);
    let token = issuer.delegated(app, person, api, &scopes);
    let full: Vec<_> = scopes.iter().map(|scope| format!("{}/{scope}", api.uri)).collect();
    let mut answer = json!({
        "token_type": "Bearer", "expires_in": LIFETIME.count(), "ext_expires_in": LIFETIME.count(),
        "scope": full.join(" "), "access_token": signed(world, &token, api)?,
    });
    if let (true, Some(members)) = (requested.wants_id_token(), answer.as_object_mut()) {
        let id_token =
            world.sign_shared(&issuer.id_token(app, person)).map_err(OAuthError::out_of_order)?;
        members.insert("id_token".to_owned(), id_token.into());
    }
    Ok(answered(&answer))
}

fn signed(world: &World, token: &TokenBuilder, api: &Api) -> Result<String, OAuthError> {
    if *api != GRAPH {
        return world.sign(token, api).map_err(OAuthError::out_of_order);
    }
    let signed = world.sign_for_graph(token).map_err(OAuthError::out_of_order)?;
    let claim = |name| token.claims().get(name);
    let roles = claim("roles").and_then(|roles| roles.as_array().cloned()).unwrap_or_default();
    let rights = GraphToken {
        tenant: claim("tid").and_then(|tid| tid.as_str()).unwrap_or_default().to_owned(),
        roles: roles.iter().filter_map(|role| role.as_str().map(str::to_owned)).collect(),
        expires: world.now().plus(LIFETIME),
    };
    world.remember_graph_token(&signed, rights);
    Ok(signed)
}

fn answered(members: &serde_json::Value) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(members)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::dev::apps::{BILLING, GATEWAY, GRAPH_READER, INVOICE_AGENT, LEDGER, ORDERS};
    use crate::dev::apps::{PORTAL, REPORTING};
    use crate::dev::people::{AGENT_USER, ALICE, BOB, CAROL, DAVE, PARTNER_TENANT};
    use crate::dev::probe::Tenant;
    use crate::protocol::json::{Json, Object};
    use crate::protocol::jwk::{KeySet, KeyUse};
    use crate::protocol::jws::{SignedJwt, UnverifiedJwt};

    /// Verifies a token by the keys published at `keys`, as a resource server would.
    fn verified(tenant: &Tenant, keys: &str, token: &str) -> SignedJwt {
        let keys = KeySet::parse(&tenant.get(keys).body, KeyUse::Entra).unwrap();
        let jwt = UnverifiedJwt::parse(token).unwrap();
        let kid = jwt.header().kid.clone();
        let key = keys.keys().iter().find(|key| key.kid() == kid.as_deref()).expect("its key");
        let signed = jwt.verify(Arc::clone(key)).expect("a good signature");
        assert_eq!(signed.key().issuer(), text(signed.claims(), "iss"), "ENT-03");
        signed
    }

    fn text<'c>(claims: &'c Object, name: &str) -> Option<&'c str> {
        claims.get(name).and_then(Json::as_str)
    }

    fn keys(tenant: &str, version: &str) -> String {
        format!("/{tenant}/discovery/{version}keys")
    }

    #[test]
    fn people_sign_in_and_get_what_they_ask_for() {
        let tenant = Tenant::start();
        let answer = tenant.sign_in(&ALICE, &PORTAL, "api://orders/orders.read");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.json()["scope"], "api://orders/orders.read");
        assert_eq!(answer.json()["expires_in"], 4500);
        let token = verified(&tenant, &keys(HOME_TENANT, "v2.0/"), &answer.access_token());
        assert_eq!(text(token.claims(), "aud"), Some(ORDERS.client_id));
        assert_eq!(text(token.claims(), "scp"), Some("orders.read"));
        assert_eq!(text(token.claims(), "oid"), Some(ALICE.oid));
        assert_eq!(token.typ(), Some("JWT"), "ENT-06");
        let everything = tenant.sign_in(&ALICE, &PORTAL, &format!("{}/.default", ORDERS.client_id));
        let token = verified(&tenant, &keys(HOME_TENANT, "v2.0/"), &everything.access_token());
        assert_eq!(text(token.claims(), "scp"), Some("orders.read orders.write"));
    }

    #[test]
    fn each_api_gets_its_version_and_its_key() {
        let tenant = Tenant::start();
        let v1 = tenant.sign_in(&CAROL, &PORTAL, "api://billing/invoices.read").access_token();
        let v1 = verified(&tenant, &keys(HOME_TENANT, ""), &v1);
        assert_eq!(text(v1.claims(), "aud"), Some(BILLING.uri), "ENT-01, ENT-05");
        assert!(v1.claims().has("_claim_names") && !v1.claims().has("groups"), "ENT-10");
        let custom = tenant.sign_in(&ALICE, &PORTAL, "api://ledger/ledger.read").access_token();
        let place = format!("{}?appid={}", keys(HOME_TENANT, "v2.0/"), LEDGER.client_id);
        verified(&tenant, &place, &custom);
        let general = tenant.get(&keys(HOME_TENANT, "v2.0/")).body;
        let kid = tenant.entra.custom_key().kid().to_owned();
        assert!(!String::from_utf8(general).unwrap().contains(&kid), "ENT-11");
    }

    #[test]
    fn applications_ask_for_themselves() {
        let tenant = Tenant::start();
        let token = tenant.app_token(&REPORTING, "api://orders/.default");
        let token = verified(&tenant, &keys(HOME_TENANT, "v2.0/"), &token);
        assert_eq!(text(token.claims(), "idtyp"), Some("app"), "ENT-07");
        let token = tenant.app_token(&GATEWAY, "api://tessera/.default");
        let token = verified(&tenant, &keys(HOME_TENANT, ""), &token);
        assert_eq!(text(token.claims(), "aud"), Some("api://tessera"));
        assert_eq!(text(token.claims(), "appid"), Some(GATEWAY.client_id));
    }

    #[test]
    fn agents_act_alone_for_others_and_as_themselves() {
        let tenant = Tenant::start();
        let scope = "api://orders/orders.read";
        let alone = tenant.app_token(&INVOICE_AGENT, "api://orders/.default");
        let for_bob = tenant.sign_in(&BOB, &INVOICE_AGENT, scope).access_token();
        let as_user = tenant.sign_in(&AGENT_USER, &INVOICE_AGENT, scope).access_token();
        let facets = [alone, for_bob, as_user].map(|token| {
            let token = verified(&tenant, &keys(HOME_TENANT, "v2.0/"), &token);
            text(token.claims(), "xms_sub_fct").unwrap().to_owned()
        });
        assert_eq!(facets, ["9 3 11", "2 3", "3 13"]);
    }

    #[test]
    fn tenants_share_keys_and_differ_in_issuers() {
        let tenant = Tenant::start();
        let dave = tenant.sign_in(&DAVE, &PORTAL, "api://orders/orders.read").access_token();
        let token = verified(&tenant, &keys(PARTNER_TENANT, "v2.0/"), &dave);
        assert_eq!(text(token.claims(), "tid"), Some(PARTNER_TENANT), "ENT-04");
        let by_common = tenant.form(
            "common",
            &[
                ("grant_type", "password"),
                ("client_id", PORTAL.client_id),
                ("username", "DAVE@partner.example"),
                ("password", DAVE.password),
                ("scope", "api://orders/orders.read"),
            ],
        );
        verified(&tenant, &keys(PARTNER_TENANT, "v2.0/"), &by_common.access_token());
    }

    #[test]
    fn a_sign_in_may_bring_an_id_token() {
        let tenant = Tenant::start();
        let answer = tenant.sign_in(&ALICE, &PORTAL, "openid profile api://orders/orders.read");
        let token = answer.json()["id_token"].as_str().unwrap().to_owned();
        let token = verified(&tenant, &keys(HOME_TENANT, "v2.0/"), &token);
        assert_eq!(text(token.claims(), "aud"), Some(PORTAL.client_id), "ENT-07");
    }

    #[test]
    fn tokens_for_graph_can_be_checked_by_graph_only() {
        let tenant = Tenant::start();
        for token in [
            tenant.app_token(&GRAPH_READER, &format!("{}/.default", tenant.entra.authority())),
            tenant.sign_in(&ALICE, &PORTAL, "https://graph.microsoft.com/User.Read").access_token(),
        ] {
            let jwt = UnverifiedJwt::parse(&token).unwrap();
            assert!(jwt.header().has_nonce, "ENT-06");
            let keys = tenant.get(&keys(HOME_TENANT, "")).body;
            let keys = KeySet::parse(&keys, KeyUse::Entra).unwrap();
            assert!(jwt.verify(Arc::clone(&keys.keys()[0])).is_err(), "ENT-06");
        }
    }

    #[test]
    fn people_get_only_what_there_is_and_they_consented_to() {
        let tenant = Tenant::start();
        let refused = |person, scope: &str| {
            let (status, error, code) = tenant.sign_in(person, &PORTAL, scope).refusal();
            assert_eq!(status, 400);
            (error, code)
        };
        let is = |error: &str, code| (error.to_owned(), code);
        assert_eq!(refused(&BOB, "api://orders/orders.write"), is("invalid_grant", 65001));
        assert_eq!(refused(&ALICE, "api://orders/orders.delete"), is("invalid_scope", 70011));
        assert_eq!(refused(&ALICE, "openid"), is("invalid_scope", 70011));
        assert_eq!(refused(&ALICE, "api://nothing/x"), is("invalid_resource", 500_011));
        let two = "api://orders/orders.read api://billing/invoices.read";
        assert_eq!(refused(&ALICE, two), is("invalid_scope", 28000));
    }

    #[test]
    fn what_is_not_offered_is_refused_by_name() {
        let tenant = Tenant::start();
        let ask = |realm: &str, grant: &str, scope: &str| {
            let secret = REPORTING.secret.unwrap();
            let answer = tenant.form(
                realm,
                &[
                    ("grant_type", grant),
                    ("client_id", REPORTING.client_id),
                    ("client_secret", secret),
                    ("scope", scope),
                ],
            );
            let (_, error, code) = answer.refusal();
            (error, code)
        };
        let all = "api://orders/.default";
        let credentials = "client_credentials";
        let is = |error: &str, code| (error.to_owned(), code);
        let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
        assert_eq!(ask(HOME_TENANT, exchange, all), is("unsupported_grant_type", 70003));
        let one = "api://orders/orders.read";
        assert_eq!(ask(HOME_TENANT, credentials, one), is("invalid_scope", 1_002_012));
        assert_eq!(ask("common", credentials, all), is("invalid_request", 50059));
        assert_eq!(ask("nobody", credentials, all), is("invalid_tenant", 90002));
        let partner = ask(PARTNER_TENANT, credentials, all);
        assert_eq!(partner, is("unauthorized_client", 700_016));
    }
}
