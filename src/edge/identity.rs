//! The headers by which an API behind a gateway learns who calls.
//!
//! Every one is always set, even when there is nothing to say: what the caller put there himself
//! must not get through.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::domain::admission::Visitor;

/// The names, in lower case as HTTP/2 has them.
pub(super) const NAMES: [&str; 9] = [
    "x-tessera-principal",
    "x-tessera-principal-type",
    "x-tessera-tenant",
    "x-tessera-subject",
    "x-tessera-client",
    "x-tessera-actor",
    "x-tessera-scope",
    "x-tessera-roles",
    "x-tessera-policies",
];

/// Name and value of each header; an empty value where there is nothing to say.
pub(super) fn headers(visitor: &Visitor) -> [(&'static str, String); 9] {
    let values = [
        plain(&visitor.principal),
        plain(&visitor.principal_type),
        plain(&visitor.tenant),
        plain(&visitor.sub),
        plain(&visitor.client_id),
        plain(visitor.act_sub.as_deref().unwrap_or_default()),
        // Scopes hold nothing that a header could not.
        Cow::Borrowed(&*visitor.scope),
        joined(&visitor.roles, " "),
        joined(&visitor.policies, ","),
    ];
    let mut values = values.into_iter().map(Cow::into_owned);
    NAMES.map(|name| (name, values.next().unwrap_or_default()))
}

/// What every name that speaks of an identity has in it, also in the spellings that some backends
/// take for the same name: `X_Tessera_Actor`.
const MARK: &str = "tessera";

/// Whether only we may set a header of this name.
pub(super) fn is_ours(name: &str) -> bool {
    let (name, mark) = (name.as_bytes(), MARK.as_bytes());
    name.windows(mark.len()).any(|part| part.eq_ignore_ascii_case(mark))
}

/// Whether `Connection` of this value would take from the request, on its way to the API, what we say
/// about its caller (RFC 9110 §7.6.1): an agent could hide for whom it acts.
pub(super) fn is_hidden_by(connection: &str) -> bool {
    let named = connection.split(',').map(str::trim);
    named.into_iter().any(|name| is_ours(name) || name.eq_ignore_ascii_case("authorization"))
}

fn joined<'v>(entries: &[String], separator: &str) -> Cow<'v, str> {
    let entries: Vec<_> = entries.iter().map(|entry| plain(entry)).collect();
    Cow::Owned(entries.join(separator))
}

/// Everything that could end a value, or one entry of a list, is percent-encoded (A226).
fn plain(text: &str) -> Cow<'_, str> {
    let safe = |byte: u8| byte.is_ascii_graphic() && byte != b'%' && byte != b',';
    if text.bytes().all(safe) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if safe(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing into a `String` cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_whatever_could_be_taken_for_it() {
        for name in ["X-Tessera-Actor", "x_tessera_actor", "TESSERA", "X-TESSERA"] {
            assert!(is_ours(name), "{name}");
        }
        for name in ["", "X-Tesser", "Authorization", "X-Mosaic"] {
            assert!(!is_ours(name), "{name}");
        }
        for value in ["close, X-Tessera-Actor", "authorization", "a,AUTHORIZATION ,b"] {
            assert!(is_hidden_by(value), "{value}");
        }
        for value in ["", "close", "keep-alive, Upgrade"] {
            assert!(!is_hidden_by(value), "{value}");
        }
    }

    #[test]
    fn every_header_is_there_and_none_can_break_out() {
        let answer = r#"{"sub":"s\r\nX-Evil: 1","aud":"a","client_id":"c","scope":"a b","exp":1,
            "roles":["Sales, EU","Ä"],"policies":["gold","silver"],"tenant":"t",
            "principal":"o.t","principal_type":"user"}"#;
        let headers = headers(&Visitor::read(answer.as_bytes()).unwrap());
        assert_eq!(headers.each_ref().map(|(name, _)| *name), NAMES);
        let value = |name: &str| headers.iter().find(|(one, _)| *one == name).unwrap().1.as_str();
        assert_eq!(value("x-tessera-principal"), "o.t");
        assert_eq!(value("x-tessera-subject"), "s%0D%0AX-Evil:%201", "A226");
        assert_eq!(value("x-tessera-actor"), "", "there is none, and the caller cannot name one");
        assert_eq!(value("x-tessera-scope"), "a b");
        assert_eq!(value("x-tessera-roles"), "Sales%2C%20EU %C3%84");
        assert_eq!(value("x-tessera-policies"), "gold,silver");
    }
}
