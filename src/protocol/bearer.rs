//! How a request carries its token, and how it is refused (RFC 6750; RFC 9728 §5.1).

use std::fmt::Write as _;

use super::scope::is_scope;

/// The parameter by which a token can stand in an address or a form (RFC 6750 §2.2, §2.3). Not
/// taken from there: logs and caches see addresses.
pub const PARAMETER: &str = "access_token";

/// Whether a query holds a token.
pub fn is_in_query(query: &str) -> bool {
    !query.is_empty() && url::form_urlencoded::parse(query.as_bytes()).any(|(n, _)| n == PARAMETER)
}

/// A request from which no single token could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BearerError {
    /// No token at all, or credentials of another kind.
    #[error("no bearer token")]
    Missing,
    /// Something that is no single token.
    #[error("{0}")]
    Malformed(&'static str),
}

/// The one token in the values of `Authorization` (RFC 6750 §2.1).
///
/// Gateways join several values with a comma, which no token holds: two tokens are never one.
pub fn token<'h>(mut authorization: impl Iterator<Item = &'h str>) -> Result<&'h str, BearerError> {
    let value = authorization.next().ok_or(BearerError::Missing)?;
    if authorization.next().is_some() {
        return Err(BearerError::Malformed("more than one Authorization"));
    }
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        // `Basic a, Bearer b` is two ways at once, and neither is tried.
        let several = value.contains(',') && value.to_ascii_lowercase().contains("bearer ");
        let wrong = BearerError::Malformed("more than one way to authenticate");
        return Err(if several { wrong } else { BearerError::Missing });
    }
    let token = token.trim_start_matches(' ');
    if token.is_empty() {
        return Err(BearerError::Missing);
    }
    if is_token68(token) { Ok(token) } else { Err(BearerError::Malformed("no single token")) }
}

/// RFC 9110 §11.2, which every JWT and every opaque token of ours is.
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(legal)
}

/// What a refused caller is told (RFC 6750 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum BearerCode {
    /// The token lacks scopes.
    InsufficientScope,
    /// The request carries no single token.
    InvalidRequest,
    /// The token is not good here.
    InvalidToken,
}

impl BearerCode {
    /// As it stands in a challenge.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The value of `WWW-Authenticate`.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// What is protected.
    pub realm: &'a str,
    /// What was wrong; nothing when there was no token (RFC 6750 §3.1).
    pub error: Option<BearerCode>,
    /// The scopes that a token needs.
    pub scopes: &'a [String],
    /// Where the metadata of the protected resource is (RFC 9728 §5.1).
    pub metadata: Option<&'a str>,
}

impl std::fmt::Display for Challenge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bearer realm=\"{}\"", quotable(self.realm))?;
        if let Some(error) = self.error {
            write!(f, ", error=\"{}\"", error.as_str())?;
        }
        if let Some((first, rest)) = self.scopes.split_first() {
            write!(f, ", scope=\"{}", quotable(first))?;
            for scope in rest.iter().filter(|scope| is_scope(scope)) {
                write!(f, " {scope}")?;
            }
            f.write_char('"')?;
        }
        if let Some(metadata) = self.metadata {
            write!(f, ", resource_metadata=\"{}\"", quotable(metadata))?;
        }
        Ok(())
    }
}

/// What can stand between quotation marks without an escape. The texts come from the
/// configuration, whose grammars hold nothing else.
fn quotable(text: &str) -> &str {
    let plain = text.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && !b"\"\\".contains(&byte));
    if plain { text } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Result<&'static str, BearerError> {
        token(values.iter().copied())
    }

    #[test]
    fn one_token_is_read() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c"] {
            assert_eq!(read(&[value]), Ok("a.b.c"), "{value}");
        }
        assert_eq!(read(&["Bearer tsr_A-b_c="]), Ok("tsr_A-b_c="));
    }

    #[test]
    fn no_token_is_not_a_wrong_token() {
        for values in [&[][..], &[""], &["Bearer"], &["Bearer "], &["Basic YTpi"], &["DPoP a"]] {
            assert_eq!(read(values), Err(BearerError::Missing), "{values:?}");
        }
    }

    #[test]
    fn two_tokens_are_none() {
        let two: [&[&str]; 8] = [
            &["Bearer a", "Bearer b"],
            &["Bearer a", "Bearer a"],
            &["Bearer a, Bearer b"],
            &["Bearer a,Bearer b"],
            &["Bearer a,b"],
            &["Bearer a b"],
            &["Basic YTpi, Bearer a"],
            &["Bearer a\tb"],
        ];
        for values in two {
            assert!(matches!(read(values), Err(BearerError::Malformed(_))), "{values:?}");
        }
        for value in ["Bearer a\"b", "Bearer ä", "Bearer =", "Bearer a=b", "Bearer a\r\nX: y"] {
            assert!(matches!(read(&[value]), Err(BearerError::Malformed(_))), "{value}");
        }
    }

    #[test]
    fn a_challenge_says_what_is_missing() {
        let scopes = ["orders.read".to_owned(), "orders.write".to_owned()];
        let bare = Challenge { realm: "orders", error: None, scopes: &[], metadata: None };
        assert_eq!(bare.to_string(), "Bearer realm=\"orders\"");
        let whole = Challenge {
            error: Some(BearerCode::InsufficientScope),
            scopes: &scopes,
            metadata: Some("https://sts.example.com/.well-known/oauth-protected-resource/orders"),
            ..bare
        };
        assert_eq!(
            whole.to_string(),
            "Bearer realm=\"orders\", error=\"insufficient_scope\", \
             scope=\"orders.read orders.write\", resource_metadata=\
             \"https://sts.example.com/.well-known/oauth-protected-resource/orders\""
        );
        let hostile = Challenge { realm: "a\"b", metadata: Some("x\r\ny"), ..bare };
        assert_eq!(hostile.to_string(), "Bearer realm=\"\", resource_metadata=\"\"");
    }
}
