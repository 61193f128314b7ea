//! Asks one address whether it is well, as a health check does.
//!
//! Unlike the one client of the service, this one calls whatever the person at the command line names,
//! plain http to another host as well: the admin listener of a pod has no TLS unless it is given some.

use http::StatusCode;
use reqwest::Certificate;
use url::Url;

use super::http_client::{HttpError, HttpSetupError, Timeouts, limited, place, transport};

/// A client that sends nothing but the question.
#[derive(Clone, Debug)]
pub struct Prober {
    client: reqwest::Client,
}

/// The client could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProberError {
    /// What should be certificates are none.
    #[error("no certificates in PEM in this file")]
    Certificates,
    /// No TLS.
    #[error(transparent)]
    Setup(#[from] HttpSetupError),
}

impl Prober {
    /// Trusts the certificates of `ca` alone, or else those of the system.
    pub fn new(timeouts: Timeouts, ca: Option<&[u8]>) -> Result<Self, ProberError> {
        let mut builder = limited(timeouts);
        if let Some(pem) = ca {
            let trusted = Certificate::from_pem_bundle(pem).ok().filter(|list| !list.is_empty());
            builder = builder.tls_certs_only(trusted.ok_or(ProberError::Certificates)?);
        }
        Ok(Self { client: builder.build().map_err(HttpSetupError)? })
    }

    /// Whether `url` answers 200. The body is not read.
    pub async fn ask(&self, url: &Url) -> Result<(), HttpError> {
        let request = self.client.get(url.clone());
        let status = request.send().await.map_err(|error| transport(url, &error))?.status();
        if status == StatusCode::OK {
            return Ok(());
        }
        Err(HttpError::Status { place: place(url), status: status.as_u16() })
    }
}
