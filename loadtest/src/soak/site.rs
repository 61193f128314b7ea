//! Three replicas that share a Redis under sentinels, and their configuration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tessera::dev::apps::ORDERS;
use tessera::dev::people::GOLD_CUSTOMERS;
use tessera::dev::server::Running;

use super::replica::{Logs, Replica};
use super::stage::{At, REPLICAS};
use crate::load::connection::get;
use crate::system::configuration::{Configuration, Form, rule};
use crate::system::sentinels::Sentinels;
use crate::system::wait::wait_within;

/// How long a condition is waited for, on a machine that may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// After how many milliseconds sentinels take the master for gone: long beside the pauses of a busy
/// machine.
const SILENCE: u32 = 3000;

/// Ended when dropped.
pub(super) struct Site {
    pub(super) entra: Running,
    pub(super) sentinels: Sentinels,
    pub(super) replicas: Vec<Replica>,
    pub(super) logs: Arc<Logs>,
    incarnations: [u64; REPLICAS],
    tessera: PathBuf,
    folder: TempDir,
}

impl Site {
    pub(super) fn start(tessera: &Path, entra: Running) -> anyhow::Result<Self> {
        let (sentinels, folder) = (Sentinels::start_with(SILENCE)?, tempfile::tempdir()?);
        let (tessera, logs) = (tessera.to_owned(), Arc::new(Logs::default()));
        let (replicas, incarnations) = (Vec::new(), [0; REPLICAS]);
        let mut site = Self { entra, sentinels, replicas, logs, incarnations, tessera, folder };
        site.configure(&site.text(1))?;
        for _ in 0..REPLICAS {
            site.replicas.push(site.replica()?);
        }
        for replica in &site.replicas {
            wait_until("a replica", || Ok(get(replica.admin, "/readyz")?.0))?;
        }
        Ok(site)
    }

    fn replica(&self) -> anyhow::Result<Replica> {
        Replica::start(&self.tessera, &self.file(), &self.logs)
    }

    /// A further process in the place of one that is dropped here; it need not be ready.
    pub(super) fn replace(&mut self, place: usize) -> anyhow::Result<At> {
        let next = self.replica()?;
        *self.replicas.get_mut(place).context("no such place")? = next;
        if let Some(incarnation) = self.incarnations.get_mut(place) {
            *incarnation += 1;
        }
        self.address(place)
    }

    fn address(&self, place: usize) -> anyhow::Result<At> {
        let Replica { public, admin, .. } = *self.replicas.get(place).context("no such place")?;
        let id = self.replicas.get(place).map_or(0, Replica::id);
        let incarnation = self.incarnations.get(place).copied().unwrap_or_default();
        Ok(At { place, incarnation, id, public, admin })
    }

    pub(super) fn addresses(&self) -> [At; REPLICAS] {
        let nowhere = ([127, 0, 0, 1], 1).into();
        let none = At { place: 0, incarnation: 0, id: 0, public: nowhere, admin: nowhere };
        std::array::from_fn(|place| self.address(place).unwrap_or(none))
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("tessera.yaml")
    }

    /// Replaces the configuration as a whole.
    pub(super) fn configure(&self, text: &str) -> anyhow::Result<()> {
        let next = self.folder.path().join("next.yaml");
        std::fs::write(&next, text)?;
        Ok(std::fs::rename(next, self.file())?)
    }

    /// Waits until every replica is proved to know everything.
    pub(super) fn wait_until_current(&self) -> anyhow::Result<()> {
        for replica in &self.replicas {
            wait_until("being current", || {
                let told = readiness(replica.admin)?;
                let state = told.pointer("/store/state").and_then(Value::as_str);
                let proved = told.pointer("/store/proved_seconds_ago").and_then(Value::as_f64);
                Ok(state == Some("current") && proved.is_some_and(|seconds| seconds < 1.0))
            })?;
        }
        Ok(())
    }

    /// The configuration of this number.
    pub(super) fn text(&self, number: u64) -> String {
        Configuration::new(self.entra.authority())
            .client("guesser", "${env:GUESSER_SECRET}", &[ORDERS.client_id])
            .resource("https://orders.internal", Form::Jwt)
            .resource("https://opaque.internal", Form::Opaque)
            .rules([rule(&format!("p-{number}"), GOLD_CUSTOMERS)])
            // The shortest that can be set, so that an hour sees them often, and memory that is soon full.
            .with("key_sets", json!({ "refresh": "1m", "cooldown": "10s" }))
            .with("signing", json!({ "rotate": "1h", "announce": "5m" }))
            .with("cache", json!({ "bytes": "8MiB" }))
            .redis(self.sentinels.settings("soak"))
            .with("shutdown", json!({ "drain": "2s" }))
            .to_string()
    }
}

/// What a replica says about itself.
pub(super) fn readiness(admin: SocketAddr) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&get(admin, "/readyz?verbose")?.1)?)
}

/// Looks until `done`.
pub(super) fn wait_until(
    what: &str,
    done: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    wait_within(PATIENCE, what, done)
}
