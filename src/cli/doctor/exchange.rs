//! The token exchange of the enterprise edition.

use super::Edition;
use super::definition::{Block, ENABLED, Names, STRIP};
use super::jwt::same_set;
use super::report::Report;
use super::road::{self, Pair};
use crate::cli::tyk::site::Site;
use crate::domain::tyk::Fault;

// Only one form has it; both names are that form's.
const ENDPOINT: Names = ("tokenEndpoint", "tokenEndpoint");
const ISSUERS: Names = ("issuers", "issuers");
const METHOD: Names = ("clientAuth.method", "clientAuth.method");
const CLIENT: Names = ("clientAuth.clientId", "clientAuth.clientId");
const SECRET: Names = ("clientAuth.clientSecret", "clientAuth.clientSecret");
const AUDIENCE: Names = ("defaultTarget.audience", "defaultTarget.audience");
const SCOPES: Names = ("defaultTarget.scopes", "defaultTarget.scopes");
const CACHE: Names = ("cache.enabled", "cache.enabled");

/// Whether any provider is this service.
pub(super) fn is_ours(site: &Site<'_>, block: &Block<'_>) -> bool {
    providers(block).iter().any(|provider| provider.text(ENDPOINT) == site.token())
}

fn providers<'d>(block: &Block<'d>) -> Vec<Block<'d>> {
    block.inner("providers").map_or_else(Vec::new, |list| list.entries())
}

pub(super) fn examine(pair: &Pair<'_>, block: &Block<'_>, edition: Edition, report: &mut Report) {
    let definition = pair.definition;
    let file = definition.file.as_str();
    if edition == Edition::OpenSource {
        report.note(Fault::ExchangeIgnored, file, block.field(ENABLED));
    }
    let checked = definition.jwt();
    if !checked.is_some_and(|checked| definition.are_required_together(&checked, block)) {
        report.note(Fault::ExchangeUnchecked, file, "security");
    }
    if definition.strips() {
        report.note(Fault::StripAuthorization, file, definition.whole().field(STRIP));
    }
    for provider in providers(block) {
        one(pair, &provider, report);
    }
}

fn one(pair: &Pair<'_>, provider: &Block<'_>, report: &mut Report) {
    let Pair { site, definition, api } = pair;
    let file = definition.file.as_str();
    let mut same = |fault, names, expected: &str| {
        let found = provider.text(names);
        if found != expected {
            report.differs(fault, (file, provider.field(names)), found, expected);
        }
    };
    same(Fault::ExchangeElsewhere, ENDPOINT, &site.token());
    same(Fault::ClientDiffers, CLIENT, api.client.as_str());
    let (resource, scopes) = api
        .exchange
        .as_ref()
        .map_or(("", &[][..]), |swap| (swap.resource.as_str(), swap.scopes.as_slice()));
    same(Fault::ExchangeTarget, AUDIENCE, resource);
    let found = provider.texts(SCOPES);
    if !same_set(&found, scopes) {
        let at = (file, provider.field(SCOPES));
        report.differs(Fault::ExchangeTarget, at, &found.join(" "), &scopes.join(" "));
    }
    if provider.text(METHOD) != "private_key_jwt" {
        road::secret((file, provider.field(SECRET)), Some(provider.text(SECRET)), report);
    }
    let issuers = provider.texts(ISSUERS);
    // What a pattern matches is not looked at.
    let patterns = issuers.iter().any(|issuer| issuer.starts_with("regex:"));
    if let Some(tokens) = site.tokens(api).ok().filter(|_| !patterns)
        && !same_set(&issuers, &tokens.issuers)
    {
        let at = (file, provider.field(ISSUERS));
        let (found, expected) = (issuers.join(" "), tokens.issuers.join(" "));
        report.differs(Fault::ExchangeIssuers, at, &found, &expected);
    }
    if provider.flag(CACHE) {
        report.note(Fault::ExchangeCache, file, provider.field(CACHE));
    }
}
