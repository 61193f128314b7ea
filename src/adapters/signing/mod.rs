//! The keys that sign what we issue.

mod folder;
mod held;
mod kept;
mod key;
mod place;
mod ports;
mod ring;

pub use held::Held;
pub use kept::{read, written};
pub use key::KeyError;
pub use ports::SharedKeys;
pub use ring::{RingError, SigningKeys};
