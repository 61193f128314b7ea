//! The same work without tessera.

pub(crate) mod crypto;
pub(crate) mod http;
pub(crate) mod null;
pub(crate) mod plugin;
pub(crate) mod servers;
