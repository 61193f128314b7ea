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
    let Some(groups) = memberships(&world, &rights, &kind, &oid) else {
        let text = format!("no object '{oid}' in the tenant");
        return refusal(StatusCode::NOT_FOUND, "Request_ResourceNotFound", &text);
    };
    HttpResponse::Ok().json(json!({
        "@odata.context": format!("{}/v1.0/$metadata#Collection(Edm.String)", world.authority),
        "value": groups,
    }))
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

#[cfg(test)]
mod tests {
    use crate::dev::apps::{App, GRAPH_READER, REPORTING};
    use crate::dev::people::{ALICE, CAROL, DAVE, GOLD_CUSTOMERS, REPORT_WRITERS};
    use crate::dev::probe::{Answer, Tenant};

    const BODY: &str = r#"{"securityEnabledOnly":true}"#;

    fn ask(tenant: &Tenant, app: &App, path: &str, body: &str) -> Answer {
        let token = tenant.app_token(app, "https://graph.microsoft.com/.default");
        let headers =
            format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        tenant.send("POST", path, &headers, body)
    }

    fn groups(tenant: &Tenant, path: &str) -> Vec<String> {
        let answer = ask(tenant, &GRAPH_READER, path, BODY);
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_value(answer.json()["value"].clone()).unwrap()
    }

    #[test]
    fn memberships_are_told_in_full() {
        let tenant = Tenant::start();
        let carol = groups(&tenant, &format!("/v1.0/users/{}/getMemberGroups", CAROL.oid));
        assert_eq!(carol.len(), 250, "ENT-10: what the token left out");
        assert!(carol.contains(&GOLD_CUSTOMERS.to_owned()));
        let app = format!("/v1.0/servicePrincipals/{}/getMemberObjects", REPORTING.oid);
        assert_eq!(groups(&tenant, &app), [REPORT_WRITERS]);
        tenant.entra.set_groups(ALICE.oid, vec!["new".to_owned()]);
        let alice = groups(&tenant, &format!("/v1.0/users/{}/getMemberGroups", ALICE.oid));
        assert_eq!(alice, ["new"]);
    }

    #[test]
    fn graph_tells_only_those_who_may_know() {
        let tenant = Tenant::start();
        let path = format!("/v1.0/users/{}/getMemberGroups", ALICE.oid);
        let denied = ask(&tenant, &REPORTING, &path, BODY);
        assert_eq!((denied.status, &*denied.error_code()), (403, "Authorization_RequestDenied"));
        let anonymous = tenant.send("POST", &path, "", BODY);
        assert_eq!(anonymous.status, 401);
        let other_api = tenant.app_token(&GRAPH_READER, "api://orders/.default");
        let headers = format!("Authorization: Bearer {other_api}\r\n");
        assert_eq!(tenant.send("POST", &path, &headers, BODY).status, 401, "not for Graph");
        assert_eq!(ask(&tenant, &GRAPH_READER, &path, "{}").status, 400);
        let elsewhere = format!("/v1.0/users/{}/getMemberGroups", DAVE.oid);
        let unknown = ask(&tenant, &GRAPH_READER, &elsewhere, BODY);
        assert_eq!((unknown.status, &*unknown.error_code()), (404, "Request_ResourceNotFound"));
    }

    #[test]
    fn a_graph_token_expires() {
        let tenant = Tenant::start();
        let token = tenant.app_token(&GRAPH_READER, "https://graph.microsoft.com/.default");
        tenant.clock.advance(crate::dev::issue::LIFETIME);
        let headers = format!("Authorization: Bearer {token}\r\n");
        let path = format!("/v1.0/users/{}/getMemberGroups", ALICE.oid);
        assert_eq!(tenant.send("POST", &path, &headers, BODY).status, 401);
    }
}
