//! What is true: pure functions. Time, keys and tables are arguments.

pub mod assertion;
pub mod claims;
pub mod client;
pub mod entra;
pub mod freshness;
pub mod identity;
pub mod keyring;
pub mod mapping;
pub mod principal;
pub mod rejection;
pub mod subject;
pub mod tenant;
pub mod validate;
