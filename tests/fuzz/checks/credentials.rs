//! Client credentials: exactly one way is taken from a request, whatever stands in it (RFC 6749 §2.3;
//! A200 to A207), and nothing of it is ever shown.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::ExposeSecret as _;
use tessera::protocol::bearer::{self, BearerError};
use tessera::protocol::client_auth::{JWT_BEARER, Presented, PresentedError, presented};
use tessera::protocol::params::Form;
use tessera::protocol::trace_context::TraceParent;

/// `data` are values of `Authorization`, one a line; an empty line; and a form.
pub(crate) fn check(data: &[u8]) -> bool {
    let at = data.windows(2).position(|two| two == b"\n\n");
    let (headers, body) = at.map_or((data, &[][..]), |at| (&data[..at], &data[at + 2..]));
    let Ok(headers) = std::str::from_utf8(headers) else { return false };
    let Ok(form) = Form::parse(body) else { return false };
    let headers: Vec<_> = headers.split('\n').filter(|line| !line.is_empty()).collect();
    let ours = presented(&headers, &form);
    one_way(&headers, &form, &ours);
    bearers(&headers, &ours);
    for header in headers {
        query(header);
        trace(header);
    }
    ours.is_ok()
}

fn one_way(headers: &[&str], form: &Form<'_>, ours: &Result<Presented<'_>, PresentedError>) {
    let asserted = form.has_any(&["client_assertion", "client_assertion_type"]);
    let secret = form.get("client_secret");
    let ways = headers.len() + usize::from(asserted) + usize::from(secret.is_some());
    let Ok(ours) = ours else {
        let both = form.get("client_id").is_some() && secret.is_some();
        let only = headers.is_empty() && !asserted && both;
        assert!(!only, "a name and a secret, and nothing beside them");
        return;
    };
    assert_eq!(ways, 1, "{ours:?}");
    assert_eq!(format!("{ours:?}"), format!("Presented({:?})", ours.method()));
    match ours {
        Presented::Assertion { assertion, client_id } => {
            assert_eq!(Some(*assertion), form.get("client_assertion"));
            assert_eq!(form.get("client_assertion_type"), Some(JWT_BEARER), "A212");
            assert_eq!(*client_id, form.get("client_id"));
        }
        Presented::Bearer { token, client_id } => {
            let (scheme, rest) = headers[0].split_at(7);
            assert!(scheme.eq_ignore_ascii_case("bearer "));
            assert_eq!(rest.trim_start_matches(' '), *token);
            assert!(!token.is_empty() && !token.contains(' '));
            assert_eq!(*client_id, form.get("client_id"));
        }
        Presented::Secret { client_id, secret, .. } if headers.is_empty() => {
            assert_eq!(Some(&**client_id), form.get("client_id"));
            assert_eq!(Some(secret.expose_secret()), form.get("client_secret"));
        }
        Presented::Secret { client_id, secret, method } => {
            let secret = secret.expose_secret();
            assert!(!client_id.is_empty() && !secret.is_empty());
            assert!(form.get("client_id").is_none_or(|other| other == client_id), "A207");
            // What is written as RFC 6749 §2.3.1 says is read as the same.
            let encode = |text| url::form_urlencoded::byte_serialize(str::as_bytes(text)).collect();
            let [name, word]: [String; 2] = [client_id.as_str(), secret].map(encode);
            let header = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{word}")));
            let form = Form::default();
            let Ok(Presented::Secret { client_id: again, secret: word, method: how }) =
                presented(&[&header], &form)
            else {
                panic!("not read as it was written")
            };
            assert_eq!((&again, word.expose_secret(), how), (client_id, secret, *method));
        }
    }
}

/// The two readers of bearer tokens agree: what a gateway may pass on, a caller may show.
fn bearers(headers: &[&str], ours: &Result<Presented<'_>, PresentedError>) {
    match bearer::token(headers.iter().copied()) {
        Ok(token) => {
            assert_eq!(headers.len(), 1, "A206");
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            assert!(!token.is_empty() && token.bytes().all(legal), "RFC 9110 §11.2");
            assert!(headers[0].ends_with(token));
            if let Ok(ours) = ours {
                assert!(matches!(ours, Presented::Bearer { token: other, .. } if *other == token));
            }
        }
        Err(BearerError::Missing) => assert!(!matches!(ours, Ok(Presented::Bearer { .. }))),
        Err(BearerError::Malformed(_)) => assert!(!headers.is_empty()),
    }
}

/// A token in an address is found however it is spelled.
fn query(text: &str) {
    let named = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default();
        lenient(name.as_bytes()) == bearer::PARAMETER.as_bytes()
    };
    assert_eq!(bearer::is_in_query(text), text.split('&').any(named), "{text:?}");
}

/// As browsers decode: what is no escape stands for itself.
pub(crate) fn lenient(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap());
                at += 2;
            }
            (b'+', ..) => bytes.push(b' '),
            (other, ..) => bytes.push(*other),
        }
        at += 1;
    }
    bytes
}

fn trace(text: &str) {
    let Some(parent) = TraceParent::read(text) else { return };
    let written = parent.to_string();
    assert_eq!(TraceParent::read(&written), Some(parent));
    assert_eq!(text.get(3..52), written.get(3..52));
}
