//! Reading claims with their types (RFC 7519 §4.1, §2): a claim of the wrong type is a refusal,
//! never a missing one.

use super::rejection::{Reason, Rejection};
use crate::protocol::ids::{Guid, MAX_ID_BYTES};
use crate::protocol::json::{Json, Object};
use crate::protocol::time::UnixTime;

/// How a fractional date becomes whole seconds: always to the stricter side (INT-14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Earlier: for `exp` and `iat`.
    Down,
    /// Later: for `nbf`.
    Up,
}

/// A claim that is a string, if present.
pub fn text<'c>(claims: &'c Object, name: &'static str) -> Result<Option<&'c str>, Rejection> {
    match claims.get(name) {
        None => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(other) => Err(malformed(name, "a string", other.kind())),
    }
}

/// A claim that is a string with something in it.
pub fn required_text<'c>(claims: &'c Object, name: &'static str) -> Result<&'c str, Rejection> {
    match text(claims, name)? {
        None => Err(missing(name)),
        Some("") => Err(malformed(name, "a string", "an empty one")),
        Some(text) => Ok(text),
    }
}

/// A claim that is an identifier: printable ASCII and not long.
pub fn identifier<'c>(
    claims: &'c Object,
    name: &'static str,
) -> Result<Option<&'c str>, Rejection> {
    let legal = |text: &str| {
        (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    match text(claims, name)? {
        Some(text) if !legal(text) => {
            Err(malformed(name, "at most 256 printable ASCII characters", text))
        }
        other => Ok(other),
    }
}

/// A claim that is a GUID in its one spelling.
pub fn guid(claims: &Object, name: &'static str) -> Result<Guid, Rejection> {
    let text = required_text(claims, name)?;
    text.parse().map_err(|_other| malformed(name, "a GUID in lower case", text))
}

/// A claim that is an array of strings, if present.
pub fn strings(claims: &Object, name: &'static str) -> Result<Option<Vec<String>>, Rejection> {
    let wrong = |found: &Json| malformed(name, "an array of strings", found.kind());
    match claims.get(name) {
        None => Ok(None),
        Some(Json::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| wrong(item)))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(other) => Err(wrong(other)),
    }
}

/// `aud`: a string, or an array of strings, with at least one entry and none empty (JWT-19).
pub fn audience(claims: &Object) -> Result<Vec<String>, Rejection> {
    let wrong = |found: &str| malformed("aud", "a string, or an array of strings", found);
    let entries = match claims.get("aud") {
        None => return Err(missing("aud")),
        Some(Json::String(one)) => vec![one.clone()],
        Some(Json::Array(_)) => strings(claims, "aud")?.unwrap_or_default(),
        Some(other) => return Err(wrong(other.kind())),
    };
    if entries.is_empty() || entries.iter().any(String::is_empty) {
        return Err(wrong("an empty one"));
    }
    Ok(entries)
}

/// A claim that is a date (RFC 7519 §2 `NumericDate`), if present: a number that is not negative
/// and names a moment.
pub fn date(
    claims: &Object,
    name: &'static str,
    round: Round,
) -> Result<Option<UnixTime>, Rejection> {
    let wrong = |found: &str| malformed(name, "seconds since 1970 as a number", found);
    let number = match claims.get(name) {
        None => return Ok(None),
        Some(Json::Number(number)) => number,
        Some(other) => return Err(wrong(other.kind())),
    };
    let seconds = number.as_i64().or_else(|| number.as_f64().and_then(|f| whole(f, round)));
    match seconds {
        Some(seconds) if seconds >= 0 => Ok(Some(UnixTime::from_seconds(seconds))),
        _ => Err(wrong(&number.to_string())),
    }
}

/// The largest float below which every whole number of seconds is exact, 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[expect(clippy::cast_possible_truncation, reason = "the range is checked to be exact")]
fn whole(seconds: f64, round: Round) -> Option<i64> {
    let rounded = if round == Round::Down { seconds.floor() } else { seconds.ceil() };
    // Not the rounded one: a little before 1970 would be rounded to 1970 (A74).
    (0.0..EXACT).contains(&seconds).then_some(rounded as i64)
}

/// A required claim is not there.
pub fn missing(name: &'static str) -> Rejection {
    Rejection::new(Reason::ClaimMissing).at(name).expected("to be present").found("nothing")
}

/// A claim has the wrong type or form.
pub fn malformed(name: &'static str, expected: &str, found: &str) -> Rejection {
    Rejection::new(Reason::ClaimMalformed).at(name).expected(expected).found(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(text: &str) -> Object {
        Object::parse(text.as_bytes()).unwrap()
    }

    fn exp(value: &str) -> Result<Option<i64>, Reason> {
        date(&claims(&format!("{{\"exp\":{value}}}")), "exp", Round::Down)
            .map(|found| found.map(UnixTime::seconds))
            .map_err(|rejection| rejection.reason)
    }

    #[test]
    fn dates_are_numbers_and_round_to_the_strict_side() {
        assert_eq!(exp("1999999999.5"), Ok(Some(1_999_999_999)), "A73");
        let nbf = date(&claims(r#"{"nbf":1.2}"#), "nbf", Round::Up).unwrap();
        assert_eq!(nbf.map(UnixTime::seconds), Some(2));
        assert!(date(&claims(r#"{"nbf":-0.5}"#), "nbf", Round::Up).is_err(), "A74, A80");
        for bad in ["\"1999999999\"", "true", "null", "[1]", "{}", "-1", "1e300", "1e18"] {
            assert_eq!(exp(bad), Err(Reason::ClaimMalformed), "A71, A72, A74, A75 {bad}");
        }
        assert_eq!(
            exp("9223372036854775807"),
            Ok(Some(i64::MAX)),
            "no overflow; the horizon refuses"
        );
    }

    #[test]
    fn an_audience_is_one_string_or_several() {
        assert_eq!(audience(&claims(r#"{"aud":"a"}"#)).unwrap(), ["a"]);
        assert_eq!(audience(&claims(r#"{"aud":["a","b"]}"#)).unwrap(), ["a", "b"]);
        for bad in [
            "{}",
            r#"{"aud":[]}"#,
            r#"{"aud":""}"#,
            r#"{"aud":null}"#,
            r#"{"aud":1}"#,
            r#"{"aud":{}}"#,
            r#"{"aud":[["x"]]}"#,
            r#"{"aud":["x",1]}"#,
            r#"{"aud":["x",""]}"#,
        ] {
            assert!(audience(&claims(bad)).is_err(), "A111 {bad}");
        }
    }
}
