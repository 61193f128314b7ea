//! Tokens of Entra (standards §12).

use serde_json::{Value, json};
use tessera::dev::apps::APPS;
use tessera::dev::people::{HOME_TENANT, PEOPLE};

use super::claims::{Claims, audience, date, guid, name, some_text, text, texts};
use super::{Chain, Hop, No, Site, acting, joined, with};
use crate::model::setup::{CANARY, OURSELVES};
use crate::model::tokens::Signed;

/// What a token is wanted for: to whom it must be addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Use<'a> {
    Api,
    Exchange,
    Proof,
    IdTokenOf(&'a str),
}

/// A good token, and what it says.
#[derive(Clone, Debug)]
pub(in crate::model) struct Seen<'t> {
    pub(super) signed: &'t Signed,
    pub(in crate::model) audience: Vec<String>,
    pub(super) issued: i64,
    pub(in crate::model) expires: i64,
    pub(in crate::model) principal: String,
    pub(super) kind: &'static str,
    sub: String,
    pub(in crate::model) app: String,
    pub(super) agent_acts: bool,
    pub(in crate::model) app_only: bool,
    pub(super) scopes: Vec<String>,
    pub(super) roles: Vec<String>,
    groups: Option<Vec<String>>,
}

/// What the mapping gives.
#[derive(Clone, Debug, Default)]
pub(super) struct Mapped {
    pub(super) policies: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) rules: Vec<String>,
}

/// Whether `signed` is good now for what it is wanted for.
pub(in crate::model) fn read<'t>(
    signed: &'t Signed,
    site: &Site<'_>,
    wanted: Use<'_>,
) -> Result<Seen<'t>, No> {
    let claims = &signed.claims;
    check_signature(signed, site)?;
    let (issued, expires) = dates(claims, site.now)?;
    let addressed = audience(claims)?;
    let accepted = |one: &str| {
        let api = site.setup.audiences.contains(&one) || one == CANARY;
        match wanted {
            Use::Api => api,
            Use::Exchange => api || one == OURSELVES,
            Use::Proof => one == OURSELVES,
            Use::IdTokenOf(app) => one == app,
        }
    };
    if !addressed.iter().any(|one| accepted(one)) {
        return Err(No::Bad);
    }
    let object = || guid(claims, "oid");
    let principal = |object: &str| format!("{object}.{HOME_TENANT}");
    let seen = Seen {
        signed,
        audience: addressed,
        issued,
        expires,
        principal: String::new(),
        kind: "user",
        sub: name(claims, "sub")?.ok_or(No::Bad)?.to_owned(),
        app: String::new(),
        agent_acts: false,
        app_only: false,
        scopes: Vec::new(),
        roles: texts(claims, "roles")?.unwrap_or_default(),
        groups: groups(claims)?,
    };
    name(claims, "uti")?;
    let agent_user = facet(claims, "xms_sub_fct", "13")?;
    let seen = if let Use::IdTokenOf(app) = wanted {
        if has_any(claims, &["scp", "azpacr", "appidacr", "idtyp", "cnf", "events"]) {
            return Err(No::Bad);
        }
        let kind = if agent_user { "agent" } else { "user" };
        Seen { principal: principal(&object()?), kind, app: app.to_owned(), ..seen }
    } else {
        if has_any(claims, &["cnf", "events", "nonce", "c_hash", "at_hash"]) {
            return Err(No::Bad);
        }
        let (app, scopes, object) = (application(claims)?, scopes(claims)?, object()?);
        let app_only = is_app_only(claims, !scopes.is_empty(), &object, &seen.sub)?;
        let by_agent = facet(claims, "xms_act_fct", "11")?;
        let kind = match (app_only, by_agent, agent_user) {
            (true, true, _) | (false, _, true) => "agent",
            (true, false, _) => "service",
            (false, _, false) => "user",
        };
        let agent_acts = by_agent && kind == "user";
        Seen { principal: principal(&object), kind, app, agent_acts, app_only, scopes, ..seen }
    };
    if site.is_revoked(&seen.principals(), &[seen.hop(site)]) {
        return Err(No::Ended);
    }
    Ok(seen)
}

fn has_any(claims: &Claims, names: &[&str]) -> bool {
    names.iter().any(|name| claims.contains_key(*name))
}

/// The header names RS256 and a key that Entra publishes, that key signed, and the issuer is the
/// tenant's.
fn check_signature(signed: &Signed, site: &Site<'_>) -> Result<(), No> {
    let (header, claims) = (&signed.header, &signed.claims);
    let changes_meaning = ["crit", "b64", "zip", "nonce"];
    let typ = header.get("typ").is_none_or(|typ| typ == "JWT");
    let kid = header.get("kid").and_then(Value::as_str).ok_or(No::Bad)?;
    let trusted =
        site.trusted.iter().any(|known| known == kid) && signed.signer.as_deref() == Some(kid);
    if header.get("alg") != Some(&json!("RS256"))
        || !typ
        || has_any(header, &changes_meaning)
        || !trusted
    {
        return Err(No::Bad);
    }
    let issuer = match claims.get("ver").and_then(Value::as_str) {
        Some("1.0") => format!("https://sts.windows.net/{HOME_TENANT}/"),
        Some("2.0") => format!("{}/{HOME_TENANT}/v2.0", site.authority),
        _ => return Err(No::Bad),
    };
    let ours =
        claims.get("iss") == Some(&json!(issuer)) && claims.get("tid") == Some(&json!(HOME_TENANT));
    if ours { Ok(()) } else { Err(No::Bad) }
}

/// When it was issued and when it ends. A minute is forgiven; nothing lives longer than two days.
fn dates(claims: &Claims, now: i64) -> Result<(i64, i64), No> {
    let (expires, issued) =
        (date(claims, "exp")?.ok_or(No::Bad)?, date(claims, "iat")?.ok_or(No::Bad)?);
    let begins = date(claims, "nbf")?;
    if now >= expires + 60 {
        return Err(No::Ended);
    }
    let begins_late = begins.is_some_and(|begins| begins > now + 60 || begins > expires);
    let issued_late = issued > now + 60 || issued > expires;
    if begins_late || issued_late || expires > now.min(issued) + 48 * 3600 {
        return Err(No::Bad);
    }
    Ok((issued, expires))
}

fn application(claims: &Claims) -> Result<String, No> {
    let (client, proof) =
        if claims["ver"] == "1.0" { ("appid", "appidacr") } else { ("azp", "azpacr") };
    if !["0", "1", "2"].contains(&some_text(claims, proof)?) {
        return Err(No::Bad);
    }
    guid(claims, client)
}

fn scopes(claims: &Claims) -> Result<Vec<String>, No> {
    let listed = text(claims, "scp")?.unwrap_or_default();
    if listed == "/" {
        return Ok(Vec::new());
    }
    let legal = |scope: &str| {
        scope.chars().all(|letter| ('!'..='~').contains(&letter) && !"\"\\".contains(letter))
    };
    let scopes: Vec<_> = listed.split(' ').filter(|scope| !scope.is_empty()).collect();
    if scopes.iter().all(|scope| legal(scope)) {
        Ok(scopes.into_iter().map(str::to_owned).collect())
    } else {
        Err(No::Bad)
    }
}

/// An application alone says so, or has nothing that a delegated token has (ENT-07).
fn is_app_only(claims: &Claims, delegated: bool, object: &str, sub: &str) -> Result<bool, No> {
    match (text(claims, "idtyp")?, delegated) {
        (Some("app"), false) => Ok(true),
        (Some("user") | None, true) => Ok(false),
        (None, false) => {
            let of_a_user = has_any(claims, &["preferred_username", "upn", "unique_name", "name"]);
            if !of_a_user && sub == object { Ok(true) } else { Err(No::Bad) }
        }
        _ => Err(No::Bad),
    }
}

fn facet(claims: &Claims, name: &str, facet: &str) -> Result<bool, No> {
    Ok(text(claims, name)?.unwrap_or_default().split(' ').any(|one| one == facet))
}

/// The groups, unless Entra says that they are too many (ENT-10).
fn groups(claims: &Claims) -> Result<Option<Vec<String>>, No> {
    let flagged = match claims.get("hasgroups") {
        None => false,
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(flag)) if flag == "true" || flag == "false" => flag == "true",
        Some(_) => return Err(No::Bad),
    };
    let elsewhere = match claims.get("_claim_names") {
        None => false,
        Some(Value::Object(names)) => names.contains_key("groups"),
        Some(_) => return Err(No::Bad),
    };
    if flagged || elsewhere {
        Ok(None)
    } else {
        Ok(Some(texts(claims, "groups")?.unwrap_or_default()))
    }
}

impl Seen<'_> {
    pub(super) fn claims(&self) -> &Claims {
        &self.signed.claims
    }

    /// The agent that Entra says acts for the person.
    pub(super) fn chain(&self) -> Chain {
        let agent = || {
            (
                self.claims()["iss"].as_str().unwrap().to_owned(),
                format!("{}.{HOME_TENANT}", self.app),
            )
        };
        if self.agent_acts { vec![agent()] } else { Vec::new() }
    }

    fn principals(&self) -> Vec<String> {
        let acting = self.chain().into_iter().map(|(_, sub)| sub);
        std::iter::once(self.principal.clone()).chain(acting).collect()
    }

    /// The token as the root of an ancestry.
    pub(in crate::model) fn hop(&self, site: &Site<'_>) -> Hop {
        let unnamed = || self.signed.text.rsplit_once('.').unwrap().0.to_owned();
        let id =
            self.claims().get("uti").map_or_else(unnamed, |uti| uti.as_str().unwrap().to_owned());
        let by = site.setup.client_of_app(&self.app).map(|client| client.id.to_owned());
        Hop {
            id: format!("{} {id}", self.claims()["iss"]),
            issued: self.issued,
            by: by.into_iter().collect(),
        }
    }

    /// The groups: the token's own, or else what the directory knows.
    pub(super) fn known_groups(&self) -> Option<Vec<String>> {
        let object = self.principal.split('.').next().unwrap();
        let person = || {
            PEOPLE
                .iter()
                .find(|one| one.oid == object && one.tenant == HOME_TENANT)
                .map(|one| one.groups.ids())
        };
        let app = || APPS.iter().find(|one| one.oid == object).map(|one| one.groups.ids());
        self.groups.clone().or_else(|| match self.kind {
            "user" => person(),
            "service" => app(),
            _ => person().or_else(app),
        })
    }

    pub(super) fn mapped(&self, site: &Site<'_>) -> Mapped {
        let groups = self.known_groups().unwrap_or_default();
        let department = self.claims().get("department").and_then(Value::as_str);
        let mut mapped = Mapped::default();
        for rule in &site.setup.mapping {
            let one_of = |wanted: &[&str], got: &[String]| {
                wanted.is_empty() || wanted.iter().any(|one| got.iter().any(|got| got == one))
            };
            let matches = one_of(&rule.groups, &groups)
                && one_of(&rule.roles, &self.roles)
                && one_of(&rule.scopes, &self.scopes)
                && rule.kinds.contains(&self.kind)
                && (rule.department.is_empty()
                    || department.is_some_and(|one| rule.department.contains(&one)));
            if matches {
                let add = |known: &mut Vec<String>, more: &[&str]| {
                    *known = joined(known, more.iter().map(ToString::to_string));
                };
                add(&mut mapped.policies, &rule.policies);
                add(&mut mapped.scopes, &rule.granted_scopes);
                add(&mut mapped.roles, &rule.granted_roles);
                add(&mut mapped.rules, &[rule.name]);
            }
        }
        mapped
    }

    /// How they signed in, where that can be read.
    pub(super) fn sign_in(&self) -> Result<[(&'static str, Option<Value>); 3], No> {
        let claims = self.claims();
        Ok([
            ("acr", text(claims, "acr")?.map(Value::from)),
            ("amr", texts(claims, "amr")?.map(Value::from)),
            ("auth_time", date(claims, "auth_time")?.map(Value::from)),
        ])
    }

    /// The answer to somebody who is told these of the personal data.
    pub(super) fn told(&self, site: &Site<'_>, release: &[&str]) -> Option<Value> {
        let claims = self.claims();
        let (groups, mapped) = (self.known_groups(), self.mapped(site));
        let personal = |kind: &str, names: &[&str]| {
            let found = names.iter().find(|name| claims.contains_key(**name));
            let found = found.filter(|_| release.contains(&kind));
            found.map_or(Ok(None), |name| text(claims, name)).map(|text| text.map(Value::from))
        };
        let aud = if let [one] = &*self.audience { json!(one) } else { json!(self.audience) };
        let answer = json!({
            "active": true, "iss": claims["iss"], "sub": self.sub, "aud": aud, "client_id": self.app,
            "scope": joined(&self.scopes, mapped.scopes).join(" "), "token_type": "Bearer",
            "exp": self.expires, "iat": self.issued, "roles": joined(&self.roles, mapped.roles),
            "policies": mapped.policies, "tenant": HOME_TENANT, "principal": self.principal,
            "principal_type": self.kind,
            "identity": {
                "principal": self.principal, "principal_type": self.kind, "source": "entra", "hop": 0,
                "groups_overage": groups.is_none(), "grants": mapped.rules,
            },
        });
        let more = [
            ("username", personal("username", &["preferred_username", "upn"]).ok()?),
            ("name", personal("name", &["name"]).ok()?),
            ("email", personal("email", &["email"]).ok()?),
            ("nbf", date(claims, "nbf").ok()?.map(Value::from)),
            ("jti", claims.get("uti").cloned()),
            ("groups", groups.map(Value::from)),
        ];
        let answer = with(with(answer, &more), &self.sign_in().ok()?);
        Some(with(answer, &acting(&self.chain())))
    }
}
