//! `apis`: what gateways protect.

use url::Url;

use super::exchange::Surroundings;
use super::names::refer;
use super::read::{Found, Item, Reader, Section, values};
use super::report::Wrong;
use super::schema;
use super::values::{exact, issuer, one_of, scope, web};
use crate::domain::api::{Api, Guard, ProtectedResource, Road, Swap, TykRoute};
use crate::domain::client::Client;
use crate::domain::resource::TokenFormat;
use crate::protocol::ids::ClientId;

/// What an API refers to.
pub(super) struct Beside<'b> {
    pub(super) around: &'b Surroundings<'b>,
    /// Those that were read without a problem.
    pub(super) clients: &'b [Client],
    /// This service, and the issuers of all tenants.
    pub(super) issuers: (Option<&'b str>, &'b [String]),
}

/// Reads all APIs; those with a problem are left out.
pub(super) fn read(reader: &mut Reader<'_>, file: &Section<'_>, beside: &Beside<'_>) -> Vec<Api> {
    let entries = file.get("apis").map_or_else(Vec::new, |found| reader.named(&found));
    let mut apis: Vec<Api> = Vec::new();
    for (name, found) in entries {
        // The grammar of clients' names: it can stand in a path and in a header as it is.
        if name.parse::<ClientId>().is_err() || name.bytes().all(|byte| byte == b'.') {
            let wrong =
                Wrong::new("a name is 1 to 64 of A-Z a-z 0-9 . _ ~ -, and not of dots alone");
            reader.note(&found.place, wrong);
        }
        let Some(api) = api(reader, name, &found, beside) else { continue };
        if let Some(other) = apis.iter().find(|other| same_resource(other, &api)) {
            let wrong = Wrong::new(format!("the same `resource` as `apis.{}`", other.name));
            reader.note(&found.place, wrong.hint("each API has a URL of its own"));
        }
        apis.push(api);
    }
    apis
}

fn same_resource(one: &Api, other: &Api) -> bool {
    let id = |api: &Api| api.resource.as_ref().map(|resource| resource.id.clone());
    one.resource.is_some() && id(one) == id(other)
}

fn api(reader: &mut Reader<'_>, name: &str, found: &Found<'_>, beside: &Beside<'_>) -> Option<Api> {
    let section = reader.section(found, &schema::API)?;
    let id = client_name(reader, &section, beside);
    let client = beside.clients.iter().find(|client| Some(&client.id) == id.as_ref());
    let audiences = reader.filled(&section, "audiences", exact);
    if let Some(client) = client {
        seen(reader, &audiences, client);
    }
    let scopes = values(reader.filled(&section, "scopes", scope));
    let policies = reader.value(&section, "policies", one_of);
    let guard = guard(reader, &section, client);
    let exchange = section.get("exchange").and_then(|found| swap(reader, &found, client, beside));
    let audiences = values(audiences);
    let resource = resource(reader, &section, &audiences, beside);
    let tyk = section.get("tyk").and_then(|found| {
        let before = reader.count();
        let route = tyk(reader, &found, name)?;
        let whole = reader.count() == before;
        if whole && let Err(wrong) = leads(route.road, &audiences, exchange.as_ref(), beside) {
            reader.note(&found.place, wrong);
        }
        Some(route)
    });
    Some(Api {
        name: name.to_owned(),
        client: id?,
        audiences,
        scopes,
        policies: policies?,
        guard: guard?,
        exchange,
        resource,
        tyk,
    })
}

fn client_name(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    beside: &Beside<'_>,
) -> Option<ClientId> {
    let found = section.get("client")?;
    let item = [Item { value: reader.text(&found)?, place: found.place }];
    refer(reader, &item, &beside.around.names.clients, "a client of this file");
    item.into_iter().next()?.value.parse().ok()
}

/// A token for an audience that the client may not see would always be refused.
fn seen(reader: &mut Reader<'_>, audiences: &[Item<String>], client: &Client) {
    let known = client.introspect.as_ref().map_or(&[][..], |may| &may.audiences);
    refer(reader, audiences, known, "among the client's `introspect.audiences`");
}

fn guard(reader: &mut Reader<'_>, section: &Section<'_>, client: Option<&Client>) -> Option<Guard> {
    let guard = reader.value(section, "guard", one_of)?;
    if guard == Guard::Secret && client.is_some_and(|client| client.credentials.secret.is_none()) {
        let wrong = Wrong::new("the client has no `secret` that could be asked for");
        let hint = "give it one, or set `guard: network` and let nobody else reach the listeners";
        reader.note(&section.place_of("guard"), wrong.hint(hint));
    }
    Some(guard)
}

/// What the client's own rules can never give is refused here, not at each request.
fn swap(
    reader: &mut Reader<'_>,
    found: &Found<'_>,
    client: Option<&Client>,
    beside: &Beside<'_>,
) -> Option<Swap> {
    let section = reader.section(found, &schema::SWAP)?;
    let place = section.place_of("resource");
    let resource = reader.value(&section, "resource", exact)?;
    let item = [Item { place, value: resource.clone() }];
    let before = reader.count();
    refer(reader, &item, &beside.around.names.resources, "one of `resources`");
    let scopes = reader.filled(&section, "scopes", scope);
    if let Some(client) = client.filter(|_| reader.count() == before) {
        let rules = client.exchange.iter().filter(|rule| rule.resource == resource);
        let known: Vec<_> = rules.flat_map(|rule| rule.scopes.clone()).collect();
        if known.is_empty() {
            let wrong = Wrong::new("no rule of the client's `exchange` is about it");
            reader.note(&section.place_of("resource"), wrong);
        } else {
            refer(reader, &scopes, &known, "a scope that the client may ask for there");
        }
    }
    Some(Swap { resource, scopes: values(scopes) })
}

fn resource(
    reader: &mut Reader<'_>,
    section: &Section<'_>,
    audiences: &[String],
    beside: &Beside<'_>,
) -> Option<ProtectedResource> {
    let servers = reader.filled(section, "authorization_servers", issuer);
    if section.get("resource").is_none() {
        if let Some(found) = section.get("authorization_servers") {
            let wrong = Wrong::new("only with `resource`").hint("set it, or remove this");
            reader.note(&found.place, wrong);
        }
        return None;
    }
    let id = reader.value(section, "resource", protected)?;
    let authorization_servers =
        if servers.is_empty() { issuers_of(audiences, beside) } else { values(servers) };
    Some(ProtectedResource { id, authorization_servers })
}

/// Who issues tokens for these audiences: this service for what it mints, else Entra.
fn issuers_of(audiences: &[String], beside: &Beside<'_>) -> Vec<String> {
    let (own, tenants) = beside.issuers;
    let minted = |audience: &String| beside.around.names.resources.contains(audience);
    match own {
        Some(own) if audiences.iter().all(minted) => vec![own.to_owned()],
        Some(_) | None => tenants.to_vec(),
    }
}

/// A resource identifier (RFC 9728 §1.2), in the one spelling that clients compare with.
fn protected(text: &str) -> Result<String, Wrong> {
    let url = web(text)?;
    if url.as_str() == text || url.as_str().strip_suffix('/') == Some(text) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new("a URL that is not in its normal form")
        .hint("host in lower case, no default port, no `..`, nothing that needs escaping"))
}

fn tyk(reader: &mut Reader<'_>, found: &Found<'_>, name: &str) -> Option<TykRoute> {
    let section = reader.section(found, &schema::TYK)?;
    let road = reader.value(&section, "road", one_of);
    let listen_path = reader.value(&section, "listen_path", listen_path);
    let upstream = reader.value(&section, "upstream", upstream);
    let api_id = match section.get("api_id") {
        Some(_) => reader.value(&section, "api_id", exact),
        None => Some(name.to_owned()),
    };
    let org_id = reader.value(&section, "org_id", exact);
    Some(TykRoute {
        road: road?,
        listen_path: listen_path?,
        upstream: upstream?,
        api_id: api_id?,
        org_id: org_id?,
    })
}

fn listen_path(text: &str) -> Result<String, Wrong> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
    if text.len() > 1 && text.starts_with('/') && text.bytes().all(legal) && !text.contains("//") {
        Ok(text.to_owned())
    } else {
        Err(Wrong::new("not a path").hint("write it like /orders/"))
    }
}

/// Behind the gateway plain http is usual.
fn upstream(text: &str) -> Result<String, Wrong> {
    let example = "write it like http://orders.internal:8080/";
    let url = Url::parse(text).map_err(|_error| Wrong::new("not a URL").hint(example))?;
    let whole = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    if whole { Ok(text.to_owned()) } else { Err(Wrong::new("not a web address").hint(example)) }
}

/// Whether the road leads anywhere under this configuration.
fn leads(
    road: Road,
    audiences: &[String],
    exchange: Option<&Swap>,
    beside: &Beside<'_>,
) -> Result<(), Wrong> {
    let minted = |audience: &String| {
        let resources = beside.around.resources.iter();
        resources
            .filter(|resource| resource.id == *audience)
            .all(|resource| resource.format == TokenFormat::Jwt)
            && beside.around.names.resources.contains(audience)
    };
    match road {
        Road::Plugin if !beside.around.names.plugin => {
            Err(Wrong::new("`road: plugin` without `listen.tyk`")
                .hint("set `listen.tyk`, or choose another road"))
        }
        Road::Jwt if !audiences.iter().all(minted) => {
            let wrong = "`road: jwt` for an audience that is no JWT resource";
            Err(Wrong::new(wrong)
                .hint("Tyk can only check what is minted here: name `resources` with `token: jwt`"))
        }
        Road::Exchange if exchange.is_none() => {
            Err(Wrong::new("`road: exchange` without `exchange`").hint("say what for"))
        }
        Road::Exchange | Road::Introspection | Road::Jwt | Road::Plugin => Ok(()),
    }
}
