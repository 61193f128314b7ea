//! Reads the configuration file that a command names.

use std::path::Path;

use super::{DevPorts, Failure, FileOrSample, dev};
use crate::config::{self, Config, PlainSecrets, SystemEnvironment};

/// The valid configuration at `path`, or everything that is wrong with it.
pub(super) fn config(path: &Path) -> Result<Config, Failure> {
    let text = config::read_file(path, &SystemEnvironment)?;
    let origin = path.display().to_string();
    Ok(config::load(&text, &origin, &SystemEnvironment, PlainSecrets::Refused)?)
}

/// The same, or that of `tessera dev` at `ports`.
pub(super) fn file_or_sample(which: &FileOrSample, ports: DevPorts) -> Result<Config, Failure> {
    match &which.config {
        Some(path) if !which.dev => config(path),
        Some(_) | None => Ok(dev::configuration(ports)?),
    }
}
