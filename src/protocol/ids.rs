//! The identifiers that tokens, clients and requests carry, each parsed once.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;

/// Longest `kid`, `jti` or `client_id` that is read, in bytes (POL).
pub const MAX_ID_BYTES: usize = 256;

/// A GUID as Entra writes it: lower-case hexadecimal with hyphens, nothing else.
///
/// Braces, upper case and missing hyphens are refused: comparison is by code point, and one
/// tenant must have one spelling (ENT-02).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

/// The text is not a lower-case, hyphenated GUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a GUID in lower case with hyphens")]
pub struct GuidError;

impl FromStr for Guid {
    type Err = GuidError;

    fn from_str(text: &str) -> Result<Self, GuidError> {
        let mut bytes = [0_u8; 16];
        let mut digits = text.bytes();
        for (index, byte) in bytes.iter_mut().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) && digits.next() != Some(b'-') {
                return Err(GuidError);
            }
            let high = digits.next().and_then(lower_hex).ok_or(GuidError)?;
            let low = digits.next().and_then(lower_hex).ok_or(GuidError)?;
            *byte = (high << 4) | low;
        }
        if digits.next().is_some() { Err(GuidError) } else { Ok(Self(bytes)) }
    }
}

/// The GUID with these bits.
impl From<u128> for Guid {
    fn from(bits: u128) -> Self {
        Self(bits.to_be_bytes())
    }
}

fn lower_hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        f.write_str(uuid::Uuid::from_bytes(self.0).hyphenated().encode_lower(&mut text))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The name under which a client is registered here: 1 to 64 of `A-Z a-z 0-9 . _ ~ -`.
///
/// The alphabet makes form-encoded and raw Basic credentials the same bytes (ERR-06), and cannot
/// spell a principal (`<guid>.<guid>` is refused; RFC 9700 §4.15).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct ClientId(String);

/// Why a client name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientIdError {
    /// Empty, too long, or a character outside the alphabet.
    #[error("a client name is 1 to 64 of the characters A-Z a-z 0-9 . _ ~ -")]
    Grammar,
    /// It could be taken for a user or an application.
    #[error("a client name must not look like a principal (<guid>.<guid>)")]
    LooksLikePrincipal,
}

impl FromStr for ClientId {
    type Err = ClientIdError;

    fn from_str(text: &str) -> Result<Self, ClientIdError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
        if text.is_empty() || text.len() > 64 || !text.bytes().all(legal) {
            return Err(ClientIdError::Grammar);
        }
        let is_guid = |part: &str| part.to_ascii_lowercase().parse::<Guid>().is_ok();
        match text.split_once('.') {
            Some((left, right)) if is_guid(left) && is_guid(right) => {
                Err(ClientIdError::LooksLikePrincipal)
            }
            _ => Ok(Self(text.to_owned())),
        }
    }
}

impl ClientId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of some bytes: what caches are keyed by and logs may name, instead of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of all of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut out = [0_u8; 32];
        out.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(out)
    }
}

impl Fingerprint {
    /// A name for `text` that nobody can work out who does not know this fingerprint: HMAC-SHA256
    /// (RFC 2104). So it must be one of something secret.
    #[must_use]
    pub fn keyed(&self, text: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut out = [0_u8; 32];
        out.copy_from_slice(hmac::sign(&key, text.as_bytes()).as_ref());
        Self(out)
    }

    /// The first bytes, at most 32 of them; 16 are as much as names anything for ever.
    pub fn first<const BYTES: usize>(&self) -> [u8; BYTES] {
        let mut first = [0; BYTES];
        first.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        first
    }
}

/// A fingerprint that was taken before.
impl From<[u8; 32]> for Fingerprint {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// The first 64 bits, in hexadecimal: enough to find a token again, too little to guess it.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What is kept of a client's secret: its SHA-256. Not `PartialEq`: see [`SecretDigest::matches`].
///
/// A plain hash is enough because secrets have at least 128 bits of entropy (the configuration
/// refuses short ones), and it costs microseconds where a password hash costs milliseconds.
#[derive(Clone)]
pub struct SecretDigest(Fingerprint);

impl SecretDigest {
    /// Keeps the digest of `secret`.
    pub fn of(secret: &str) -> Self {
        Self(Fingerprint::of(secret.as_bytes()))
    }

    /// See [`Fingerprint::keyed`]: only who knows the secret can make the name.
    pub fn name(&self, text: &str) -> Fingerprint {
        self.0.keyed(text)
    }

    /// Whether `presented` is the secret; takes the same time whatever it is.
    pub fn matches(&self, presented: &str) -> bool {
        let presented = Fingerprint::of(presented.as_bytes());
        verify_slices_are_equal(&self.0.0, &presented.0).is_ok()
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_has_one_spelling() {
        let text = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
        assert_eq!(text.parse::<Guid>().unwrap().to_string(), text);
        for bad in [
            "",
            "8EAEF023-2B34-4DA1-9BAA-8BC8C9D6A490",
            "{8eaef023-2b34-4da1-9baa-8bc8c9d6a490}",
            "8eaef0232b344da19baa8bc8c9d6a490",
            "8eaef023-2b34-4da1-9baa-8bc8c9d6a49",
            "8eaef023-2b34-4da1-9baa-8bc8c9d6a4900",
            "8eaef023-2b34-4da1-9baa-8bc8c9d6a49g",
            "8eaef023_2b34-4da1-9baa-8bc8c9d6a490",
        ] {
            assert_eq!(bad.parse::<Guid>(), Err(GuidError), "{bad}");
        }
    }

    #[test]
    fn a_client_cannot_be_named_like_a_principal() {
        let guid = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
        assert!(guid.parse::<ClientId>().is_ok());
        let principal = format!("{guid}.{guid}");
        assert!(principal.parse::<ClientId>().is_err());
        assert!(principal.to_uppercase().parse::<ClientId>().is_err());
        for bad in ["", "a b", "a:b", "ä", "a\n", &"x".repeat(65)] {
            assert_eq!(bad.parse::<ClientId>(), Err(ClientIdError::Grammar), "{bad:?}");
        }
    }

    #[test]
    fn secrets_and_tokens_do_not_print() {
        let digest = SecretDigest::of("a-very-secret-value");
        assert_eq!(format!("{digest:?}"), "SecretDigest(..)");
        assert!(digest.matches("a-very-secret-value"));
        assert!(!digest.matches("a-very-secret-valuf"));
        assert_eq!(Fingerprint::of(b"").to_string(), "e3b0c44298fc1c14");
    }
}
