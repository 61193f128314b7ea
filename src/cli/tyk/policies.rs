//! A policy for every id that can be granted.

use serde_json::{Map, Value, json};

use super::site;
use crate::config::Config;
use crate::domain::api::{Api, TykRoute};

/// Tyk's file of policies: by id, each opening every API. Which of them is less is for the operator
/// to say, as rates and quotas are.
pub(super) fn skeleton(config: &Config) -> Result<Value, String> {
    let routed = config.apis.iter().filter_map(|api| Some((api, api.tyk.as_ref()?)));
    let apis: Vec<_> = routed.collect();
    let mut organisations: Vec<_> = apis.iter().map(|(_, route)| &route.org_id).collect();
    organisations.dedup();
    let organisation = match organisations.as_slice() {
        [one] => *one,
        [] => return Err("no API of the file has `tyk`".to_owned()),
        _ => return Err("the APIs have several `org_id`, and a policy is of one".to_owned()),
    };
    let mut ids = site::granted(&config.mapping);
    crate::domain::mapping::add(&mut ids, &site::defaults(config));
    if ids.is_empty() {
        return Err("`mapping` grants no policy".to_owned());
    }
    let opened = opened(&apis);
    let policies = ids.into_iter().map(|id| {
        let policy = policy(&id, organisation, &opened);
        (id, policy)
    });
    Ok(Value::Object(policies.collect()))
}

fn policy(id: &str, organisation: &str, opened: &Map<String, Value>) -> Value {
    json!({
        "id": id,
        "name": id,
        "org_id": organisation,
        "active": true,
        "is_inactive": false,
        "rate": 100,
        "per": 60,
        "quota_max": 10000,
        "quota_renewal_rate": 86400,
        "key_expires_in": 0,
        // All the same way: Tyk refuses to apply several policies that are not.
        "partitions": {
            "quota": true,
            "rate_limit": true,
            "acl": true,
            "complexity": false,
            "per_api": false,
        },
        "access_rights": opened,
        "tags": [],
    })
}

fn opened(apis: &[(&Api, &TykRoute)]) -> Map<String, Value> {
    let right = |(api, route): &(&Api, &TykRoute)| {
        let right = json!({
            "api_id": route.api_id,
            "api_name": api.name,
            "versions": ["Default"],
        });
        (route.api_id.clone(), right)
    };
    apis.iter().map(right).collect()
}
