//! Whom an Entra access token speaks for, and that it is an access token at all (ENT-07).

use super::claims::{self, malformed, missing, strings, text};
use super::mapping::Facts;
use super::principal::{PrincipalId, PrincipalType};
use super::rejection::{Reason, Rejection};
use super::tenant::{IssuerId, TokenVersion};
use crate::protocol::ids::Guid;
use crate::protocol::json::{Json, Object};
use crate::protocol::scope::is_scope;

/// Claims that only other kinds of tokens carry.
const ID_TOKEN_CLAIMS: [&str; 3] = ["nonce", "c_hash", "at_hash"];
/// Claims that say something about a person, never about an application.
const USER_CLAIMS: [&str; 4] = ["preferred_username", "upn", "unique_name", "name"];
/// Entra's facet of an agent identity.
const AGENT_IDENTITY: &str = "11";
/// Entra's facet of an agent's own user account.
const AGENT_USER: &str = "13";

/// Whom a token speaks for, and what Entra gave them.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The stable identity (ENT-08).
    pub principal: PrincipalId,
    /// What kind of principal.
    pub kind: PrincipalType,
    /// `sub`: pairwise for each application.
    pub sub: String,
    /// The client application (`azp` or `appid`).
    pub app: Guid,
    /// Whether an agent identity acts here for a person; then `app` is the agent.
    pub agent_acts: bool,
    /// Whether Entra issued it to an application acting alone.
    pub app_only: bool,
    /// The delegated scopes (`scp`).
    pub scopes: Vec<String>,
    /// The app roles.
    pub roles: Vec<String>,
    /// The groups; `None` when Entra left them out (ENT-10).
    pub groups: Option<Vec<String>>,
    /// The token's own identifier (`uti`).
    pub token_id: Option<String>,
}

impl Subject {
    /// What the mapping rules look at: this subject, all `claims` of its token, and its `groups`,
    /// which may have been told by somebody else than the token.
    pub fn facts<'a>(&'a self, claims: &'a Object, groups: Option<&'a [String]>) -> Facts<'a> {
        Facts {
            app: self.app,
            claims,
            groups,
            principal_type: self.kind,
            roles: &self.roles,
            scopes: &self.scopes,
            tenant: self.principal.tenant,
        }
    }

    /// The agent identity that acts for the person. Its service principal is its application:
    /// there is no other stable name for it.
    pub fn acting_agent(&self) -> Option<PrincipalId> {
        let agent = PrincipalId { object: self.app, tenant: self.principal.tenant };
        self.agent_acts.then_some(agent)
    }

    /// Reads the identity in the verified claims of an ID token of `issuer` for `app`. It says who
    /// signed in, and carries no scopes (ENT-07).
    pub fn of_id_token(claims: &Object, issuer: IssuerId, app: Guid) -> Result<Self, Rejection> {
        let of_access_tokens = ["scp", "azpacr", "appidacr", "idtyp", "cnf", "events"];
        if let Some(name) = of_access_tokens.into_iter().find(|name| claims.has(name)) {
            let refused = Rejection::new(Reason::NotAnIdToken).at(name);
            return Err(refused.expected("an ID token, which does not have it"));
        }
        let sub = claims::identifier(claims, "sub")?.ok_or_else(|| missing("sub"))?.to_owned();
        let agent_user = has_facet(claims, "xms_sub_fct", AGENT_USER)?;
        Ok(Self {
            principal: PrincipalId { object: claims::guid(claims, "oid")?, tenant: issuer.tenant },
            kind: if agent_user { PrincipalType::Agent } else { PrincipalType::User },
            sub,
            app,
            agent_acts: false,
            app_only: false,
            scopes: Vec::new(),
            roles: strings(claims, "roles")?.unwrap_or_default(),
            groups: groups(claims)?,
            token_id: claims::identifier(claims, "uti")?.map(str::to_owned),
        })
    }

    /// Reads the identity in verified claims of `issuer`.
    pub fn of(claims: &Object, issuer: IssuerId) -> Result<Self, Rejection> {
        refuse_other_kinds(claims)?;
        let app = client_application(claims, issuer.version)?;
        let scopes = scopes(claims)?;
        let sub = claims::identifier(claims, "sub")?.ok_or_else(|| missing("sub"))?.to_owned();
        let principal = PrincipalId { object: claims::guid(claims, "oid")?, tenant: issuer.tenant };
        let app_only = app_only(claims, &scopes, principal.object, &sub)?;
        let agent_acts = has_facet(claims, "xms_act_fct", AGENT_IDENTITY)?;
        let agent_user = has_facet(claims, "xms_sub_fct", AGENT_USER)?;
        let kind = match (app_only, agent_acts, agent_user) {
            (false, _, true) | (true, true, _) => PrincipalType::Agent,
            (true, false, _) => PrincipalType::Service,
            (false, _, false) => PrincipalType::User,
        };
        Ok(Self {
            principal,
            kind,
            sub,
            app,
            agent_acts: agent_acts && kind == PrincipalType::User,
            app_only,
            scopes,
            roles: strings(claims, "roles")?.unwrap_or_default(),
            groups: groups(claims)?,
            token_id: claims::identifier(claims, "uti")?.map(str::to_owned),
        })
    }
}

/// A token of another kind can carry the same audience and a good signature (A130, A135, A136).
fn refuse_other_kinds(claims: &Object) -> Result<(), Rejection> {
    if claims.has("cnf") {
        let refused = Rejection::new(Reason::ProofOfPossession).at("cnf");
        return Err(refused.expected("a bearer token").found("a token bound to a key"));
    }
    if claims.has("events") {
        return Err(Rejection::new(Reason::NotAnAccessToken).at("events").expected("none"));
    }
    match ID_TOKEN_CLAIMS.into_iter().find(|name| claims.has(name)) {
        Some(name) => Err(Rejection::new(Reason::IdToken).at(name).expected("an access token")),
        None => Ok(()),
    }
}

/// `azp` with `azpacr` in version 2.0, `appid` with `appidacr` in 1.0; ID tokens have neither.
fn client_application(claims: &Object, version: TokenVersion) -> Result<Guid, Rejection> {
    let (name, proof) = match version {
        TokenVersion::V1 => ("appid", "appidacr"),
        TokenVersion::V2 => ("azp", "azpacr"),
    };
    if let Some(absent) = [name, proof].into_iter().find(|name| !claims.has(name)) {
        let refused = if claims.has("scp") || claims.has("roles") || claims.has("idtyp") {
            missing(absent)
        } else {
            let refused = Rejection::new(Reason::IdToken).at(absent);
            refused.expected("an access token, which has it").found("nothing")
        };
        return Err(refused);
    }
    match text(claims, proof)? {
        Some("0" | "1" | "2") => claims::guid(claims, name),
        other => Err(malformed(proof, "\"0\", \"1\" or \"2\"", other.unwrap_or_default())),
    }
}

/// `scp`; for agents acting alone Entra writes an empty one or `/`, which are no scopes.
fn scopes(claims: &Object) -> Result<Vec<String>, Rejection> {
    let Some(list) = text(claims, "scp")?.filter(|list| *list != "/") else {
        return Ok(Vec::new());
    };
    let entries: Vec<_> = list.split(' ').filter(|entry| !entry.is_empty()).collect();
    match entries.iter().find(|entry| !is_scope(entry)) {
        Some(bad) => Err(malformed("scp", "scopes in ASCII (RFC 6749 §3.3)", bad)),
        None => Ok(entries.into_iter().map(str::to_owned).collect()),
    }
}

/// Whether an application acts alone: by `idtyp`, else by the absence of everything delegated.
fn app_only(
    claims: &Object,
    scopes: &[String],
    object: Guid,
    sub: &str,
) -> Result<bool, Rejection> {
    let delegated = !scopes.is_empty();
    match (text(claims, "idtyp")?, delegated) {
        (Some("app"), false) => Ok(true),
        (Some("app"), true) => Err(malformed("scp", "none beside `idtyp` \"app\"", "scopes")),
        (Some("user") | None, true) => Ok(false),
        (Some("user"), false) => Err(missing("scp")),
        (None, false) => {
            let of_a_user = USER_CLAIMS.into_iter().any(|name| claims.has(name));
            if !of_a_user && sub == object.to_string() {
                return Ok(true);
            }
            let refused = Rejection::new(Reason::IdToken).at("scp");
            Err(refused.expected("`scp`, or `idtyp` \"app\" for an application").found("neither"))
        }
        (Some(other), _) => Err(malformed("idtyp", "\"app\" or \"user\"", other)),
    }
}

/// Facets are numbers in one string, in any order; unknown ones mean nothing here.
fn has_facet(claims: &Object, name: &'static str, facet: &str) -> Result<bool, Rejection> {
    Ok(text(claims, name)?.is_some_and(|list| list.split(' ').any(|entry| entry == facet)))
}

/// The groups, or `None` by any of the marks of overage. The marks win over a list, and the
/// address that Entra gives in the token is never called (ENT-10).
fn groups(claims: &Object) -> Result<Option<Vec<String>>, Rejection> {
    let has_groups = match claims.get("hasgroups") {
        None | Some(Json::Bool(false)) => false,
        Some(Json::Bool(true)) => true,
        Some(Json::String(flag)) if flag == "true" || flag == "false" => flag == "true",
        Some(other) => return Err(malformed("hasgroups", "a boolean", other.kind())),
    };
    let elsewhere = match claims.get("_claim_names") {
        None => false,
        Some(Json::Object(names)) => names.has("groups"),
        Some(other) => return Err(malformed("_claim_names", "an object", other.kind())),
    };
    let source = claims.members().any(|(name, _)| name.starts_with("groups:src"));
    if has_groups || elsewhere || source {
        return Ok(None);
    }
    Ok(Some(strings(claims, "groups")?.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
    const OID: &str = "11111111-2222-3333-4444-555555555555";

    fn read(members: &str) -> Result<Subject, Reason> {
        let payload = format!(r#"{{"azp":"{APP}","azpacr":"1","oid":"{OID}",{members}}}"#);
        let claims = Object::parse(payload.as_bytes()).unwrap();
        let tenant = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490".parse().unwrap();
        let issuer = IssuerId { tenant, version: TokenVersion::V2 };
        Subject::of(&claims, issuer).map_err(|refused| refused.reason)
    }

    fn kind(members: &str) -> (PrincipalType, bool) {
        let subject = read(members).unwrap();
        (subject.kind, subject.agent_acts)
    }

    #[test]
    fn each_kind_of_principal_is_told_apart() {
        use PrincipalType::{Agent, Service, User};
        assert_eq!(kind(r#""sub":"s","scp":"a b","name":"A""#), (User, false));
        assert_eq!(kind(r#""sub":"s","idtyp":"app","roles":["R"]"#), (Service, false));
        assert_eq!(kind(&format!(r#""sub":"{OID}""#)), (Service, false));
        let alone =
            r#""sub":"s","idtyp":"app","scp":"/","xms_act_fct":"3 9 11","xms_sub_fct":"9 3 11""#;
        assert_eq!(kind(alone), (Agent, false));
        let for_human =
            r#""sub":"s","idtyp":"user","scp":"a","xms_act_fct":"11 9 3","xms_sub_fct":"2 3""#;
        assert_eq!(kind(for_human), (User, true));
        let own_account =
            r#""sub":"s","idtyp":"user","scp":"a","xms_act_fct":"11","xms_sub_fct":"13""#;
        assert_eq!(kind(own_account), (Agent, false));
        let lookalike = r#""sub":"s","scp":"a","xms_act_fct":"111 1","xms_sub_fct":"213""#;
        assert_eq!(kind(lookalike), (User, false));
    }

    #[test]
    fn tokens_of_other_kinds_are_refused() {
        for (members, reason) in [
            (r#""sub":"s","nonce":"n""#, Reason::IdToken),
            (r#""sub":"s","scp":"a","c_hash":"n""#, Reason::IdToken),
            (r#""sub":"s","preferred_username":"a@b""#, Reason::IdToken),
            (r#""sub":"s","scp":"a","events":{}"#, Reason::NotAnAccessToken),
            (r#""sub":"s","scp":"a","cnf":{"kid":"k"}"#, Reason::ProofOfPossession),
            (r#""sub":"s","scp":"a","idtyp":"device""#, Reason::ClaimMalformed),
            (r#""sub":"s","scp":"a","idtyp":"app""#, Reason::ClaimMalformed),
            (r#""sub":"s","idtyp":"user""#, Reason::ClaimMissing),
            (r#""sub":"s","scp":["a"]"#, Reason::ClaimMalformed),
            (r#""sub":["s"],"scp":"a""#, Reason::ClaimMalformed),
            (r#""scp":"a""#, Reason::ClaimMissing),
        ] {
            assert_eq!(read(members).unwrap_err(), reason, "A130, A135, A136 {members}");
        }
        let payload = format!(r#"{{"oid":"{OID}","sub":"s","name":"A"}}"#);
        let claims = Object::parse(payload.as_bytes()).unwrap();
        let issuer = IssuerId { tenant: OID.parse().unwrap(), version: TokenVersion::V2 };
        assert_eq!(Subject::of(&claims, issuer).unwrap_err().reason, Reason::IdToken, "A130");
    }

    #[test]
    fn groups_left_out_are_unknown_and_not_empty() {
        let groups =
            |members: &str| read(&format!(r#""sub":"s","scp":"a"{members}"#)).unwrap().groups;
        assert_eq!(groups(""), Some(vec![]));
        assert_eq!(groups(r#","groups":["g"]"#), Some(vec!["g".to_owned()]));
        for overage in [
            r#","_claim_names":{"groups":"src1"}"#,
            r#","hasgroups":true"#,
            r#","hasgroups":"true""#,
            r#","groups:src1":"https://evil.example""#,
            r#","groups":["g"],"hasgroups":true"#,
        ] {
            assert_eq!(groups(overage), None, "ENT-10 {overage}");
        }
        assert_eq!(
            read(r#""sub":"s","scp":"a","groups":"g""#).unwrap_err(),
            Reason::ClaimMalformed
        );
    }
}
