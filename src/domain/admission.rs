//! Whether somebody whose token is good may go on to one API, and what the API is told about them.

use serde::Deserialize;

use super::api::{Api, PolicyNeed};
use super::rejection::safe;
use crate::protocol::time::UnixTime;

/// Who comes: our own answer about the token, as far as gateways use it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Visitor {
    /// The subject as the issuer names it.
    pub sub: String,
    /// To whom the token is addressed.
    #[serde(deserialize_with = "audience")]
    pub aud: Vec<String>,
    /// The application that got the token.
    pub client_id: String,
    /// Scopes, joined by spaces.
    pub scope: String,
    /// When the token expires, in seconds since 1970.
    pub exp: i64,
    /// Roles.
    pub roles: Vec<String>,
    /// Tyk policies.
    pub policies: Vec<String>,
    /// The tenant.
    pub tenant: String,
    /// The stable identity.
    pub principal: String,
    /// `user`, `service` or `agent`.
    pub principal_type: String,
    /// Who acts for the subject.
    pub act_sub: Option<String>,
}

impl Visitor {
    /// Reads the answer of the introspection endpoint about an active token.
    pub fn read(answer: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(answer)
    }

    /// Seconds that the token lives from `now` on.
    pub fn life(&self, now: UnixTime) -> i64 {
        UnixTime::from_seconds(self.exp).since(now).count().max(0)
    }

    /// Whether the token has every one of these.
    fn has(&self, scopes: &[String]) -> bool {
        scopes.iter().all(|wanted| self.scope.split(' ').any(|scope| scope == wanted))
    }
}

/// One audience as a string, several as an array (INT-16).
fn audience<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Audience::deserialize(from)? {
        Audience::One(one) => vec![one],
        Audience::Many(many) => many,
    })
}

/// Why a good token is not good at an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Bar {
    /// It is addressed to another one.
    Audience,
    /// It earns no policy.
    Policy,
    /// It lacks a scope.
    Scope,
}

impl Bar {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The same, with what would have been good; for the operator only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barred {
    /// Why.
    pub bar: Bar,
    /// What would have been good.
    pub expected: String,
    /// What was found, escaped.
    pub found: String,
}

impl Barred {
    fn new(bar: Bar, expected: &str, found: &str) -> Self {
        Self { bar, expected: expected.to_owned(), found: safe(found) }
    }
}

/// Whether `visitor` may go on to `api`.
pub fn admit(visitor: &Visitor, api: &Api) -> Result<(), Barred> {
    if !api.accepts(&visitor.aud) {
        let expected = format!("one of {}", api.audiences.join(", "));
        return Err(Barred::new(Bar::Audience, &expected, &visitor.aud.join(", ")));
    }
    if !visitor.has(&api.scopes) {
        return Err(Barred::new(Bar::Scope, &api.scopes.join(" "), &visitor.scope));
    }
    match api.policies {
        PolicyNeed::Required if visitor.policies.is_empty() => {
            Err(Barred::new(Bar::Policy, "a mapping rule that grants a policy", "none"))
        }
        PolicyNeed::Optional | PolicyNeed::Required => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> Api {
        Api {
            name: "orders".to_owned(),
            client: "tyk".parse().unwrap(),
            audiences: vec!["api://orders".to_owned()],
            scopes: vec!["orders.read".to_owned(), "orders.write".to_owned()],
            policies: PolicyNeed::Required,
            guard: super::super::api::Guard::Secret,
            exchange: None,
            resource: None,
            tyk: None,
        }
    }

    fn bar(visitor: &Visitor, api: &Api) -> Option<Bar> {
        admit(visitor, api).err().map(|barred| barred.bar)
    }

    fn visitor() -> Visitor {
        let answer = br#"{"active":true,"sub":"s","aud":["api://other","api://orders"],
            "client_id":"c","scope":"orders.write x orders.read","exp":100,"roles":[],
            "policies":["gold"],"tenant":"t","principal":"o.t","principal_type":"user",
            "identity":{"hop":0}}"#;
        Visitor::read(answer).unwrap()
    }

    #[test]
    fn who_has_everything_may_go_on() {
        assert_eq!(admit(&visitor(), &api()), Ok(()));
    }

    #[test]
    fn whatever_is_missing_bars_the_way() {
        let elsewhere = Visitor { aud: vec!["api://orders/".to_owned()], ..visitor() };
        assert_eq!(bar(&elsewhere, &api()), Some(Bar::Audience));
        for scope in ["", "orders.read", "orders.readorders.write", "orders.write.all orders.read"]
        {
            let small = Visitor { scope: scope.to_owned(), ..visitor() };
            assert_eq!(bar(&small, &api()), Some(Bar::Scope), "{scope}");
        }
        let unmapped = Visitor { policies: Vec::new(), ..visitor() };
        assert_eq!(bar(&unmapped, &api()), Some(Bar::Policy));
        let told = admit(&visitor(), &Api { scopes: vec!["z".to_owned()], ..api() }).unwrap_err();
        assert_eq!(
            (told.expected.as_str(), told.found.as_str()),
            ("z", "orders.write x orders.read")
        );
        let easy = Api { policies: PolicyNeed::Optional, ..api() };
        assert_eq!(admit(&unmapped, &easy), Ok(()));
    }

    #[test]
    fn an_answer_without_what_is_needed_is_no_visitor() {
        assert!(Visitor::read(br#"{"active":false}"#).is_err());
        assert!(Visitor::read(b"").is_err());
    }

    #[test]
    fn life_ends_at_zero() {
        assert_eq!(visitor().life(UnixTime::from_seconds(40)), 60);
        assert_eq!(visitor().life(UnixTime::from_seconds(140)), 0);
    }
}
