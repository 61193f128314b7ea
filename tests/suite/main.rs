//! The test suite: one binary, one module for each subject.

#![cfg(test)]

mod architecture;
mod configuration;
mod introspection;
mod reasons;
mod support;
