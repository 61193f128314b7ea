//! Which way each API goes, and whether it is the way that is meant.

use super::definition::{
    AUTHENTICATION, Definition, Form, ID, LISTEN_PATH, Names, ORGANISATION, UPSTREAM,
};
use super::files::Files;
use super::report::Report;
use super::{Edition, exchange, introspection, jwt, plugin};
use crate::cli::tyk::site::Site;
use crate::domain::api::{Api, Road, TykRoute};
use crate::domain::tyk::Fault;

/// A definition, and the API that it is of.
pub(super) struct Pair<'p> {
    pub(super) site: &'p Site<'p>,
    pub(super) definition: &'p Definition,
    pub(super) api: &'p Api,
}

pub(super) fn examine(site: &Site<'_>, files: &Files, edition: Edition, report: &mut Report) {
    let mut seen = Vec::new();
    for definition in &files.definitions {
        match matching(site, definition) {
            Some((api, route)) => {
                seen.push(api.name.as_str());
                pair(&Pair { site, definition, api }, route, edition, report);
            }
            None if mentions_us(site, definition) => {
                let field = definition.whole().field(ID);
                report.note(Fault::ApiUnknown, &definition.file, field);
            }
            // An API that has nothing to do with us.
            None => {}
        }
    }
    let missing = |api: &&Api| api.tyk.is_some() && !seen.contains(&api.name.as_str());
    for api in site.config.apis.iter().filter(missing).filter(|_| files.with_definitions) {
        report.note(Fault::ApiMissing, "tessera.yaml", format!("apis.{}.tyk", api.name));
    }
}

/// The API that a definition is of: by its id, by what it says to the plugin, or by its path.
fn matching<'c>(site: &Site<'c>, definition: &Definition) -> Option<(&'c Api, &'c TykRoute)> {
    let routed = || {
        let all = site.config.apis.iter();
        all.filter_map(|api| Some((api, api.tyk.as_ref()?)))
    };
    let asked = definition.asked().and_then(|asked| asked.get("api")?.as_str());
    routed()
        .find(|(_, route)| definition.text(ID) == Some(&route.api_id))
        .or_else(|| routed().find(|(api, _)| asked == Some(&api.name)))
        .or_else(|| {
            let path = definition.text(LISTEN_PATH).map(trimmed);
            routed().find(|(_, route)| path == Some(trimmed(&route.listen_path)))
        })
}

fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

fn mentions_us(site: &Site<'_>, definition: &Definition) -> bool {
    let introspects = definition
        .introspection()
        .is_some_and(|block| block.text(introspection::URL) == site.introspect());
    let exchanges = definition.exchange().is_some_and(|block| exchange::is_ours(site, &block));
    let checks = definition.jwt().is_some_and(|block| jwt::sources(&block).contains(&site.jwks()));
    definition.asked().is_some() || introspects || exchanges || checks
}

fn pair(pair: &Pair<'_>, route: &TykRoute, edition: Edition, report: &mut Report) {
    same_place(pair, route, report);
    let definition = pair.definition;
    if definition.is_keyless() {
        let field = definition.whole().field(AUTHENTICATION);
        report.note(Fault::Keyless, &definition.file, field);
        return;
    }
    let (asks, checks) = (definition.introspection(), definition.jwt());
    let swaps = definition.exchange();
    let mut roads = Vec::new();
    roads.extend(swaps.is_some().then_some(Road::Exchange));
    roads.extend(definition.has_plugin().then_some(Road::Plugin));
    roads.extend(asks.is_some().then_some(Road::Introspection));
    roads.extend(checks.is_some().then_some(Road::Jwt));
    // What stands beside the document of an exchange has no exchange of its own.
    let as_meant = roads.contains(&route.road)
        || (route.road == Road::Exchange && definition.is_companion() && roads == [Road::Jwt]);
    match roads.first() {
        None => report.note(Fault::NoRoad, &definition.file, place(definition)),
        Some(first) if !as_meant => {
            let at = (definition.file.as_str(), place(definition));
            report.differs(Fault::RoadDiffers, at, first.as_str(), route.road.as_str());
        }
        Some(_) => {}
    }
    if let Some(block) = &asks {
        introspection::examine(pair, block, report);
    }
    if let Some(block) = &checks {
        jwt::examine(pair, block, report);
    }
    if let Some(block) = &swaps {
        exchange::examine(pair, block, edition, report);
    }
    if definition.has_plugin() {
        plugin::examine(pair, report);
    }
}

/// Where a definition says how requests are let in.
fn place(definition: &Definition) -> String {
    match definition.form {
        Form::Classic => "auth_configs".to_owned(),
        Form::Oas => "x-tyk-api-gateway.server.authentication".to_owned(),
    }
}

fn same_place(pair: &Pair<'_>, route: &TykRoute, report: &mut Report) {
    let expected: [(Names, &str); 4] = [
        (ID, &route.api_id),
        (ORGANISATION, &route.org_id),
        (LISTEN_PATH, &route.listen_path),
        (UPSTREAM, &route.upstream),
    ];
    let definition = pair.definition;
    for (names, expected) in expected {
        let found = definition.text(names).unwrap_or_default();
        if trimmed(found) != trimmed(expected) {
            let at = (definition.file.as_str(), definition.whole().field(names));
            report.differs(Fault::ApiDiffers, at, found, expected);
        }
    }
}

/// How Tyk names a secret that is elsewhere.
const REFERENCES: [&str; 6] = ["env://", "secrets://", "vault://", "consul://", "kv://", "file://"];

/// Notes a secret that is not there, or that is.
pub(super) fn secret(at: (&str, String), found: Option<&str>, report: &mut Report) {
    let (file, field) = at;
    match found {
        None | Some("") => report.note(Fault::SecretMissing, file, field),
        Some(text) if !REFERENCES.iter().any(|form| text.starts_with(form)) => {
            report.note(Fault::SecretInPlain, file, field);
        }
        Some(_) => {}
    }
}
