//! Which Kubernetes clusters are trusted to say who a workload is, and which key sets there are.

use std::fmt;
use std::str::FromStr;

use url::Url;

use super::tenant::IssuerId;
use crate::protocol::jwk::KeySet;

/// Longest name of a cluster, in bytes.
const MAX_NAME_BYTES: usize = 32;

/// The name a cluster has here: 1 to 32 of `a-z 0-9 -`. Kept in place, so that it can be copied
/// like a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId([u8; MAX_NAME_BYTES]);

/// The text is not a name of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cluster name is 1 to 32 of the characters a-z 0-9 -")]
pub struct ClusterIdError;

impl FromStr for ClusterId {
    type Err = ClusterIdError;

    fn from_str(text: &str) -> Result<Self, ClusterIdError> {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || !text.bytes().all(legal) {
            return Err(ClusterIdError);
        }
        let mut name = [0_u8; MAX_NAME_BYTES];
        let start = name.get_mut(..text.len()).ok_or(ClusterIdError)?;
        start.copy_from_slice(text.as_bytes());
        Ok(Self(name))
    }
}

impl ClusterId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(MAX_NAME_BYTES);
        // Only ASCII gets in.
        self.0.get(..end).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One cluster whose service accounts may be clients.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its name here.
    pub id: ClusterId,
    /// Its issuer (`iss`), compared exactly: the API server's `--service-account-issuer`.
    pub issuer: String,
    /// Where its keys come from; never from a token (A30…A32).
    pub keys: ClusterKeys,
}

/// Where the keys of a cluster come from.
#[derive(Clone, Debug)]
pub enum ClusterKeys {
    /// They are fetched from this address.
    At(Url),
    /// They stand in the configuration.
    Configured(KeySet),
    /// The discovery document of the issuer, at this address, says where they are.
    Discovered(Url),
}

/// Whose key set is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeySource {
    /// One of the two issuers of an Entra tenant.
    Entra(IssuerId),
    /// A Kubernetes cluster.
    Cluster(ClusterId),
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entra(issuer) => fmt::Display::fmt(issuer, f),
            Self::Cluster(cluster) => write!(f, "cluster {cluster}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_a_short_plain_name() {
        for name in ["a", "prod-eu-1", &"x".repeat(32)] {
            let id: ClusterId = name.parse().unwrap();
            assert_eq!((id.as_str(), id.to_string().as_str()), (name, name));
        }
        for bad in ["", "A", "a b", "a.b", "ä", "a\0", &"x".repeat(33)] {
            assert_eq!(bad.parse::<ClusterId>(), Err(ClusterIdError), "{bad:?}");
        }
    }

    #[test]
    fn a_source_says_what_it_is() {
        let cluster = KeySource::Cluster("prod".parse().unwrap());
        assert_eq!(cluster.to_string(), "cluster prod");
    }
}
