//! The form body of a request (`application/x-www-form-urlencoded`), read strictly.
//!
//! Libraries for this replace what they cannot decode; a security endpoint must refuse it instead
//! (A220), and must refuse a parameter that comes twice (RFC 6749 §3.2).

use std::borrow::Cow;

/// Most bytes of a form body (POL).
pub const MAX_BODY_BYTES: usize = 128 * 1024;
/// Most parameters of one form (POL).
pub const MAX_PARAMS: usize = 64;
/// Most bytes of one parameter, as sent (POL).
pub const MAX_PARAM_BYTES: usize = 48 * 1024;

/// Why a form is refused as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The same name twice, once decoded (RFC 6749 §3.2).
    #[error("a parameter occurs twice")]
    Duplicate,
    /// Invalid percent-encoding, UTF-8, or a NUL.
    #[error("a parameter is not well encoded")]
    Encoding,
    /// More parameters, or a longer one, than the limits.
    #[error("too many parameters, or one that is too long")]
    TooLarge,
}

/// The parameters of one request, decoded; each name at most once, unless it may be repeated.
#[derive(Debug, Default)]
pub struct Form<'b>(Vec<(Cow<'b, str>, Cow<'b, str>)>);

impl<'b> Form<'b> {
    /// Reads a whole body. Names are case-sensitive; unknown ones are kept and ignored.
    pub fn parse(body: &'b [u8]) -> Result<Self, FormError> {
        Self::parse_repeating(body, &[])
    }

    /// Reads a whole body in which each of `repeatable` may come several times.
    pub fn parse_repeating(body: &'b [u8], repeatable: &[&str]) -> Result<Self, FormError> {
        let mut params: Vec<(Cow<'b, str>, Cow<'b, str>)> = Vec::new();
        for pair in pairs(body).filter(|pair| !pair.is_empty()) {
            if params.len() == MAX_PARAMS || pair.len() > MAX_PARAM_BYTES {
                return Err(FormError::TooLarge);
            }
            let (name, value) = halves(pair);
            let (name, value) = (decode(name)?, decode(value)?);
            if params.iter().any(|(known, _)| *known == name) && !repeatable.contains(&&*name) {
                return Err(FormError::Duplicate);
            }
            params.push((name, value));
        }
        Ok(Self(params))
    }

    /// The value of `name`; an empty one counts as absent (RFC 6749 §3.2).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, v)| &**v).filter(|v| !v.is_empty())
    }

    /// Every value of `name`, but empty ones.
    pub fn get_all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = move |(known, value): &&(Cow<'b, str>, Cow<'b, str>)| {
            known == name && !value.is_empty()
        };
        self.0.iter().filter(named).map(|(_, value)| &**value)
    }

    /// Whether one of `names` was sent, even empty.
    pub fn has_any(&self, names: &[&str]) -> bool {
        self.0.iter().any(|(known, _)| names.contains(&&**known))
    }
}

/// The parts between `&`. A body is mostly one long token, so it is searched many bytes at a time.
fn pairs(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let all = rest?;
        let (pair, after) = match memchr::memchr(b'&', all).and_then(|at| all.split_at_checked(at))
        {
            Some((pair, after)) => (pair, after.get(1..)),
            None => (all, None),
        };
        rest = after;
        Some(pair)
    })
}

/// Name and value: what is before and after the first `=`.
fn halves(pair: &[u8]) -> (&[u8], &[u8]) {
    memchr::memchr(b'=', pair)
        .and_then(|at| Some((pair.get(..at)?, pair.get(at.saturating_add(1)..)?)))
        .unwrap_or((pair, &[]))
}

/// Decodes one name or value; borrows when there is nothing to decode, as in most tokens.
pub fn decode(text: &[u8]) -> Result<Cow<'_, str>, FormError> {
    let encoded = memchr::memchr2(b'%', b'+', text).is_some();
    let decoded = if encoded {
        let bytes = unescape(text).ok_or(FormError::Encoding)?;
        Cow::Owned(String::from_utf8(bytes).map_err(|_not_utf8| FormError::Encoding)?)
    } else {
        Cow::Borrowed(std::str::from_utf8(text).map_err(|_not_utf8| FormError::Encoding)?)
    };
    if memchr::memchr(0, decoded.as_bytes()).is_some() {
        Err(FormError::Encoding)
    } else {
        Ok(decoded)
    }
}

fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => (hex(*bytes.next()?)? << 4) | hex(*bytes.next()?)?,
            other => other,
        });
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_once_and_empty_ones_are_absent() {
        let form = Form::parse(b"token=a%2Bb+c&empty=&%74wice=1&Token=x&a=1;b=2").unwrap();
        assert_eq!(form.get("token"), Some("a+b c"));
        assert_eq!(form.get("empty"), None);
        assert!(form.has_any(&["empty"]));
        assert_eq!(form.get("twice"), Some("1"));
        assert_eq!(form.get("Token"), Some("x"));
        assert_eq!(form.get("a"), Some("1;b=2"), "A218: `;` does not separate");
    }

    #[test]
    fn a_name_twice_is_refused_however_it_is_spelled() {
        for body in ["token=a&token=b", "token=a&%74oken=b", "token=&token=a", "x&x"] {
            assert_eq!(Form::parse(body.as_bytes()).unwrap_err(), FormError::Duplicate, "{body}");
        }
    }

    #[test]
    fn what_does_not_decode_is_refused() {
        for body in ["a=%zz", "a=%4", "a=%", "a=%ff", "%00=a", "a=%00", "a=%C0%80"] {
            assert_eq!(Form::parse(body.as_bytes()).unwrap_err(), FormError::Encoding, "{body}");
        }
        assert_eq!(Form::parse(b"a=\xff").unwrap_err(), FormError::Encoding);
    }

    #[test]
    fn limits_hold() {
        let many = |n: usize| (0..n).map(|i| format!("p{i}=1")).collect::<Vec<_>>().join("&");
        assert!(Form::parse(many(MAX_PARAMS).as_bytes()).is_ok());
        assert!(Form::parse(many(MAX_PARAMS + 1).as_bytes()).is_err());
        let long = format!("a={}", "x".repeat(MAX_PARAM_BYTES));
        assert_eq!(Form::parse(long.as_bytes()).unwrap_err(), FormError::TooLarge);
    }
}
