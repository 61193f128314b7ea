//! How requests come in: two HTTP listeners. Handlers decode, call a service, and encode.

mod accept;
pub mod admin;
mod answer;
mod body;
mod caller;
mod introspect;
mod keys;
mod metadata;
mod problem;
pub mod public;
mod request_id;
mod revocations;
mod revoke;
mod token;

pub use request_id::RequestSpan;
