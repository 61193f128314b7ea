//! Who provides the ports. Each file names one outside thing.

pub mod audit;
pub mod background;
pub mod clock;
pub mod graph;
pub mod http_client;
pub mod issuer_keys;
pub mod opaque_tokens;
pub mod otlp;
pub mod probe;
pub mod random;
pub mod redis;
pub mod replay;
pub mod revocations;
pub mod sealed;
pub mod signing;
mod single_flight;
mod spans;
pub mod throttle;

#[cfg(test)]
mod test_server;
