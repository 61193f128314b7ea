//! What is written for Tyk, and what is said about Tyk's own files.

mod commands;
mod golden;
mod page;
mod readme;
mod schema;

use std::process::Output;

use crate::cli::run_with;

/// The secrets of the sample files.
const SECRETS: [(&str, &str); 2] = [
    ("TYK_SECRET", "tyk-golden-secret-51c0ffee51c0ffee51"),
    ("MOBILE_SECRET", "mobile-golden-secret-0b5e55ed0b5e55ed"),
];

/// Runs the command with the secrets in its environment.
fn tessera(arguments: &[&str]) -> Output {
    run_with(arguments, &SECRETS)
}

/// The path of a sample file.
fn sample(format: &str) -> String {
    format!("{}/tests/golden/tyk/{format}/tessera.yaml", env!("CARGO_MANIFEST_DIR"))
}
