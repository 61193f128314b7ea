//! What Entra would write into a token for somebody, some app and some API.
//!
//! Both versions and every kind: delegated, app-only, guest, overage, the three ways of an agent.
//! Nothing here is random: the same grant at the same second differs only in `uti`.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::apps::{AGENT_BLUEPRINT, Api, App};
use super::keys::base64url;
use super::people::{DIRECTORY_USER, MAX_GROUPS_IN_TOKEN, Person};
use super::token::TokenBuilder;
use crate::domain::tenant::TokenVersion;
use crate::protocol::time::{Seconds, UnixTime};

/// How long the look-alike's tokens live. Entra's live 60 to 90 minutes at random; a fixed time in
/// between keeps tests simple.
pub const LIFETIME: Seconds = Seconds::minutes(75);

/// One tenant at one moment, as an issuer of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Scheme, host and port of the authority, without a slash at the end.
    pub authority: String,
    /// The tenant's id.
    pub tenant: String,
    /// When the token is issued.
    pub now: UnixTime,
}

impl Issuer {
    /// A tenant of the real authority, for tests that need no server.
    pub fn real(tenant: &str, now: UnixTime) -> Self {
        let authority = "https://login.microsoftonline.com".to_owned();
        Self { authority, tenant: tenant.to_owned(), now }
    }

    /// The issuer's name (`iss`) in tokens of a version (ENT-01).
    pub fn name(&self, version: TokenVersion) -> String {
        match version {
            TokenVersion::V1 => format!("https://sts.windows.net/{}/", self.tenant),
            TokenVersion::V2 => format!("{}/{}/v2.0", self.authority, self.tenant),
        }
    }

    /// A token for `person`, who uses `app` to call `api` with `scopes`. If the app is an agent, it
    /// acts on the person's behalf; if the person is an agent's account, nobody human is there.
    pub fn delegated(
        &self,
        app: &App,
        person: &Person,
        api: &Api,
        scopes: &[&str],
    ) -> TokenBuilder {
        let token = self.envelope(app, api, person.oid);
        let token = token.claim("scp", scopes.join(" "));
        let token = with_roles(token, person.roles, api);
        let token = with_groups(token, person.groups.ids(), person.oid);
        let token = self.with_person(token, person, api.version);
        if !app.is_agent {
            return token;
        }
        let subject = if person.is_agent { "3 13" } else { "2 3" };
        with_facets(token, "11 9 3", "1 8").claim("idtyp", "user").claim("xms_sub_fct", subject)
    }

    /// A token for `app` itself, to call `api` with the roles it was given.
    pub fn app_only(&self, app: &App, api: &Api) -> TokenBuilder {
        let token = self.envelope(app, api, app.oid).claim("idtyp", "app");
        let token = with_roles(token, app.roles, api);
        let groups = app.groups.ids();
        let token = if groups.is_empty() { token } else { with_groups(token, groups, app.oid) };
        let token = match api.version {
            TokenVersion::V1 => token.claim("idp", self.name(TokenVersion::V1)),
            TokenVersion::V2 => token,
        };
        if app.is_agent {
            // An agent alone: `scp` is there, but says nothing, and `sub` is not `oid`.
            with_facets(token, "3 9 11", "7 10").claim("xms_sub_fct", "9 3 11").claim("scp", "/")
        } else {
            token.claim("sub", app.oid)
        }
    }

    /// The ID token of a sign-in: it has the app's own id as audience and opens no API.
    pub fn id_token(&self, app: &App, person: &Person) -> TokenBuilder {
        TokenBuilder::of(json!({
            "aud": app.client_id, "iss": self.name(TokenVersion::V2), "tid": self.tenant,
            "iat": self.now, "nbf": self.now, "exp": self.now.plus(LIFETIME),
            "aio": opaque("aio", person.oid), "rh": rh(app.client_id),
            "name": person.display_name(), "preferred_username": person.username,
            "nonce": "678910", "oid": person.oid, "sub": opaque(person.oid, app.client_id),
            "uti": unique(self.now), "ver": "2.0",
        }))
    }

    /// What every access token has.
    fn envelope(&self, app: &App, api: &Api, oid: &str) -> TokenBuilder {
        let (client, proof) = match api.version {
            TokenVersion::V1 => ("appid", "appidacr"),
            TokenVersion::V2 => ("azp", "azpacr"),
        };
        TokenBuilder::of(json!({
            "aud": api.audience(), "iss": self.name(api.version), "tid": self.tenant,
            "iat": self.now, "nbf": self.now, "exp": self.now.plus(LIFETIME),
            "aio": opaque("aio", oid), "rh": rh(api.client_id),
            "oid": oid, "sub": opaque(oid, api.client_id), "uti": unique(self.now),
            "ver": api.version.as_str(), "xms_ftd": opaque("ftd", &self.tenant),
        }))
        .claim(client, app.client_id)
        .claim(proof, app.authenticated_by)
    }

    fn with_person(
        &self,
        token: TokenBuilder,
        person: &Person,
        version: TokenVersion,
    ) -> TokenBuilder {
        let token =
            token.claim("name", person.display_name()).claim("wids", json!([DIRECTORY_USER]));
        let token = match version {
            TokenVersion::V1 => token
                .claim("acr", "1")
                .claim("amr", json!(["pwd"]))
                .claim("given_name", person.name.0)
                .claim("family_name", person.name.1)
                .claim("ipaddr", "203.0.113.7")
                .claim("unique_name", person.username),
            TokenVersion::V2 => token.claim("preferred_username", person.username),
        };
        match (person.guest_of, version) {
            (Some(home), _) => token.claim("acct", 1).claim("email", person.username).claim(
                "idp",
                Self { tenant: home.to_owned(), ..self.clone() }.name(TokenVersion::V1),
            ),
            (None, TokenVersion::V1) => token.claim("upn", person.username),
            (None, TokenVersion::V2) => token,
        }
    }
}

/// App roles for one API; the claim is absent when there are none.
fn with_roles(token: TokenBuilder, roles: &[(&str, &str)], api: &Api) -> TokenBuilder {
    let roles: Vec<&str> =
        roles.iter().filter(|(uri, _)| *uri == api.uri).map(|(_, role)| *role).collect();
    if roles.is_empty() { token } else { token.claim("roles", roles) }
}

/// The groups, or, when there are too many, where Entra would have them looked up (ENT-10).
fn with_groups(token: TokenBuilder, groups: Vec<String>, oid: &str) -> TokenBuilder {
    if groups.len() <= MAX_GROUPS_IN_TOKEN {
        return if groups.is_empty() { token } else { token.claim("groups", groups) };
    }
    let endpoint = format!("https://graph.microsoft.com/v1.0/users/{oid}/getMemberObjects");
    token
        .claim("_claim_names", json!({ "groups": "src1" }))
        .claim("_claim_sources", json!({ "src1": { "endpoint": endpoint } }))
}

/// What tokens of agents have in common; numbers come in any order.
fn with_facets(token: TokenBuilder, actor: &str, relation: &str) -> TokenBuilder {
    token
        .claim("xms_act_fct", actor)
        .claim("xms_idrel", relation)
        .claim("xms_tnt_fct", "3 9")
        .claim("xms_par_app_azp", AGENT_BLUEPRINT)
}

/// Text that says nothing but is the same for the same two things, as a pairwise `sub` is.
fn opaque(one: &str, other: &str) -> String {
    digest(&format!("{one}/{other}"), 32)
}

fn rh(application: &str) -> String {
    format!("1.{}.", opaque("rh", application))
}

/// A token id (`uti`) that no other token of this process has.
fn unique(now: UnixTime) -> String {
    static ISSUED: AtomicU64 = AtomicU64::new(0);
    let number = ISSUED.fetch_add(1, Ordering::Relaxed);
    digest(&format!("{} {number}", now.seconds()), 16)
}

fn digest(text: &str, bytes: usize) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    base64url(digest.as_ref().get(..bytes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;
    use crate::dev::apps::{BILLING, INVOICE_AGENT, ORDERS, PORTAL, REPORTING};
    use crate::dev::people::{AGENT_USER, ALICE, BOB, CAROL, HOME_TENANT, PARTNER_TENANT};

    const NOW: UnixTime = UnixTime::from_seconds(1_795_435_200);

    fn home() -> Issuer {
        Issuer::real(HOME_TENANT, NOW)
    }

    fn delegated(app: &App, person: &Person, api: &Api) -> Map<String, Value> {
        home().delegated(app, person, api, &["orders.read", "orders.write"]).claims().clone()
    }

    fn has(claims: &Map<String, Value>, names: &[&str]) -> bool {
        names.iter().all(|name| claims.contains_key(*name))
    }

    fn lacks(claims: &Map<String, Value>, names: &[&str]) -> bool {
        !names.iter().any(|name| claims.contains_key(*name))
    }

    #[test]
    fn versions_differ_as_in_entra() {
        let v2 = delegated(&PORTAL, &ALICE, &ORDERS);
        let issuer = "https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0";
        assert_eq!((&v2["iss"], &v2["ver"]), (&json!(issuer), &json!("2.0")), "ENT-01");
        assert_eq!(v2["aud"], ORDERS.client_id, "ENT-05");
        assert_eq!(v2["scp"], "orders.read orders.write");
        assert_eq!(v2["exp"], NOW.seconds() + 4500);
        assert!(has(&v2, &["azp", "azpacr", "groups", "roles", "preferred_username"]));
        assert!(lacks(&v2, &["appid", "appidacr", "upn", "acr", "amr", "idp"]), "ENT-09");
        let v1 = delegated(&PORTAL, &ALICE, &BILLING);
        let issuer = "https://sts.windows.net/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/";
        assert_eq!((&v1["iss"], &v1["ver"]), (&json!(issuer), &json!("1.0")), "ENT-01");
        assert_eq!(v1["aud"], "api://billing", "ENT-05");
        assert!(has(&v1, &["appid", "appidacr", "acr", "amr", "upn", "unique_name"]));
        assert!(lacks(&v1, &["azp", "azpacr", "preferred_username", "roles"]), "ENT-09");
        assert_ne!(v1["sub"], v2["sub"], "ENT-08: pairwise");
        assert_ne!(v1["uti"], v2["uti"]);
    }

    #[test]
    fn guests_name_their_home_tenant() {
        let bob = delegated(&PORTAL, &BOB, &BILLING);
        assert_eq!(bob["tid"], HOME_TENANT);
        assert_eq!(bob["idp"], format!("https://sts.windows.net/{PARTNER_TENANT}/"));
        assert_eq!((&bob["acct"], &bob["email"]), (&json!(1), &json!("bob@partner.example")));
        assert!(lacks(&bob, &["upn", "groups"]));
    }

    #[test]
    fn too_many_groups_are_left_out() {
        let carol = delegated(&PORTAL, &CAROL, &ORDERS);
        assert!(lacks(&carol, &["groups"]), "ENT-10");
        assert_eq!(carol["_claim_names"], json!({ "groups": "src1" }));
        let endpoint = carol["_claim_sources"]["src1"]["endpoint"].as_str().unwrap();
        assert!(endpoint.ends_with(&format!("/{}/getMemberObjects", CAROL.oid)));
    }

    #[test]
    fn app_only_tokens_have_roles_and_no_scopes() {
        let v2 = home().app_only(&REPORTING, &ORDERS).claims().clone();
        assert_eq!(v2["roles"], json!(["Orders.Read.All"]));
        assert_eq!((&v2["idtyp"], &v2["sub"]), (&json!("app"), &v2["oid"]), "ENT-07");
        assert!(lacks(&v2, &["scp", "name", "preferred_username", "idp"]));
        let v1 = home().app_only(&REPORTING, &BILLING).claims().clone();
        assert_eq!(v1["idp"], v1["iss"], "its own tenant, not a guest's");
    }

    #[test]
    fn agents_come_in_three_ways() {
        let facets = |claims: &Map<String, Value>| {
            let facet = |name: &str, facet: &str| {
                claims[name].as_str().unwrap().split(' ').any(|number| number == facet)
            };
            (facet("xms_act_fct", "11"), facet("xms_sub_fct", "11"), facet("xms_sub_fct", "13"))
        };
        let alone = home().app_only(&INVOICE_AGENT, &ORDERS).claims().clone();
        assert_eq!(facets(&alone), (true, true, false));
        assert_eq!((&alone["idtyp"], &alone["scp"]), (&json!("app"), &json!("/")));
        assert_eq!(alone["oid"], alone["azp"]);
        assert_ne!(alone["oid"], alone["sub"]);
        let for_alice = delegated(&INVOICE_AGENT, &ALICE, &ORDERS);
        assert_eq!(facets(&for_alice), (true, false, false));
        assert_eq!((&for_alice["idtyp"], &for_alice["oid"]), (&json!("user"), &json!(ALICE.oid)));
        let as_itself = delegated(&INVOICE_AGENT, &AGENT_USER, &ORDERS);
        assert_eq!(facets(&as_itself), (true, false, true));
        assert_eq!(as_itself["xms_par_app_azp"], AGENT_BLUEPRINT);
    }

    #[test]
    fn an_id_token_has_no_rights() {
        let token = home().id_token(&PORTAL, &ALICE).claims().clone();
        assert_eq!(token["aud"], PORTAL.client_id);
        assert!(lacks(&token, &["scp", "roles", "azp", "azpacr", "idtyp"]), "ENT-07");
        assert!(has(&token, &["nonce"]));
    }
}
