//! How requests come in: two HTTP listeners, and gRPC listeners for gateways. Handlers decode, call a service, and encode.

mod accept;
pub mod admin;
mod answer;
mod body;
mod caller;
mod decide;
pub mod grpc;
mod identity;
mod introspect;
mod keys;
mod leaving;
mod metadata;
mod problem;
mod protected;
pub mod public;
mod request_id;
mod revocations;
mod revoke;
mod token;
mod told;
mod traced;
mod verify;

pub use leaving::Leaving;
pub use request_id::RequestSpan;
