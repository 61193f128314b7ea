//! `listen.tls`: who the listeners are, and whose certificates they ask for.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};

use super::listen::Endpoint;
use super::read::{Reader, Section};
use super::report::Wrong;
use super::schema;
use crate::protocol::time::{Seconds, UnixTime};
use crate::protocol::x509;

/// How long before its end a certificate is worth a word.
const SOON: Seconds = Seconds::hours(14 * 24);

/// The certificates of the listeners that have TLS.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// Of what clients call.
    pub public: Option<ListenerTls>,
    /// Of what operators call.
    pub admin: Option<ListenerTls>,
    /// Of Tyk's plugin.
    pub tyk: Option<ListenerTls>,
    /// Of Envoy's external authorization.
    pub envoy: Option<ListenerTls>,
}

impl Certificates {
    /// Every listener by its key, and what it has.
    pub const fn by_listener(&self) -> [(&'static str, Option<&ListenerTls>); 4] {
        [
            ("public", self.public.as_ref()),
            ("admin", self.admin.as_ref()),
            ("tyk", self.tyk.as_ref()),
            ("envoy", self.envoy.as_ref()),
        ]
    }

    /// Those that have ended at `now`, or will soon, by listener.
    pub fn ending(&self, now: UnixTime) -> Vec<(&'static str, Ending)> {
        let ending = |(name, tls): (_, Option<&ListenerTls>)| Some((name, tls?.ending(now)?));
        self.by_listener().into_iter().filter_map(ending).collect()
    }
}

/// Who a listener is, and who may connect to it.
#[derive(Clone, Debug)]
pub struct ListenerTls {
    /// The chain that it shows, with the key.
    pub certified: Arc<CertifiedKey>,
    /// Judges clients' certificates; `None`: none is asked for.
    pub clients: Option<Arc<dyn ClientCertVerifier>>,
    /// The last second of its own certificate.
    pub until: UnixTime,
}

/// A certificate that has ended, or will soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is good for two weeks at most: until then.
    Soon(UnixTime),
    /// It was good until then.
    Over(UnixTime),
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Soon(until) => write!(f, "the certificate expires soon, at {until}"),
            Self::Over(until) => write!(f, "the certificate has expired, at {until}"),
        }
    }
}

impl ListenerTls {
    fn ending(&self, now: UnixTime) -> Option<Ending> {
        if self.until < now {
            Some(Ending::Over(self.until))
        } else {
            (self.until <= now.plus(SOON)).then_some(Ending::Soon(self.until))
        }
    }
}

/// What encrypts, and checks signatures.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Reads the section; `gateways` are where the listeners for those are, by their keys.
pub(super) fn read(
    reader: &mut Reader<'_>,
    listen: &Section<'_>,
    gateways: [(&str, Option<&Endpoint>); 2],
) -> Certificates {
    let section = listen.get("tls").and_then(|found| reader.section(&found, &schema::TLS));
    let Some(section) = section else { return Certificates::default() };
    for (name, endpoint) in gateways {
        let wrong = match (section.get(name), endpoint) {
            (None, _) | (Some(_), Some(Endpoint::Tcp(_))) => continue,
            (Some(_), Some(Endpoint::Unix(_))) => {
                Wrong::new("a Unix socket has no TLS: nothing of it leaves this host")
            }
            (Some(_), None) => Wrong::new(format!("there is no such listener (`listen.{name}`)")),
        };
        // Where the address itself is wrong, that is said already.
        if endpoint.is_some() || listen.get(name).is_none() {
            reader.note(&section.place_of(name), wrong.hint("remove it"));
        }
    }
    let mut of = |name| listener(reader, &section, name);
    Certificates { public: of("public"), admin: of("admin"), tyk: of("tyk"), envoy: of("envoy") }
}

fn listener(reader: &mut Reader<'_>, section: &Section<'_>, name: &str) -> Option<ListenerTls> {
    let found = section.get(name)?;
    let section = reader.section(&found, &schema::LISTENER_TLS)?;
    let chain = reader.value(&section, "certificate", certificates);
    let key = reader.secret(&section, "key").and_then(|secret| {
        PrivateKeyDer::from_pem_slice(secret.value.as_bytes())
            .map_err(|_error| reader.note(&secret.place, no_key("no private key as PEM")))
            .ok()
    });
    let clients = reader.value(&section, "client_ca", verifier);
    let (chain, key) = (chain?, key?);
    let until = chain.first().and_then(|leaf| x509::not_after(leaf));
    let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| {
        let mismatch = Error::InconsistentKeys(InconsistentKeys::KeyMismatch);
        let wrong = if error == mismatch {
            Wrong::new("not the key of the certificate")
                .hint("the listener's own certificate comes first, then those that vouch for it")
        } else {
            no_key("not a key that can be used")
        };
        reader.note(&section.place_of("key"), wrong);
    });
    let Some(until) = until else {
        let wrong = Wrong::new("a certificate without an end");
        reader.note(&section.place_of("certificate"), wrong);
        return None;
    };
    Some(ListenerTls { certified: Arc::new(certified.ok()?), clients, until })
}

fn no_key(message: &str) -> Wrong {
    Wrong::new(message).hint("RSA, ECDSA or Ed25519, not encrypted, in PKCS #8, PKCS #1 or SEC1")
}

/// At least one, all of them whole.
fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, Wrong> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let read = read.map_err(|_error| Wrong::new("not PEM"))?;
    if read.is_empty() {
        return Err(Wrong::new("no certificate as PEM").hint("write `${file:/absolute/path.pem}`"));
    }
    for (certificate, number) in read.iter().zip(1..) {
        ParsedCertificate::try_from(certificate)
            .map_err(|error| Wrong::new(format!("certificate {number} cannot be read: {error}")))?;
    }
    Ok(read)
}

fn verifier(text: &str) -> Result<Arc<dyn ClientCertVerifier>, Wrong> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(text)? {
        let refused = |error| Wrong::new(format!("a certificate cannot vouch for others: {error}"));
        roots.add(certificate).map_err(refused)?;
    }
    // Names are not sent ahead: they are fixed for the life of a listener, and these are not.
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .clear_root_hint_subjects()
        .build()
        .map_err(|error| Wrong::new(format!("nobody can be known by it: {error}")))
}
