//! `clusters`: the Kubernetes clusters, and the service accounts of theirs that are clients.

use url::Url;

use super::clients::{keys, shared};
use super::read::{Found, Reader, Section};
use super::report::{Wrong, nearest};
use super::schema;
use super::values::{guid, web};
use crate::domain::cluster::{Cluster, ClusterId, ClusterKeys};
use crate::domain::kubernetes::ServiceAccount;
use crate::domain::rejection::safe;
use crate::protocol::jwk::KeyUse;

/// Longest name of a namespace or a service account (RFC 1123, as Kubernetes has it).
const MAX_NAME_BYTES: usize = 253;

/// The names that a client may refer to.
#[derive(Default)]
pub(super) struct KnownClusters {
    names: Vec<String>,
    /// Whether `clusters` was read without a problem. Otherwise a reference into it may be good.
    complete: bool,
}

/// Reads all clusters; those with a problem are left out. `own` is who we are.
pub(super) fn read(
    reader: &mut Reader<'_>,
    file: &Section<'_>,
    own: Option<&str>,
) -> (Vec<Cluster>, KnownClusters) {
    let before = reader.count();
    let mut clusters: Vec<Cluster> = Vec::new();
    let entries = file.get("clusters").map_or_else(Vec::new, |found| reader.named(&found));
    for (name, found) in entries {
        let id = name
            .parse::<ClusterId>()
            .map_err(|error| reader.note(&found.place, Wrong::new(error.to_string())))
            .ok();
        let Some((issuer, keys)) = cluster(reader, &found, own, &clusters) else { continue };
        clusters.extend(id.map(|id| Cluster { id, issuer, keys }));
    }
    let names = clusters.iter().map(|cluster| cluster.id.to_string()).collect();
    let known = KnownClusters { names, complete: reader.count() == before };
    (clusters, known)
}

fn cluster(
    reader: &mut Reader<'_>,
    found: &Found<'_>,
    own: Option<&str>,
    others: &[Cluster],
) -> Option<(String, ClusterKeys)> {
    let section = reader.section(found, &schema::CLUSTER)?;
    let issuer = reader.value(&section, "issuer", |text| issuer(text, own, others));
    let keys = match (section.get("jwks_uri"), section.get("jwks")) {
        (Some(_), Some(both)) => {
            let wrong = Wrong::new("keys beside `jwks_uri`, which names keys too");
            reader.note(&both.place, wrong.hint("keep one of the two"));
            None
        }
        (Some(_), None) => reader.value(&section, "jwks_uri", web).map(ClusterKeys::At),
        (None, Some(found)) => keys(reader, &found, KeyUse::Cluster).map(ClusterKeys::Configured),
        (None, None) => issuer.as_deref().and_then(discovery).map(ClusterKeys::Discovered),
    };
    Some((issuer?, keys?))
}

/// An issuer as tokens spell it; some end with a slash. Nobody else may be called so.
fn issuer(text: &str, own: Option<&str>, others: &[Cluster]) -> Result<String, Wrong> {
    web(text)?;
    if own == Some(text) {
        return Err(Wrong::new("this service itself; `issuer` above has the same text"));
    }
    match others.iter().find(|other| other.issuer == text) {
        Some(other) => Err(Wrong::new(format!("the same issuer as `clusters.{}`", other.id))),
        None => Ok(text.to_owned()),
    }
}

/// Where the discovery document of an issuer is (OpenID Connect Discovery §4.1).
fn discovery(issuer: &str) -> Option<Url> {
    let issuer = issuer.trim_end_matches('/');
    Url::parse(&format!("{issuer}/.well-known/openid-configuration")).ok()
}

/// The service account of one client; `taken` has those of the clients before it.
pub(super) fn account(
    reader: &mut Reader<'_>,
    client: &Section<'_>,
    known: &KnownClusters,
    taken: &mut Vec<(String, ServiceAccount)>,
) -> Option<ServiceAccount> {
    let found = client.get("kubernetes")?;
    let section = reader.section(&found, &schema::ACCOUNT)?;
    let cluster = reader.value(&section, "cluster", |text| reference(text, known));
    let namespace = reader.value(&section, "namespace", |text| name(text, false));
    let name = reader.value(&section, "service_account", |text| name(text, true));
    let uid = reader.value(&section, "uid", guid);
    let account =
        ServiceAccount { cluster: cluster?, namespace: namespace?, name: name?, uid: uid? };
    // By name, whatever the uid: two accounts of one name cannot live at once.
    let same = |other: &ServiceAccount| {
        other.cluster == account.cluster && other.subject() == account.subject()
    };
    if let Some((other, _)) = taken.iter().find(|(_, other)| same(other)) {
        reader.note(&section.place_of("service_account"), shared("service account", other));
    }
    taken.push((client.place.path.clone(), account.clone()));
    Some(account)
}

fn reference(text: &str, known: &KnownClusters) -> Result<ClusterId, Wrong> {
    let id = text.parse::<ClusterId>().map_err(|error| Wrong::new(error.to_string()))?;
    if !known.complete || known.names.iter().any(|name| name == text) {
        return Ok(id);
    }
    let wrong = Wrong::new("not a configured cluster");
    Err(match nearest(text, known.names.iter().map(String::as_str)) {
        Some(near) => wrong.hint(format!("did you mean `{}`?", safe(near))),
        None => wrong.hint("add it under `clusters`"),
    })
}

/// A name as Kubernetes allows it: what no `sub` can say must not be waited for.
fn name(text: &str, dots: bool) -> Result<String, Wrong> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let legal = |byte: u8| plain(byte) || byte == b'-' || (dots && byte == b'.');
    let ends = [text.bytes().next(), text.bytes().next_back()];
    let whole = text.len() <= MAX_NAME_BYTES && text.bytes().all(legal);
    if whole && ends.into_iter().all(|end| end.is_some_and(plain)) {
        Ok(text.to_owned())
    } else {
        Err(Wrong::new("not a name in Kubernetes").hint("lower-case letters, digits and `-`"))
    }
}
