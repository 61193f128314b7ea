//! One tessera with a configuration of its own.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::Path;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::bench::Bench;
use crate::plan::Plan;
use crate::system::configuration::Configuration;
use crate::system::server::Server;

/// Killed when dropped, with its files.
pub(crate) struct Tessera {
    server: Server<Addresses>,
    _folder: TempDir,
}

/// Where a tessera listens.
pub(crate) struct Addresses {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// If the configuration has it.
    pub(crate) tyk: Option<SocketAddr>,
}

impl Tessera {
    /// With everything at its default, for tokens of the bench's look-alike.
    pub(crate) fn for_orders(bench: &Bench) -> anyhow::Result<Self> {
        Self::start(&bench.plan, &Configuration::new(bench.entra.authority()))
    }

    /// Knows `TYK_SECRET` and `SEAL` from its environment.
    pub(crate) fn start(plan: &Plan, configuration: &Configuration) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("tessera.yaml");
        std::fs::write(&file, configuration.to_string())?;
        Ok(Self { server: serve(&plan.tessera, &file)?, _folder: folder })
    }
}

impl Deref for Tessera {
    type Target = Server<Addresses>;

    fn deref(&self) -> &Server<Addresses> {
        &self.server
    }
}

/// Starts `tessera serve` with this file.
pub(crate) fn serve(program: &Path, file: &Path) -> anyhow::Result<Server<Addresses>> {
    let arguments: [&OsStr; 3] = ["serve".as_ref(), "--config".as_ref(), file.as_ref()];
    Server::start(program.as_os_str(), &arguments, addresses)
        .with_context(|| program.display().to_string())
}

/// From the line that says that it has started.
fn addresses(line: &str) -> Option<Addresses> {
    let started: serde_json::Value = serde_json::from_str(line).ok()?;
    let find = |name: &str| started.get(name)?.as_str()?.parse().ok();
    Some(Addresses { public: find("public")?, admin: find("admin")?, tyk: find("tyk") })
}
