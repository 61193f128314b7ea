//! Messages of Tyk's plugins: whatever one says, exactly that caller gets a session who may (A30, A206,
//! A226), and what goes back is a message that Tyk can read.

use prost::Message as _;
use tessera::edge::grpc::dispatch;
use tessera::protocol::coprocess::{MiniRequestObject, Object};

use super::gateway::{Asked, PLACES, SERVICE, is_ours, is_plain, tells_nothing};
use super::strict::{self, Value};

/// `data` is a message.
pub(crate) fn check(data: &[u8]) -> bool {
    let Ok(mut object) = Object::decode(data) else { return false };
    fill(&mut object);
    let answer = SERVICE.ask(dispatch(&SERVICE.doors, object.clone()));
    let again = Object::decode(&*answer.encode_to_vec()).expect("Tyk can read it");
    assert_eq!(again.encoded_len(), answer.encoded_len());
    let overrides = answer.request.as_ref().and_then(|one| one.return_overrides.as_ref());
    let passed = overrides.expect("Tyk needs it").response_code == -1;
    match expected(&object) {
        Some(expected) => assert_eq!(passed, expected, "{object:?}"),
        None => assert!(!passed || gateway(&object), "{object:?}"),
    }
    if passed {
        pass(&object, &answer);
    } else {
        refusal(&answer);
    }
    passed
}

fn fill(object: &mut Object) {
    let Object { request, spec, .. } = object;
    let headers = request.iter_mut().flat_map(|request| request.headers.values_mut());
    // What else the definition says is the gateway's own, and goes into the session.
    headers.chain(spec.get_mut("config_data")).for_each(|text| SERVICE.fill(text));
}

fn headers(request: &MiniRequestObject) -> Vec<(&str, &str)> {
    request.headers.iter().map(|(name, value)| (&**name, &**value)).collect()
}

/// Whether it passes, where `config_data` leaves no doubt about what is asked.
fn expected(object: &Object) -> Option<bool> {
    let (4, Some(request)) = (object.hook_type, &object.request) else { return Some(false) };
    let Some(config) = object.spec.get("config_data") else { return Some(false) };
    let config = strict::read(config.as_bytes())?;
    let Value::Map(all) = &config else { return None };
    let [(name, tessera @ Value::Map(members))] = &**all else { return None };
    let known = |(name, _): &(String, Value)| ["api", "secret"].contains(&&**name);
    if name != "tessera" || !members.iter().all(known) || !tessera.is_unambiguous() {
        return None;
    }
    let Some(api) = tessera.only("api").and_then(Value::text) else { return Some(false) };
    let secret = match tessera.only("secret") {
        None | Some(Value::Null) => None,
        Some(Value::Text(secret)) => Some(&**secret),
        Some(_) => return Some(false),
    };
    let in_address = request.params.contains_key("access_token");
    Some(Asked { api, secret, headers: headers(request), in_address }.may_pass())
}

/// Whether it was at least a gateway that asked, about a request with the good token.
fn gateway(object: &Object) -> bool {
    let config = object.spec.get("config_data").map(|text| serde_json::from_str(text));
    let Some(Ok(serde_json::Value::Object(config))) = config else { return false };
    let Some(request) = &object.request else { return false };
    let tessera = &config["tessera"];
    let in_address = request.params.contains_key("access_token");
    let (api, secret) = (tessera["api"].as_str().unwrap_or_default(), tessera["secret"].as_str());
    object.hook_type == 4 && Asked { api, secret, headers: headers(request), in_address }.may_pass()
}

fn pass(object: &Object, answer: &Object) {
    let (asked, request) = (object.request.as_ref().unwrap(), answer.request.as_ref().unwrap());
    assert_eq!((&asked.url, &asked.body), (&request.url, &request.body));
    assert_eq!(asked.raw_body, request.raw_body);
    for name in asked.headers.keys().filter(|name| is_ours(name)) {
        assert!(request.delete_headers.contains(name), "{name} comes from the caller");
    }
    for (name, value) in &request.set_headers {
        assert!(is_plain(value), "{value:?}");
        assert!(name == "Authorization" || is_ours(name), "{name}");
    }
    let onward = request.set_headers["Authorization"].strip_prefix("Bearer ").unwrap();
    assert!(onward == SERVICE.token || onward.split('.').count() == 3);
    let session = answer.session.as_ref().unwrap();
    assert!(session.session_lifetime > 0 && !session.is_inactive);
    assert!(!format!("{session:?}").contains(&SERVICE.token), "quotas outlive tokens");
    assert!(session.access_rights.len() == 1 || !session.apply_policies.is_empty());
}

fn refusal(answer: &Object) {
    let request = answer.request.as_ref().unwrap();
    assert!(request.body.is_empty() && request.raw_body.is_empty() && !request.url.is_empty());
    assert!(answer.session.is_none() && answer.response.is_none() && answer.metadata.is_empty());
    let overrides = request.return_overrides.as_ref().unwrap();
    assert!([400, 401, 403, 500, 503].contains(&overrides.response_code));
    tells_nothing(&overrides.response_error);
    for value in overrides.headers.values() {
        tells_nothing(value);
    }
    assert!(!PLACES.iter().any(|place| overrides.response_error.contains(place)));
}
