//! The ports on the ring: it signs, and operators look after it.

use std::sync::Arc;

use async_trait::async_trait;

use super::ring::{RingError, SigningKeys, unavailable};
use crate::domain::keyring::{KeyStatus, Rotation, SigningAlgorithm, UnknownKey};
use crate::ports::{KeyRing, PublicKeys, Signer, Unavailable};

/// Both halves of the ports on one shared ring.
#[derive(Clone, Debug)]
pub struct SharedKeys(pub Arc<SigningKeys>);

#[async_trait]
impl Signer for SharedKeys {
    /// RSA on the pool for blocking work: such a signature takes about a millisecond, in which a
    /// worker answers hundreds of others from the cache.
    async fn sign(
        &self,
        algorithm: SigningAlgorithm,
        typ: &'static str,
        claims: &[u8],
    ) -> Result<String, Unavailable> {
        if algorithm == SigningAlgorithm::Es256 {
            return self.0.compact(algorithm, typ, claims);
        }
        let (keys, claims) = (Arc::clone(&self.0), claims.to_vec());
        tokio::task::spawn_blocking(move || keys.compact(algorithm, typ, &claims))
            .await
            .map_err(|error| unavailable(&error.to_string()))?
    }

    fn public_keys(&self) -> Arc<PublicKeys> {
        self.0.public()
    }

    async fn look_again(&self) {
        if self.0.is_shared() {
            self.0.look_for_another().await;
        }
    }
}

#[async_trait]
impl KeyRing for SharedKeys {
    fn statuses(&self) -> Vec<KeyStatus> {
        self.0.statuses()
    }

    async fn rotate(
        &self,
        only: Option<SigningAlgorithm>,
    ) -> Result<Vec<(SigningAlgorithm, Rotation)>, Unavailable> {
        let keys = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || keys.rotate_now(only)).await;
        let done = done.map_err(|error| unavailable(&error.to_string()))?;
        done.map_err(|error| unavailable(&error.to_string()))
    }

    async fn retire(&self, kid: &str) -> Result<Result<(), UnknownKey>, Unavailable> {
        let (keys, kid) = (Arc::clone(&self.0), kid.to_owned());
        let done = tokio::task::spawn_blocking(move || keys.retire_now(&kid)).await;
        match done.map_err(|error| unavailable(&error.to_string()))? {
            Ok(()) => Ok(Ok(())),
            Err(RingError::Unknown(unknown)) => Ok(Err(unknown)),
            Err(error) => Err(unavailable(&error.to_string())),
        }
    }
}
