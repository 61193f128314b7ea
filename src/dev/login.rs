//! Who asks the token endpoint: an application, and sometimes a person.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use secrecy::ExposeSecret as _;

use super::apps::{APPS, App};
use super::people::{PEOPLE, Person};
use super::refusal::OAuthError;
use super::tenant::Realm;
use crate::protocol::client_auth::{Presented, PresentedError, presented};
use crate::protocol::params::Form;

/// Which application asks, having proved it if it can.
pub(super) fn authenticated(
    request: &HttpRequest,
    form: &Form<'_>,
) -> Result<&'static App, OAuthError> {
    let headers = request.headers().get_all(AUTHORIZATION).filter_map(|value| value.to_str().ok());
    let bad = |code, text| Err(OAuthError::bad_client(code, text));
    match presented(&headers.collect::<Vec<_>>(), form) {
        Ok(Presented::Secret { client_id, secret, .. }) => {
            let app = find_app(&client_id)?;
            match app.secret {
                Some(known) if known == secret.expose_secret() => Ok(app),
                Some(_) => bad(7_000_215, "this is not the client's secret"),
                None => bad(700_025, "a public client has no secret to send"),
            }
        }
        Err(PresentedError::None) => {
            let client_id = form.get("client_id").ok_or_else(|| OAuthError::missing("client_id"));
            let app = find_app(client_id?)?;
            if app.secret.is_none() { Ok(app) } else { bad(7_000_218, "send 'client_secret'") }
        }
        Ok(Presented::Assertion { .. } | Presented::Bearer { .. }) | Err(_) => {
            bad(7_000_218, "send 'client_secret', in one way, and nothing else")
        }
    }
}

fn find_app(client_id: &str) -> Result<&'static App, OAuthError> {
    APPS.iter()
        .find(|app| app.client_id == client_id)
        .ok_or_else(|| OAuthError::unknown_app(client_id))
}

/// The person whose name and password the form has.
pub(super) fn signed_in(realm: Realm, form: &Form<'_>) -> Result<&'static Person, OAuthError> {
    let username = form.get("username").ok_or_else(|| OAuthError::missing("username"))?;
    let password = form.get("password").ok_or_else(|| OAuthError::missing("password"))?;
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

#[cfg(test)]
mod tests {
    use crate::dev::apps::{PORTAL, REPORTING};
    use crate::dev::people::{ALICE, HOME_TENANT, PARTNER_TENANT, Person};
    use crate::dev::probe::Tenant;

    #[test]
    fn clients_must_prove_who_they_are() {
        let tenant = Tenant::start();
        let ask = |extra: &[(&str, &str)]| {
            let mut fields =
                vec![("grant_type", "client_credentials"), ("scope", "api://orders/.default")];
            fields.extend(extra);
            tenant.form(HOME_TENANT, &fields).refusal()
        };
        let id = REPORTING.client_id;
        let unauthorized = |code| (401, "invalid_client".to_owned(), code);
        assert_eq!(ask(&[("client_id", id)]), unauthorized(7_000_218));
        assert_eq!(ask(&[("client_id", id), ("client_secret", "x")]), unauthorized(7_000_215));
        assert_eq!(ask(&[("client_id", PORTAL.client_id)]), unauthorized(7_000_218));
        let portal = [("client_id", PORTAL.client_id), ("client_secret", "x")];
        assert_eq!(ask(&portal), unauthorized(700_025));
        assert_eq!(ask(&[]), (400, "invalid_request".to_owned(), 900_144));
        let nobody = ask(&[("client_id", HOME_TENANT)]);
        assert_eq!(nobody, (400, "unauthorized_client".to_owned(), 700_016));
    }

    #[test]
    fn people_must_know_their_password() {
        let tenant = Tenant::start();
        let refused =
            |person: Person| tenant.sign_in(&person, &PORTAL, "api://orders/orders.read").refusal();
        let is = |code| (400, "invalid_grant".to_owned(), code);
        assert_eq!(refused(Person { password: "x", ..ALICE }), is(50126));
        assert_eq!(refused(Person { username: "x", ..ALICE }), is(50034));
        assert_eq!(refused(Person { tenant: PARTNER_TENANT, ..ALICE }), is(50034));
    }
}
