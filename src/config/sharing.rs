//! Reads `store.redis`.

use secrecy::SecretSlice;

use super::address::{node, url};
use super::read::{Found, Reader, Secret, Section, values};
use super::redis::{ClientCertificate, Login, Node, Redis, Tls, Topology};
use super::report::Wrong;
use super::schema;
use super::store::Sealing;
use super::tenants::filled;
use super::values::{one_of, printable};

/// Longest prefix, in characters: it stands before every key.
const MAX_PREFIX: usize = 32;

/// What stands behind the nodes, as the file calls it.
#[derive(
    Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
enum Mode {
    Standalone,
    Sentinel,
    Cluster,
}

impl Mode {
    const fn default_port(self) -> u16 {
        match self {
            Self::Standalone | Self::Cluster => 6379,
            Self::Sentinel => 26379,
        }
    }
}

/// Reads the section; `sealing` is what stands beside it.
pub(super) fn read(reader: &mut Reader<'_>, found: &Found<'_>, sealing: &Sealing) -> Option<Redis> {
    let sealing = sealing.needed(reader, &found.place, "what Redis holds is always sealed");
    let section = reader.section(found, &schema::REDIS)?;
    let mode = reader.value(&section, "mode", one_of);
    // An unknown mode is noted; whatever its port would be, no address is wrong because of it.
    let default_port = mode.unwrap_or(Mode::Standalone).default_port();
    let address = reader.value(&section, "url", |text| url(text, default_port));
    let further = mode.map_or_else(Vec::new, |mode| nodes(reader, &section, mode));
    let topology = mode.and_then(|mode| topology(reader, &section, mode));
    let tls = tls(reader, &section, address.as_ref().is_none_or(|address| address.encrypted));
    let login = login(reader, &section, "username", "password");
    let database = database(reader, &section, mode);
    let prefix = reader.value(&section, "prefix", prefix);
    let when_unreachable = reader.value(&section, "when_unreachable", one_of);
    let results = reader.value(&section, "results", one_of);
    let address = address?;
    Some(Redis {
        topology: topology?,
        nodes: std::iter::once(address.node).chain(further).collect(),
        tls: address.encrypted.then_some(tls),
        login,
        database: database?,
        prefix: prefix?,
        when_unreachable: when_unreachable?,
        results: results?,
        sealing: sealing?,
    })
}

fn nodes(reader: &mut Reader<'_>, section: &Section<'_>, mode: Mode) -> Vec<Node> {
    if mode == Mode::Standalone {
        let wrong = Wrong::new("one server has one address");
        let hint = "remove it, or set `mode: sentinel` or `mode: cluster`";
        refuse(reader, section, &["nodes"], &wrong.hint(hint));
        return Vec::new();
    }
    values(reader.filled(section, "nodes", |text| node(text, mode.default_port())))
}

fn topology(reader: &mut Reader<'_>, section: &Section<'_>, mode: Mode) -> Option<Topology> {
    if mode == Mode::Sentinel {
        return sentinel(reader, section);
    }
    let wrong = Wrong::new("only with `mode: sentinel`").hint("remove it");
    refuse(reader, section, &["master", "sentinel_username", "sentinel_password"], &wrong);
    Some(if mode == Mode::Cluster { Topology::Cluster } else { Topology::Standalone })
}

fn sentinel(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<Topology> {
    if section.get("master").is_none() {
        let wrong = Wrong::new("required with `mode: sentinel`");
        let hint = "the name under which the sentinels watch the server";
        reader.note(&section.place_of("master"), wrong.hint(hint));
    }
    let master = reader.value(section, "master", printable);
    let login = login(reader, section, "sentinel_username", "sentinel_password");
    Some(Topology::Sentinel { master: master?, login })
}

/// Read whatever the URL says, and refused when nothing is `encrypted`.
fn tls(reader: &mut Reader<'_>, section: &Section<'_>, encrypted: bool) -> Tls {
    if !encrypted {
        let wrong = Wrong::new("only with a rediss URL: this connection is not encrypted");
        let hint = "write rediss:// in `url`, or remove it";
        refuse(reader, section, &["ca", "certificate", "key"], &wrong.hint(hint));
        return Tls { ca: None, client: None };
    }
    let ca = reader.value(section, "ca", certificates);
    Tls { ca, client: client(reader, section) }
}

fn client(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<ClientCertificate> {
    needs(reader, section, "certificate", "key");
    needs(reader, section, "key", "certificate");
    let chain = reader.value(section, "certificate", certificates);
    let key = reader.secret(section, "key").and_then(|secret| private_key(reader, &secret));
    Some(ClientCertificate { chain: chain?, key: key? })
}

fn certificates(text: &str) -> Result<Vec<u8>, Wrong> {
    if text.contains("-----BEGIN CERTIFICATE-----") {
        Ok(text.as_bytes().to_vec())
    } else {
        Err(Wrong::new("no certificate as PEM").hint("write `${file:/absolute/path.pem}`"))
    }
}

/// In one of the forms that can be read: an encrypted one would need a password.
fn private_key(reader: &mut Reader<'_>, secret: &Secret) -> Option<SecretSlice<u8>> {
    let is = |kind: &str| secret.value.contains(&format!("-----BEGIN {kind}PRIVATE KEY-----"));
    if ["", "EC ", "RSA "].into_iter().any(is) {
        return Some(secret.value.as_bytes().to_vec().into());
    }
    let wrong = Wrong::new("no unencrypted private key as PEM");
    reader.note(&secret.place, wrong.hint("write `${file:/absolute/path.pem}`"));
    None
}

/// The user of the key `username`, and the password that it needs.
fn login(reader: &mut Reader<'_>, section: &Section<'_>, username: &str, password: &str) -> Login {
    needs(reader, section, username, password);
    Login {
        username: reader.value(section, username, printable),
        password: reader.secret(section, password).and_then(|secret| filled(reader, &secret)),
    }
}

fn database(reader: &mut Reader<'_>, section: &Section<'_>, mode: Option<Mode>) -> Option<u16> {
    reader.amount(section, "database", |text| {
        let number = text.parse().map_err(|_error| Wrong::new("not a number from 0 to 65535"))?;
        if number != 0 && mode == Some(Mode::Cluster) {
            return Err(Wrong::new("a cluster has database 0 only").hint("use `prefix` instead"));
        }
        Ok(number)
    })
}

fn prefix(text: &str) -> Result<String, Wrong> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=MAX_PREFIX).contains(&text.len()) && text.bytes().all(legal) {
        Ok(text.to_owned())
    } else {
        Err(Wrong::new(format!("not 1 to {MAX_PREFIX} of a-z 0-9 -")))
    }
}

/// Notes each of `keys` that stands there.
fn refuse(reader: &mut Reader<'_>, section: &Section<'_>, keys: &[&str], wrong: &Wrong) {
    for found in keys.iter().filter_map(|key| section.get(key)) {
        reader.note(&found.place, wrong.clone());
    }
}

/// Notes `name` when it stands there without `other`.
fn needs(reader: &mut Reader<'_>, section: &Section<'_>, name: &str, other: &str) {
    if let (Some(found), None) = (section.get(name), section.get(other)) {
        let wrong = Wrong::new(format!("without `{other}`"));
        reader.note(&found.place, wrong.hint("set both, or neither"));
    }
}
