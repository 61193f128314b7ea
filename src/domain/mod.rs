//! What is true: pure functions. Time, keys and tables are arguments.

pub mod admission;
pub mod api;
pub mod assertion;
pub mod claims;
pub mod client;
pub mod cluster;
pub mod delegation;
pub mod denial;
pub mod entra;
pub mod exchange;
pub mod freshness;
pub mod identity;
pub mod issued;
pub mod keyring;
pub mod kubernetes;
pub mod lineage;
pub mod mapping;
pub mod principal;
pub mod rejection;
pub mod resource;
pub mod revocation;
pub mod subject;
pub mod subject_token;
pub mod tenant;
pub mod tyk;
pub mod validate;
