//! The test suite: one binary, one module for each subject.

mod configuration;
mod introspection;
mod support;
