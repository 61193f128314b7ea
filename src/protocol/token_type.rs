//! Kinds of tokens as an exchange names them (RFC 8693 §3).

/// What all the names begin with.
const PREFIX: &str = "urn:ietf:params:oauth:token-type:";

/// A kind of token that can be presented or asked for; the other registered ones are refused
/// (TEX-08).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenType {
    /// An access token, in whatever form.
    AccessToken,
    /// An `OpenID` Connect ID token.
    IdToken,
    /// A JWT: says something about the form alone.
    Jwt,
}

impl TokenType {
    /// The kind of this name, compared exactly.
    pub fn parse(name: &str) -> Option<Self> {
        match name.strip_prefix(PREFIX)? {
            "access_token" => Some(Self::AccessToken),
            "id_token" => Some(Self::IdToken),
            "jwt" => Some(Self::Jwt),
            _ => None,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact_and_only_three_are_understood() {
        for kind in [TokenType::AccessToken, TokenType::IdToken, TokenType::Jwt] {
            assert_eq!(TokenType::parse(kind.as_str()), Some(kind));
        }
        for name in ["refresh_token", "saml1", "saml2", "txn_token", "Access_Token", "jwt ", ""] {
            assert_eq!(TokenType::parse(&format!("{PREFIX}{name}")), None, "TEX-08, A178 {name}");
        }
        assert_eq!(TokenType::parse("access_token"), None);
    }
}
