//! Tokens that are minted here (RFC 9068; standards §3).

use serde_json::{Value, json};
use tessera::dev::people::HOME_TENANT;

use super::{Chain, Hop, No, Site, act, acting, is_client, object_of, with};
use crate::support::ISSUER;

/// Everything that one says.
#[derive(Clone, Debug)]
pub(in crate::model) struct Minted {
    /// Which of all tokens it is.
    pub(in crate::model) id: String,
    pub(in crate::model) resource: String,
    pub(in crate::model) client: String,
    pub(in crate::model) principal: String,
    pub(in crate::model) kind: &'static str,
    pub(in crate::model) scopes: Vec<String>,
    pub(super) policies: Vec<String>,
    pub(super) grants: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) groups: Option<Vec<String>>,
    pub(super) groups_overage: bool,
    pub(in crate::model) chain: Chain,
    pub(super) may_act: Option<&'static str>,
    pub(in crate::model) issued: i64,
    pub(in crate::model) expires: i64,
    pub(super) sign_in: [(&'static str, Option<Value>); 3],
    pub(in crate::model) ancestors: Vec<Hop>,
}

impl Minted {
    /// Whether it is good now. It ends with its resource and with its client.
    pub(in crate::model) fn check(&self, site: &Site<'_>) -> Result<(), No> {
        if site.now >= self.expires {
            return Err(No::Ended);
        }
        if site.setup.resource(&self.resource).is_none() {
            return Err(No::Bad);
        }
        let orphaned = site.setup.client(&self.client).is_none();
        if orphaned || site.is_revoked(&self.principals(), &self.lineage()) {
            return Err(No::Ended);
        }
        Ok(())
    }

    fn principals(&self) -> Vec<String> {
        let parties = self.chain.iter().map(|(_, sub)| sub).filter(|sub| object_of(sub).is_some());
        std::iter::once(&self.principal).chain(parties).cloned().collect()
    }

    /// The sign-in first, this token last.
    pub(in crate::model) fn lineage(&self) -> Vec<Hop> {
        let mut by = vec![self.client.clone()];
        by.extend(self.chain.first().filter(|(iss, _)| is_client(iss)).map(|(_, sub)| sub.clone()));
        let own = Hop { id: self.id.clone(), issued: self.issued, by };
        self.ancestors.iter().cloned().chain([own]).collect()
    }

    /// The answer about it, without `jti`.
    pub(in crate::model) fn told(&self) -> Value {
        let answer = json!({
            "active": true, "iss": ISSUER, "sub": self.principal, "aud": self.resource,
            "client_id": self.client, "scope": self.scopes.join(" "), "token_type": "Bearer",
            "exp": self.expires, "iat": self.issued, "nbf": self.issued, "roles": self.roles,
            "policies": self.policies, "tenant": HOME_TENANT, "principal": self.principal,
            "principal_type": self.kind,
            "identity": {
                "principal": self.principal, "principal_type": self.kind, "source": "tessera",
                "hop": self.ancestors.len(), "groups_overage": self.groups_overage, "grants": self.grants,
            },
        });
        let may_act = self.may_act.map(|client| json!({ "iss": ISSUER, "sub": client }));
        let more = [("groups", self.groups.clone().map(Value::from)), ("may_act", may_act)];
        with(with(with(answer, &more), &self.sign_in), &acting(&self.chain))
    }

    /// The claims of the JWT, without `jti` and `lineage`.
    pub(in crate::model) fn claims(&self) -> Value {
        let mut claims = self.told();
        let members = claims.as_object_mut().unwrap();
        members.remove("active");
        members.remove("token_type");
        if self.roles.is_empty() {
            members.remove("roles");
        }
        let first = self.policies.first().map(|policy| json!(policy));
        with(claims, &[("pol", first), ("act", act(&self.chain))])
    }
}
