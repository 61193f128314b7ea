//! The token endpoint: who may have which token, and Entra-like refusals in our own words.

use actix_web::http::header::AUTHORIZATION;
use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::apps::{APPS, Api, App, GRAPH, PORTAL};
use super::issue::LIFETIME;
use super::people::{HOME_TENANT, PEOPLE, Person};
use super::scopes::Requested;
use super::tenant::{GraphToken, Realm, World};
use super::token::TokenBuilder;
use crate::protocol::client_auth::{Presented, PresentedError, presented};
use crate::protocol::params::Form;
use crate::protocol::time::UnixTime;

/// A refusal as Entra writes it (RFC 6749 §5.2, and a number).
#[derive(Debug)]
pub(super) struct OAuthError {
    error: &'static str,
    code: u32,
    text: String,
}

impl OAuthError {
    pub(super) fn new(error: &'static str, code: u32, text: impl Into<String>) -> Self {
        Self { error, code, text: text.into() }
    }

    pub(super) fn unknown_tenant(tenant: &str) -> Self {
        Self::new("invalid_tenant", 90002, format!("no tenant is called '{tenant}' here"))
    }

    /// The answer; only a client that failed to authenticate gets a 401.
    pub(super) fn answer(&self, now: UnixTime) -> HttpResponse {
        let unauthorized = self.error == "invalid_client";
        let status = if unauthorized { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(json!({
            "error": self.error,
            "error_description": format!("AADSTS{}: {}.", self.code, self.text),
            "error_codes": [self.code],
            "timestamp": now.to_string().replace('T', " "),
            "trace_id": "00000000-0000-0000-0000-000000000000",
            "correlation_id": "00000000-0000-0000-0000-000000000000",
        }))
    }
}

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
        return Err(unknown_app(app.client_id));
    }
    match form.get("grant_type") {
        Some("client_credentials") => client_credentials(world, realm, app, &form),
        Some("password") => password(world, realm, app, &form),
        None => Err(missing("grant_type")),
        Some(other) => Err(OAuthError::new(
            "unsupported_grant_type",
            70003,
            format!(
                "'{other}' is no grant of this look-alike; it has client_credentials, password"
            ),
        )),
    }
}

/// Which application asks, having proved it if it can.
fn authenticated(request: &HttpRequest, form: &Form<'_>) -> Result<&'static App, OAuthError> {
    let headers = request.headers().get_all(AUTHORIZATION).filter_map(|value| value.to_str().ok());
    match presented(&headers.collect::<Vec<_>>(), form) {
        Ok(Presented::Secret { client_id, secret, .. }) => {
            let app = find_app(&client_id)?;
            match app.secret {
                Some(known) if known == secret.expose_secret() => Ok(app),
                Some(_) => Err(bad_client(7_000_215, "this is not the client's secret")),
                None => Err(bad_client(700_025, "a public client has no secret to send")),
            }
        }
        Err(PresentedError::None) => {
            let app = find_app(form.get("client_id").ok_or_else(|| missing("client_id"))?)?;
            match app.secret {
                None => Ok(app),
                Some(_) => Err(bad_client(7_000_218, "send 'client_secret'")),
            }
        }
        Ok(Presented::Assertion { .. } | Presented::Bearer(_)) | Err(_) => {
            Err(bad_client(7_000_218, "send 'client_secret', in one way, and nothing else"))
        }
    }
}

fn find_app(client_id: &str) -> Result<&'static App, OAuthError> {
    APPS.iter().find(|app| app.client_id == client_id).ok_or_else(|| unknown_app(client_id))
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
        return Err(bad_client(7_000_218, "a public client cannot ask for itself"));
    }
    let requested = Requested::parse(world, form.get("scope").ok_or_else(|| missing("scope"))?)?;
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
    let requested = Requested::parse(world, form.get("scope").ok_or_else(|| missing("scope"))?)?;
    let (api, scopes) = requested.for_person(person)?;
    let issuer = world.issuer(person.tenant);
    let token = issuer.delegated(app, person, api, &scopes);
    let full: Vec<_> = scopes.iter().map(|scope| format!("{}/{scope}", api.uri)).collect();
    let mut answer = json!({
        "token_type": "Bearer", "expires_in": LIFETIME.count(), "ext_expires_in": LIFETIME.count(),
        "scope": full.join(" "), "access_token": signed(world, &token, api)?,
    });
    if let (true, Some(members)) = (requested.wants_id_token(), answer.as_object_mut()) {
        let id_token = world.sign(&issuer.id_token(app, person), api).map_err(out_of_order)?;
        members.insert("id_token".to_owned(), id_token.into());
    }
    Ok(answered(&answer))
}

fn signed_in(realm: Realm, form: &Form<'_>) -> Result<&'static Person, OAuthError> {
    let username = form.get("username").ok_or_else(|| missing("username"))?;
    let password = form.get("password").ok_or_else(|| missing("password"))?;
    let here = |person: &&Person| realm == Realm::Any || realm.tenant() == person.tenant;
    let person = PEOPLE
        .iter()
        .filter(here)
        .find(|person| person.username.eq_ignore_ascii_case(username))
        .ok_or_else(|| OAuthError::new("invalid_grant", 50034, "no such account in the tenant"))?;
    if person.password == password {
        Ok(person)
    } else {
        Err(OAuthError::new("invalid_grant", 50126, "user name and password do not match"))
    }
}

fn signed(world: &World, token: &TokenBuilder, api: &Api) -> Result<String, OAuthError> {
    if *api != GRAPH {
        return world.sign(token, api).map_err(out_of_order);
    }
    let signed = world.sign_for_graph(token).map_err(out_of_order)?;
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

fn missing(parameter: &str) -> OAuthError {
    OAuthError::new("invalid_request", 900_144, format!("the body must have '{parameter}'"))
}

fn bad_client(code: u32, text: &str) -> OAuthError {
    OAuthError::new("invalid_client", code, text)
}

fn unknown_app(client_id: &str) -> OAuthError {
    let text = format!("no application '{client_id}' in this tenant");
    OAuthError::new("unauthorized_client", 700_016, text)
}

fn out_of_order(error: impl std::fmt::Display) -> OAuthError {
    OAuthError::new("temporarily_unavailable", 90033, error.to_string())
}
