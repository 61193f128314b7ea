//! Microsoft Graph as far as it tells who is a member of what.

use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::apps::{APPS, READ_GROUPS};
use super::people::{HOME_TENANT, PEOPLE};
use super::tenant::{GraphToken, World};

/// The body of the request.
#[derive(Deserialize)]
struct Which {
    /// All groups of the look-alike are security groups, so the answer is the same; but the
    /// member must be there.
    #[serde(rename = "securityEnabledOnly")]
    _security_enabled_only: bool,
}

/// `POST /v1.0/{users|servicePrincipals}/{oid}/getMemberGroups`
pub(super) async fn member_groups(
    world: Data<World>,
    path: Path<(String, String)>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let (kind, oid) = path.into_inner();
    let Some(rights) = bearer(&request).and_then(|token| world.graph_token(token)) else {
        let text = "the access token is missing, expired or not for Graph";
        return refusal(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", text);
    };
    if !rights.roles.iter().any(|role| role == READ_GROUPS) {
        let text = "the application may not read memberships";
        return refusal(StatusCode::FORBIDDEN, "Authorization_RequestDenied", text);
    }
    if serde_json::from_slice::<Which>(&body).is_err() {
        let text = "the body must say 'securityEnabledOnly'";
        return refusal(StatusCode::BAD_REQUEST, "Request_BadRequest", text);
    }
    match memberships(&world, &rights, &kind, &oid) {
        Some(groups) => HttpResponse::Ok().json(json!({
            "@odata.context": format!("{}/v1.0/$metadata#Collection(Edm.String)", world.authority),
            "value": groups,
        })),
        None => {
            let text = format!("no object '{oid}' in the tenant");
            refusal(StatusCode::NOT_FOUND, "Request_ResourceNotFound", &text)
        }
    }
}

/// The groups of somebody in the tenant of the token; Graph never looks into another.
fn memberships(world: &World, rights: &GraphToken, kind: &str, oid: &str) -> Option<Vec<String>> {
    let known = match kind {
        "users" => PEOPLE
            .iter()
            .find(|person| person.oid == oid && person.tenant == rights.tenant)
            .map(|person| person.groups.ids()),
        "servicePrincipals" if rights.tenant == HOME_TENANT => {
            APPS.iter().find(|app| app.oid == oid).map(|app| app.groups.ids())
        }
        _ => None,
    };
    known.map(|groups| world.groups_set_for(oid).unwrap_or(groups))
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    request.headers().get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn refusal(status: StatusCode, code: &str, text: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": { "code": code, "message": text } }))
}
