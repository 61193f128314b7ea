//! Signs our own answers with a key that lives in this process only.
//!
//! RS256, because every gateway can check it. The key is made at start and never leaves: a restart
//! is a rotation, and the answers it signs are read at once by whoever asked.

use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, ThumbprintHash};
use serde::Serialize;

use crate::ports::{Dependency, Signer, Unavailable};

/// A signer whose key is in memory.
#[derive(Clone)]
pub struct MemorySigner {
    key: Arc<KeyPair>,
    kid: Arc<str>,
    public_keys: Bytes,
}

impl std::fmt::Debug for MemorySigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemorySigner").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

/// The members of the one public key; nothing else is ever published.
#[derive(Serialize)]
struct PublicKey<'a> {
    alg: &'static str,
    e: &'a str,
    kid: &'a str,
    kty: &'static str,
    n: &'a str,
    #[serde(rename = "use")]
    usage: &'static str,
}

#[derive(Serialize)]
struct PublicKeys<'a> {
    keys: [PublicKey<'a>; 1],
}

impl MemorySigner {
    /// Makes a key of 2048 bits; takes a fraction of a second.
    pub fn generate() -> Result<Self, Unavailable> {
        let key = KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_unspecified| unavailable("cannot make a key"))?;
        let public = DecodingKey::from_rsa_der(key.public_key().as_ref());
        let public = Jwk::from_decoding_key(&public, None)
            .map_err(|error| unavailable(&format!("cannot read the key just made: {error}")))?;
        let (kid, document) = publish(&public).ok_or_else(|| unavailable("cannot publish it"))?;
        Ok(Self { key: Arc::new(key), kid: kid.into(), public_keys: document.into() })
    }

    /// The name of the key: its thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        &self.kid
    }

    fn compact(&self, typ: &'static str, claims: &[u8]) -> Result<String, Unavailable> {
        let header = serde_json::to_vec(&Header { alg: "RS256", kid: &self.kid, typ })
            .map_err(|error| unavailable(&error.to_string()))?;
        let mut token = BASE64_URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_unspecified| unavailable("the key did not sign"))?;
        token.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

#[async_trait]
impl Signer for MemorySigner {
    /// On the pool for blocking work: an RSA signature takes about a millisecond, in which a
    /// worker answers hundreds of others from the cache.
    async fn sign(&self, typ: &'static str, claims: &[u8]) -> Result<String, Unavailable> {
        let (signer, claims) = (self.clone(), claims.to_vec());
        tokio::task::spawn_blocking(move || signer.compact(typ, &claims))
            .await
            .map_err(|error| unavailable(&error.to_string()))?
    }

    async fn public_keys(&self) -> Result<Bytes, Unavailable> {
        Ok(self.public_keys.clone())
    }
}

/// The name of a public RSA key, and the document that publishes it.
fn publish(public: &Jwk) -> Option<(String, Vec<u8>)> {
    let AlgorithmParameters::RSA(numbers) = &public.algorithm else { return None };
    let kid = public.thumbprint(ThumbprintHash::SHA256).ok()?;
    let key = PublicKey {
        alg: "RS256",
        e: &numbers.e,
        kid: &kid,
        kty: "RSA",
        n: &numbers.n,
        usage: "sig",
    };
    let document = serde_json::to_vec(&PublicKeys { keys: [key] }).ok()?;
    Some((kid, document))
}

fn unavailable(detail: &str) -> Unavailable {
    Unavailable { dependency: Dependency::SigningKey, detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ids::Fingerprint;
    use crate::protocol::jwk::{KeySet, KeyUse};
    use crate::protocol::jws::{SignatureError, UnverifiedJwt};

    #[tokio::test]
    async fn what_is_signed_verifies_by_what_is_published() {
        let signer = MemorySigner::generate().unwrap();
        let token = signer.sign("token-introspection+jwt", br#"{"iss":"x"}"#).await.unwrap();
        let published = signer.public_keys().await.unwrap();
        let keys = KeySet::parse(&published, KeyUse::Client).unwrap();
        let key = Arc::clone(&keys.keys()[0]);
        assert_eq!(key.kid(), Some(signer.kid()));
        let read = UnverifiedJwt::parse(&token).unwrap();
        assert_eq!(read.header().kid.as_deref(), Some(signer.kid()));
        let verified = read.verify(key).unwrap();
        assert_eq!(verified.typ(), Some("token-introspection+jwt"));
        assert_eq!(verified.claims().get("iss").and_then(|iss| iss.as_str()), Some("x"));
    }

    #[tokio::test]
    async fn every_start_has_its_own_key_and_publishes_only_its_public_half() {
        let (one, two) = (MemorySigner::generate().unwrap(), MemorySigner::generate().unwrap());
        assert_ne!(one.kid(), two.kid());
        let token = one.sign("JWT", b"{}").await.unwrap();
        let foreign = KeySet::parse(&two.public_keys, KeyUse::Client).unwrap();
        let verdict = UnverifiedJwt::parse(&token).unwrap().verify(Arc::clone(&foreign.keys()[0]));
        assert_eq!(verdict.unwrap_err(), SignatureError::Mismatch);
        let document: serde_json::Value = serde_json::from_slice(&one.public_keys).unwrap();
        let members: Vec<_> = document["keys"][0].as_object().unwrap().keys().collect();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
        let n = document["keys"][0]["n"].as_str().unwrap();
        let canonical = format!(r#"{{"e":"AQAB","kty":"RSA","n":"{n}"}}"#);
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes());
        assert_eq!(one.kid(), BASE64_URL_SAFE_NO_PAD.encode(digest), "RFC 7638 §3");
        assert!(!format!("{one:?}").contains(n), "{}", Fingerprint::of(n.as_bytes()));
    }
}
