//! The tokens that are minted here (RFC 9068; RFC 8693 §4): what they say, and reading them back.
//!
//! A JWT and the record behind an opaque token are the same claims, so that both are answered for
//! alike.

use serde::Serialize;

use super::claims::{self, Round};
use super::lineage::{Hop, Lineage, TokenId};
use super::principal::{PrincipalId, PrincipalType};
use super::rejection::{Reason, Rejection};
use super::validate::{CLOCK_SKEW, ValidToken};
use crate::protocol::delegation::{Act, MayAct};
use crate::protocol::ids::ClientId;
use crate::protocol::introspection::{Active, Audience, Identity};
use crate::protocol::json::{self, Json, Object};
use crate::protocol::time::UnixTime;

/// The `typ` of a minted JWT (RFC 9068 §2.1; ATJ-02).
pub const TYPE: &str = "at+jwt";
/// What an opaque token begins with.
pub const OPAQUE_PREFIX: &str = "tsr_";
/// Where the identity context says such a token comes from.
const SOURCE: &str = "tessera";

/// How the subject signed in; copied from token to token and never changed (ATJ-05, P10).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignIn {
    /// Authentication context class.
    pub acr: Option<String>,
    /// Authentication methods.
    pub amr: Option<Vec<String>>,
    /// When.
    pub auth_time: Option<UnixTime>,
}

impl SignIn {
    /// Reads what verified claims say about it.
    pub fn of(claims: &Object) -> Result<Self, Rejection> {
        Ok(Self {
            acr: claims::text(claims, "acr")?.map(str::to_owned),
            amr: claims::strings(claims, "amr")?,
            auth_time: claims::date(claims, "auth_time", Round::Down)?,
        })
    }
}

/// A token that was minted here and is good, or is about to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedToken {
    /// Its own name (`jti`).
    pub id: String,
    /// The one resource it is for.
    pub resource: String,
    /// The client that asked for it.
    pub client: ClientId,
    /// For whom it speaks.
    pub principal: PrincipalId,
    /// What kind of principal that is.
    pub kind: PrincipalType,
    /// What it allows at the resource; never empty.
    pub scopes: Vec<String>,
    /// The Tyk policies that mapping rules gave the subject.
    pub policies: Vec<String>,
    /// The mapping rules that matched the subject.
    pub grants: Vec<String>,
    /// The subject's roles, where they are told.
    pub roles: Vec<String>,
    /// The subject's groups, where they are told and known.
    pub groups: Option<Vec<String>>,
    /// Whether the subject's groups were unknown.
    pub groups_overage: bool,
    /// Who acts, and who acted before.
    pub act: Option<Act>,
    /// Who alone may act further.
    pub may_act: Option<MayAct>,
    /// When it was issued.
    pub issued_at: UnixTime,
    /// When it ends.
    pub expires: UnixTime,
    /// How the subject signed in.
    pub sign_in: SignIn,
    /// The tokens it came from: the sign-in first.
    pub ancestors: Vec<Hop>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    exp: UnixTime,
    iat: UnixTime,
    nbf: UnixTime,
    jti: &'a str,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<&'a Act>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act_sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    may_act: Option<&'a MayAct>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amr: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [String]>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    roles: &'a [String],
    policies: &'a [String],
    // Tyk's JWT middleware takes its base policy from a claim that is one string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pol: Option<&'a str>,
    tenant: String,
    principal: &'a str,
    principal_type: &'static str,
    identity: Identity<'a>,
    lineage: &'a [Hop],
}

impl IssuedToken {
    /// The claims as JSON: the payload of the JWT, or the record behind an opaque token. `issuer`
    /// is who we are (META-04).
    pub fn to_claims(&self, issuer: &str) -> Result<Vec<u8>, serde_json::Error> {
        let principal = self.principal.to_string();
        let claims = Claims {
            iss: issuer,
            sub: &principal,
            aud: &self.resource,
            client_id: self.client.as_str(),
            exp: self.expires,
            iat: self.issued_at,
            nbf: self.issued_at,
            jti: &self.id,
            scope: self.scopes.join(" "),
            act: self.act.as_ref(),
            act_sub: self.act_sub(),
            may_act: self.may_act.as_ref(),
            acr: self.sign_in.acr.as_deref(),
            amr: self.sign_in.amr.as_deref(),
            auth_time: self.sign_in.auth_time,
            groups: self.groups.as_deref(),
            roles: &self.roles,
            policies: &self.policies,
            pol: self.policies.first().map(String::as_str),
            tenant: self.principal.tenant.to_string(),
            principal: &principal,
            principal_type: self.kind.as_str(),
            identity: self.identity(&principal),
            lineage: &self.ancestors,
        };
        json::written(&claims)
    }

    /// Its name among all tokens of all issuers; `issuer` is who we are.
    pub fn token_id(&self, issuer: &str) -> TokenId {
        TokenId::of(issuer, &self.id)
    }

    /// Reads claims that are known to be ours, and checks that they hold at `now` (RFC 9068 §4).
    ///
    /// The clock that wrote the dates is ours or a replica's, so `exp` has no leeway.
    pub fn read(claims: &Object, issuer: &str, now: UnixTime) -> Result<Self, Rejection> {
        let named = claims::required_text(claims, "iss")?;
        if named != issuer {
            let refused = Rejection::new(Reason::IssuerMismatch).at("iss");
            return Err(refused.expected(issuer).found(named));
        }
        let date =
            |name, round| claims::date(claims, name, round)?.ok_or_else(|| claims::missing(name));
        let (expires, issued_at) = (date("exp", Round::Down)?, date("iat", Round::Down)?);
        if now >= expires {
            let refused = Rejection::new(Reason::Expired).at("exp");
            return Err(refused.expected(format_args!("later than {now}")).found(expires));
        }
        if date("nbf", Round::Up)?.max(issued_at) > now.plus(CLOCK_SKEW) {
            let refused = Rejection::new(Reason::NotYetValid).at("nbf");
            return Err(refused.expected(format_args!("by {now}")).found(issued_at));
        }
        let list = |name| claims::strings(claims, name).map(Option::unwrap_or_default);
        let Some(Json::Object(identity)) = claims.get("identity") else {
            return Err(claims::missing("identity"));
        };
        let scopes = claims::required_text(claims, "scope")?.split(' ').map(str::to_owned);
        Ok(Self {
            id: claims::required_text(claims, "jti")?.to_owned(),
            resource: claims::required_text(claims, "aud")?.to_owned(),
            client: parsed(claims, "client_id", "a client's name")?,
            principal: parsed(claims, "sub", "a principal, <oid>.<tid>")?,
            kind: parsed(claims, "principal_type", "a kind of principal")?,
            scopes: scopes.collect(),
            policies: list("policies")?,
            grants: claims::strings(identity, "grants")?.unwrap_or_default(),
            roles: list("roles")?,
            groups: claims::strings(claims, "groups")?,
            groups_overage: identity.get("groups_overage") == Some(&Json::Bool(true)),
            act: delegation(claims, "act", Act::parse)?,
            may_act: delegation(claims, "may_act", MayAct::parse)?,
            issued_at,
            expires,
            sign_in: SignIn::of(claims)?,
            ancestors: ancestors(claims)?,
        })
    }

    /// Its whole ancestry, itself included.
    pub fn lineage(&self, issuer: &str) -> Lineage {
        let parties = self.act.iter().flat_map(Act::parties);
        let mut by = vec![self.client.clone()];
        // Who acts now is a client too, where we named it.
        let actor = self.act.as_ref().filter(|actor| actor.iss == issuer);
        by.extend(actor.and_then(|actor| actor.sub.parse().ok()).filter(|id| *id != self.client));
        let own = Hop { id: self.token_id(issuer), issued_at: self.issued_at, by };
        Lineage {
            principals: std::iter::once(self.principal)
                .chain(parties.filter_map(|party| party.sub.parse().ok()))
                .collect(),
            hops: self.ancestors.iter().cloned().chain([own]).collect(),
        }
    }

    /// The answer of the introspection endpoint about it; `issuer` is who we are, and `principal`
    /// and `audience` are its own as text.
    pub fn answer<'a>(
        &'a self,
        issuer: &'a str,
        principal: &'a str,
        audience: &'a [String],
    ) -> Active<'a> {
        Active {
            active: true,
            iss: issuer,
            sub: principal,
            aud: Audience::of(audience),
            client_id: self.client.to_string(),
            username: None,
            name: None,
            email: None,
            scope: self.scopes.join(" "),
            token_type: "Bearer",
            exp: self.expires.seconds(),
            iat: self.issued_at.seconds(),
            nbf: Some(self.issued_at.seconds()),
            jti: Some(&self.id),
            acr: self.sign_in.acr.as_deref(),
            amr: self.sign_in.amr.clone(),
            auth_time: self.sign_in.auth_time.map(UnixTime::seconds),
            groups: self.groups.as_deref(),
            roles: self.roles.clone(),
            policies: self.policies.clone(),
            tenant: self.principal.tenant.to_string(),
            principal,
            principal_type: self.kind.as_str(),
            act: self.act.as_ref(),
            may_act: self.may_act.as_ref(),
            act_sub: self.act_sub(),
            identity: self.identity(principal),
        }
    }

    fn identity<'a>(&'a self, principal: &'a str) -> Identity<'a> {
        Identity {
            principal,
            principal_type: self.kind.as_str(),
            source: SOURCE,
            hop: self.hops(),
            groups_overage: self.groups_overage,
            grants: self.grants.clone(),
        }
    }

    /// How many exchanges lie between the sign-in and this token.
    pub fn hops(&self) -> u8 {
        u8::try_from(self.ancestors.len()).unwrap_or(u8::MAX)
    }

    fn act_sub(&self) -> Option<&str> {
        self.act.as_ref().map(|act| act.sub.as_str())
    }
}

fn parsed<T: std::str::FromStr>(
    claims: &Object,
    name: &'static str,
    expected: &str,
) -> Result<T, Rejection> {
    let text = claims::required_text(claims, name)?;
    text.parse().map_err(|_other| claims::malformed(name, expected, text))
}

fn delegation<T, E: std::fmt::Display>(
    claims: &Object,
    name: &'static str,
    parse: impl FnOnce(&Json) -> Result<T, E>,
) -> Result<Option<T>, Rejection> {
    let wrong = |error: E| claims::malformed(name, "a party", &error.to_string());
    claims.get(name).map(parse).transpose().map_err(wrong)
}

fn ancestors(claims: &Object) -> Result<Vec<Hop>, Rejection> {
    let wrong = || claims::malformed("lineage", "the tokens it came from", "something else");
    let Some(Json::Array(entries)) = claims.get("lineage") else { return Err(wrong()) };
    let hops: Option<Vec<_>> = entries.iter().map(Hop::parse).collect();
    hops.filter(|hops| !hops.is_empty()).ok_or_else(wrong)
}

/// The sign-in at the root: the Entra token that reads `text`, got by `client` if its application is
/// one.
pub fn root(token: &ValidToken, text: &str, client: Option<ClientId>) -> Lineage {
    let subject = &token.subject;
    let id = match &subject.token_id {
        // `uti` names a token for ever.
        Some(uti) => TokenId::of(&token.iss, uti),
        // One without it is named by what was signed, the same however the signature is spelled.
        None => TokenId::of(&token.iss, text.rsplit_once('.').map_or(text, |(signed, _)| signed)),
    };
    let hop = Hop { id, issued_at: token.issued_at, by: client.into_iter().collect() };
    let principals = std::iter::once(subject.principal).chain(subject.acting_agent()).collect();
    Lineage { principals, hops: vec![hop] }
}
