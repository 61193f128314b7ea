//! The checks, once for all targets.

mod checks;

/// See `checks/token.rs`.
pub fn token(data: &[u8]) {
    checks::token::check(data);
}

/// See `checks/form.rs`.
pub fn form(data: &[u8]) {
    checks::form::check(data);
}

/// See `checks/credentials.rs`.
pub fn credentials(data: &[u8]) {
    checks::credentials::check(data);
}

/// See `checks/keys.rs`.
pub fn keys(data: &[u8]) {
    checks::keys::check(data);
}

/// See `checks/discovery.rs`.
pub fn discovery(data: &[u8]) {
    checks::discovery::check(data);
}

/// See `checks/config.rs`.
pub fn config(data: &[u8]) {
    checks::config::check(data);
}

/// See `checks/sealed.rs`.
pub fn sealed(data: &[u8]) {
    checks::sealed::check(data);
}

/// See `checks/plugin.rs`.
pub fn plugin(data: &[u8]) {
    checks::plugin::check(data);
}

/// See `checks/envoy.rs`.
pub fn envoy(data: &[u8]) {
    checks::envoy::check(data);
}
