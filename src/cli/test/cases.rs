//! Cases: claims in, what the mapping rules must give out.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::exchange::{self, Exchange, Issued};
use crate::config::Config;
use crate::domain::mapping::Mapped;
use crate::domain::subject::Subject;
use crate::domain::tenant::{IssuerId, TokenVersion};
use crate::protocol::ids::Guid;
use crate::protocol::json::Object;

/// A file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cases {
    /// At least one.
    pub(super) cases: Vec<Case>,
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// What it shows.
    pub(super) name: String,
    /// Whose token.
    #[serde(default)]
    token: Kind,
    /// Claims that it has beside, or instead of, the usual ones.
    #[serde(default)]
    claims: BTreeMap<String, Value>,
    /// An exchange of the token, if it is about one.
    exchange: Option<Exchange>,
    /// What the rules must give.
    expect: Expected,
}

/// Whose token.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// A person, through an application.
    #[default]
    User,
    /// An application alone.
    Service,
    /// An agent identity alone.
    Agent,
}

/// What the rules must give, exactly, in any order. What is not named is not looked at.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    policies: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
    roles: Option<Vec<String>>,
    rules: Option<Vec<String>>,
    issued: Option<Issued>,
    refused: Option<String>,
}

impl Expected {
    const fn is_empty(&self) -> bool {
        let Self { policies, scopes, roles, rules, .. } = self;
        let mapping = policies.is_some() || scopes.is_some() || roles.is_some() || rules.is_some();
        !mapping && !self.has_outcome()
    }

    /// Whether an exchange is expected to end in some way.
    const fn has_outcome(&self) -> bool {
        self.issued.is_some() || self.refused.is_some()
    }
}

impl Cases {
    /// Reads a file of cases.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let read: Self = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        if read.cases.is_empty() {
            return Err("there is no case".to_owned());
        }
        if let Some(case) = read.cases.iter().find(|case| case.expect.is_empty()) {
            return Err(format!(
                "`{}` expects nothing; name `policies`, `scopes`, `roles` or `rules`, or, for an \
                 exchange, `issued` or `refused`",
                case.name
            ));
        }
        let alone = |case: &&Case| case.exchange.is_some() != case.expect.has_outcome();
        match read.cases.iter().find(alone) {
            Some(case) => Err(format!(
                "`{}`: `exchange` goes with `issued` or `refused`, and these with `exchange`",
                case.name
            )),
            None => Ok(read),
        }
    }
}

impl Case {
    /// What differs from what is expected; nothing when the case holds.
    pub(super) fn differences(&self, config: &Config) -> Vec<String> {
        let described = match self.described(config) {
            Ok(described) => described,
            Err(why) => return vec![why],
        };
        let mapped = &described.mapped;
        let Expected { policies, scopes, roles, rules, issued, refused } = &self.expect;
        let exchanged = self.exchange.as_ref().map(|asked| {
            exchange::differences(config, &described, asked, (issued.as_ref(), refused.as_deref()))
        });
        let mapping = [
            ("policies", policies, &mapped.grant.policies),
            ("scopes", scopes, &mapped.grant.scopes),
            ("roles", roles, &mapped.grant.roles),
            ("rules", rules, &mapped.rules),
        ]
        .into_iter()
        .filter_map(|(name, wanted, got)| difference(name, wanted.as_deref()?, got));
        mapping.chain(exchanged.into_iter().flatten()).collect()
    }

    fn described(&self, config: &Config) -> Result<Described, String> {
        let first = config.tenants.first().map(|tenant| tenant.id).ok_or("there is no tenant")?;
        let tenant = match self.claims.get("tid").and_then(Value::as_str) {
            Some(tid) => tid.parse::<Guid>().map_err(|error| format!("tid: {error}"))?,
            None => first,
        };
        let version = self.version();
        let claims =
            serde_json::to_vec(&self.claims(tenant, version)).map_err(|error| error.to_string())?;
        let claims = Object::parse(&claims).map_err(|error| error.to_string())?;
        let subject = Subject::of(&claims, IssuerId { tenant, version })
            .map_err(|rejection| format!("no such token can exist: {rejection}"))?;
        let mapped = config.mapping.apply(&subject.facts(&claims, subject.groups.as_deref()));
        Ok(Described { subject, claims, mapped })
    }

    fn version(&self) -> TokenVersion {
        match self.claims.get("ver").and_then(Value::as_str) {
            Some("1.0") => TokenVersion::V1,
            _ => TokenVersion::V2,
        }
    }

    /// The claims of the case on top of those that every token of its kind has.
    fn claims(&self, tenant: Guid, version: TokenVersion) -> Value {
        let kind = match self.token {
            Kind::User => json!({ "scp": "access_as_user" }),
            Kind::Service => json!({ "idtyp": "app" }),
            Kind::Agent => {
                json!({ "idtyp": "app", "xms_act_fct": "9 3 11", "xms_sub_fct": "9 3 11" })
            }
        };
        // v1 tokens name the application in other claims (ENT-07).
        let (app, proof) = match version {
            TokenVersion::V1 => ("appid", "appidacr"),
            TokenVersion::V2 => ("azp", "azpacr"),
        };
        let mut claims = json!({
            app: "00000000-0000-4000-8000-000000000001",
            proof: "1",
            "oid": "00000000-0000-4000-8000-000000000002",
            "sub": "00000000-0000-4000-8000-000000000002",
            "tid": tenant.to_string(),
            "ver": "2.0",
        });
        let own = self.claims.iter().map(|(name, value)| (name.clone(), value.clone()));
        let kind = kind.as_object().cloned().unwrap_or_default();
        if let Value::Object(members) = &mut claims {
            members.extend(kind);
            members.extend(own);
        }
        claims
    }
}

/// A token that a case describes.
pub(super) struct Described {
    pub(super) subject: Subject,
    pub(super) claims: Object,
    pub(super) mapped: Mapped,
}

pub(super) fn difference(name: &str, wanted: &[String], got: &[String]) -> Option<String> {
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort_unstable();
        list.dedup();
        list
    };
    let (wanted, got) = (sorted(wanted), sorted(got));
    (wanted != got).then(|| {
        format!("{name}: expected [{}], the rules give [{}]", wanted.join(", "), got.join(", "))
    })
}
