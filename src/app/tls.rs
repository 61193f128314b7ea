//! TLS of the listeners. Certificates and whose clients are let in can change while they are open;
//! connections that stand go on as they began.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};

use super::live::{Commit, LivePart};
use crate::config::{Certificates, Config, Ending, ListenerTls, provider};
use crate::ports::Clock;
use crate::telemetry::metrics::Metrics;

/// What gRPC speaks (RFC 9113 §3.1). The HTTP library names HTTP/1.1 itself.
const GRPC: &[u8] = b"h2";

/// A listener by its key, with what it shows now if it has TLS.
type Listener = (&'static str, Option<Arc<Present>>);

/// The present certificates of every listener that has TLS.
#[derive(Clone, Debug)]
pub(super) struct TlsHandles {
    listeners: Arc<[Listener; 4]>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

impl TlsHandles {
    /// Those of the configuration with which the service starts.
    pub(super) fn new(
        config: &Certificates,
        metrics: &Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let present = |tls: &ListenerTls| Arc::new(Present(ArcSwap::from_pointee(tls.clone())));
        let listeners = config.by_listener().map(|(name, tls)| (name, tls.map(present)));
        let metrics = Arc::clone(metrics);
        let handles = Self { listeners: Arc::new(listeners), metrics, clock };
        handles.tell(config);
        handles
    }

    /// Takes over the certificates, and whom they let in, for every connection from here on.
    /// Whether a listener has TLS at all changes with a restart only.
    fn replace(&self, given: &Certificates) {
        for ((_, present), (_, new)) in self.listeners.iter().zip(given.by_listener()) {
            if let (Some(present), Some(new)) = (present, new) {
                present.0.store(Arc::new(new.clone()));
            }
        }
        self.tell(given);
    }

    fn tell(&self, certificates: &Certificates) {
        let had = |name| self.listeners.iter().any(|(had, tls)| *had == name && tls.is_some());
        for (name, tls) in certificates.by_listener().into_iter().filter(|(name, _)| had(*name)) {
            if let Some(tls) = tls {
                self.metrics.lifecycle.certificate(name, tls.until);
            }
        }
        for (listener, ending) in certificates.ending(self.clock.now()) {
            match ending {
                Ending::Soon(_) => tracing::warn!(listener, "{ending}"),
                Ending::Over(_) => tracing::error!(listener, "{ending}: clients refuse it"),
            }
        }
    }

    /// For a listener of HTTP; `None`: it has no TLS.
    pub(super) fn http(&self, name: &str) -> Result<Option<ServerConfig>, Error> {
        self.server(name, Vec::new())
    }

    /// For a listener of gRPC.
    pub(super) fn grpc(&self, name: &str) -> Result<Option<Arc<ServerConfig>>, Error> {
        Ok(self.server(name, vec![GRPC.to_vec()])?.map(Arc::new))
    }

    fn server(&self, name: &str, protocols: Vec<Vec<u8>>) -> Result<Option<ServerConfig>, Error> {
        let listener = self.listeners.iter().find(|(known, _)| *known == name);
        let Some(present) = listener.and_then(|(_, present)| present.as_ref()) else {
            return Ok(None);
        };
        let (clients, ourselves) = (Arc::clone(present), Arc::clone(present));
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(ourselves);
        server.alpn_protocols = protocols;
        // A resumed session would skip the certificates, and with them every change of those.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(Some(server))
    }
}

impl LivePart for TlsHandles {
    fn prepare(&self, config: &Config) -> Result<Commit, String> {
        // They are whole: that is part of a valid configuration.
        let (handles, given) = (self.clone(), config.listen.tls.clone());
        Ok(Box::new(move || handles.replace(&given)))
    }
}

/// What a listener shows and asks for now.
#[derive(Debug)]
struct Present(ArcSwap<ListenerTls>);

impl ResolvesServerCert for Present {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }
}

impl ClientCertVerifier for Present {
    fn offer_client_auth(&self) -> bool {
        self.0.load().clients.is_some()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // They would have to live as long as the listener.
        &[]
    }

    fn verify_client_cert(
        &self,
        own: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match &self.0.load().clients {
            Some(clients) => clients.verify_client_cert(own, between, now),
            // It was asked for a moment ago: this client connects again.
            None => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
