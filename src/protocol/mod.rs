//! The RFCs as types: parse in, serialise out. No decision about trust, no input or output.

/// Messages of gateways hold tokens, secrets and whatever a caller wrote: they show their name alone.
macro_rules! unprinted {
    ($($message:ident),+ $(,)?) => {$(
        impl std::fmt::Debug for $message {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($message)).finish_non_exhaustive()
            }
        }
    )+};
}

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
