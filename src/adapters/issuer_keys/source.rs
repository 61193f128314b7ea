//! Who is asked for one key set.

use super::cluster;
use super::discovery::{Discovered, Discovery, DiscoveryError};
use crate::adapters::http_client::HttpClient;
use crate::domain::cluster::{Cluster, ClusterKeys, KeySource};
use crate::protocol::jwk::KeyUse;

/// An issuer, and how its keys are found.
pub(super) enum Source {
    /// One of the two issuers of an Entra tenant.
    Entra(Discovery),
    /// A Kubernetes cluster.
    Cluster(Cluster),
}

impl Source {
    /// Whose keys these are.
    pub(super) const fn id(&self) -> KeySource {
        match self {
            Self::Entra(discovery) => KeySource::Entra(discovery.issuer()),
            Self::Cluster(cluster) => KeySource::Cluster(cluster.id),
        }
    }

    /// Whether `other` is the same issuer, asked at the same place for the same keys.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Entra(one), Self::Entra(other)) => one == other,
            (Self::Cluster(one), Self::Cluster(other)) => cluster::same(one, other),
            (Self::Entra(_), Self::Cluster(_)) | (Self::Cluster(_), Self::Entra(_)) => false,
        }
    }

    /// Where the first answer comes from.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Entra(discovery) => discovery.url().to_string(),
            Self::Cluster(cluster) => cluster::place(cluster),
        }
    }

    /// What its keys may be used for.
    pub(super) const fn purpose(&self) -> KeyUse {
        match self {
            Self::Entra(_) => KeyUse::Entra,
            Self::Cluster(_) => KeyUse::Cluster,
        }
    }

    /// Whether somebody is asked for the keys at all.
    pub(super) const fn is_remote(&self) -> bool {
        match self {
            Self::Entra(_) => true,
            Self::Cluster(cluster) => !matches!(cluster.keys, ClusterKeys::Configured(_)),
        }
    }

    /// Asks for the keys.
    pub(super) async fn fetch(&self, http: &HttpClient) -> Result<Discovered, DiscoveryError> {
        match self {
            Self::Entra(discovery) => discovery.fetch(http).await,
            Self::Cluster(cluster) => cluster::fetch(cluster, http).await,
        }
    }
}
