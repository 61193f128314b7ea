//! `listen`: where the service is reached.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::read::{Reader, Section};
use super::report::Wrong;
use super::schema;
use super::tls::{self, Certificates};
use super::values::socket;

/// Longest path of a Unix socket that Linux takes, in bytes (`unix(7)`).
const MAX_SOCKET_PATH: usize = 107;
/// Longest path of its folder: the socket is made under another name, in a folder beside its place.
const MAX_SOCKET_FOLDER: usize = 97;

/// The addresses of the listeners.
#[derive(Clone, Debug)]
pub struct Listen {
    /// What clients call.
    pub public: SocketAddr,
    /// Health, metrics and explain; never exposed to clients.
    pub admin: SocketAddr,
    /// Tyk's plugin; `None`: there is none.
    pub tyk: Option<Endpoint>,
    /// Envoy's external authorization; `None`: there is none.
    pub envoy: Option<Endpoint>,
    /// Their certificates.
    pub tls: Certificates,
}

/// Where a listener for gateways is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// At an address.
    Tcp(SocketAddr),
    /// At a file of this host.
    Unix(PathBuf),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Endpoint {
    /// Whether only this host can reach it.
    pub(super) const fn is_of_this_host(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    const fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>, file: &Section<'_>) -> Option<Listen> {
    let section = reader.defaulted(file, "listen", &schema::LISTEN)?;
    let public = reader.value(&section, "public", socket);
    let admin = reader.value(&section, "admin", socket);
    let tyk = reader.value(&section, "tyk", endpoint);
    let envoy = reader.value(&section, "envoy", endpoint);
    let mut taken: Vec<(&str, Endpoint)> = Vec::new();
    for (name, found) in [
        ("public", public.map(Endpoint::Tcp)),
        ("admin", admin.map(Endpoint::Tcp)),
        ("tyk", tyk.clone()),
        ("envoy", envoy.clone()),
    ] {
        let Some(endpoint) = found else { continue };
        if let Some((other, _)) = taken.iter().find(|(_, other)| collide(other, &endpoint)) {
            let wrong = Wrong::new(format!("the same place as `listen.{other}`"));
            let hint = "each is for others, who must not reach the rest: use another port";
            reader.note(&section.place_of(name), wrong.hint(hint));
        }
        taken.push((name, endpoint));
    }
    let gateways = [("tyk", tyk.as_ref()), ("envoy", envoy.as_ref())];
    let tls = tls::read(reader, &section, gateways);
    Some(Listen { public: public?, admin: admin?, tyk, envoy, tls })
}

/// Whether two listeners claim one place. Port 0 is a new one for each.
fn collide(one: &Endpoint, other: &Endpoint) -> bool {
    let (Some(one), Some(other)) = (one.address(), other.address()) else { return one == other };
    let overlap =
        one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && overlap
}

fn endpoint(text: &str) -> Result<Endpoint, Wrong> {
    let Some(path) = text.strip_prefix("unix:") else {
        let wrong = |_error| Wrong::new("neither an IP address and port nor a Unix socket");
        let hint = "write it like 127.0.0.1:5555 or unix:/run/tessera/tyk.sock";
        return text.parse().map(Endpoint::Tcp).map_err(wrong).map_err(|wrong| wrong.hint(hint));
    };
    let path = Path::new(path);
    if !path.is_absolute() || path.file_name().is_none() {
        return Err(Wrong::new("not an absolute path").hint("write it like unix:/run/tyk.sock"));
    }
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(Wrong::new(format!("a path longer than {MAX_SOCKET_PATH} bytes")));
    }
    if path.parent().is_some_and(|folder| folder.as_os_str().len() > MAX_SOCKET_FOLDER) {
        return Err(Wrong::new(format!("in a folder of more than {MAX_SOCKET_FOLDER} bytes")));
    }
    Ok(Endpoint::Unix(path.to_owned()))
}
