//! The identity context: what one client is told about one valid token.

use super::claims::{self, Round};
use super::client::{IntrospectPermission, Released};
use super::mapping::{Facts, Mapped, Mapping, add};
use super::principal::PrincipalId;
use super::rejection::{Reason, Rejection};
use super::validate::{ValidToken, intersects};
use crate::protocol::delegation::Act;
use crate::protocol::introspection::{Active, Audience, Identity};
use crate::protocol::json::Object;
use crate::protocol::time::UnixTime;

/// What one client may learn about one token; made only for tokens addressed to the client.
#[derive(Debug)]
pub struct Context<'t> {
    token: &'t ValidToken,
    permission: &'t IntrospectPermission,
    groups: Option<&'t [String]>,
    mapped: Mapped,
    principal: String,
    actor: Option<Act>,
}

/// Checks that a client may learn about the token at all (INT-08, INT-20).
pub fn permitted<'p>(
    audience: &[String],
    permission: Option<&'p IntrospectPermission>,
) -> Result<&'p IntrospectPermission, Rejection> {
    let permission = permission.ok_or_else(|| Rejection::new(Reason::CallerNotPermitted))?;
    if intersects(audience, &permission.audiences) {
        return Ok(permission);
    }
    Err(Rejection::new(Reason::AudienceNotForCaller)
        .at("aud")
        .expected(format_args!("one of {}", permission.audiences.join(", ")))
        .found(audience.join(", ")))
}

impl<'t> Context<'t> {
    /// Maps the token for a client with `permission`; `groups` are the token's own or, where it
    /// left them out, what the directory told, or `None` when they are unknown.
    pub fn new(
        token: &'t ValidToken,
        permission: &'t IntrospectPermission,
        groups: Option<&'t [String]>,
        mapping: &Mapping,
    ) -> Self {
        let subject = &token.subject;
        let mapped = mapping.apply(&facts(token, groups));
        let named =
            |agent: PrincipalId| Act { iss: token.iss.clone(), sub: agent.to_string(), act: None };
        let actor = subject.acting_agent().map(named);
        let principal = subject.principal.to_string();
        Self { token, permission, groups, mapped, principal, actor }
    }

    /// What the mapping rules gave.
    pub const fn mapped(&self) -> &Mapped {
        &self.mapped
    }

    /// The answer of the introspection endpoint. Fails on a claim that has the wrong type.
    pub fn answer(&self) -> Result<Active<'_>, Rejection> {
        let (token, subject) = (self.token, &self.token.subject);
        let claims = token.signed.claims();
        let mut scopes = subject.scopes.clone();
        add(&mut scopes, &self.mapped.grant.scopes);
        let mut roles = subject.roles.clone();
        add(&mut roles, &self.mapped.grant.roles);
        let auth_time = claims::date(claims, "auth_time", Round::Down)?;
        Ok(Active {
            active: true,
            iss: &token.iss,
            sub: &subject.sub,
            aud: Audience::of(&token.audience),
            client_id: subject.app.to_string(),
            username: self.released(Released::Username, &["preferred_username", "upn"])?,
            name: self.released(Released::Name, &["name"])?,
            email: self.released(Released::Email, &["email"])?,
            scope: scopes.join(" "),
            token_type: "Bearer",
            exp: token.expires.seconds(),
            iat: token.issued_at.seconds(),
            nbf: token.not_before.map(UnixTime::seconds),
            jti: subject.token_id.as_deref(),
            acr: claims::text(claims, "acr")?,
            amr: claims::strings(claims, "amr")?,
            auth_time: auth_time.map(UnixTime::seconds),
            groups: self.groups,
            roles,
            policies: self.mapped.grant.policies.clone(),
            tenant: subject.principal.tenant.to_string(),
            principal: &self.principal,
            principal_type: subject.kind.as_str(),
            act: self.actor.as_ref(),
            may_act: None,
            act_sub: self.actor.as_ref().map(|actor| actor.sub.as_str()),
            identity: self.identity(),
        })
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            principal: &self.principal,
            principal_type: self.token.subject.kind.as_str(),
            source: "entra",
            hop: 0,
            groups_overage: self.groups.is_none(),
            grants: self.mapped.rules.clone(),
        }
    }

    /// The first of `names` that the token has, if the client is entitled to it (INT-22).
    fn released(
        &self,
        kind: Released,
        names: &[&'static str],
    ) -> Result<Option<&'t str>, Rejection> {
        if !self.permission.release.contains(&kind) {
            return Ok(None);
        }
        let claims: &'t Object = self.token.signed.claims();
        match names.iter().copied().find(|name| claims.has(name)) {
            Some(name) => claims::text(claims, name),
            None => Ok(None),
        }
    }
}

/// What the mapping rules look at in `token`.
pub fn facts<'t>(token: &'t ValidToken, groups: Option<&'t [String]>) -> Facts<'t> {
    token.subject.facts(token.signed.claims(), groups)
}
