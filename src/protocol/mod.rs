//! The RFCs as types: parse in, serialise out. No decision about trust, no input or output.

pub mod bearer;
pub mod client_auth;
pub mod coprocess;
pub mod delegation;
pub mod exchange;
pub mod ext_authz;
pub mod ids;
pub mod introspection;
pub mod json;
pub mod jwk;
pub mod jws;
pub mod params;
pub mod scope;
pub mod time;
pub mod token_type;
pub mod trace_context;
pub mod x509;
