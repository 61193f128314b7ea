//! The test suite: one binary, one module for each subject.

#![cfg(test)]

mod architecture;
mod attacks;
mod cli;
mod configuration;
mod introspection;
mod reasons;
mod support;
