//! The keys that sign what we issue.

mod folder;
mod key;
mod ring;

pub use key::KeyError;
pub use ring::{RingError, SharedKeys, SigningKeys};
