//! Which form of the answer a caller asks for (RFC 9701 §4; RFC 9110 §12.5.1).

use actix_web::http::header::{ACCEPT, HeaderMap, HeaderValue};

use crate::protocol::introspection::SIGNED_MEDIA_TYPE;

/// A form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Plain JSON (RFC 7662).
    Json,
    /// The JWT behind an opaque token, for who may have it; JSON for everybody else.
    Phantom,
    /// A signed JWT (RFC 9701).
    Signed,
}

/// The form asked for: signed when that is named, not refused (`q=0`), and JSON is not preferred.
/// Whatever else is asked for gets JSON (JIR-01).
pub(super) fn wanted(headers: &HeaderMap) -> Form {
    let (mut signed, mut phantom, mut json) = (0, 0, 0);
    let readable = headers.get_all(ACCEPT).filter_map(|value: &HeaderValue| value.to_str().ok());
    for range in readable.flat_map(|value| value.split(',')) {
        let (media, weight) = parse(range);
        if media.eq_ignore_ascii_case(SIGNED_MEDIA_TYPE) {
            signed = signed.max(weight);
        } else if media.eq_ignore_ascii_case("application/jwt") {
            phantom = phantom.max(weight);
        } else if media.eq_ignore_ascii_case("application/json") {
            json = json.max(weight);
        }
    }
    if signed > 0 && signed >= json.max(phantom) {
        Form::Signed
    } else if phantom > 0 && phantom >= json {
        Form::Phantom
    } else {
        Form::Json
    }
}

/// A media range and its weight in thousandths. A weight that cannot be read counts as 0: doubt
/// gets JSON.
fn parse(range: &str) -> (&str, u16) {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let weight = parts
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .map_or(1000, |(_, value)| thousandths(value.trim()).unwrap_or(0));
    (media, weight)
}

/// `0` to `1` with at most three digits after the point (RFC 9110 §12.4.2).
fn thousandths(weight: &str) -> Option<u16> {
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = fraction.len() <= 3 && fraction.bytes().all(|digit| digit.is_ascii_digit());
    let thousandths = format!("{fraction:0<3}").parse::<u16>().ok().filter(|_| digits)?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(values: &[&str]) -> Form {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, HeaderValue::from_str(value).unwrap());
        }
        wanted(&headers)
    }

    #[test]
    fn only_those_who_name_the_signed_form_get_it() {
        for json in [
            "*/*",
            "application/json",
            "application/*",
            "text/html, application/xhtml+xml;q=0.9",
            "application/token-introspection+jwt;q=0",
            "application/token-introspection+jwt;q=0.000, */*",
            "application/token-introspection+jwt;q=0.5, application/json",
            "application/token-introspection+jwt;q=2",
            "application/token-introspection+jwt;q=x",
            "application/token-introspection+jwt;q=0.1234",
            ";;;q=,,,",
        ] {
            assert_eq!(asked(&[json]), Form::Json, "JIR-01 {json}");
        }
        assert_eq!(asked(&[]), Form::Json, "JIR-01");
    }

    #[test]
    fn the_jwt_behind_a_token_is_asked_for_by_name() {
        assert_eq!(asked(&["application/jwt"]), Form::Phantom);
        assert_eq!(asked(&["application/jwt, application/json;q=0.5"]), Form::Phantom);
        assert_eq!(asked(&["application/jwt;q=0.5, application/json"]), Form::Json);
        let all = "application/jwt, application/token-introspection+jwt";
        assert_eq!(asked(&[all]), Form::Signed);
    }

    #[test]
    fn weights_decide_between_both() {
        for signed in [
            "application/token-introspection+jwt",
            "Application/Token-Introspection+JWT; Q=0.2",
            "application/json;q=0.8, application/token-introspection+jwt",
            "application/json, application/token-introspection+jwt",
            "*/*, application/token-introspection+jwt;q=0.001",
        ] {
            assert_eq!(asked(&[signed]), Form::Signed, "JIR-01 {signed}");
        }
        let apart = ["application/json;q=0.3", "application/token-introspection+jwt;q=0.9"];
        assert_eq!(asked(&apart), Form::Signed, "several header lines are one list");
    }
}
