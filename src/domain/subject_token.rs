//! A verified token as an exchange sees it, whoever issued it.

use super::issued::{IssuedToken, SignIn};
use super::lineage::Hop;
use super::mapping::{Mapped, add};
use super::principal::{PrincipalId, PrincipalType};
use super::rejection::Rejection;
use super::subject::Subject;
use super::validate::ValidToken;
use crate::protocol::delegation::{Act, DelegationError, MayAct};
use crate::protocol::ids::Guid;
use crate::protocol::json::Object;
use crate::protocol::time::UnixTime;

/// What an exchange needs to know of the subject token.
#[derive(Clone, Debug)]
pub struct SubjectToken {
    /// For whom it speaks.
    pub principal: PrincipalId,
    /// What kind of principal that is.
    pub kind: PrincipalType,
    /// To whom it is addressed.
    pub audience: Vec<String>,
    /// Whether it is addressed to this service itself, or to the client as an ID token is: then
    /// the client needs no rule that names the audience (TEX-50).
    pub for_exchange: bool,
    /// When it ends.
    pub expires: UnixTime,
    /// What it carries that can earn scopes: scopes when delegated, roles when not, and what
    /// mapping rules added.
    pub earns: Vec<String>,
    /// The resource whose own scopes these are, if the token was minted here.
    pub resource: Option<String>,
    /// The Tyk policies that mapping rules gave.
    pub policies: Vec<String>,
    /// The mapping rules that matched.
    pub grants: Vec<String>,
    /// The roles, with those that mapping rules gave.
    pub roles: Vec<String>,
    /// The groups; `None` when they are unknown or were not told.
    pub groups: Option<Vec<String>>,
    /// Whether the groups are unknown.
    pub groups_overage: bool,
    /// Who acts for the subject already.
    pub act: Option<Act>,
    /// The application that acts for the subject, when Entra said so and not we.
    pub acting_app: Option<Guid>,
    /// The application that acts alone, when the subject is one.
    pub own_app: Option<Guid>,
    /// Who alone may act for the subject.
    pub may_act: Result<Option<MayAct>, DelegationError>,
    /// How the subject signed in.
    pub sign_in: SignIn,
    /// The ancestry, this token last.
    pub hops: Vec<Hop>,
}

/// What an Entra token says beside whom it speaks for.
#[derive(Debug)]
pub struct Envelope<'t> {
    /// Its issuer.
    pub iss: &'t str,
    /// To whom it is addressed.
    pub audience: &'t [String],
    /// When it ends.
    pub expires: UnixTime,
    /// The token itself, as the root of an ancestry.
    pub hops: Vec<Hop>,
}

impl SubjectToken {
    /// An Entra token: its `groups` as known, what mapping rules made of it, and its ancestry.
    pub fn of_entra(
        token: &ValidToken,
        groups: Option<&[String]>,
        mapped: Mapped,
        hops: Vec<Hop>,
    ) -> Result<Self, Rejection> {
        let envelope =
            Envelope { iss: &token.iss, audience: &token.audience, expires: token.expires, hops };
        Self::of_subject(&token.subject, token.signed.claims(), envelope, (groups, mapped))
    }

    /// The same, of the parts of an Entra token: also of one that only a test case describes.
    pub fn of_subject(
        subject: &Subject,
        claims: &Object,
        envelope: Envelope<'_>,
        (groups, mapped): (Option<&[String]>, Mapped),
    ) -> Result<Self, Rejection> {
        let mut roles = subject.roles.clone();
        add(&mut roles, &mapped.grant.roles);
        let mut earns = if subject.app_only { roles.clone() } else { subject.scopes.clone() };
        add(&mut earns, &mapped.grant.scopes);
        let named = |agent: PrincipalId| Act {
            iss: envelope.iss.to_owned(),
            sub: agent.to_string(),
            act: None,
        };
        Ok(Self {
            principal: subject.principal,
            kind: subject.kind,
            audience: envelope.audience.to_vec(),
            for_exchange: false,
            expires: envelope.expires,
            earns,
            resource: None,
            policies: mapped.grant.policies,
            grants: mapped.rules,
            roles,
            groups: groups.map(<[String]>::to_vec),
            groups_overage: groups.is_none(),
            // Entra cannot carry our `act`; one in its token is not believed (A172).
            act: subject.acting_agent().map(named),
            acting_app: subject.agent_acts.then_some(subject.app),
            own_app: subject.app_only.then_some(subject.app),
            may_act: claims.get("may_act").map(MayAct::parse).transpose(),
            sign_in: SignIn::of(claims)?,
            hops: envelope.hops,
        })
    }

    /// A token that was minted here, and its ancestry.
    pub fn of_issued(token: IssuedToken, hops: Vec<Hop>) -> Self {
        Self {
            principal: token.principal,
            kind: token.kind,
            audience: vec![token.resource.clone()],
            for_exchange: false,
            expires: token.expires,
            earns: token.scopes,
            resource: Some(token.resource),
            policies: token.policies,
            grants: token.grants,
            roles: token.roles,
            groups: token.groups,
            groups_overage: token.groups_overage,
            act: token.act,
            acting_app: None,
            own_app: None,
            may_act: Ok(token.may_act),
            sign_in: token.sign_in,
            hops,
        }
    }
}
