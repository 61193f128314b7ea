//! What commands write: results to standard output, complaints to standard error.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Writes a result. A reader that went away (`| head`) is no failure of ours.
pub(super) fn say(text: impl Display) {
    drop(writeln!(io::stdout().lock(), "{text}"));
}

/// Writes why a command failed.
pub(super) fn complain(why: impl Display) {
    let why = why.to_string();
    drop(writeln!(io::stderr().lock(), "tessera: {}", why.trim_end()));
}
