//! Keys that sign pretend tokens: those of the look-alike tenant, of clients, and of attackers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
    RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{error, hmac};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::certificate;
use crate::protocol::ids::Fingerprint;
use crate::protocol::jws::algorithm_name;

/// A key could not be made or used.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the cryptographic library refused to {0}")]
pub struct KeyError(&'static str);

impl KeyError {
    const fn at(what: &'static str) -> impl Fn(error::Unspecified) -> Self {
        move |_| Self(what)
    }
}

/// A private key, its public half, and the name (`kid`) it goes by. Cheap to clone.
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<Pair>,
    algorithm: Algorithm,
    kid: String,
}

enum Pair {
    Ec { private: EcdsaKeyPair, point: Vec<u8>, public_der: Vec<u8> },
    Rsa { private: RsaKeyPair, modulus: Vec<u8>, public_der: Vec<u8>, certificate: Vec<u8> },
}

/// Never shows the private half.
impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({} {})", algorithm_name(self.algorithm), self.kid)
    }
}

/// The start and end of a 2048-bit `RSAPublicKey` with exponent 65537 (RFC 8017 A.1.1).
const RSA_PUBLIC_KEY: (&[u8], &[u8]) =
    (&[0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00], &[0x02, 0x03, 0x01, 0x00, 0x01]);

impl SigningKey {
    /// A new RSA key of 2048 bits for RS256, named as Entra names its keys: by the thumbprint of
    /// its certificate.
    pub fn rsa() -> Result<Self, KeyError> {
        let private =
            RsaKeyPair::generate(KeySize::Rsa2048).map_err(KeyError::at("make an RSA key"))?;
        let exported = private.public_key();
        let modulus = exported
            .as_ref()
            .strip_prefix(RSA_PUBLIC_KEY.0)
            .and_then(|rest| rest.strip_suffix(RSA_PUBLIC_KEY.1))
            .ok_or(KeyError("write an RSA key in the expected form"))?
            .to_vec();
        let public_der = spki(exported)?;
        let certificate =
            certificate::self_signed(&public_der, |body| rsa_sign(&private, false, body))?;
        let kid = base64url(&certificate::thumbprint(&certificate));
        let pair = Arc::new(Pair::Rsa { private, modulus, public_der, certificate });
        Ok(Self { pair, algorithm: Algorithm::RS256, kid })
    }

    /// A new P-256 key for ES256, as a client of `private_key_jwt` has one.
    pub fn ec() -> Result<Self, KeyError> {
        let private = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map_err(KeyError::at("make a P-256 key"))?;
        let point = private.public_key().as_ref().to_vec();
        let public_der = spki(private.public_key())?;
        let kid = Fingerprint::of(&point).to_string();
        let pair = Arc::new(Pair::Ec { private, point, public_der });
        Ok(Self { pair, algorithm: Algorithm::ES256, kid })
    }

    /// The RSA key called `name` in this process, made when first asked for. RSA keys are slow to
    /// make, so tests share them; a key has no memory that could leak from one test to another.
    pub fn pooled(name: &str) -> Result<Self, KeyError> {
        static POOL: Mutex<BTreeMap<String, SigningKey>> = Mutex::new(BTreeMap::new());
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = pool.get(name) {
            return Ok(key.clone());
        }
        let key = Self::rsa()?;
        pool.insert(name.to_owned(), key.clone());
        Ok(key)
    }

    /// The same RSA key for PS256. Without effect on a P-256 key.
    #[must_use]
    pub fn as_ps256(&self) -> Self {
        match *self.pair {
            Pair::Rsa { .. } => Self { algorithm: Algorithm::PS256, ..self.clone() },
            Pair::Ec { .. } => self.clone(),
        }
    }

    /// The same key under another name: two issuers may use one `kid` (A37).
    #[must_use]
    pub fn named(&self, kid: &str) -> Self {
        Self { kid: kid.to_owned(), ..self.clone() }
    }

    /// The name in key sets and headers.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// What it signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The signature of `input`, as a JWS has it (RFC 7518 §3.3 to §3.5).
    pub fn sign(&self, input: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &*self.pair {
            Pair::Rsa { private, .. } => {
                rsa_sign(private, self.algorithm == Algorithm::PS256, input)
            }
            Pair::Ec { private, .. } => private
                .sign(&SystemRandom::new(), input)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(KeyError::at("sign")),
        }
    }

    /// The public half as a client registers it: a JWK with `kid`, `use` and `alg` (RFC 7517 §4).
    pub fn jwk(&self) -> Value {
        let mut jwk = self.bare_jwk();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("alg".to_owned(), algorithm_name(self.algorithm).into());
        }
        jwk
    }

    /// The public half as Entra publishes it: no `alg`; a certificate; and the issuer whose tokens
    /// the key may sign (ENT-03), with or without the literal `{tenantid}`.
    pub fn entra_jwk(&self, issuer: &str) -> Value {
        let mut jwk = self.bare_jwk();
        if let (Some(members), Pair::Rsa { certificate, .. }) = (jwk.as_object_mut(), &*self.pair) {
            let thumbprint = base64url(&certificate::thumbprint(certificate));
            members.insert("x5t".to_owned(), thumbprint.into());
            members.insert("x5c".to_owned(), json!([BASE64_STANDARD.encode(certificate)]));
            members.insert("issuer".to_owned(), issuer.into());
        }
        jwk
    }

    fn bare_jwk(&self) -> Value {
        match &*self.pair {
            Pair::Rsa { modulus, .. } => json!({
                "kty": "RSA", "use": "sig", "kid": self.kid, "n": base64url(modulus), "e": "AQAB",
            }),
            Pair::Ec { point, .. } => {
                // An uncompressed point: 4, then x and y of 32 bytes each.
                let (_, xy) = point.split_at_checked(1).unwrap_or_default();
                let (x, y) = xy.split_at_checked(32).unwrap_or_default();
                json!({
                    "kty": "EC", "use": "sig", "kid": self.kid, "crv": "P-256",
                    "x": base64url(x), "y": base64url(y),
                })
            }
        }
    }

    /// The public half as a `SubjectPublicKeyInfo`: bytes everybody has, which a confused verifier
    /// may take for an HMAC secret.
    pub fn public_der(&self) -> &[u8] {
        match &*self.pair {
            Pair::Ec { public_der, .. } | Pair::Rsa { public_der, .. } => public_der,
        }
    }

    /// [`Self::public_der`] in PEM.
    pub fn public_pem(&self) -> String {
        let base64 = BASE64_STANDARD.encode(self.public_der());
        let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        let body = lines.join("\n");
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    }
}

/// HMAC with SHA-256 (HS256), for forgeries that take a public key for a secret.
pub fn hs256(secret: &[u8], input: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input).as_ref().to_vec()
}

/// Unpadded base64url (RFC 7515 §2).
pub fn base64url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa_sign(key: &RsaKeyPair, pss: bool, input: &[u8]) -> Result<Vec<u8>, KeyError> {
    let padding: &'static dyn RsaEncoding = if pss { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(padding, &SystemRandom::new(), input, &mut signature).map_err(KeyError::at("sign"))?;
    Ok(signature)
}

fn spki(key: &impl AsDer<PublicKeyX509Der<'static>>) -> Result<Vec<u8>, KeyError> {
    let der = key.as_der().map_err(KeyError::at("write a public key"))?;
    Ok(der.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    fn member<'j>(jwk: &'j Value, name: &str) -> &'j str {
        jwk[name].as_str().unwrap()
    }

    #[test]
    fn entra_names_a_key_by_its_certificate() {
        let key = SigningKey::pooled("keys").unwrap();
        let jwk = key.entra_jwk("https://issuer.example");
        let certificate = BASE64_STANDARD.decode(jwk["x5c"][0].as_str().unwrap()).unwrap();
        let thumbprint = base64url(&certificate::thumbprint(&certificate));
        assert_eq!((member(&jwk, "kid"), member(&jwk, "x5t")), (key.kid(), &*thumbprint));
        assert_eq!(member(&jwk, "issuer"), "https://issuer.example", "ENT-03");
        assert!(jwk.get("alg").is_none(), "Entra names no algorithm");
        let within = |part: &[u8]| certificate.windows(part.len()).any(|window| window == part);
        assert!(within(key.public_der()));
        // Self-signed: all between the outer header and the algorithm is signed by the key itself.
        let (rest, signature) = certificate.split_at(certificate.len() - 256);
        let body = &rest[4..rest.len() - 15 - 5];
        let public = BASE64_URL_SAFE_NO_PAD.decode(member(&jwk, "n")).unwrap();
        let public = [RSA_PUBLIC_KEY.0, &public, RSA_PUBLIC_KEY.1].concat();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public);
        assert!(public.verify(body, signature).is_ok());
    }

    #[test]
    fn a_client_key_names_its_algorithm() {
        let rsa = SigningKey::pooled("keys").unwrap();
        assert_eq!(member(&rsa.jwk(), "alg"), "RS256");
        assert_eq!(member(&rsa.as_ps256().jwk(), "alg"), "PS256");
        let ec = SigningKey::ec().unwrap();
        assert_eq!((member(&ec.jwk(), "alg"), member(&ec.jwk(), "crv")), ("ES256", "P-256"));
        assert_eq!(member(&rsa.named("other").jwk(), "kid"), "other", "A37");
    }

    #[test]
    fn a_pool_makes_a_key_once() {
        let first = SigningKey::pooled("one").unwrap();
        assert_eq!(first.kid(), SigningKey::pooled("one").unwrap().kid());
        assert_ne!(first.kid(), SigningKey::pooled("two").unwrap().kid());
        assert!(!format!("{first:?}").contains("private"));
    }
}
