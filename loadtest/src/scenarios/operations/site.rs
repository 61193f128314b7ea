//! Two replicas that share a Redis under sentinels.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tessera::adapters::clock::{ManualClock, SystemClock};
use tessera::adapters::redis::Replica as Shared;
use tessera::adapters::signing::SigningKeys;
use tessera::config::{Environment, PlainSecrets, load};
use tessera::dev::people::GOLD_CUSTOMERS;
use tessera::dev::tenant::FakeEntra;
use tessera::domain::keyring::Rotation;
use tessera::ports::Clock;
use tessera::protocol::time::Seconds;

use crate::load::connection::get;
use crate::plan::Plan;
use crate::system::configuration::{Configuration, Form, rule};
use crate::system::installation::{Replica, ready_replica};
use crate::system::mint::{SEAL, SECRET};
use crate::system::sentinels::Sentinels;
use crate::system::tessera::Addresses;

/// How long ago the keys rotated for the last time: longer than `signing.announce`, so that the next
/// may sign at once.
const AGE: Seconds = Seconds::hours(48);

/// Ended when dropped.
pub(super) struct Site {
    pub(super) entra: FakeEntra,
    pub(super) sentinels: Sentinels,
    pub(super) replicas: [Option<Replica>; 2],
    tessera: PathBuf,
    folder: TempDir,
}

impl Site {
    pub(super) fn start(plan: &Plan, entra: FakeEntra) -> anyhow::Result<Self> {
        let sentinels = Sentinels::start()?;
        let folder = tempfile::tempdir()?;
        let (tessera, replicas) = (plan.tessera.clone(), [None, None]);
        let mut site = Self { entra, sentinels, replicas, tessera, folder };
        site.configure(1)?;
        site.age_keys()?;
        site.replicas = [Some(site.replica()?), Some(site.replica()?)];
        Ok(site)
    }

    /// Starts a further replica, and waits until it is ready.
    pub(super) fn replica(&self) -> anyhow::Result<Replica> {
        ready_replica(&self.tessera, &self.file())
    }

    /// Both of them, which run.
    pub(super) fn both(&self) -> anyhow::Result<[&Replica; 2]> {
        let [one, two] = &self.replicas;
        Ok([one.as_ref().context("one is down")?, two.as_ref().context("one is down")?])
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("tessera.yaml")
    }

    /// Replaces the configuration by that of this number, as a whole.
    pub(super) fn configure(&self, number: u64) -> anyhow::Result<()> {
        let next = self.folder.path().join("next.yaml");
        std::fs::write(&next, self.text(number))?;
        Ok(std::fs::rename(next, self.file())?)
    }

    /// Makes the keys that sign as they would stand in Redis had replicas been running for days: the
    /// next keys have been published for long enough to sign.
    fn age_keys(&self) -> anyhow::Result<()> {
        let now = SystemClock::new().now();
        let days_ago = now.plus(Seconds::new(-2 * AGE.count()));
        let time = Arc::new(ManualClock::new(days_ago));
        let clock = Arc::clone(&time) as Arc<dyn Clock>;
        let config = load(&self.text(1), "tessera.yaml", &Secrets, PlainSecrets::Refused);
        let config = config.map_err(|report| anyhow::anyhow!("{report}"))?;
        let redis = config.redis.as_ref().context("no Redis")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let shared = Shared::new(redis, &clock)?;
        runtime.block_on(shared.connect())?;
        let handle = runtime.handle().clone();
        let keys = SigningKeys::shared(&config.signing, &shared, handle, clock)?;
        keys.join().map_err(|outage| anyhow::anyhow!("{outage}"))?;
        // The first order makes the next keys, which sign when they are old enough.
        keys.rotate_now(None)?;
        time.advance(AGE);
        let done = keys.rotate_now(None)?;
        ensure!(done.iter().all(|(_, one)| *one == Rotation::Done), "the keys do not rotate");
        Ok(())
    }

    fn text(&self, number: u64) -> String {
        Configuration::new(self.entra.authority())
            .resource("https://orders.internal", Form::Jwt)
            .resource("https://opaque.internal", Form::Opaque)
            .rules([rule(&format!("p-{number}"), GOLD_CUSTOMERS)])
            .redis(self.sentinels.settings("loadtest"))
            .with("shutdown", json!({ "drain": "2s" }))
            .to_string()
    }
}

/// What the configuration refers to.
struct Secrets;

impl Environment for Secrets {
    fn variable(&self, name: &str) -> Result<String, String> {
        match name {
            "TYK_SECRET" => Ok(SECRET.to_owned()),
            "SEAL" => Ok(SEAL.to_owned()),
            _ => Err("not set".to_owned()),
        }
    }

    fn file(&self, _: &Path) -> Result<String, String> {
        Err("no such file".to_owned())
    }
}

/// What a replica says about itself: 200 or not, and its parts.
pub(super) fn readiness(at: &Addresses) -> anyhow::Result<(bool, Value)> {
    let (ready, body) = get(at.admin, "/readyz?verbose")?;
    Ok((ready, serde_json::from_str(&body)?))
}
