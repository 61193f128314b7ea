//! Replicas of one configuration that share a Redis.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use serde_json::json;
use tempfile::TempDir;
use tessera::dev::server::Running;

use crate::load::connection::get;
use crate::plan::Plan;
use crate::system::configuration::{Configuration, Form};
use crate::system::redis::Redis;
use crate::system::server::Server;
use crate::system::tessera::{Addresses, serve};
use crate::system::wait::wait_until;

/// One replica.
pub(crate) type Replica = Server<Addresses>;

/// What all replicas are started with.
pub(crate) struct Installation {
    tessera: PathBuf,
    folder: TempDir,
    pub(crate) redis: Redis,
}

impl Installation {
    /// At a new Redis; replicas read these `results` of each other.
    pub(crate) fn new(plan: &Plan, entra: &Running, results: &str) -> anyhow::Result<Self> {
        let (redis, folder) = (Redis::start()?, tempfile::tempdir()?);
        let text = configuration(entra.authority(), &redis.url(), results);
        let installation = Self { tessera: plan.tessera.clone(), folder, redis };
        std::fs::write(installation.file(), text.to_string())?;
        Ok(installation)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("tessera.yaml")
    }

    /// Starts a further replica, and waits until it is ready.
    pub(crate) fn replica(&self) -> anyhow::Result<Replica> {
        ready_replica(&self.tessera, &self.file())
    }
}

/// Starts a replica, and waits until it is ready.
pub(crate) fn ready_replica(program: &Path, file: &Path) -> anyhow::Result<Replica> {
    let replica = serve(program, file)?;
    replica.wait_until_ready()?;
    Ok(replica)
}

impl Replica {
    /// As soon as it can answer for tokens of every tenant.
    pub(crate) fn wait_until_ready(&self) -> anyhow::Result<()> {
        wait_until("readiness", || Ok(get(self.address.admin, "/readyz?verbose")?.0))
    }

    /// Fails unless most of `count` introspections so far were answered as active from this
    /// `source`, as the replica itself counts them.
    pub(crate) fn answered_from(&self, source: &str, count: usize) -> anyhow::Result<()> {
        let (_, metrics) = get(self.address.admin, "/metrics")?;
        let labels = format!("result=\"active\",source=\"{source}\"}} ");
        let series =
            metrics.lines().filter(|line| line.starts_with("tessera_introspections_total"));
        let counts = series.filter_map(|line| line.split_once(&labels)?.1.parse::<usize>().ok());
        let found: usize = counts.sum();
        ensure!((most_of(count)..=count).contains(&found), "{labels}{found}, not {count}");
        Ok(())
    }
}

/// But for one in a hundred, for which Redis may have been too slow: then replicas do without.
pub(crate) const fn most_of(count: usize) -> usize {
    count - count / 100
}

/// What is exchanged becomes opaque.
fn configuration(authority: &str, redis: &str, results: &str) -> Configuration {
    Configuration::new(authority)
        .resource("https://opaque.internal", Form::Opaque)
        .redis(json!({ "url": redis, "prefix": "loadtest", "results": results }))
}
