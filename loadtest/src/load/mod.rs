//! What drives a server, and knows which answer is right.

pub(crate) mod calls;
pub(crate) mod closed;
pub(crate) mod connection;
pub(crate) mod expect;
pub(crate) mod frames;
pub(crate) mod learn;
pub(crate) mod messages;
pub(crate) mod open;
pub(crate) mod population;
pub(crate) mod random;
pub(crate) mod schedule;
pub(crate) mod slot;
pub(crate) mod tyk;
