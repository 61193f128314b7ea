//! `entra`: the tenants.

use secrecy::SecretString;
use url::Url;

use super::clusters::KnownClusters;
use super::read::{Found, Item, Place, Reader, Secret, Section, values};
use super::report::Wrong;
use super::schema;
use super::values::{exact, guid, origin};
use crate::domain::tenant::{GraphAccess, Tenant};
use crate::protocol::ids::Guid;

/// A cloud: its name here, its authority, and its Graph.
type Cloud = (&'static str, &'static str, &'static str);

const CLOUDS: [Cloud; 3] = [
    ("public", "https://login.microsoftonline.com", "https://graph.microsoft.com"),
    ("us-government", "https://login.microsoftonline.us", "https://graph.microsoft.us"),
    (
        "china",
        "https://login.partner.microsoftonline.cn",
        "https://microsoftgraph.chinacloudapi.cn",
    ),
];

/// What other sections may refer to.
pub(super) struct Known {
    /// The configured tenants.
    pub(super) ids: Vec<Guid>,
    /// The audiences of all of them.
    pub(super) audiences: Vec<String>,
    /// Whether any of them lets callers authenticate with their own Entra tokens.
    pub(super) callers: bool,
    /// The configured clusters; read after the tenants.
    pub(super) clusters: KnownClusters,
    /// Whether `entra` was read without a problem. Otherwise a reference into it may be good.
    pub(super) complete: bool,
}

/// Reads all tenants; those with a problem are left out.
pub(super) fn read(reader: &mut Reader<'_>, file: &Section<'_>) -> (Vec<Tenant>, Known) {
    let before = reader.count();
    let mut tenants: Vec<Tenant> = Vec::new();
    let items = file.get("entra").map_or_else(Vec::new, |found| {
        let items = reader.items(&found);
        if matches!(&found.node.value, super::node::Value::List(items) if items.is_empty()) {
            reader.note(&found.place, Wrong::new("no tenant; at least one is needed"));
        }
        items
    });
    for item in items {
        let Some(tenant) = tenant(reader, &item) else { continue };
        if tenants.iter().any(|other| other.id == tenant.id) {
            reader.note(&item.place, Wrong::new("this tenant stands in the list already"));
        } else {
            tenants.push(tenant);
        }
    }
    let known = Known {
        ids: tenants.iter().map(|tenant| tenant.id).collect(),
        audiences: tenants.iter().flat_map(|tenant| tenant.audiences.clone()).collect(),
        callers: tenants.iter().any(|tenant| !tenant.caller_audiences.is_empty()),
        clusters: KnownClusters::default(),
        complete: reader.count() == before && file.get("entra").is_some(),
    };
    (tenants, known)
}

fn tenant(reader: &mut Reader<'_>, found: &Found<'_>) -> Option<Tenant> {
    let section = reader.section(found, &schema::TENANT)?;
    let id = reader.value(&section, "tenant", guid);
    let authority = reader.value(&section, "authority", authority);
    let audiences = values(reader.filled(&section, "audiences", exact));
    let caller_audiences = reader.list(&section, "caller_audiences", exact);
    disjoint(reader, &audiences, &caller_audiences);
    let signing_app = reader.value(&section, "signing_app", guid);
    let graph = section
        .get("graph")
        .and_then(|found| reader.section(&found, &schema::GRAPH))
        .and_then(|section| graph(reader, &section, authority.as_ref()));
    Some(Tenant {
        id: id?,
        authority: authority?,
        audiences,
        caller_audiences: values(caller_audiences),
        signing_app,
        graph,
    })
}

/// Every protected API holds tokens addressed to it; with such a token it must not be able to pass
/// for the app that sent it.
fn disjoint(reader: &mut Reader<'_>, audiences: &[String], callers: &[Item<String>]) {
    for caller in callers.iter().filter(|caller| audiences.contains(&caller.value)) {
        let wrong = Wrong::new("also in `audiences`: the APIs could pass for their own callers");
        reader.note(&caller.place, wrong.hint("register an application for this service alone"));
    }
}

fn authority(text: &str) -> Result<Url, Wrong> {
    let named = CLOUDS.iter().find(|(name, _, _)| *name == text);
    origin(named.map_or(text, |(_, authority, _)| authority)).map_err(|wrong| {
        if text.contains(':') {
            return wrong;
        }
        let wrong = Wrong::new("neither `public`, `us-government`, `china` nor a URL");
        match super::report::nearest(text, CLOUDS.iter().map(|(name, _, _)| *name)) {
            Some(near) => wrong.hint(format!("did you mean `{near}`?")),
            None => wrong,
        }
    })
}

fn graph(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    authority: Option<&Url>,
) -> Option<GraphAccess> {
    let client_id = reader.value(section, "client_id", guid);
    let secret = reader.secret(section, "client_secret").and_then(|secret| filled(reader, &secret));
    let endpoint = match section.get("endpoint") {
        Some(_) => reader.value(section, "endpoint", origin),
        None => default_endpoint(reader, &section.place_of("endpoint"), authority?),
    };
    Some(GraphAccess { client_id: client_id?, client_secret: secret?, endpoint: endpoint? })
}

/// A secret of somebody else's making: all that is known is that it is not empty.
pub(super) fn filled(reader: &mut Reader<'_>, secret: &Secret) -> Option<SecretString> {
    if secret.value.trim().is_empty() {
        reader.note(&secret.place, Wrong::new("an empty secret"));
        return None;
    }
    Some(secret.value.as_str().into())
}

/// The secret must not go to the Graph of another cloud, so an unknown authority has no default.
fn default_endpoint(reader: &mut Reader<'_>, place: &Place, authority: &Url) -> Option<Url> {
    let graph = CLOUDS
        .iter()
        .find(|(_, known, _)| Url::parse(known).is_ok_and(|known| known == *authority))
        .and_then(|(_, _, graph)| Url::parse(graph).ok());
    if graph.is_none() {
        reader.note(place, Wrong::new("required, since `authority` is none of the known clouds"));
    }
    graph
}
