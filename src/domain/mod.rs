//! What is true: pure functions. Time, keys and tables are arguments.

pub mod claims;
pub mod client;
pub mod freshness;
pub mod mapping;
pub mod principal;
pub mod rejection;
pub mod tenant;
