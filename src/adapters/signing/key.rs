//! One private key: made, kept as PKCS#8, and put to use.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, ThumbprintHash};
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::keyring::SigningAlgorithm;

/// The longest signature there is, by an RSA key of 2048 bits; and the two dots.
const SIGNATURE_BYTES: usize = 256 + 2;

/// A key could not be made, read or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library refused to {0}")]
pub struct KeyError(&'static str);

impl KeyError {
    pub(super) const fn unpublished() -> Self {
        Self("publish the keys")
    }
}

/// A private key and its published half.
pub(super) struct PrivateKey {
    pub(super) kid: Arc<str>,
    pub(super) algorithm: SigningAlgorithm,
    /// The members of the published half, with its name.
    pub(super) public: Value,
    pair: Pair,
    pkcs8: SecretSlice<u8>,
}

enum Pair {
    Ec(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'a str,
}

impl PrivateKey {
    /// Makes a key. One for RS256 takes a tenth of a second.
    pub(super) fn generate(algorithm: SigningAlgorithm) -> Result<Self, KeyError> {
        let made = "make a key";
        let pkcs8 = match algorithm {
            SigningAlgorithm::Es256 => {
                let (kind, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
                let document = EcdsaKeyPair::generate_pkcs8(kind, &random);
                document.map_err(|_unspecified| KeyError(made))?.as_ref().to_vec()
            }
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048);
                let pair = pair.map_err(|_unspecified| KeyError(made))?;
                let document = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair);
                document.map_err(|_unspecified| KeyError(made))?.as_ref().to_vec()
            }
        };
        Self::from_pkcs8(algorithm, pkcs8)
    }

    /// Reads a key that was kept.
    pub(super) fn from_pkcs8(
        algorithm: SigningAlgorithm,
        pkcs8: Vec<u8>,
    ) -> Result<Self, KeyError> {
        let pkcs8 = SecretSlice::from(pkcs8);
        let bytes = pkcs8.expose_secret();
        let (pair, members) = match algorithm {
            SigningAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes);
                let pair = pair.map_err(|_rejected| KeyError("read an ES256 key"))?;
                let members = elliptic_members(&pair)?;
                (Pair::Ec(Box::new(pair)), members)
            }
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(bytes);
                let pair = pair.map_err(|_rejected| KeyError("read an RS256 key"))?;
                let members = rsa_members(&pair)?;
                (Pair::Rsa(Box::new(pair)), members)
            }
        };
        let (kid, public) = named(members)?;
        Ok(Self { kid: kid.into(), algorithm, public, pair, pkcs8 })
    }

    /// The key itself, to be sealed.
    pub(super) fn pkcs8(&self) -> &[u8] {
        self.pkcs8.expose_secret()
    }

    /// The compact JWS of `claims`.
    pub(super) fn compact(&self, typ: &str, claims: &[u8]) -> Result<String, KeyError> {
        let header = Header { alg: self.algorithm.as_str(), kid: &self.kid, typ };
        let header = serde_json::to_vec(&header).map_err(|_impossible| KeyError("write"))?;
        // Base64 has four characters for three bytes.
        let bytes = [header.len(), claims.len(), SIGNATURE_BYTES].iter().sum::<usize>();
        let mut token = String::with_capacity(bytes.saturating_mul(4).div_ceil(3));
        BASE64_URL_SAFE_NO_PAD.encode_string(header, &mut token);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        let refused = |_unspecified| KeyError("sign");
        match &self.pair {
            Pair::Ec(pair) => Ok(pair.sign(&random, input).map_err(refused)?.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature).map_err(refused)?;
                Ok(signature)
            }
        }
    }
}

/// Never shows the private half.
impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateKey({} {})", self.algorithm.as_str(), self.kid)
    }
}

fn rsa_members(pair: &RsaKeyPair) -> Result<Value, KeyError> {
    let public = DecodingKey::from_rsa_der(pair.public_key().as_ref());
    let jwk = Jwk::from_decoding_key(&public, None);
    let Ok(Jwk { algorithm: AlgorithmParameters::RSA(numbers), .. }) = jwk else {
        return Err(KeyError("publish an RS256 key"));
    };
    Ok(json!({ "alg": "RS256", "e": numbers.e, "kty": "RSA", "n": numbers.n, "use": "sig" }))
}

/// The point is uncompressed: a byte that says so, then both coordinates (SEC 1 §2.3.3).
fn elliptic_members(pair: &EcdsaKeyPair) -> Result<Value, KeyError> {
    let point = pair.public_key().as_ref();
    let coordinates = point.strip_prefix(&[4]).and_then(|both| both.split_at_checked(32));
    let (x, y) = coordinates.ok_or(KeyError("publish an ES256 key"))?;
    let [x, y] = [x, y].map(|coordinate| BASE64_URL_SAFE_NO_PAD.encode(coordinate));
    Ok(json!({ "alg": "ES256", "crv": "P-256", "kty": "EC", "use": "sig", "x": x, "y": y }))
}

/// The name of a public key, its thumbprint (RFC 7638), and its members with that name.
fn named(mut members: Value) -> Result<(String, Value), KeyError> {
    let jwk: Result<Jwk, _> = serde_json::from_value(members.clone());
    let unnamed = KeyError("name a key");
    let kid = jwk.map_err(|_unreadable| unnamed)?.thumbprint(ThumbprintHash::SHA256);
    let kid = kid.map_err(|_unreadable| unnamed)?;
    if let Some(members) = members.as_object_mut() {
        members.insert("kid".to_owned(), kid.as_str().into());
    }
    Ok((kid, members))
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;
    use crate::protocol::jwk::{KeySet, KeyUse};
    use crate::protocol::jws::UnverifiedJwt;

    #[test]
    fn a_key_that_was_kept_is_the_same_key() {
        for algorithm in SigningAlgorithm::VARIANTS {
            let made = PrivateKey::generate(*algorithm).unwrap();
            let kept = PrivateKey::from_pkcs8(*algorithm, made.pkcs8().to_vec()).unwrap();
            assert_eq!((&made.kid, &made.public), (&kept.kid, &kept.public));
            let document = json!({ "keys": [made.public] }).to_string();
            let keys = KeySet::parse(document.as_bytes(), KeyUse::Client).unwrap();
            let token = kept.compact("at+jwt", br#"{"iss":"x"}"#).unwrap();
            let read = UnverifiedJwt::parse(&token).unwrap();
            assert_eq!(read.header().kid.as_deref(), Some(&*made.kid));
            assert_eq!(read.verify(Arc::clone(&keys.keys()[0])).unwrap().typ(), Some("at+jwt"));
            let shown = format!("PrivateKey({} {})", algorithm.as_str(), made.kid);
            assert_eq!(format!("{made:?}"), shown, "nothing private");
        }
    }

    /// RFC 7638 §3.1.
    #[test]
    fn a_key_is_named_by_its_thumbprint() {
        let modulus = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc\
            _BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQ\
            R0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bF\
            TWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let (kid, public) = named(json!({ "e": "AQAB", "kty": "RSA", "n": modulus })).unwrap();
        assert_eq!(kid, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(public["kid"], kid);
    }

    #[test]
    fn only_the_public_half_is_published() {
        let members = |algorithm| {
            let key = PrivateKey::generate(algorithm).unwrap();
            key.public.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(members(SigningAlgorithm::Rs256), "alg e kid kty n use");
        assert_eq!(members(SigningAlgorithm::Es256), "alg crv kid kty use x y");
    }
}
