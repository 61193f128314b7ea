//! `store.redis`: the Redis that replicas share.

use secrecy::{SecretSlice, SecretString};

use super::store::SealingKeys;

/// The Redis, or Valkey, that replicas share.
#[derive(Clone, Debug)]
pub struct Redis {
    /// What stands behind the nodes.
    pub topology: Topology,
    /// Where to begin: the server, some nodes of the cluster, or the sentinels. At least one.
    pub nodes: Vec<Node>,
    /// `None`: connections are not encrypted.
    pub tls: Option<Tls>,
    /// Who we are there.
    pub login: Login,
    /// The number of the database; 0 in a cluster.
    pub database: u16,
    /// What every key begins with.
    pub prefix: String,
    /// What is answered while it cannot be reached.
    pub when_unreachable: WhenUnreachable,
    /// Which results replicas read from each other.
    pub results: SharedResults,
    /// What everything in it is sealed with.
    pub sealing: SealingKeys,
}

/// What stands behind the nodes.
#[derive(Clone, Debug)]
pub enum Topology {
    /// One server.
    Standalone,
    /// A server and its replicas, watched by sentinels.
    Sentinel {
        /// The name under which the sentinels watch it.
        master: String,
        /// Who we are at the sentinels.
        login: Login,
    },
    /// A cluster.
    Cluster,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// How connections are encrypted.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificates, as PEM, that are trusted to vouch for servers; `None`: the system's.
    pub ca: Option<Vec<u8>>,
    /// What we show to servers that ask for a certificate.
    pub client: Option<ClientCertificate>,
}

/// A client's certificate.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The chain, as PEM.
    pub chain: Vec<u8>,
    /// Its private key, as PEM.
    pub key: SecretSlice<u8>,
}

/// Who we are (ACL).
#[derive(Clone, Debug, Default)]
pub struct Login {
    /// The user; `None`: the default one.
    pub username: Option<String>,
    /// The password.
    pub password: Option<SecretString>,
}

/// What is answered about tokens that can be verified, while nobody can tell what was revoked
/// elsewhere.
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
pub enum WhenUnreachable {
    /// What this replica knows: its own revocations, and all that reached it before.
    #[default]
    Degrade,
    /// Nothing: 503.
    Deny,
}

/// Which results replicas read from each other.
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
pub enum SharedResults {
    /// Those that cost more to find than to read: group memberships. A signature costs less.
    #[default]
    Costly,
    /// Prepared answers too.
    All,
}
