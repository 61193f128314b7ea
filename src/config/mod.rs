//! What can be set: a whole configuration, already valid.
//!
//! The rest of the program never sees a file, only this. [`load()`] makes it, or says everything
//! that is wrong with the file at once.

mod address;
mod apis;
mod audit;
mod clients;
mod clusters;
mod exchange;
mod expand;
mod listen;
mod load;
mod look;
mod names;
mod node;
mod plan;
mod read;
mod redis;
mod report;
mod resources;
mod rules;
pub mod schema;
mod sharing;
mod signing;
mod stated;
mod store;
mod tenants;
mod tls;
mod traces;
mod values;

#[cfg(test)]
mod tests;

pub use audit::{Audit, AuditFile, AuditSink};
pub use expand::{Environment, MAX_FILE_BYTES, SystemEnvironment};
pub use listen::{Endpoint, Listen};
pub use load::{PlainSecrets, load, read_file};
pub use look::{Looks, Recording, Seen};
pub use plan::Plan;
pub use redis::{
    ClientCertificate, Login, Node, Redis, SharedResults, Tls, Topology, WhenUnreachable,
};
pub use report::{Problem, Report};
pub use signing::{KeyFolder, Signing};
pub use stated::Stated;
pub use store::{SEALING_KEY_BYTES, SealingKey, SealingKeys};
pub use tls::{Certificates, Ending, ListenerTls, provider};
pub use traces::{Share, Traces};

use crate::domain::api::{Api, Guard};
use crate::domain::client::Client;
use crate::domain::cluster::Cluster;
use crate::domain::mapping::Mapping;
use crate::domain::resource::Resource;
use crate::domain::tenant::Tenant;
use crate::protocol::ids::Fingerprint;
use crate::protocol::time::Seconds;

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The issuer identifier of this service (RFC 8414 §2): what it signs as, and the only
    /// audience of a client assertion.
    pub issuer: String,
    /// Where it listens.
    pub listen: Listen,
    /// The tenants whose tokens are accepted; at least one.
    pub tenants: Vec<Tenant>,
    /// The clusters whose service accounts may be clients.
    pub clusters: Vec<Cluster>,
    /// The registered callers; at least one.
    pub clients: Vec<Client>,
    /// What tokens are minted for.
    pub resources: Vec<Resource>,
    /// What gateways protect.
    pub apis: Vec<Api>,
    /// Entra to Tyk.
    pub mapping: Mapping,
    /// How key sets are kept.
    pub key_sets: KeySetRules,
    /// How our own signing keys are kept.
    pub signing: Signing,
    /// The Redis that replicas share; `None`: they share nothing.
    pub redis: Option<Redis>,
    /// The bounds of the in-memory cache.
    pub cache: CacheBounds,
    /// How long stopping may take.
    pub shutdown: Shutdown,
    /// What is recorded about single requests; `None`: nothing.
    pub traces: Option<Traces>,
    /// What is logged, and how.
    pub log: Log,
    /// Where the audit trail goes, and what is in it.
    pub audit: Audit,
    /// SHA-256 of all that the file says, references replaced: two replicas with the same digest
    /// decide alike. Secrets are part of it, so it is never shown.
    pub digest: Fingerprint,
    /// What each key says, to tell what has changed when the file has.
    pub stated: Stated,
}

impl Config {
    /// The APIs that anybody may ask about who reaches a listener, by name, with that listener, where
    /// it is not this host's own and asks for no certificate: the network must keep others away.
    pub fn guarded_by_network(&self) -> Vec<(&str, &Endpoint)> {
        let Listen { tyk, envoy, tls, .. } = &self.listen;
        let proved =
            |tls: &Option<ListenerTls>| tls.as_ref().is_some_and(|tls| tls.clients.is_some());
        let listeners = [(tyk, proved(&tls.tyk)), (envoy, proved(&tls.envoy))];
        let listeners = listeners.into_iter().filter(|(_, proved)| !proved);
        let listeners = listeners.filter_map(|(listener, _)| listener.as_ref());
        let listeners: Vec<_> = listeners.filter(|listener| !listener.is_of_this_host()).collect();
        let open = self.apis.iter().filter(|api| api.guard == Guard::Network);
        open.flat_map(|api| listeners.iter().map(|listener| (&*api.name, *listener))).collect()
    }
}

/// When the key sets of issuers are fetched.
#[derive(Clone, Copy, Debug)]
pub struct KeySetRules {
    /// Fetched again when older than this.
    pub refresh: Seconds,
    /// An unknown `kid` causes at most one fetch per issuer in this time.
    pub cooldown: Seconds,
    /// A set older than this is trusted no longer.
    pub max_stale: Seconds,
}

impl Default for KeySetRules {
    fn default() -> Self {
        Self {
            refresh: Seconds::hours(1),
            cooldown: Seconds::minutes(5),
            max_stale: Seconds::hours(24),
        }
    }
}

/// The bounds of the in-memory cache.
#[derive(Clone, Copy, Debug)]
pub struct CacheBounds {
    /// Memory for prepared answers, in bytes.
    pub bytes: u64,
}

impl Default for CacheBounds {
    fn default() -> Self {
        Self { bytes: 256 * 1024 * 1024 }
    }
}

/// How long stopping may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// The service is not ready, and everything is answered all the same.
    pub drain: Seconds,
    /// Requests under way are finished.
    pub grace: Seconds,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { drain: Seconds::new(0), grace: Seconds::new(10) }
    }
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log {
    /// The least severe level that is written.
    pub level: LogLevel,
    /// The form of a line.
    pub format: LogFormat,
}

/// The least severe level that is written.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum LogLevel {
    /// Only what needs a person.
    Error,
    /// And what may soon.
    Warn,
    /// And what the service does of its own: start, stop, key sets, refused callers.
    #[default]
    Info,
    /// And one line for every request.
    Debug,
}

/// The form of a log line.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For a person at a terminal.
    Human,
}
