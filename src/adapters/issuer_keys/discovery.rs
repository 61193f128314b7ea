//! Where an issuer's keys are: its discovery document, fetched and believed only as far as the
//! configuration already knows.
//!
//! Nothing in a token comes near this. The document may name the issuer and the place of the keys,
//! but it cannot speak for another tenant, nor send us to another host (A91, A251).

use bytes::Bytes;
use openidconnect::core::CoreProviderMetadata;
use url::Url;

use crate::adapters::http_client::{HttpClient, HttpError};
use crate::domain::rejection::safe;
use crate::domain::tenant::{IssuerId, Tenant, TokenVersion};
use crate::protocol::jwk::{KeySet, KeySetError, KeyUse, MAX_KEY_SET_BYTES};

/// Longest discovery document that is read, in bytes. Entra's have less than 3 KB.
pub(super) const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
/// What Entra writes instead of a tenant's id, in documents that serve several tenants (ENT-02).
const TEMPLATE: &str = "{tenantid}";

/// Where the discovery document of one issuer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    issuer: IssuerId,
    document: Url,
}

/// An issuer and its keys, as found.
#[derive(Debug)]
pub(super) struct Discovered {
    /// The issuer as its document spells it; may hold the literal `{tenantid}`.
    pub(super) issuer: String,
    /// Its usable keys; at least one.
    pub(super) keys: KeySet,
    /// What they were read from; `None`: the configuration.
    pub(super) document: Option<Bytes>,
}

/// Why an issuer's keys were not found.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// No answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The answer is not a discovery document.
    #[error("{url}: not an OpenID Connect discovery document: {why}")]
    Document {
        /// Where it came from.
        url: Url,
        /// What is wrong with it, escaped.
        why: String,
    },
    /// The document speaks for another issuer.
    #[error("{url}: names the issuer \"{found}\", which is not the one it must speak for")]
    Issuer {
        /// Where it came from.
        url: Url,
        /// The issuer it names, escaped.
        found: String,
    },
    /// The keys are said to be elsewhere.
    #[error("{url}: its jwks_uri is on another host, {found}, which is not asked")]
    KeysElsewhere {
        /// Where it came from.
        url: Url,
        /// The other host.
        found: String,
    },
    /// The key set cannot be used.
    #[error("{url}: {source}")]
    Keys {
        /// Where it came from.
        url: Url,
        /// What is wrong with it.
        source: KeySetError,
    },
}

impl DiscoveryError {
    /// The parser's own words repeat the document.
    pub(super) fn unreadable(url: Url, error: &serde_json::Error) -> Self {
        Self::Document { url, why: safe(&error.to_string()) }
    }
}

impl Discovery {
    /// The place of the document for tokens of `version` of `tenant`.
    pub fn new(tenant: &Tenant, version: TokenVersion) -> Self {
        let suffix = match version {
            TokenVersion::V1 => "",
            TokenVersion::V2 => "/v2.0",
        };
        let mut document = tenant.authority.clone();
        document.set_path(&format!("/{}{suffix}/.well-known/openid-configuration", tenant.id));
        // The keys of an application that has its own are only listed when it is named (ENT-11).
        let appid = tenant.signing_app.map(|app| format!("appid={app}"));
        document.set_query(appid.as_deref());
        document.set_fragment(None);
        Self { issuer: IssuerId { tenant: tenant.id, version }, document }
    }

    /// The issuer it is about.
    pub(super) const fn issuer(&self) -> IssuerId {
        self.issuer
    }

    /// Where the document is.
    pub(super) const fn url(&self) -> &Url {
        &self.document
    }

    /// Asks for the document, then for the keys.
    pub(super) async fn fetch(&self, http: &HttpClient) -> Result<Discovered, DiscoveryError> {
        let document = http.get(&self.document, MAX_DOCUMENT_BYTES).await?.body;
        let (issuer, jwks_uri) = self.read(&document)?;
        let document = Bytes::from(http.get(&jwks_uri, MAX_KEY_SET_BYTES).await?.body);
        let keys = KeySet::parse(&document, KeyUse::Entra)
            .map_err(|source| DiscoveryError::Keys { url: jwks_uri, source })?;
        Ok(Discovered { issuer, keys, document: Some(document) })
    }

    /// The issuer and the place of the keys, if the document may say so.
    pub fn read(&self, document: &[u8]) -> Result<(String, Url), DiscoveryError> {
        let url = || self.document.clone();
        let metadata: CoreProviderMetadata = serde_json::from_slice(document)
            .map_err(|error| DiscoveryError::unreadable(url(), &error))?;
        let issuer = metadata.issuer().as_str();
        if !self.is_ours(issuer) {
            return Err(DiscoveryError::Issuer { url: url(), found: safe(issuer) });
        }
        let jwks_uri = metadata.jwks_uri().url();
        if jwks_uri.origin() != self.document.origin() {
            let found = safe(&jwks_uri.origin().ascii_serialization());
            return Err(DiscoveryError::KeysElsewhere { url: url(), found });
        }
        Ok((issuer.to_owned(), jwks_uri.clone()))
    }

    /// Whether `issuer` is one of this tenant's for tokens of this version: `https://HOST/TENANT/`
    /// or `https://HOST/TENANT/v2.0` (ENT-01, ENT-02). The host is not compared, because Entra's
    /// v1 issuers are on another one than their documents; the document itself is trusted, it came
    /// from the configured authority.
    fn is_ours(&self, issuer: &str) -> bool {
        let Some((scheme, rest)) = issuer.split_once("://") else { return false };
        let Some((host, path)) = rest.split_once('/') else { return false };
        let Some((tenant, version)) = path.split_once('/') else { return false };
        let expected = match self.issuer.version {
            TokenVersion::V1 => "",
            TokenVersion::V2 => "v2.0",
        };
        let plain_host = !host.is_empty() && !host.contains(['@', '?', '#', '\\']);
        let known = tenant == TEMPLATE || tenant == self.issuer.tenant.to_string();
        // Plain http is for a pretend tenant: only an authority that is one may name such an issuer.
        let secure = scheme == "https" || scheme == self.document.scheme();
        secure && plain_host && known && version == expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";

    fn tenant(signing_app: Option<&str>) -> Tenant {
        Tenant {
            id: TENANT.parse().unwrap(),
            authority: Url::parse("https://login.microsoftonline.com").unwrap(),
            audiences: Vec::new(),
            caller_audiences: Vec::new(),
            signing_app: signing_app.map(|app| app.parse().unwrap()),
            graph: None,
        }
    }

    #[test]
    fn the_places_are_those_entra_documents() {
        let place = |version, app| Discovery::new(&tenant(app), version).url().to_string();
        let base = format!("https://login.microsoftonline.com/{TENANT}");
        let end = ".well-known/openid-configuration";
        assert_eq!(place(TokenVersion::V1, None), format!("{base}/{end}"));
        assert_eq!(place(TokenVersion::V2, None), format!("{base}/v2.0/{end}"));
        for version in TokenVersion::ALL {
            assert!(place(version, Some(TENANT)).ends_with(&format!("?appid={TENANT}")), "ENT-11");
        }
    }

    #[test]
    fn an_issuer_is_ours_only_in_the_form_of_its_version() {
        let v1 = Discovery::new(&tenant(None), TokenVersion::V1);
        let v2 = Discovery::new(&tenant(None), TokenVersion::V2);
        for tenant in [TENANT, TEMPLATE] {
            assert!(v1.is_ours(&format!("https://sts.windows.net/{tenant}/")));
            assert!(v2.is_ours(&format!("https://login.microsoftonline.com/{tenant}/v2.0")));
            assert!(!v2.is_ours(&format!("https://sts.windows.net/{tenant}/")), "A100");
            assert!(!v1.is_ours(&format!("https://login.microsoftonline.com/{tenant}/v2.0")));
            assert!(!v1.is_ours(&format!("https://sts.windows.net/{tenant}")), "A92");
            assert!(!v1.is_ours(&format!("http://sts.windows.net/{tenant}/")), "A92");
            assert!(!v1.is_ours(&format!("https://good@evil/{tenant}/")), "A92");
            assert!(!v1.is_ours(&format!("https:///{tenant}/")));
            assert!(!v2.is_ours(&format!("https://host/{tenant}/v2.0/")), "A92");
            assert!(!v2.is_ours(&format!("https://host/{tenant}/v2.0?x")), "A92");
        }
        let other = "9188040d-6c67-4c5b-b112-36a304b66dad";
        assert!(!v1.is_ours(&format!("https://sts.windows.net/{other}/")), "A97");
        for alias in ["common", "organizations", "consumers", ""] {
            assert!(!v2.is_ours(&format!("https://login.microsoftonline.com/{alias}/v2.0")), "A94");
        }
    }
}
