//! Bare cryptography: what checking and signing cost in the library that tessera uses.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use tessera::dev::server::Running;

use crate::system::machine;

/// As long as what is signed of a minted token.
const MESSAGE_BYTES: usize = 1200;

/// ES256 signatures per second on core 0.
pub(crate) fn signatures_per_second(count: usize) -> anyhow::Result<f64> {
    machine::on_core("0", || {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
        let message = [b'x'; MESSAGE_BYTES];
        let begun = Instant::now();
        for _ in 0..count {
            std::hint::black_box(key.sign(&random, &message)?);
        }
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    })
}

/// RS256 checks of different tokens per second on core 0.
pub(crate) fn checks_per_second(entra: &Running, tokens: &[String]) -> anyhow::Result<f64> {
    machine::on_core("0", || {
        let jwk = serde_json::from_value(entra.signing_key().jwk())?;
        let key = DecodingKey::from_jwk(&jwk)?;
        let begun = Instant::now();
        for token in tokens {
            let (message, signature) = token.rsplit_once('.').context("a token")?;
            let good = crypto::verify(signature, message.as_bytes(), &key, Algorithm::RS256)?;
            ensure!(good, "a bad signature");
        }
        Ok(tokens.len() as f64 / begun.elapsed().as_secs_f64())
    })
}
