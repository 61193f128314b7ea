//! How a caller says who it is (RFC 6749 §2.3, RFC 7521 §4.2, RFC 6750 §2.1): exactly one way.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::params::{self, Form};

/// The one assertion type that is understood (RFC 7523 §2.2; CA-01).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Parameters that carry credentials; they must never stand in a query (RFC 6749 §2.3.1).
pub const CREDENTIAL_PARAMS: [&str; 4] =
    ["client_id", "client_secret", "client_assertion", "client_assertion_type"];

/// The ways to authenticate, as metrics and logs name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub enum Method {
    /// HTTP Basic with a shared secret.
    #[strum(serialize = "client_secret_basic")]
    Basic,
    /// The caller's own Entra token.
    #[strum(serialize = "bearer")]
    Bearer,
    /// No credentials at all.
    #[strum(serialize = "none")]
    None,
    /// A shared secret in the body.
    #[strum(serialize = "client_secret_post")]
    Post,
    /// A signed assertion.
    #[strum(serialize = "private_key_jwt")]
    PrivateKeyJwt,
}

impl Method {
    /// The registered name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// What a caller presented, not yet checked.
pub enum Presented<'r> {
    /// A signed JWT.
    Assertion {
        /// The JWT.
        assertion: &'r str,
        /// `client_id`, when it was sent too; it must name the same client (CA-02).
        client_id: Option<&'r str>,
    },
    /// A bearer token.
    Bearer {
        /// The token.
        token: &'r str,
        /// `client_id`, when it was sent too; it must name the same client.
        client_id: Option<&'r str>,
    },
    /// Name and secret.
    Secret {
        /// `client_id`.
        client_id: String,
        /// The secret.
        secret: secrecy::SecretString,
        /// By header or by body.
        method: Method,
    },
}

/// Never shows a credential.
impl std::fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Presented").field(&self.method()).finish()
    }
}

impl Presented<'_> {
    /// Which way this is.
    pub const fn method(&self) -> Method {
        match self {
            Self::Assertion { .. } => Method::PrivateKeyJwt,
            Self::Bearer { .. } => Method::Bearer,
            Self::Secret { method, .. } => *method,
        }
    }

    /// The name that the caller gave itself.
    pub fn claimed(&self) -> Option<&str> {
        match self {
            Self::Secret { client_id, .. } => Some(client_id),
            Self::Assertion { client_id, .. } | Self::Bearer { client_id, .. } => *client_id,
        }
    }
}

/// Why no single set of credentials could be read from a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresentedError {
    /// An assertion beside another way, or an assertion that is not one: `invalid_client`
    /// (RFC 7521 §4.2.1).
    #[error("an assertion beside another way to authenticate, or of an unknown type")]
    Assertion,
    /// Credentials that cannot be read: `invalid_client`.
    #[error("credentials that cannot be read")]
    Malformed,
    /// More than one way: `invalid_request` (RFC 6749 §5.2; ruling D2).
    #[error("more than one way to authenticate")]
    MoreThanOne,
    /// None at all: `invalid_client`.
    #[error("no credentials")]
    None,
}

/// Reads the one set of credentials in the `Authorization` headers and the body.
pub fn presented<'r>(
    authorization: &[&'r str],
    form: &'r Form<'_>,
) -> Result<Presented<'r>, PresentedError> {
    let header = match authorization {
        [] => None,
        [one] => Some(*one),
        _ => return Err(PresentedError::MoreThanOne),
    };
    if form.has_any(&["client_assertion", "client_assertion_type"]) {
        return assertion(header, form);
    }
    let secret = form.get("client_secret");
    match (header, form.get("client_id"), secret) {
        (Some(_), _, Some(_)) => Err(PresentedError::MoreThanOne),
        (Some(header), client_id, None) => from_header(header, client_id),
        (None, Some(client_id), Some(secret)) => Ok(Presented::Secret {
            client_id: client_id.to_owned(),
            secret: secret.into(),
            method: Method::Post,
        }),
        // `client_id` alone proves nothing (INT-07, A232).
        (None, _, _) => Err(PresentedError::None),
    }
}

fn assertion<'r>(
    header: Option<&'r str>,
    form: &'r Form<'_>,
) -> Result<Presented<'r>, PresentedError> {
    let typed = form.get("client_assertion_type") == Some(JWT_BEARER);
    match form.get("client_assertion") {
        Some(assertion) if typed && header.is_none() && !form.has_any(&["client_secret"]) => {
            Ok(Presented::Assertion { assertion, client_id: form.get("client_id") })
        }
        _ => Err(PresentedError::Assertion),
    }
}

fn from_header<'r>(
    header: &'r str,
    client_id: Option<&'r str>,
) -> Result<Presented<'r>, PresentedError> {
    let (scheme, value) = header.split_once(' ').ok_or(PresentedError::Malformed)?;
    let value = value.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        let readable = !value.is_empty() && !value.contains(' ');
        return if readable {
            Ok(Presented::Bearer { token: value, client_id })
        } else {
            Err(PresentedError::Malformed)
        };
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(PresentedError::Malformed);
    }
    let (name, secret) = basic(value).ok_or(PresentedError::Malformed)?;
    // The body may repeat the name, but not contradict it (A207).
    if client_id.is_some_and(|other| other != name) {
        return Err(PresentedError::MoreThanOne);
    }
    Ok(Presented::Secret { client_id: name, secret: secret.into(), method: Method::Basic })
}

/// Base64, split at the first colon, form-decode each half: in this order (ERR-05).
fn basic(value: &str) -> Option<(String, String)> {
    let decoded = BASE64_STANDARD.decode(value).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    let (name, rest) = decoded.split_at_checked(colon)?;
    let secret = rest.get(1..)?;
    let name = params::decode(name).ok()?.into_owned();
    let secret = params::decode(secret).ok()?.into_owned();
    (!name.is_empty() && !secret.is_empty()).then_some((name, secret))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(headers: &[&str], body: &str) -> Result<(Method, String), PresentedError> {
        let form = Form::parse(body.as_bytes()).unwrap();
        presented(headers, &form).map(|found| {
            let said = match &found {
                Presented::Assertion { assertion, .. } => (*assertion).to_owned(),
                Presented::Bearer { token, .. } => (*token).to_owned(),
                Presented::Secret { client_id, secret, .. } => {
                    format!("{client_id}/{}", secret.expose_secret())
                }
            };
            (found.method(), said)
        })
    }

    fn basic_header(text: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(text))
    }

    #[test]
    fn each_way_alone_is_read() {
        let header = basic_header("tyk:a%2Bb%3A:c");
        assert_eq!(read(&[&header], ""), Ok((Method::Basic, "tyk/a+b::c".to_owned())));
        assert_eq!(read(&[&header], "client_id=tyk").map(|r| r.0), Ok(Method::Basic));
        let post = "client_id=tyk&client_secret=s&token=t";
        assert_eq!(read(&[], post), Ok((Method::Post, "tyk/s".to_owned())));
        assert_eq!(read(&["bearer abc"], "token=t"), Ok((Method::Bearer, "abc".to_owned())));
        let body = format!("client_assertion=x.y.z&client_assertion_type={JWT_BEARER}");
        assert_eq!(read(&[], &body), Ok((Method::PrivateKeyJwt, "x.y.z".to_owned())));
    }

    #[test]
    fn two_ways_are_one_too_many() {
        let header = basic_header("tyk:s");
        let both = "client_id=tyk&client_secret=s";
        assert_eq!(read(&[&header], both), Err(PresentedError::MoreThanOne), "A204");
        assert_eq!(read(&[&header, "Bearer x"], ""), Err(PresentedError::MoreThanOne), "A206");
        assert_eq!(read(&[&header], "client_id=b"), Err(PresentedError::MoreThanOne), "A207");
        let body = format!("client_assertion=x&client_assertion_type={JWT_BEARER}");
        assert_eq!(read(&[&header], &body), Err(PresentedError::Assertion), "A205");
        let with_secret = format!("{body}&client_secret=s");
        assert_eq!(read(&[], &with_secret), Err(PresentedError::Assertion), "A205");
    }

    #[test]
    fn what_cannot_be_read_is_not_a_credential() {
        for header in ["Basic", "Basic !!", "Basic Zm9v", "Digest x", "Bearer ", "Bearer a b"] {
            assert_eq!(read(&[header], ""), Err(PresentedError::Malformed), "A202 {header}");
        }
        let not_utf8 = format!("Basic {}", BASE64_STANDARD.encode(b"\xff:\xff"));
        assert_eq!(read(&[&not_utf8], ""), Err(PresentedError::Malformed), "A202");
        for body in ["", "client_id=tyk", "client_secret=s"] {
            assert_eq!(read(&[], body), Err(PresentedError::None), "A200, A232 {body}");
        }
        for body in ["client_assertion=x", "client_assertion=x&client_assertion_type=urn:other"] {
            assert_eq!(read(&[], body), Err(PresentedError::Assertion), "A212 {body}");
        }
    }
}
