//! Messages of Envoy's external authorization: whatever one says, exactly that caller passes who may,
//! and nothing that the caller says about himself gets to the API.

use prost::Message as _;
use tessera::edge::grpc;
use tessera::protocol::ext_authz::{
    CheckRequest, CheckResponse, HeaderValue, HttpRequest, HttpResponse, OkResponse,
};

use super::credentials::lenient;
use super::gateway::{Asked, SERVICE, is_ours, is_plain, tells_nothing};

/// `data` is a message.
pub(crate) fn check(data: &[u8]) -> bool {
    let Ok(mut request) = CheckRequest::decode(data) else { return false };
    fill(&mut request);
    let answer = SERVICE.ask(grpc::check(&SERVICE.doors, &request));
    let again = CheckResponse::decode(&*answer.encode_to_vec()).expect("Envoy can read it");
    assert_eq!(again, answer);
    let code = answer.status.map(|status| status.code);
    match (answer.http_response.expect("Envoy needs it"), http(&request)) {
        (HttpResponse::Ok(changes), Some(http)) => {
            assert_eq!(code, Some(0));
            assert!(may_pass(&request), "{request:?}");
            pass(http, &changes);
            true
        }
        (HttpResponse::Ok(_), None) => panic!("nothing was asked"),
        (HttpResponse::Denied(denied), _) => {
            assert!(code.is_some_and(|code| code != 0));
            assert!(!may_pass(&request), "{request:?}");
            let status = denied.status.map(|status| status.code).unwrap_or_default();
            assert!([400, 401, 403, 500, 503].contains(&status));
            tells_nothing(&denied.body);
            assert!(serde_json::from_str::<serde_json::Value>(&denied.body).is_ok());
            for header in denied.headers.iter().filter_map(|option| option.header.as_ref()) {
                tells_nothing(&header.value);
            }
            false
        }
    }
}

fn http(request: &CheckRequest) -> Option<&HttpRequest> {
    request.attributes.as_ref()?.request.as_ref()?.http.as_ref()
}

fn fill(request: &mut CheckRequest) {
    let Some(attributes) = &mut request.attributes else { return };
    attributes.context_extensions.values_mut().for_each(|text| SERVICE.fill(text));
    let http = attributes.request.as_mut().and_then(|request| request.http.as_mut());
    let Some(http) = http else { return };
    http.headers.values_mut().for_each(|text| SERVICE.fill(text));
    for header in http.header_map.iter_mut().flat_map(|map| &mut map.headers) {
        SERVICE.fill(&mut header.value);
        if let Ok(mut text) = String::from_utf8(header.raw_value.clone()) {
            SERVICE.fill(&mut text);
            header.raw_value = text.into_bytes();
        }
    }
}

/// Every header, however it is told.
fn headers(http: &HttpRequest) -> Vec<(&str, &str)> {
    let joined = http.headers.iter().map(|(name, value)| (&**name, &**value));
    let single = http.header_map.iter().flat_map(|map| &map.headers);
    joined.chain(single.map(|header| (&*header.key, value(header)))).collect()
}

fn value(HeaderValue { value, raw_value, .. }: &HeaderValue) -> &str {
    if raw_value.is_empty() { value } else { std::str::from_utf8(raw_value).unwrap_or("?") }
}

fn may_pass(request: &CheckRequest) -> bool {
    let (Some(attributes), Some(http)) = (&request.attributes, http(request)) else { return false };
    let route = &attributes.context_extensions;
    let Some(api) = route.get("api") else { return false };
    let query = http.path.split_once('?').map_or("", |(_, query)| query);
    let is_token = |pair: &str| {
        lenient(pair.split('=').next().unwrap_or_default().as_bytes()) == b"access_token"
    };
    let in_address = query.split('&').any(is_token);
    let secret = route.get("secret").map(String::as_str);
    Asked { api, secret, headers: headers(http), in_address }.may_pass()
}

fn pass(http: &HttpRequest, changes: &OkResponse) {
    let set: Vec<_> = changes.headers.iter().filter_map(|option| option.header.as_ref()).collect();
    assert!(
        changes.headers.iter().all(|option| option.append_action == 2),
        "in place of any other"
    );
    for header in &set {
        assert!(is_plain(&header.value) && header.raw_value.is_empty(), "{header:?}");
        assert!(header.key == "authorization" || is_ours(&header.key), "{header:?}");
    }
    let replaced = |name: &str| set.iter().any(|header| header.key.eq_ignore_ascii_case(name));
    let removed = |name: &str| changes.headers_to_remove.iter().any(|one| one == name);
    for (name, _) in headers(http).into_iter().filter(|(name, _)| is_ours(name)) {
        assert!(removed(name) || replaced(name), "{name} comes from the caller");
    }
    let onward = set.iter().find(|header| header.key == "authorization").unwrap();
    let onward = onward.value.strip_prefix("Bearer ").unwrap();
    assert!(onward == SERVICE.token || onward.split('.').count() == 3);
}
