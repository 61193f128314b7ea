//! Unguessable bytes, from the cryptographic library's generator.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom as Generator};

use crate::ports::{Dependency, Random, Unavailable};

/// The system's generator.
#[derive(Clone, Debug, Default)]
pub struct SystemRandom(Generator);

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Unavailable> {
        self.0.fill(bytes).map_err(|_unspecified| Unavailable {
            dependency: Dependency::Random,
            detail: "no random bytes can be had".to_owned(),
        })
    }
}
