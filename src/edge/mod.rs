//! How requests come in: two HTTP listeners. Handlers decode, call a service, and encode.

mod accept;
pub mod admin;
mod answer;
mod body;
mod introspect;
mod problem;
pub mod public;
mod request_id;

pub use request_id::RequestSpan;
