//! Replicas of one configuration that share a Redis.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tempfile::TempDir;
use tessera::dev::apps::ORDERS;
use tessera::dev::people::{GOLD_CUSTOMERS, HOME_TENANT};
use tessera::dev::server::Running;

use crate::Plan;
use crate::client::get;
use crate::redis::Redis;
use crate::replicas::most_of;
use crate::server::Server;

/// How long a replica may take to be ready. The first one at an empty Redis waits for others that
/// may know what was revoked.
const PATIENCE: Duration = Duration::from_secs(10);

/// One replica, by its addresses.
pub(crate) type Replica = Server<Addresses>;

/// Where a replica listens.
pub(crate) struct Addresses {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
}

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
        std::fs::write(installation.file(), text)?;
        Ok(installation)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("tessera.yaml")
    }

    /// Starts a further replica, and waits until it is ready.
    pub(crate) fn replica(&self) -> anyhow::Result<Replica> {
        let file = self.file();
        let arguments: [&OsStr; 3] = ["serve".as_ref(), "--config".as_ref(), file.as_ref()];
        let replica = Server::start(self.tessera.as_os_str(), &arguments, addresses)?;
        let begun = Instant::now();
        loop {
            let (ready, body) = get(replica.address.admin, "/readyz?verbose")?;
            if ready {
                return Ok(replica);
            }
            ensure!(begun.elapsed() < PATIENCE, "a replica is not ready: {body}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Replica {
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

/// From the line that says that it has started.
fn addresses(line: &str) -> Option<Addresses> {
    let started: serde_json::Value = serde_json::from_str(line).ok()?;
    let find = |name: &str| started.get(name)?.as_str()?.parse().ok();
    Some(Addresses { public: find("public")?, admin: find("admin")? })
}

/// As in `tessera::dev::configuration`, but what is exchanged becomes opaque.
fn configuration(authority: &str, redis: &str, results: &str) -> String {
    let orders = ORDERS.client_id;
    format!(
        r#"
issuer: https://sts.example.com
listen: {{ public: "127.0.0.1:0", admin: "127.0.0.1:0" }}
entra:
  - tenant: {HOME_TENANT}
    authority: {authority}
    audiences: [{orders}]
clients:
  tyk:
    secret: "${{env:TYK_SECRET}}"
    introspect: {{ audiences: [{orders}, "https://opaque.internal"] }}
    exchange: [{{ resource: "https://opaque.internal", scopes: [orders.read], subjects: [user] }}]
resources:
  https://opaque.internal:
    scopes: {{ orders.read: [orders.read] }}
    callers: [tyk]
    token: opaque
mapping:
  - name: gold
    when: {{ groups: [{GOLD_CUSTOMERS}] }}
    grant: {{ policies: [gold], scopes: [orders.export] }}
store:
  sealing_key: "${{env:SEAL}}"
  redis: {{ url: "{redis}", prefix: loadtest, results: {results} }}
"#
    )
}
