//! `clients`: who may call.

use super::clusters::account;
use super::exchange::{self, Surroundings};
use super::node::Value;
use super::read::{Found, Reader, Section, values};
use super::report::{Wrong, nearest};
use super::schema;
use super::tenants::Known;
use super::values::{client_secret, exact, guid, one_of};
use crate::domain::client::{
    AssertionAudience, Client, ClientCredentials, ExchangeRule, IntrospectPermission,
};
use crate::domain::kubernetes::ServiceAccount;
use crate::protocol::ids::{ClientId, Guid, SecretDigest};
use crate::protocol::jwk::{KeySet, KeySetError, KeyUse};
use crate::protocol::time::UnixTime;

/// What must not be shared by two clients.
#[derive(Default)]
struct Taken {
    secrets: Vec<(String, SecretDigest)>,
    apps: Vec<(String, Guid)>,
    accounts: Vec<(String, ServiceAccount)>,
}

/// Reads all clients; those with a problem are left out.
pub(super) fn read(
    reader: &mut Reader<'_>,
    file: &Section<'_>,
    around: &Surroundings<'_>,
) -> Vec<Client> {
    let Some(found) = file.get("clients") else { return Vec::new() };
    let mut taken = Taken::default();
    let named = reader.named(&found);
    if matches!(&found.node.value, Value::Map(entries) if entries.is_empty()) {
        reader.note(&found.place, Wrong::new("no client; at least one is needed"));
    }
    let mut clients = Vec::new();
    for (name, found) in named {
        let id = name
            .parse::<ClientId>()
            .map_err(|error| reader.note(&found.place, Wrong::new(error.to_string())))
            .ok();
        let read = client(reader, (name, &found), around, &mut taken);
        if let (Some(id), Some(client)) = (id, read) {
            clients.push(client.named(id));
        }
    }
    clients
}

/// A client that has no name yet.
struct Nameless {
    credentials: ClientCredentials,
    introspect: Option<IntrospectPermission>,
    exchange: Vec<ExchangeRule>,
    default_resource: Option<String>,
}

impl Nameless {
    fn named(self, id: ClientId) -> Client {
        let Self { credentials, introspect, exchange, default_resource } = self;
        Client { id, credentials, introspect, exchange, default_resource }
    }
}

fn client(
    reader: &mut Reader<'_>,
    (name, found): (&str, &Found<'_>),
    around: &Surroundings<'_>,
    taken: &mut Taken,
) -> Option<Nameless> {
    let section = reader.section(found, &schema::CLIENT)?;
    if ["secret", "jwks", "entra_app", "kubernetes"].iter().all(|way| section.get(way).is_none()) {
        let wrong = Wrong::new("no way to authenticate");
        reader
            .note(&section.place, wrong.hint("set `secret`, `jwks`, `entra_app` or `kubernetes`"));
    }
    let credentials = ClientCredentials {
        secret: secret(reader, &section, "secret", taken),
        previous_secret: previous_secret(reader, &section, taken),
        keys: section.get("jwks").and_then(|found| keys(reader, &found, KeyUse::Client)),
        assertion_audience: assertion_audience(reader, &section)?,
        entra_app: entra_app(reader, &section, around.known, taken),
        kubernetes: account(reader, &section, &around.known.clusters, &mut taken.accounts),
    };
    let introspect = section
        .get("introspect")
        .and_then(|found| reader.section(&found, &schema::INTROSPECT))
        .map(|section| introspect(reader, &section, around));
    let own = introspect.as_ref().map_or(&[][..], |permission| &permission.audiences);
    let before = reader.count();
    let exchange = exchange::read(reader, &section, (name, own), around);
    let whole = reader.count() == before;
    let default_resource = section.get("default_resource").and_then(|found| {
        let resource = reader.value(&section, "default_resource", exact)?;
        if whole && !exchange.iter().any(|rule| rule.resource == resource) {
            let wrong = Wrong::new("no rule of this client's `exchange` is about it");
            reader.note(&found.place, wrong);
        }
        Some(resource)
    });
    Some(Nameless { credentials, introspect, exchange, default_resource })
}

/// Means something only where there are assertions.
fn assertion_audience(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<AssertionAudience> {
    if let (Some(found), None) = (section.get("assertion_audience"), section.get("jwks")) {
        reader.note(&found.place, Wrong::new("only with `jwks`").hint("remove it"));
    }
    reader.value(section, "assertion_audience", one_of)
}

fn previous_secret(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    taken: &mut Taken,
) -> Option<SecretDigest> {
    let found = section.get("previous_secret")?;
    if section.get("secret").is_none() {
        let wrong = Wrong::new("only with `secret`");
        reader.note(&found.place, wrong.hint("call it `secret`, or remove it"));
    }
    secret(reader, section, "previous_secret", taken)
}

fn secret(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    key: &'static str,
    taken: &mut Taken,
) -> Option<SecretDigest> {
    let secret = reader.secret(section, key)?;
    if let Err(wrong) = client_secret(&secret.value) {
        reader.note(&secret.place, wrong);
        return None;
    }
    // While a secret is changed, both of one client may be the same for a moment.
    let others = taken.secrets.iter().filter(|(client, _)| *client != section.place.path);
    if let Some((other, _)) = others.into_iter().find(|(_, one)| one.matches(&secret.value)) {
        reader.note(&secret.place, shared("secret", other));
    }
    let digest = SecretDigest::of(&secret.value);
    taken.secrets.push((section.place.path.clone(), digest.clone()));
    Some(digest)
}

fn entra_app(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    known: &Known,
    taken: &mut Taken,
) -> Option<Guid> {
    section.get("entra_app")?;
    let place = section.place_of("entra_app");
    if known.complete && !known.callers {
        let wrong =
            Wrong::new("no tenant has `caller_audiences`, so no Entra token can be checked");
        reader.note(&place, wrong.hint("add them under `entra`"));
    }
    let app = reader.value(section, "entra_app", guid)?;
    if let Some((other, _)) = taken.apps.iter().find(|(_, one)| *one == app) {
        reader.note(&place, shared("application", other));
    }
    taken.apps.push((section.place.path.clone(), app));
    Some(app)
}

/// What two clients must not have in common, and who has it already.
pub(super) fn shared(what: &str, other: &str) -> Wrong {
    Wrong::new(format!("the same {what} as `{other}`; nobody could tell the two apart"))
        .hint("give each client its own")
}

fn introspect(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    around: &Surroundings<'_>,
) -> IntrospectPermission {
    let known = around.known;
    let audiences = reader.filled(section, "audiences", exact);
    let foreign = |audience: &String| {
        let ours = around.names.resources.contains(audience);
        known.complete && !ours && !known.audiences.contains(audience)
    };
    for audience in audiences.iter().filter(|audience| foreign(&audience.value)) {
        let wrong = Wrong::new("not an audience of any tenant, nor one of `resources`");
        let near = nearest(&audience.value, known.audiences.iter().map(String::as_str));
        let hint = near.map_or_else(
            || "add it to `entra[].audiences`".to_owned(),
            |near| format!("did you mean `{}`?", crate::domain::rejection::safe(near)),
        );
        reader.note(&audience.place, wrong.hint(hint));
    }
    let release = values(reader.list(section, "release", one_of));
    let phantom = reader.flag(section, "phantom");
    IntrospectPermission { audiences: values(audiences), release, phantom }
}

/// Keys in the file are trusted as long as the configuration that names them.
pub(super) fn keys(reader: &mut Reader<'_>, found: &Found<'_>, purpose: KeyUse) -> Option<KeySet> {
    let document = if matches!(found.node.value, Value::Map(_)) {
        no_duplicates(reader, found);
        let document = found.node.to_json().to_string();
        reader.state(&found.place, &document);
        document
    } else {
        reader.text(found)?
    };
    match parse_keys(&document, purpose) {
        Ok(mut keys) => {
            keys.replace(None, UnixTime::MAX);
            Some(keys)
        }
        Err(wrong) => {
            reader.note(&found.place, wrong);
            None
        }
    }
}

fn no_duplicates(reader: &mut Reader<'_>, found: &Found<'_>) {
    let children = match &found.node.value {
        Value::Map(_) => reader.named(found).into_iter().map(|(_, child)| child).collect(),
        Value::List(_) => reader.items(found),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => return,
    };
    for child in &children {
        no_duplicates(reader, child);
    }
}

fn parse_keys(document: &str, purpose: KeyUse) -> Result<KeySet, Wrong> {
    if has_private_key(document) {
        let wrong = Wrong::new("a private or symmetric key");
        return Err(wrong.hint("only its owner may have it; remove it here and make a new one"));
    }
    KeySet::parse(document.as_bytes(), purpose).map_err(|error| match error {
        // The parser's own words may repeat the document, which may be another file: a secret.
        KeySetError::Malformed { .. } => {
            Wrong::new("not a JSON Web Key Set").hint("write an object with an array `keys`")
        }
        KeySetError::NoUsableKey { .. } => Wrong::new(error.to_string())
            .hint("use RSA of 2048 to 4096 bits or EC P-256, with `use` absent or `sig`"),
        KeySetError::TooLarge | KeySetError::TooMany(_) | KeySetError::Ambiguous => {
            Wrong::new(error.to_string()).hint("leave out keys that sign nothing any more")
        }
    })
}

fn has_private_key(document: &str) -> bool {
    let keys = |document: serde_json::Value| document.get("keys")?.as_array().cloned();
    let private = |key: &serde_json::Value| ["d", "k"].iter().any(|name| key.get(name).is_some());
    serde_json::from_str(document).ok().and_then(keys).is_some_and(|keys| keys.iter().any(private))
}
