//! Claims and their types (RFC 7519 §2, §4): one of the wrong type is a refusal.

use serde_json::{Map, Value};

use super::No;

pub(super) type Claims = Map<String, Value>;

pub(super) fn text<'c>(claims: &'c Claims, name: &str) -> Result<Option<&'c str>, No> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(No::Bad),
    }
}

/// A text that is there and not empty.
pub(super) fn some_text<'c>(claims: &'c Claims, name: &str) -> Result<&'c str, No> {
    text(claims, name)?.filter(|text| !text.is_empty()).ok_or(No::Bad)
}

/// A name: visible ASCII, up to 256 bytes (standards §16).
pub(super) fn name<'c>(claims: &'c Claims, member: &str) -> Result<Option<&'c str>, No> {
    let Some(text) = text(claims, member)? else { return Ok(None) };
    let visible = text.chars().all(|letter| ('!'..='~').contains(&letter));
    if visible && (1..=256).contains(&text.len()) { Ok(Some(text)) } else { Err(No::Bad) }
}

pub(super) fn texts(claims: &Claims, name: &str) -> Result<Option<Vec<String>>, No> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Array(items)) => {
            let text = |item: &Value| item.as_str().map(str::to_owned).ok_or(No::Bad);
            items.iter().map(text).collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(No::Bad),
    }
}

pub(super) fn guid(claims: &Claims, name: &str) -> Result<String, No> {
    let text = some_text(claims, name)?;
    if is_guid(text) { Ok(text.to_owned()) } else { Err(No::Bad) }
}

/// Lower case, with hyphens: one spelling.
pub(super) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(at, letter)| match at {
            8 | 13 | 18 | 23 => letter == '-',
            _ => letter.is_ascii_digit() || ('a'..='f').contains(&letter),
        })
}

/// Seconds since 1970, with what is behind the point cut off (or, for `nbf`, made whole).
pub(super) fn date(claims: &Claims, name: &str) -> Result<Option<i64>, No> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = match (value.as_i64(), value.as_f64()) {
        (Some(seconds), _) => seconds,
        #[expect(clippy::cast_possible_truncation, reason = "smaller than 2^53")]
        (None, Some(seconds)) if seconds.abs() < 9e15 => {
            (if name == "nbf" { seconds.ceil() } else { seconds.floor() }) as i64
        }
        _ => return Err(No::Bad),
    };
    if whole < 0 { Err(No::Bad) } else { Ok(Some(whole)) }
}

/// To whom: one text or several, none of them empty (RFC 7519 §4.1.3).
pub(super) fn audience(claims: &Claims) -> Result<Vec<String>, No> {
    let all = match claims.get("aud") {
        Some(Value::String(one)) => vec![one.clone()],
        _ => texts(claims, "aud")?.ok_or(No::Bad)?,
    };
    if all.is_empty() || all.iter().any(String::is_empty) { Err(No::Bad) } else { Ok(all) }
}
