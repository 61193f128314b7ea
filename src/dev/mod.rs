//! A pretend world: an Entra look-alike tenant for `tessera dev`, tests and load tests.
//!
//! [`server`] serves it on a loopback socket; [`tenant::FakeEntra`] is the handle that tests hold
//! to rotate keys, break a surface or count requests. [`people`] and [`apps`] say who there is,
//! [`issue`] what Entra would write into their tokens, and [`token`] spoils them.
//!
//! It is honest in shape, not in safety: every password and secret here is public.

pub mod apps;
mod backend;
mod certificate;
pub mod cluster;
pub mod configuration;
mod discovery;
pub mod faults;
mod graph;
pub mod issue;
pub mod keys;
mod login;
mod misbehave;
mod oauth;
pub mod people;
#[cfg(test)]
mod probe;
mod refusal;
mod scopes;
pub mod server;
pub mod tenant;
pub mod token;
