//! Starts the bare servers, each in a process of its own on core 0.

use std::ffi::OsStr;

use tempfile::NamedTempFile;

use crate::system::server::Server;

/// A bare server and the answer that it gives.
pub(crate) struct Bare {
    pub(crate) server: Server,
    _answer: NamedTempFile,
}

/// The bare handler, which gives this answer.
pub(crate) fn http(answer: &[u8]) -> anyhow::Result<Bare> {
    with_answer("bare-http", answer)
}

/// The null server, which gives this answer.
pub(crate) fn null(answer: &[u8]) -> anyhow::Result<Bare> {
    with_answer("bare-null", answer)
}

fn with_answer(name: &str, answer: &[u8]) -> anyhow::Result<Bare> {
    let file = NamedTempFile::new()?;
    std::fs::write(file.path(), answer)?;
    let own = std::env::current_exe()?;
    let arguments: [&OsStr; 2] = [name.as_ref(), file.path().as_ref()];
    let server = Server::start(own.as_os_str(), &arguments, |line| line.trim().parse().ok())?;
    Ok(Bare { server, _answer: file })
}
