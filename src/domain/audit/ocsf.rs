//! A line of the trail as an event of the Open Cybersecurity Schema Framework, version 1.8.

use serde_json::{Map, Value, json};

use super::record::Event;

/// The version of the framework.
pub const VERSION: &str = "1.8.0";

/// A class of the framework and one of its activities.
struct Class {
    uid: u32,
    name: &'static str,
    category: u32,
    activity: u32,
}

const IAM: u32 = 3;
const APPLICATION: u32 = 6;
const CREATE: u32 = 1;
const READ: u32 = 2;
const UPDATE: u32 = 3;
const DELETE: u32 = 4;

const fn api_activity(activity: u32) -> Class {
    Class { uid: 6003, name: "API Activity", category: APPLICATION, activity }
}

const fn entity_management(activity: u32) -> Class {
    Class { uid: 3004, name: "Entity Management", category: IAM, activity }
}

const fn class(event: Event) -> Class {
    match event {
        Event::TokenIssued | Event::ExchangeRefused => api_activity(CREATE),
        Event::Introspected | Event::RequestRefused => api_activity(READ),
        Event::Revoked | Event::RevocationRefused => api_activity(DELETE),
        // 1: Logon.
        Event::AuthenticationFailed => {
            Class { uid: 3002, name: "Authentication", category: IAM, activity: 1 }
        }
        Event::ConfigurationChanged
        | Event::ConfigurationRefused
        | Event::KeyChanged
        | Event::KeyRetirementOrdered
        | Event::KeyRotationOrdered => entity_management(UPDATE),
        // 3 and 4: Start, Stop.
        Event::Started => {
            Class { uid: 6002, name: "Application Lifecycle", category: APPLICATION, activity: 3 }
        }
        Event::Stopped => {
            Class { uid: 6002, name: "Application Lifecycle", category: APPLICATION, activity: 4 }
        }
    }
}

/// The event that a line of the trail tells of; `None` if it is none of a trail.
pub fn event(line: &[u8]) -> Option<Value> {
    let Value::Object(record) = serde_json::from_slice(line).ok()? else { return None };
    let event: Event = record.get("event")?.as_str()?.parse().ok()?;
    let time: jiff::Timestamp = record.get("time")?.as_str()?.parse().ok()?;
    let class = class(event);
    let refused = record.get("outcome").and_then(Value::as_str) == Some("refused");
    let mut out = json!({
        "activity_id": class.activity,
        "category_uid": class.category,
        "class_uid": class.uid,
        "class_name": class.name,
        "type_uid": class.uid.saturating_mul(100).saturating_add(class.activity),
        "time": time.as_millisecond(),
        // 1: Informational, 3: Medium.
        "severity_id": if refused { 3 } else { 1 },
        // 1: Success, 2: Failure.
        "status_id": if refused { 2 } else { 1 },
        "metadata": metadata(&record),
        "unmapped": unmapped(&record),
    });
    let members = out.as_object_mut()?;
    if let Some(reason) = record.get("reason") {
        members.insert("status_detail".to_owned(), reason.clone());
    }
    if let Some(detail) = record.get("detail") {
        members.insert("message".to_owned(), detail.clone());
    }
    match class.uid {
        6003 => api_members(event, &record, refused, members),
        3002 => {
            members.insert(
                "user".to_owned(),
                json!({ "name": record.get("client"), "type": "Service" }),
            );
            // 6: OAUTH 2.0.
            members.insert("auth_protocol_id".to_owned(), json!(6));
        }
        3004 => {
            let kind =
                if event.as_str().starts_with("key") { "signing key" } else { "configuration" };
            members
                .insert("entity".to_owned(), json!({ "type": kind, "name": record.get("detail") }));
            members.insert("actor".to_owned(), actor(&record));
        }
        _ => drop(members.insert("app".to_owned(), product())),
    }
    Some(out)
}

/// What the framework asks of an activity at an API.
fn api_members(
    event: Event,
    record: &Map<String, Value>,
    refused: bool,
    members: &mut Map<String, Value>,
) {
    let operation = match event {
        Event::TokenIssued | Event::ExchangeRefused => "token_exchange",
        Event::Revoked | Event::RevocationRefused => "revocation",
        Event::AuthenticationFailed
        | Event::ConfigurationChanged
        | Event::ConfigurationRefused
        | Event::Introspected
        | Event::KeyChanged
        | Event::KeyRetirementOrdered
        | Event::KeyRotationOrdered
        | Event::RequestRefused
        | Event::Started
        | Event::Stopped => "introspection",
    };
    let api = json!({ "operation": operation, "request": { "uid": record.get("request") } });
    members.insert("api".to_owned(), api);
    members.insert("actor".to_owned(), actor(record));
    let door = record.get("door").cloned().unwrap_or(Value::Null);
    members.insert("src_endpoint".to_owned(), json!({ "name": door }));
    // 1: Allowed, 2: Denied.
    members.insert("action_id".to_owned(), json!(if refused { 2 } else { 1 }));
    if let Some(names) = record.get("resource").and_then(Value::as_array) {
        let resources: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        members.insert("resources".to_owned(), json!(resources));
    }
}

fn actor(record: &Map<String, Value>) -> Value {
    if record.get("door").and_then(Value::as_str) == Some("admin") {
        // The listener for operators does not know which of them it is.
        return json!({ "user": { "type": "Admin", "name": "operator" } });
    }
    let mut actor = json!({ "app_uid": record.get("client"), "app_name": record.get("client") });
    if let (Some(members), Some(principal)) = (actor.as_object_mut(), record.get("principal")) {
        let user = json!({
            "uid": principal,
            "type": record.get("principal_type"),
            "org": { "uid": record.get("tenant") },
        });
        members.insert("user".to_owned(), user);
        if let Some(rule) = record.get("rule") {
            let decided = json!([{ "decision": "allow", "policy": { "uid": rule } }]);
            members.insert("authorizations".to_owned(), decided);
        }
    }
    actor
}

fn metadata(record: &Map<String, Value>) -> Value {
    let part = |name: &str| record.get(name).map(Value::to_string).unwrap_or_default();
    let uid = format!("{}-{}", part("chain").trim_matches('"'), part("seq"));
    json!({
        "version": VERSION,
        "product": product(),
        "uid": uid,
        "correlation_uid": record.get("request"),
        "sequence": record.get("seq"),
    })
}

fn product() -> Value {
    json!({ "name": "tessera", "vendor_name": "tessera", "version": env!("CARGO_PKG_VERSION") })
}

/// What the framework has no place for.
fn unmapped(record: &Map<String, Value>) -> Value {
    const NAMES: [&str; 15] = [
        "chain",
        "prev",
        "hash",
        "actors",
        "scopes_asked",
        "scopes",
        "token",
        "fingerprint",
        "subject_token",
        "subject_fingerprint",
        "hop",
        "api",
        "revoked_principal",
        "revoked_client",
        "issued_up_to",
    ];
    let kept =
        NAMES.iter().filter_map(|name| Some(((*name).to_owned(), record.get(*name)?.clone())));
    Value::Object(kept.collect())
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;
    use crate::domain::audit::chain::{Chain, Hasher};
    use crate::domain::audit::record::Record;
    use crate::protocol::time::UnixTime;

    #[test]
    fn every_event_has_a_class_and_what_that_class_asks_for() {
        let mut chain = Chain::new("c1".to_owned(), Hasher::Plain);
        for kind in Event::VARIANTS {
            let mut line = Vec::new();
            let record = Record::new(*kind).client("invoice-agent").refused("scope_not_held");
            chain.append(UnixTime::from_seconds(1_795_435_200), &record, &mut line).unwrap();
            let event = event(&line).unwrap();
            let needed = match event["class_uid"].as_u64().unwrap() {
                6003 => &["actor", "api", "src_endpoint"][..],
                3002 => &["user"],
                3004 => &["entity"],
                6002 => &["app"],
                other => panic!("{other}"),
            };
            let always = ["metadata", "time", "severity_id", "activity_id", "category_uid"];
            for name in needed.iter().chain(&always) {
                assert!(!event[name].is_null(), "{kind:?}: {name} in {event}");
            }
            let types = event["class_uid"].as_u64().unwrap() * 100;
            assert_eq!(event["type_uid"].as_u64().unwrap() / 100 * 100, types);
            assert_eq!(event["time"], 1_795_435_200_000_i64);
            assert_eq!(event["status_detail"], "scope_not_held");
        }
    }

    #[test]
    fn what_is_no_line_is_no_event() {
        for line in ["", "{}", "[]", r#"{"event":"token_issued"}"#, r#"{"event":"x","time":"y"}"#] {
            assert!(event(line.as_bytes()).is_none(), "{line}");
        }
    }
}
