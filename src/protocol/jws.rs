//! The compact form of a signed token (RFC 7515 §7.1), from text to verified claims.
//!
//! Each step consumes the one before: a text becomes an [`UnverifiedJwt`], that becomes a
//! [`SignedJwt`] by the one function that checks a signature. Nothing else can make one.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;

use super::json::{Json, JsonError, Object};
use super::jwk::VerificationKey;

/// Longest token that is read, in bytes (POL).
pub const MAX_TOKEN_BYTES: usize = 32 * 1024;
const MAX_HEADER_BYTES: usize = 4 * 1024;
const MAX_PAYLOAD_BYTES: usize = 24 * 1024;
/// Header members that change what the other parts mean; a token that needs one is not ours to
/// read (RFC 7515 §4.1.11, RFC 7797 §7, RFC 7516 §4.1; A39, A41, A43, A44).
const REFUSED_MEMBERS: [&str; 9] = ["crit", "b64", "zip", "enc", "p2c", "p2s", "epk", "cty", "apu"];

/// Why a text is not a signed token that can be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// Longer than a limit.
    #[error("longer than the limit")]
    TooLarge,
    /// Five parts: encrypted (RFC 7516).
    #[error("an encrypted token (five parts)")]
    Encrypted,
    /// Not three parts of the compact form.
    #[error("not three base64url parts joined by dots")]
    NotCompact,
    /// A part is not base64url in its one canonical spelling.
    #[error("a part is not canonical base64url without padding")]
    Encoding,
    /// The header is not acceptable JSON.
    #[error("the header: {0}")]
    Header(JsonError),
    /// `alg`, `kid` or `typ` has the wrong type, or `alg` is missing.
    #[error("header member `{0}` is missing or not a short string")]
    HeaderMember(&'static str),
    /// The header has a member that changes how the token is read.
    #[error("header member `{0}` is not supported")]
    HeaderUnsupported(&'static str),
    /// The payload is not acceptable JSON.
    #[error("the payload: {0}")]
    Payload(JsonError),
}

/// A token that has been read but not believed. What it says is good only for choosing a key.
#[derive(Debug)]
pub struct UnverifiedJwt<'t> {
    signing_input: &'t str,
    signature: &'t str,
    header: Header,
    unverified_claims: Object,
}

/// The header of a token that has been read but not believed.
#[derive(Debug)]
pub struct Header {
    /// The algorithm the token names; only ever compared with the key's own.
    pub alg: String,
    /// Which key signed, by its name in the issuer's key set.
    pub kid: Option<String>,
    /// What kind of token this says it is.
    pub typ: Option<String>,
    /// Which key signed, by certificate thumbprint.
    pub x5t_s256: Option<String>,
    /// Entra marks tokens that only Microsoft Graph and its like can check by this (ENT-06).
    pub has_nonce: bool,
}

/// Claims whose signature was checked, and the key that did it.
#[derive(Debug)]
pub struct SignedJwt {
    typ: Option<String>,
    claims: Object,
    key: Arc<VerificationKey>,
}

/// A token was not signed by the key it should have been signed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The token names another algorithm than the key's.
    #[error("the token names another algorithm than its key has")]
    Algorithm,
    /// The signature is not this key's over these bytes.
    #[error("the signature does not match")]
    Mismatch,
}

impl<'t> UnverifiedJwt<'t> {
    /// Reads the compact form, strictly (JWT-10): no padding, no white space, no second spelling.
    pub fn parse(token: &'t str) -> Result<Self, JwsError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(JwsError::TooLarge);
        }
        let (header, payload, signature) = split(token)?;
        let header = Header::parse(&decode(header, MAX_HEADER_BYTES)?)?;
        let payload = decode(payload, MAX_PAYLOAD_BYTES)?;
        decode(signature, MAX_TOKEN_BYTES)?;
        let unverified_claims = Object::parse(&payload).map_err(JwsError::Payload)?;
        let (signing_input, _) = token.rsplit_once('.').ok_or(JwsError::NotCompact)?;
        Ok(Self { signing_input, signature, header, unverified_claims })
    }

    /// The header, not yet believed.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The claims, not yet believed.
    pub const fn unverified_claims(&self) -> &Object {
        &self.unverified_claims
    }

    /// Checks the signature by `key` and the key's own algorithm (RFC 8725 §3.1).
    pub fn verify(self, key: Arc<VerificationKey>) -> Result<SignedJwt, SignatureError> {
        if self.header.alg != algorithm_name(key.algorithm()) {
            return Err(SignatureError::Algorithm);
        }
        if !key.signed(self.signing_input.as_bytes(), self.signature) {
            return Err(SignatureError::Mismatch);
        }
        Ok(SignedJwt { typ: self.header.typ, claims: self.unverified_claims, key })
    }
}

impl SignedJwt {
    /// The claims the key's owner signed.
    pub const fn claims(&self) -> &Object {
        &self.claims
    }

    /// The header's `typ`.
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// The key that signed.
    pub const fn key(&self) -> &Arc<VerificationKey> {
        &self.key
    }
}

/// The registered name (RFC 7518 §3.1) of an algorithm that our keys can have.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library's list may grow; ours does not")]
pub const fn algorithm_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::RS256 => "RS256",
        Algorithm::PS256 => "PS256",
        Algorithm::ES256 => "ES256",
        // No key is ever bound to these, and no token can name this.
        _ => "(unsupported)",
    }
}

fn split(token: &str) -> Result<(&str, &str, &str), JwsError> {
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None, None, None) => {
            let complete = !header.is_empty() && !payload.is_empty();
            if complete { Ok((header, payload, signature)) } else { Err(JwsError::NotCompact) }
        }
        (Some(_), Some(_), Some(_), Some(_), Some(_), None) => Err(JwsError::Encrypted),
        _ => Err(JwsError::NotCompact),
    }
}

fn decode(part: &str, limit: usize) -> Result<Vec<u8>, JwsError> {
    // Base64 has four characters for three bytes: refuse before any memory is spent.
    if part.len().saturating_mul(3) / 4 > limit {
        return Err(JwsError::TooLarge);
    }
    // Strict by default: no padding, no trailing bits (A53, A56).
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_undecodable| JwsError::Encoding)?;
    if bytes.len() > limit { Err(JwsError::TooLarge) } else { Ok(bytes) }
}

impl Header {
    fn parse(json: &[u8]) -> Result<Self, JwsError> {
        let object = Object::parse(json).map_err(JwsError::Header)?;
        if let Some(name) = REFUSED_MEMBERS.into_iter().find(|name| object.has(name)) {
            return Err(JwsError::HeaderUnsupported(name));
        }
        let alg = short_string(&object, "alg")?.ok_or(JwsError::HeaderMember("alg"))?;
        Ok(Self {
            alg,
            kid: short_string(&object, "kid")?,
            typ: short_string(&object, "typ")?,
            x5t_s256: short_string(&object, "x5t#S256")?,
            has_nonce: object.has("nonce"),
        })
    }
}

fn short_string(object: &Object, name: &'static str) -> Result<Option<String>, JwsError> {
    match object.get(name) {
        None => Ok(None),
        Some(Json::String(text)) if is_short_ascii(text) => Ok(Some(text.clone())),
        Some(_) => Err(JwsError::HeaderMember(name)),
    }
}

fn is_short_ascii(text: &str) -> bool {
    let printable = |byte: u8| (0x20..0x7f).contains(&byte);
    (1..=super::ids::MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(printable)
}
