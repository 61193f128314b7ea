//! Signs our own answers with a key that lives in this process only.
//!
//! RS256, because every gateway can check it. The key is made at start and never leaves: a restart
//! is a rotation, and the answers it signs are read at once by whoever asked.

use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, ThumbprintHash};
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::keyring::SigningAlgorithm;
use crate::ports::{Dependency, PublicKeys, Signer, Unavailable};
use crate::protocol::jwk::{KeySet, KeyUse};
use crate::protocol::time::UnixTime;

/// A signer whose keys are in memory.
#[derive(Clone)]
pub struct MemorySigner {
    rsa: Arc<KeyPair>,
    rsa_kid: Arc<str>,
    elliptic: Arc<EcdsaKeyPair>,
    elliptic_kid: Arc<str>,
    public_keys: Arc<PublicKeys>,
}

impl std::fmt::Debug for MemorySigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemorySigner").field("kid", &self.rsa_kid).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

impl MemorySigner {
    /// Makes a key for each algorithm; takes a fraction of a second.
    pub fn generate() -> Result<Self, Unavailable> {
        let rsa = KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_unspecified| unavailable("cannot make a key"))?;
        let elliptic = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(|_unspecified| unavailable("cannot make a key"))?;
        let (rsa_kid, rsa_public) = publish(rsa_members(&rsa)?)?;
        let (elliptic_kid, elliptic_public) = publish(elliptic_members(&elliptic)?)?;
        let document = json!({ "keys": [elliptic_public, rsa_public] }).to_string();
        let mut keys = KeySet::parse(document.as_bytes(), KeyUse::Client)
            .map_err(|error| unavailable(&error.to_string()))?;
        keys.replace(None, UnixTime::MAX);
        let public_keys = Arc::new(PublicKeys { document: document.into(), keys });
        Ok(Self {
            rsa: Arc::new(rsa),
            rsa_kid: rsa_kid.into(),
            elliptic: Arc::new(elliptic),
            elliptic_kid: elliptic_kid.into(),
            public_keys,
        })
    }

    fn compact(
        &self,
        algorithm: SigningAlgorithm,
        typ: &'static str,
        claims: &[u8],
    ) -> Result<String, Unavailable> {
        let kid = match algorithm {
            SigningAlgorithm::Es256 => &self.elliptic_kid,
            SigningAlgorithm::Rs256 => &self.rsa_kid,
        };
        let header = serde_json::to_vec(&Header { alg: algorithm.as_str(), kid, typ })
            .map_err(|error| unavailable(&error.to_string()))?;
        let mut token = BASE64_URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let refused = |_unspecified| unavailable("the key did not sign");
        let (random, input) = (SystemRandom::new(), token.as_bytes());
        let signature = match algorithm {
            SigningAlgorithm::Es256 => {
                self.elliptic.sign(&random, input).map_err(refused)?.as_ref().to_vec()
            }
            SigningAlgorithm::Rs256 => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                let signed = self.rsa.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature);
                signed.map_err(refused)?;
                signature
            }
        };
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

#[async_trait]
impl Signer for MemorySigner {
    /// RSA on the pool for blocking work: such a signature takes about a millisecond, in which a
    /// worker answers hundreds of others from the cache.
    async fn sign(
        &self,
        algorithm: SigningAlgorithm,
        typ: &'static str,
        claims: &[u8],
    ) -> Result<String, Unavailable> {
        if algorithm == SigningAlgorithm::Es256 {
            return self.compact(algorithm, typ, claims);
        }
        let (signer, claims) = (self.clone(), claims.to_vec());
        tokio::task::spawn_blocking(move || signer.compact(algorithm, typ, &claims))
            .await
            .map_err(|error| unavailable(&error.to_string()))?
    }

    fn public_keys(&self) -> Arc<PublicKeys> {
        Arc::clone(&self.public_keys)
    }
}

fn rsa_members(key: &KeyPair) -> Result<Value, Unavailable> {
    let public = DecodingKey::from_rsa_der(key.public_key().as_ref());
    let jwk = Jwk::from_decoding_key(&public, None)
        .map_err(|error| unavailable(&format!("cannot read the key just made: {error}")))?;
    let AlgorithmParameters::RSA(numbers) = jwk.algorithm else {
        return Err(unavailable("an RSA key of another type"));
    };
    Ok(json!({ "alg": "RS256", "e": numbers.e, "kty": "RSA", "n": numbers.n, "use": "sig" }))
}

/// The point is uncompressed: a byte that says so, then both coordinates (SEC 1 §2.3.3).
fn elliptic_members(key: &EcdsaKeyPair) -> Result<Value, Unavailable> {
    let point = key.public_key().as_ref();
    let coordinates = point.strip_prefix(&[4]).and_then(|both| both.split_at_checked(32));
    let (x, y) = coordinates.ok_or_else(|| unavailable("a point in an unknown form"))?;
    let [x, y] = [x, y].map(|coordinate| BASE64_URL_SAFE_NO_PAD.encode(coordinate));
    Ok(json!({ "alg": "ES256", "crv": "P-256", "kty": "EC", "use": "sig", "x": x, "y": y }))
}

/// The name of a public key, its thumbprint (RFC 7638), and its members with that name.
fn publish(mut members: Value) -> Result<(String, Value), Unavailable> {
    let unreadable = |why: String| unavailable(&format!("cannot name the key just made: {why}"));
    let jwk: Jwk =
        serde_json::from_value(members.clone()).map_err(|error| unreadable(error.to_string()))?;
    let kid =
        jwk.thumbprint(ThumbprintHash::SHA256).map_err(|error| unreadable(error.to_string()))?;
    if let Some(members) = members.as_object_mut() {
        members.insert("kid".to_owned(), kid.as_str().into());
    }
    Ok((kid, members))
}

fn unavailable(detail: &str) -> Unavailable {
    Unavailable { dependency: Dependency::SigningKey, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray as _;

    use super::*;
    use crate::protocol::jwk::VerificationKey;
    use crate::protocol::jws::UnverifiedJwt;

    #[tokio::test]
    async fn what_is_signed_verifies_by_what_is_published() {
        let signer = MemorySigner::generate().unwrap();
        for algorithm in SigningAlgorithm::VARIANTS {
            let token = signer.sign(*algorithm, "at+jwt", br#"{"iss":"x"}"#).await.unwrap();
            let read = UnverifiedJwt::parse(&token).unwrap();
            let public = signer.public_keys();
            let named = |key: &&Arc<VerificationKey>| key.kid() == read.header().kid.as_deref();
            let key = Arc::clone(public.keys.keys().iter().find(named).unwrap());
            let verified = read.verify(key).unwrap();
            assert_eq!(verified.typ(), Some("at+jwt"));
            assert_eq!(verified.claims().get("iss").and_then(|iss| iss.as_str()), Some("x"));
        }
    }
}
