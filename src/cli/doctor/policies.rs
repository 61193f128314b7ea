//! Tyk's policies.

use serde_json::Value;

use super::definition::find;
use super::files::Policy;
use super::report::Report;
use crate::cli::tyk::site::{Site, defaults};
use crate::domain::api::TykRoute;
use crate::domain::mapping::add;
use crate::domain::tyk::Fault;

/// How a policy goes together with others on one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Partitioned,
    PerApi,
    /// It can only be alone.
    Whole,
}

pub(super) fn examine(site: &Site<'_>, policies: &[Policy], report: &mut Report) {
    let mut wanted = site.granted();
    add(&mut wanted, &defaults(site.config));
    let files = policies.first().map_or("", |policy| policy.file.as_str());
    for id in &wanted {
        if !policies.iter().any(|policy| policy.id == *id) {
            report.note(Fault::PolicyMissing, files, id.as_str());
        }
    }
    let routes: Vec<_> = site.config.apis.iter().filter_map(|api| api.tyk.as_ref()).collect();
    let mut kinds: Vec<(&Policy, Kind)> = Vec::new();
    for policy in policies {
        if wanted.contains(&policy.id) {
            one(policy, &routes, report);
            kinds.push((policy, kind(&policy.value)));
        } else {
            report.note(Fault::PolicyUnused, &policy.file, policy.id.as_str());
        }
    }
    let first = kinds.first().map(|(_, kind)| *kind);
    let odd = kinds.iter().find(|(_, kind)| *kind == Kind::Whole || Some(*kind) != first);
    if let Some((policy, _)) = odd.filter(|_| kinds.len() > 1) {
        let field = format!("{}.partitions", policy.id);
        report.note(Fault::PolicyPartitions, &policy.file, field);
    }
}

fn one(policy: &Policy, routes: &[&TykRoute], report: &mut Report) {
    let Policy { file, id, value } = policy;
    let flag = |name: &str| value.get(name).and_then(Value::as_bool);
    if flag("active") != Some(true) || flag("is_inactive") == Some(true) {
        report.note(Fault::PolicyInactive, file, format!("{id}.active"));
    }
    let organisation = value.get("org_id").and_then(Value::as_str).unwrap_or_default();
    let wrong = |route: &&&TykRoute| route.org_id != organisation;
    if let Some(route) = routes.iter().find(wrong) {
        let at = (file.as_str(), format!("{id}.org_id"));
        report.differs(Fault::PolicyOrganisation, at, organisation, &route.org_id);
    }
    let rights = value.get("access_rights").and_then(Value::as_object);
    let opens = |route: &&TykRoute| {
        rights.is_some_and(|rights| {
            let id =
                |right: &Value| right.get("api_id").and_then(Value::as_str) == Some(&route.api_id);
            rights.contains_key(&route.api_id) || rights.values().any(id)
        })
    };
    if !routes.is_empty() && !routes.iter().any(opens) {
        report.note(Fault::PolicyOpensNothing, file, format!("{id}.access_rights"));
    }
}

fn kind(policy: &Value) -> Kind {
    let on = |name: &str| {
        find(policy, "partitions").and_then(|all| all.get(name)) == Some(&Value::Bool(true))
    };
    if on("per_api") {
        Kind::PerApi
    } else if ["quota", "rate_limit", "acl", "complexity"].into_iter().any(on) {
        Kind::Partitioned
    } else {
        Kind::Whole
    }
}
