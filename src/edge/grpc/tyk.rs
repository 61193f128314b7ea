//! Tyk's plugin (`coprocess.Dispatcher`), as custom authentication: the request's bearer token in,
//! a session or a refusal out.
//!
//! The object that was received goes back changed. Tyk takes over the address and the body of what
//! comes back, and cannot do without `request` and `return_overrides`.

use std::time::Instant;

use super::{Doors, recognised};
use crate::domain::admission::Visitor;
use crate::domain::api::Swap;
use crate::domain::audit::record::{Door, Origin};
use crate::edge::decide::decide;
use crate::edge::{identity, told};
use crate::protocol::bearer::{self, BearerError};
use crate::protocol::coprocess::{
    AccessDefinition, Asked, Event, EventReply, HookType, MiniRequestObject, Object,
    ReturnOverrides, SessionState,
};
use crate::protocol::ids::Fingerprint;
use crate::protocol::json::FromObject;
use crate::protocol::time::UnixTime;
use crate::service::gate;
use crate::telemetry::gateway_metrics::{Gateway, Misuse};

/// Answers one call.
pub async fn dispatch(doors: &Doors, object: Object) -> Object {
    let started = Instant::now();
    let snapshot = doors.snapshot.load_full();
    let asked = match asked(&object) {
        Ok(asked) => asked,
        Err(misuse) => return misused(doors, object, misuse),
    };
    let entrance = match recognised(&snapshot, &asked.api, asked.secret.as_deref()) {
        Ok(entrance) => entrance,
        Err(misuse) => return misused(doors, object, misuse),
    };
    let swap = asked
        .exchange
        .map(|FromObject(swap)| Swap { resource: swap.resource, scopes: swap.scopes });
    if swap.is_some() && !entrance.proved {
        // Whoever reaches the listener could have tokens issued, for whatever the client may ask.
        return misused(doors, object, Misuse::Unproved);
    }
    let token = token(object.request.as_ref());
    let question = gate::Asked { token, swap: swap.as_ref(), origin: Origin::by(Door::Tyk) };
    let decided = decide(&doors.gate, (&snapshot, &entrance), question).await;
    told::decided(
        &doors.metrics,
        (Gateway::Tyk, &entrance, swap.as_ref()),
        &decided,
        &snapshot,
        started.elapsed(),
    );
    match decided {
        Ok(admitted) => {
            let onward = admitted.authorization(token.unwrap_or_default());
            let name = entrance.name_of(&admitted.visitor, &snapshot);
            pass(object, &admitted.visitor, (onward, &name), doors.clock.now())
        }
        Err(refused) => {
            let challenge = refused.challenge(&entrance.api, &snapshot);
            let headers = challenge.map(|challenge| ("WWW-Authenticate", challenge));
            let again = refused.retry_after().map(|seconds| ("Retry-After", seconds.to_string()));
            refuse(object, refused.status(), refused.told(), headers.into_iter().chain(again))
        }
    }
}

/// The headers of the request that Tyk asks about.
pub(super) fn asked_by(object: &Object) -> impl Iterator<Item = (&str, &str)> {
    let headers = object.request.iter().flat_map(|request| &request.headers);
    headers.map(|(name, value)| (&**name, &**value))
}

/// What happens in Tyk changes nothing here.
pub(super) const fn event(_: &Event) -> EventReply {
    EventReply {}
}

/// Reads what the API's definition asks for.
fn asked(object: &Object) -> Result<Asked<'_>, Misuse> {
    if object.hook_type() != HookType::CustomKeyCheck {
        return Err(Misuse::Hook);
    }
    if object.request.is_none() {
        return Err(Misuse::Message);
    }
    let config = object.spec.get("config_data").ok_or(Misuse::ConfigData)?;
    Asked::read(config).map_err(|_unreadable| Misuse::ConfigData)
}

/// The one token of the request. Names of headers are compared as HTTP does.
fn token(request: Option<&MiniRequestObject>) -> Result<&str, BearerError> {
    let request = request.ok_or(BearerError::Missing)?;
    if request.params.contains_key(bearer::PARAMETER) {
        return Err(BearerError::Malformed("a token in the address"));
    }
    let is = |name: &str| name.eq_ignore_ascii_case("authorization");
    let connection = |name: &str| name.eq_ignore_ascii_case("connection");
    let hides =
        |(name, value): (&String, &String)| connection(name) && identity::is_hidden_by(value);
    if request.headers.iter().any(hides) {
        return Err(BearerError::Malformed("a Connection that takes away what is said here"));
    }
    bearer::token(request.headers.iter().filter(|(name, _)| is(name)).map(|(_, value)| &**value))
}

/// Lets the request pass, with a session called `name`, and with the headers that the API reads.
///
/// Tyk removes first, then sets. So everything goes that the caller may have said himself, in
/// whatever spelling; names are spelled as Go does, because Tyk can be told to take them literally.
fn pass(
    mut object: Object,
    visitor: &Visitor,
    (authorization, name): (String, &Fingerprint),
    now: UnixTime,
) -> Object {
    object.session = Some(session(visitor, &object, name, now));
    let request = object.request.get_or_insert_default();
    let forged = request.headers.keys().filter(|name| identity::is_ours(name)).cloned();
    request.delete_headers = forged.chain(identity::NAMES.map(canonical)).collect();
    let said = identity::headers(visitor).into_iter().filter(|(_, value)| !value.is_empty());
    request.set_headers = said.map(|(name, value)| (canonical(name), value)).collect();
    // Tyk tells us the first of several, and would send all of them on.
    request.set_headers.insert("Authorization".to_owned(), authorization);
    // Nothing is answered in the place of the API; Tyk reads this without looking whether it is there.
    request.return_overrides.get_or_insert_default().response_code = -1;
    object
}

/// `x-tessera-actor` as `X-Tessera-Actor`.
fn canonical(name: &str) -> String {
    let mut first = true;
    let spell = |letter: char| {
        let spelled = if first { letter.to_ascii_uppercase() } else { letter };
        first = letter == '-';
        spelled
    };
    name.chars().map(spell).collect()
}

/// A session as long as the token, under a name that stays the same for the same caller. Tyk keeps
/// it for quotas and rates alone: without an id extractor it asks here at every request.
fn session(visitor: &Visitor, object: &Object, name: &Fingerprint, now: UnixTime) -> SessionState {
    let spec = |name: &str| object.spec.get(name).cloned().unwrap_or_default();
    let mut session = SessionState {
        expires: visitor.exp,
        session_lifetime: visitor.life(now).max(1),
        apply_policies: visitor.policies.clone(),
        org_id: spec("OrgID"),
        alias: visitor.principal.clone(),
        metadata: metadata(visitor),
        ..SessionState::default()
    };
    // Never the token itself: quotas outlive tokens, and Tyk shows its keys. Sessions of all APIs
    // share one space of names, and where keys are asked for, each is one.
    let name = u128::from_be_bytes(name.first());
    session.metadata.insert("token".to_owned(), format!("tessera-{name:032x}"));
    if visitor.policies.is_empty() {
        // Otherwise it could call every API of the gateway.
        let api_id = spec("APIID");
        let versions = vec!["Default".to_owned()];
        let right = AccessDefinition { api_id: api_id.clone(), versions, ..Default::default() };
        session.access_rights.insert(api_id, right);
    }
    session
}

/// `$tyk_meta`: the identity context in flat texts.
fn metadata(visitor: &Visitor) -> std::collections::HashMap<String, String> {
    let policies = visitor.policies.join(",");
    let roles = visitor.roles.join(" ");
    [
        ("principal", &visitor.principal),
        ("principal_type", &visitor.principal_type),
        ("tenant", &visitor.tenant),
        ("sub", &visitor.sub),
        ("client_id", &visitor.client_id),
        ("scope", &visitor.scope),
        ("roles", &roles),
        ("policies", &policies),
    ]
    .into_iter()
    .chain(visitor.act_sub.as_ref().map(|actor| ("act_sub", actor)))
    .map(|(name, value)| (name.to_owned(), value.clone()))
    .collect()
}

/// Answers in place of the API. What it would have been sent is not sent back.
fn refuse(
    mut object: Object,
    status: u16,
    why: &str,
    headers: impl Iterator<Item = (&'static str, String)>,
) -> Object {
    let request = object.request.get_or_insert_default();
    request.body.clear();
    request.raw_body.clear();
    if request.url.is_empty() {
        // Tyk reads the address of what comes back, and does not survive one that is none.
        "/".clone_into(&mut request.url);
    }
    request.return_overrides = Some(ReturnOverrides {
        response_code: status.into(),
        response_error: why.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).collect(),
        ..ReturnOverrides::default()
    });
    object.session = None;
    object.metadata.clear();
    // Where Tyk takes this for its answer to the caller, it has none.
    object.response = None;
    object
}

fn misused(doors: &Doors, object: Object, misuse: Misuse) -> Object {
    let api = object.spec.get("APIID").map(String::as_str);
    let (status, why) = doors.misused(Gateway::Tyk, misuse, api);
    refuse(object, status, why, std::iter::empty())
}
