//! Where the keys of a Kubernetes cluster are: where the configuration says, or where the
//! discovery document of the cluster's issuer does.
//!
//! The document is smaller than that of an OpenID provider, and its issuer must be the configured
//! one to the letter.

use bytes::Bytes;
use serde::Deserialize;
use url::Url;

use super::discovery::{Discovered, DiscoveryError, MAX_DOCUMENT_BYTES};
use crate::adapters::http_client::HttpClient;
use crate::domain::cluster::{Cluster, ClusterKeys};
use crate::domain::rejection::safe;
use crate::protocol::json::FromObject;
use crate::protocol::jwk::{KeySet, KeyUse, MAX_KEY_SET_BYTES};

/// What is read of the discovery document.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: Url,
}

/// Where what is known about the cluster's keys comes from.
pub(super) fn place(cluster: &Cluster) -> String {
    match &cluster.keys {
        ClusterKeys::At(url) | ClusterKeys::Discovered(url) => url.to_string(),
        ClusterKeys::Configured(_) => "the configuration".to_owned(),
    }
}

/// Whether two are one cluster, whose keys come from one place.
pub(super) fn same(one: &Cluster, other: &Cluster) -> bool {
    let keys = match (&one.keys, &other.keys) {
        (ClusterKeys::At(one), ClusterKeys::At(other))
        | (ClusterKeys::Discovered(one), ClusterKeys::Discovered(other)) => one == other,
        (ClusterKeys::Configured(one), ClusterKeys::Configured(other)) => {
            let pairs = one.keys().iter().zip(other.keys());
            one.keys().len() == other.keys().len()
                && one.skipped() == other.skipped()
                && pairs.into_iter().all(|(one, other)| one.same_as(other))
        }
        (ClusterKeys::At(_) | ClusterKeys::Configured(_) | ClusterKeys::Discovered(_), _) => false,
    };
    one.id == other.id && one.issuer == other.issuer && keys
}

/// Asks for the cluster's keys.
pub(super) async fn fetch(
    cluster: &Cluster,
    http: &HttpClient,
) -> Result<Discovered, DiscoveryError> {
    let (keys, document) = match &cluster.keys {
        ClusterKeys::At(url) => keys(url, http).await?,
        ClusterKeys::Configured(keys) => (keys.clone(), None),
        ClusterKeys::Discovered(url) => {
            let document = http.get(url, MAX_DOCUMENT_BYTES).await?.body;
            keys(&jwks_uri(cluster, url, &document)?, http).await?
        }
    };
    Ok(Discovered { issuer: cluster.issuer.clone(), keys, document })
}

async fn keys(url: &Url, http: &HttpClient) -> Result<(KeySet, Option<Bytes>), DiscoveryError> {
    let document = Bytes::from(http.get(url, MAX_KEY_SET_BYTES).await?.body);
    let keys = KeySet::parse(&document, KeyUse::Cluster);
    let keys = keys.map_err(|source| DiscoveryError::Keys { url: url.clone(), source })?;
    Ok((keys, Some(document)))
}

/// The place of the keys, if the document may say so: it speaks for this cluster and stays on the
/// host of its issuer.
fn jwks_uri(cluster: &Cluster, url: &Url, document: &[u8]) -> Result<Url, DiscoveryError> {
    let url = || url.clone();
    let FromObject(Document { issuer, jwks_uri }) = serde_json::from_slice(document)
        .map_err(|error| DiscoveryError::unreadable(url(), &error))?;
    if issuer != cluster.issuer {
        return Err(DiscoveryError::Issuer { url: url(), found: safe(&issuer) });
    }
    if jwks_uri.origin() != url().origin() {
        let found = safe(&jwks_uri.origin().ascii_serialization());
        return Err(DiscoveryError::KeysElsewhere { url: url(), found });
    }
    Ok(jwks_uri)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(issuer: &str, jwks_uri: &str) -> Result<String, String> {
        let url = "https://cluster.example/a/.well-known/openid-configuration";
        let url: Url = url.parse().unwrap();
        let keys = ClusterKeys::Discovered(url.clone());
        let id = "prod".parse().unwrap();
        let cluster = Cluster { id, issuer: "https://cluster.example/a/".to_owned(), keys };
        let document = json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string();
        let found = jwks_uri_of(&cluster, &url, &document);
        found.map(|url| url.to_string()).map_err(|error| error.to_string())
    }

    fn jwks_uri_of(cluster: &Cluster, url: &Url, document: &str) -> Result<Url, DiscoveryError> {
        jwks_uri(cluster, url, document.as_bytes())
    }

    #[test]
    fn a_document_speaks_for_its_own_issuer_and_host_only() {
        let (issuer, keys) = ("https://cluster.example/a/", "https://cluster.example/keys");
        assert_eq!(read(issuer, keys).as_deref(), Ok(keys));
        for other in ["https://cluster.example/a", "https://cluster.example/b/", "x", ""] {
            assert!(read(other, keys).unwrap_err().contains("names the issuer"), "A91 {other}");
        }
        for elsewhere in [
            "https://evil.example/keys",
            "http://cluster.example/keys",
            "https://cluster.example:1/",
        ] {
            let said = read(issuer, elsewhere).unwrap_err();
            assert!(said.contains("on another host"), "A91 {said}");
        }
        assert!(read(issuer, "keys").unwrap_err().contains("not an OpenID Connect discovery"));
    }
}
