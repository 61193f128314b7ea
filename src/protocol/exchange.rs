//! The token exchange request and its answer (RFC 8693 §2).

use serde::Serialize;

use super::params::Form;
use super::scope;
use super::token_type::TokenType;

/// The one grant type of the token endpoint.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// Parameters that may come several times (RFC 8693 §2.1; ruling D9).
pub const REPEATABLE: [&str; 2] = ["audience", "resource"];

/// A request that is well formed; nothing in it is believed.
#[derive(Debug)]
pub struct Request<'f> {
    /// The token that speaks for the subject.
    pub subject: Declared<'f>,
    /// The token that speaks for the actor.
    pub actor: Option<Declared<'f>>,
    /// Everything that `audience` and `resource` name, each once (TEX-13).
    pub targets: Vec<&'f str>,
    /// The scopes asked for; `None`: whatever can be had.
    pub scopes: Option<Vec<&'f str>>,
    /// The form asked for.
    pub requested: Requested,
}

/// A token and what its bearer says it is.
#[derive(Clone, Copy)]
pub struct Declared<'f> {
    /// The token.
    pub token: &'f str,
    /// What it is said to be.
    pub kind: TokenType,
}

/// Never shows the token.
impl std::fmt::Debug for Declared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Declared").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The form of token that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// An access token, in the form that the resource takes.
    AccessToken,
    /// An access token that is a JWT.
    Jwt,
}

impl Requested {
    /// How the answer names what was issued (TEX-26).
    pub const fn issued(self) -> TokenType {
        match self {
            Self::AccessToken => TokenType::AccessToken,
            Self::Jwt => TokenType::Jwt,
        }
    }
}

/// Why a request is refused before anything in it is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// `authorization_details` of a type that is not known: none is (RFC 9396 §5).
    #[error("authorization details are not supported")]
    AuthorizationDetails,
    /// Another grant (TEX-01).
    #[error("the grant type is not token exchange")]
    GrantType,
    /// A parameter is missing, or has a value that is not supported.
    #[error("{0}")]
    Malformed(&'static str),
    /// `scope` is not a list of scopes (ERR-10).
    #[error("the scope is malformed")]
    Scope,
}

impl<'f> Request<'f> {
    /// Reads the parameters; unknown ones are ignored (TEX-12).
    pub fn read(form: &'f Form<'_>) -> Result<Self, RequestError> {
        match form.get("grant_type") {
            Some(GRANT_TYPE) => {}
            Some(_) => return Err(RequestError::GrantType),
            None => return Err(RequestError::Malformed("grant_type is missing")),
        }
        if form.get("authorization_details").is_some() {
            return Err(RequestError::AuthorizationDetails);
        }
        let subject = declared(form, "subject_token", "subject_token_type")?
            .ok_or(RequestError::Malformed("subject_token is missing"))?;
        let actor = declared(form, "actor_token", "actor_token_type")?;
        let requested = match form.get("requested_token_type").map(TokenType::parse) {
            None | Some(Some(TokenType::AccessToken)) => Requested::AccessToken,
            Some(Some(TokenType::Jwt)) => Requested::Jwt,
            Some(Some(TokenType::IdToken) | None) => {
                return Err(RequestError::Malformed("requested_token_type is not supported"));
            }
        };
        let scopes = form.get("scope").map(scope::parse).transpose();
        let mut targets = Vec::new();
        for target in REPEATABLE.into_iter().flat_map(|name| form.get_all(name)) {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        let scopes = scopes.map_err(|_malformed| RequestError::Scope)?;
        Ok(Self { subject, actor, targets, scopes, requested })
    }
}

/// A token with its type: both or neither (TEX-02, TEX-03).
fn declared<'f>(
    form: &'f Form<'_>,
    token: &'static str,
    kind: &'static str,
) -> Result<Option<Declared<'f>>, RequestError> {
    match (form.get(token), form.get(kind)) {
        (None, None) => Ok(None),
        (Some(token), Some(kind)) => TokenType::parse(kind)
            .map(|kind| Some(Declared { token, kind }))
            .ok_or(RequestError::Malformed("a token type is not supported")),
        (Some(_), None) => Err(RequestError::Malformed("a token comes without its type")),
        (None, Some(_)) => Err(RequestError::Malformed("a token type comes without its token")),
    }
}

/// The answer (RFC 8693 §2.2.1). No refresh token is ever issued (TEX-24).
#[derive(Serialize)]
pub struct Response<'a> {
    /// The token, whatever kind it is (TEX-20).
    pub access_token: &'a str,
    /// What it is (TEX-26).
    pub issued_token_type: &'static str,
    /// `Bearer`: everything that is issued here opens an API (TEX-21).
    pub token_type: &'static str,
    /// How long it lives, in whole seconds (TEX-22).
    pub expires_in: i64,
    /// What it allows (TEX-23).
    pub scope: &'a str,
}

/// Never shows the token.
impl std::fmt::Debug for Response<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response").field("scope", &self.scope).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
        &subject_token=s&subject_token_type=urn:ietf:params:oauth:token-type:access_token";

    fn read(more: &str) -> Result<(usize, Vec<String>, Requested), RequestError> {
        let body = format!("{GOOD}{more}");
        let form = Form::parse_repeating(body.as_bytes(), &REPEATABLE).unwrap();
        let request = Request::read(&form)?;
        let targets = request.targets.iter().map(|target| (*target).to_owned()).collect();
        Ok((request.scopes.map_or(0, |scopes| scopes.len()), targets, request.requested))
    }

    #[test]
    fn audience_and_resource_that_say_the_same_are_one_target() {
        let (_, targets, _) = read("&audience=orders&resource=orders").unwrap();
        assert_eq!(targets, ["orders"], "TEX-13");
        let (_, targets, _) = read("&audience=a&audience=b&resource=c&resource=").unwrap();
        assert_eq!(targets, ["a", "b", "c"], "TEX-05, TEX-12");
    }

    #[test]
    fn a_token_comes_with_its_type_and_a_type_with_its_token() {
        let jwt = "urn:ietf:params:oauth:token-type:jwt";
        assert!(read(&format!("&actor_token=a&actor_token_type={jwt}")).is_ok());
        assert!(read("&actor_token=").is_ok(), "TEX-03: empty is absent");
        for more in ["&actor_token=a".to_owned(), format!("&actor_token_type={jwt}")] {
            assert!(matches!(read(&more), Err(RequestError::Malformed(_))), "TEX-03, A162 {more}");
        }
    }

    #[test]
    fn what_cannot_be_issued_is_not_promised() {
        let asked = |kind: &str| {
            read(&format!("&requested_token_type=urn:ietf:params:oauth:token-type:{kind}"))
        };
        assert_eq!(asked("access_token").unwrap().2, Requested::AccessToken);
        assert_eq!(asked("jwt").unwrap().2, Requested::Jwt);
        for kind in ["refresh_token", "saml2", "id_token", "txn_token", "x"] {
            assert!(matches!(asked(kind), Err(RequestError::Malformed(_))), "TEX-07, A178 {kind}");
        }
        assert_eq!(read("&scope=a%20%20b"), Err(RequestError::Scope), "A153");
        let details = read("&authorization_details=%5B%5D");
        assert_eq!(details, Err(RequestError::AuthorizationDetails), "A181");
    }
}
