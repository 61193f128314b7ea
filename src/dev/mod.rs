//! A pretend world: an Entra look-alike tenant for `tessera dev`, tests and load tests.

mod certificate;
pub mod clock;
pub mod keys;
