//! Reads the configuration file that a command names.

use std::path::Path;

use super::Failure;
use crate::config::{self, Config, PlainSecrets, SystemEnvironment};

/// The valid configuration at `path`, or everything that is wrong with it.
pub(super) fn config(path: &Path) -> Result<Config, Failure> {
    let text = config::read_file(path)?;
    let origin = path.display().to_string();
    Ok(config::load(&text, &origin, &SystemEnvironment, PlainSecrets::Refused)?)
}
