//! The test suite: one binary, one module for each subject.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, clippy::string_slice, reason = "a test may panic")]

mod agents;
mod architecture;
mod attacks;
mod audit;
mod boundaries;
mod cache;
mod cli;
mod client_authentication;
mod configuration;
mod exchange;
mod ext_authz;
mod faults;
mod fuzzed;
mod gateways;
mod helm;
mod http_layer;
mod image;
mod introspection;
mod kinds_of_token;
mod kubernetes;
mod lifecycle;
mod limits;
mod live;
mod metadata;
mod metrics;
mod model;
mod observability;
mod outages;
mod parsers;
mod performance;
mod plugin;
mod printing;
mod probe;
mod properties;
mod reasons;
mod redis_harness;
mod replicas;
mod roads;
mod rotation;
mod secrets;
mod signed_answers;
mod signing_keys;
mod supply;
mod support;
mod third_party;
mod tls;
mod traces;
mod tyk;
mod vectors;
mod verify;
