//! What is true: pure functions. Time, keys and tables are arguments.

pub mod client;
pub mod mapping;
pub mod principal;
pub mod tenant;
