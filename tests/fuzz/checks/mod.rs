//! What must hold for every input, whoever made it up: each check takes bytes and panics where
//! something does not hold, or tells whether the input was taken for something good. The targets in `../targets` let a fuzzer look for such bytes, and the
//! suite runs every seed in `../seeds` through them.

pub(crate) mod config;
pub(crate) mod credentials;
pub(crate) mod discovery;
pub(crate) mod envoy;
pub(crate) mod form;
pub(crate) mod gateway;
pub(crate) mod keys;
pub(crate) mod plugin;
pub(crate) mod sealed;
pub(crate) mod strict;
pub(crate) mod token;
