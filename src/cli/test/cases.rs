//! Cases: claims in, what the mapping rules must give out.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

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
}

impl Expected {
    const fn is_empty(&self) -> bool {
        let Self { policies, scopes, roles, rules } = self;
        policies.is_none() && scopes.is_none() && roles.is_none() && rules.is_none()
    }
}

impl Cases {
    /// Reads a file of cases.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let read: Self = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        if read.cases.is_empty() {
            return Err("there is no case".to_owned());
        }
        match read.cases.iter().find(|case| case.expect.is_empty()) {
            Some(case) => Err(format!(
                "`{}` expects nothing; name `policies`, `scopes`, `roles` or `rules`",
                case.name
            )),
            None => Ok(read),
        }
    }
}

impl Case {
    /// What differs from what is expected; nothing when the case holds.
    pub(super) fn differences(&self, config: &Config) -> Vec<String> {
        let mapped = match self.mapped(config) {
            Ok(mapped) => mapped,
            Err(why) => return vec![why],
        };
        let Expected { policies, scopes, roles, rules } = &self.expect;
        [
            ("policies", policies, &mapped.grant.policies),
            ("scopes", scopes, &mapped.grant.scopes),
            ("roles", roles, &mapped.grant.roles),
            ("rules", rules, &mapped.rules),
        ]
        .into_iter()
        .filter_map(|(name, wanted, got)| difference(name, wanted.as_deref()?, got))
        .collect()
    }

    fn mapped(&self, config: &Config) -> Result<Mapped, String> {
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
        Ok(config.mapping.apply(&subject.facts(&claims, subject.groups.as_deref())))
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

fn difference(name: &str, wanted: &[String], got: &[String]) -> Option<String> {
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
