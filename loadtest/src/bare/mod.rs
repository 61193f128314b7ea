//! The same work without tessera.

pub(crate) mod crypto;
pub(crate) mod http;
pub(crate) mod plugin;
