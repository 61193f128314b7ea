//! What is measured, and on which core.

pub(crate) mod configuration;
pub(crate) mod installation;
pub(crate) mod machine;
pub(crate) mod mint;
pub(crate) mod redis;
pub(crate) mod sentinels;
pub(crate) mod server;
pub(crate) mod tessera;
pub(crate) mod wait;
