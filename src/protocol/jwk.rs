//! Key sets (RFC 7517): which keys of a document can verify, for which algorithm, for whom.
//!
//! A key that cannot be used is skipped, never fatal: one odd entry must not cost an issuer all its
//! keys. A key has exactly one algorithm, decided here and not by any token (RFC 8725 §3.1).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;

use super::ids::{Fingerprint, MAX_ID_BYTES};
use super::json::FromObject;
use super::time::UnixTime;

/// Most bytes of a key set document (POL).
pub const MAX_KEY_SET_BYTES: usize = 512 * 1024;
/// Most keys of one document (POL); Entra publishes some ten.
pub const MAX_KEYS: usize = 100;
/// RSA moduli that are accepted: shorter ones are weak, longer ones a way to burn our time (POL).
const RSA_MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// The one RSA exponent in use, 65537; smaller ones invite forgery (A20).
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// The algorithms a key set may be used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Keys of an Entra tenant: RS256 by Microsoft's documentation.
    Entra,
    /// Keys a client registered here: RS256, PS256 or ES256 (RFC 7523).
    Client,
    /// Keys of a Kubernetes cluster: RS256 or ES256.
    Cluster,
}

/// A public key bound to one algorithm, and how long it may be trusted.
pub struct VerificationKey {
    kid: Option<String>,
    x5t_s256: Option<String>,
    issuer: Option<String>,
    algorithm: Algorithm,
    material: Vec<u8>,
    decoding: DecodingKey,
    /// Seconds since the epoch. Every answer that rests on this key holds the key and looks here,
    /// so removing a key ends all of them in one store.
    trusted_until: AtomicI64,
}

impl std::fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerificationKey")
            .field("kid", &self.kid)
            .field("issuer", &self.issuer)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl VerificationKey {
    /// The key's `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The certificate thumbprint `x5t#S256` the document gives for this key.
    pub fn x5t_s256(&self) -> Option<&str> {
        self.x5t_s256.as_deref()
    }

    /// The `issuer` member of Entra's key sets: whose tokens this key may sign (ENT-03). Either a
    /// concrete issuer or one with the literal `{tenantid}`.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The one algorithm of this key.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature`, in base64url, is this key's over `input` by its one algorithm.
    pub fn signed(&self, input: &[u8], signature: &str) -> bool {
        let verdict =
            jsonwebtoken::crypto::verify(signature, input, &self.decoding, self.algorithm);
        matches!(verdict, Ok(true))
    }

    /// Whether answers resting on this key stand at `now`.
    pub fn is_trusted(&self, now: UnixTime) -> bool {
        now.seconds() < self.trusted_until.load(Ordering::Acquire)
    }

    /// Trusts this key until `moment`; a moment in the past ends every answer that rests on it.
    pub fn trust_until(&self, moment: UnixTime) {
        self.trusted_until.store(moment.seconds(), Ordering::Release);
    }

    /// What this key is, for whom and for which algorithm, as one number.
    pub fn fingerprint(&self) -> Fingerprint {
        let part = |text: Option<&str>| Fingerprint::of(text.unwrap_or_default().as_bytes());
        let algorithm = format!("{:?}", self.algorithm);
        let parts = [
            part(self.kid.as_deref()),
            part(self.issuer.as_deref()),
            part(Some(&algorithm)),
            Fingerprint::of(&self.material),
        ];
        Fingerprint::of(&parts.map(|part| part.first::<32>()).concat())
    }

    /// Whether `other` has the same name, may sign for the same issuer, and is another key. One name
    /// may stand for a key of each of several issuers (A37).
    fn is_confused_with(&self, other: &Self) -> bool {
        let one_issuer = match (&self.issuer, &other.issuer) {
            (Some(one), Some(other)) => one == other,
            (None, _) | (_, None) => true,
        };
        let same = self.algorithm == other.algorithm && self.material == other.material;
        self.kid.is_some() && self.kid == other.kid && one_issuer && !same
    }

    /// Whether `other` is the same key for the same issuer and algorithm.
    pub fn same_as(&self, other: &Self) -> bool {
        self.kid == other.kid
            && self.issuer == other.issuer
            && self.algorithm == other.algorithm
            && self.material == other.material
    }
}

/// The usable keys of one document.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Arc<VerificationKey>>,
    skipped: usize,
}

/// The document is not a key set at all.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// More bytes than [`MAX_KEY_SET_BYTES`].
    #[error("the key set is larger than {MAX_KEY_SET_BYTES} bytes")]
    TooLarge,
    /// More entries than [`MAX_KEYS`]: those that matter may be any of them.
    #[error("the key set has {0} entries; at most {MAX_KEYS} are read")]
    TooMany(usize),
    /// Two different keys of one name: which one a token means could only be guessed (A251).
    #[error("the key set has two different keys of one name (`kid`)")]
    Ambiguous,
    /// Not a JSON object with an array `keys`. Only where is told: what stands there may be
    /// anything, and as long as the document.
    #[error(
        "not a JSON Web Key Set: no object with an array `keys`; see line {line}, column {column}"
    )]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// No key in it can be used.
    #[error("no usable key: {skipped} skipped (wrong type, use, algorithm or size)")]
    NoUsableKey {
        /// How many entries there were.
        skipped: usize,
    },
}

impl KeySet {
    /// Reads the keys of `document` that can be used for `purpose`; refuses a set without any, and one
    /// that leaves open which key a token means.
    pub fn parse(document: &[u8], purpose: KeyUse) -> Result<Self, KeySetError> {
        if document.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLarge);
        }
        let FromObject(document): FromObject<Document<'_>> = serde_json::from_slice(document)
            .map_err(|error| KeySetError::Malformed {
                line: error.line(),
                column: error.column(),
            })?;
        let total = document.keys.len();
        if total > MAX_KEYS {
            return Err(KeySetError::TooMany(total));
        }
        let keys: Vec<_> = document
            .keys
            .into_iter()
            .filter_map(|raw| serde_json::from_str::<FromObject<Jwk>>(raw.get()).ok())
            .filter_map(|FromObject(jwk)| jwk.into_key(purpose))
            .map(Arc::new)
            .collect();
        let skipped = total.saturating_sub(keys.len());
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey { skipped });
        }
        let taken = |(at, key): (usize, &Arc<VerificationKey>)| {
            keys.iter().take(at).any(|before| before.is_confused_with(key))
        };
        if keys.iter().enumerate().any(taken) {
            return Err(KeySetError::Ambiguous);
        }
        Ok(Self { keys, skipped })
    }

    /// The usable keys.
    pub fn keys(&self) -> &[Arc<VerificationKey>] {
        &self.keys
    }

    /// How many entries of the document were unusable.
    pub const fn skipped(&self) -> usize {
        self.skipped
    }

    /// Carries over from `previous` every key that stays, so that answers resting on it stand, and
    /// trusts all keys until `until`. The keys that left are trusted no longer.
    pub fn replace(&mut self, previous: Option<&Self>, until: UnixTime) {
        let before = previous.map_or(&[][..], |set| &set.keys);
        for key in &mut self.keys {
            if let Some(same) = before.iter().find(|old| old.same_as(key)) {
                *key = Arc::clone(same);
            }
            key.trust_until(until);
        }
        let left = before.iter().filter(|old| !self.keys.iter().any(|key| Arc::ptr_eq(key, old)));
        left.for_each(|key| key.trust_until(UnixTime::default()));
    }
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    issuer: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
}

impl Jwk {
    fn into_key(self, purpose: KeyUse) -> Option<VerificationKey> {
        let for_verifying = self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        let named = self.kid.as_ref().is_none_or(|kid| (1..=MAX_ID_BYTES).contains(&kid.len()));
        let algorithm = self.algorithm(purpose)?;
        if !for_verifying || !named {
            return None;
        }
        let elliptic = algorithm == Algorithm::ES256;
        let (decoding, material) = if elliptic { self.elliptic()? } else { self.rsa()? };
        Some(VerificationKey {
            kid: self.kid,
            x5t_s256: self.x5t_s256,
            issuer: self.issuer,
            algorithm,
            material,
            decoding,
            trusted_until: AtomicI64::new(0),
        })
    }

    /// The one algorithm of this key, or none when it is not for `purpose`.
    fn algorithm(&self, purpose: KeyUse) -> Option<Algorithm> {
        match (self.kty.as_str(), self.alg.as_deref(), purpose) {
            ("RSA", None | Some("RS256"), _) => Some(Algorithm::RS256),
            ("RSA", Some("PS256"), KeyUse::Client) => Some(Algorithm::PS256),
            ("EC", None | Some("ES256"), KeyUse::Client | KeyUse::Cluster) => {
                Some(Algorithm::ES256)
            }
            _ => None,
        }
    }

    fn rsa(&self) -> Option<(DecodingKey, Vec<u8>)> {
        let modulus = decode(self.n.as_deref()?)?;
        let exponent = decode(self.e.as_deref()?)?;
        let significant = modulus.first().is_some_and(|byte| byte.leading_zeros() == 0);
        let odd = modulus.last().is_some_and(|byte| byte & 1 == 1);
        if !RSA_MODULUS_BYTES.contains(&modulus.len()) || !significant || !odd {
            return None;
        }
        (exponent == RSA_EXPONENT)
            .then(|| (DecodingKey::from_rsa_raw_components(&modulus, &exponent), modulus))
    }

    fn elliptic(&self) -> Option<(DecodingKey, Vec<u8>)> {
        if self.crv.as_deref() != Some("P-256") {
            return None;
        }
        let (x, y) = (self.x.as_deref()?, self.y.as_deref()?);
        let (left, right) = (decode(x)?, decode(y)?);
        if left.len() != 32 || right.len() != 32 {
            return None;
        }
        let key = DecodingKey::from_ec_components(x, y).ok()?;
        Some((key, [left, right].concat()))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// An RSA key that nobody has the other half of.
    fn key(kid: Option<&str>, issuer: Option<&str>, fill: u8) -> Value {
        let modulus = BASE64_URL_SAFE_NO_PAD.encode([0xc1_u8.wrapping_add(fill), fill].repeat(128));
        let mut key = json!({ "kty": "RSA", "n": modulus, "e": "AQAB" });
        for (name, value) in [("kid", kid), ("issuer", issuer)] {
            if let Some(value) = value {
                key[name] = value.into();
            }
        }
        key
    }

    fn read(keys: &[Value]) -> Result<usize, String> {
        let document = json!({ "keys": keys }).to_string();
        let set = KeySet::parse(document.as_bytes(), KeyUse::Entra);
        set.map(|set| set.keys().len()).map_err(|error| error.to_string())
    }

    #[test]
    fn a251_a_name_means_one_key_or_the_set_is_refused() {
        let (a, b) = (Some("a"), Some("b"));
        let (one, other) = (Some("https://one/"), Some("https://other/"));
        for good in [
            [key(a, one, 1), key(b, one, 3)],
            [key(a, one, 1), key(a, other, 3)],
            [key(a, one, 1), key(a, one, 1)],
            [key(a, None, 1), key(a, one, 1)],
            [key(None, one, 1), key(None, one, 3)],
        ] {
            assert_eq!(read(&good), Ok(2), "A37 {good:?}");
        }
        for bad in [
            [key(a, one, 1), key(a, one, 3)],
            [key(a, None, 1), key(a, None, 3)],
            [key(a, None, 1), key(a, one, 3)],
            [key(a, one, 3), key(a, None, 1)],
        ] {
            assert!(read(&bad).unwrap_err().contains("two different keys"), "{bad:?}");
        }
        let unusable = json!({ "kty": "oct", "kid": "a", "k": "AAAA" });
        assert_eq!(read(&[unusable, key(a, one, 1)]), Ok(1), "A25");
    }

    #[test]
    fn a251_a_set_has_no_more_keys_than_are_read() {
        let keys = |count| vec![key(None, None, 1); count];
        assert_eq!(read(&keys(MAX_KEYS)), Ok(MAX_KEYS));
        assert!(read(&keys(MAX_KEYS.saturating_add(1))).unwrap_err().contains("101 entries"));
    }
}
