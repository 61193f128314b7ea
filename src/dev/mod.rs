//! A pretend world: an Entra look-alike tenant for `tessera dev`, tests and load tests.

pub mod apps;
mod certificate;
pub mod clock;
pub mod issue;
pub mod keys;
pub mod people;
pub mod token;
