//! The audit trail: what is recorded, how records hang together, and how it shows when they do not.
//!
//! `docs/audit.md` is the reference; tests hold it, and its JSON Schema, to what stands here.

pub mod chain;
pub mod ocsf;
pub mod origin;
pub mod record;
pub mod verify;
