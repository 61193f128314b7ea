//! Tyk's JWT middleware.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::definition::{Block, Form, Names};
use super::report::Report;
use super::road::Pair;
use crate::cli::tyk::site::{POLICIES_CLAIM, POLICY_CLAIM, Tokens};
use crate::domain::api::PolicyNeed;
use crate::domain::tyk::Fault;
use crate::protocol::time::Seconds;

const METHOD: Names = ("jwt_signing_method", "signingMethod");
const SOURCE: Names = ("jwt_source", "source");
const URIS: Names = ("jwt_jwks_uris", "jwksURIs");
const CACHE: Names = ("cache_timeout", "cacheTimeout");
const IDENTITY: Names = ("jwt_identity_base_field", "identityBaseField");
const IDENTITIES: Names = ("", "subjectClaims");
const POLICY: Names = ("jwt_policy_field_name", "policyFieldName");
const POLICY_CLAIMS: Names = ("", "basePolicyClaims");
const SCOPE_CLAIM: Names = ("scopes.jwt.scope_claim_name", "scopes.claimName");
const SCOPE_CLAIMS: Names = ("", "scopes.claims");
const MAPPING: Names = ("scopes.jwt.scope_to_policy", "scopes.scopeToPolicyMapping");
const DEFAULTS: Names = ("jwt_default_policies", "defaultPolicies");
const CLIENT_MAPPING: Names = ("idp_client_id_mapping_disabled", "idpClientIdMappingDisabled");
const ISSUERS: Names = ("", "allowedIssuers");
const AUDIENCES: Names = ("jwt_source", "allowedAudiences");

/// Longest time that Tyk keeps a key set if nothing is said.
const USUAL_CACHE: i64 = 240;

pub(super) fn examine(pair: &Pair<'_>, block: &Block<'_>, report: &mut Report) {
    let Pair { site, definition, api } = pair;
    let file = definition.file.as_str();
    if !block.flag(CLIENT_MAPPING) {
        report.note(Fault::JwtClientMapping, file, block.field(CLIENT_MAPPING));
    }
    // Tokens that Tyk could not check have no settings that would be right.
    let Ok(tokens) = site.tokens(api) else {
        if api.policies == PolicyNeed::Required {
            report.note(Fault::PoliciesNotApplied, file, block.field(METHOD));
        }
        return;
    };
    let method = block.text(METHOD);
    if !method.eq_ignore_ascii_case(tokens.method) {
        report.differs(Fault::JwtMethod, (file, block.field(METHOD)), method, tokens.method);
    }
    keys(pair, block, &tokens, report);
    identity(file, block, &tokens, report);
    if tokens.with_policies {
        policies(pair, block, report);
    }
    let defaults = block.texts(DEFAULTS);
    if tokens.otherwise.is_none() && !defaults.is_empty() {
        report.note(Fault::DefaultPolicies, file, block.field(DEFAULTS));
    }
    addressed(pair, block, &tokens, report);
}

/// Where the key sets come from, decoded.
pub(super) fn sources(block: &Block<'_>) -> Vec<String> {
    let uris = block.value(URIS).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let uris: Vec<_> =
        uris.iter().filter_map(|uri| Some(uri.get("url")?.as_str()?.to_owned())).collect();
    if uris.is_empty() { source(block).into_iter().map(|(url, _)| url).collect() } else { uris }
}

/// The one source, and whether it stands there in plain.
fn source(block: &Block<'_>) -> Option<(String, bool)> {
    let text = block.text(SOURCE);
    if text.starts_with("http") {
        return Some((text.to_owned(), true));
    }
    let decoded = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.filter(|decoded| !decoded.is_empty()).map(|decoded| (decoded, false))
}

fn keys(pair: &Pair<'_>, block: &Block<'_>, tokens: &Tokens, report: &mut Report) {
    let definition = pair.definition;
    let file = definition.file.as_str();
    // Classic definitions alone are read for the one source only.
    let lists = definition.form == Form::Oas || definition.is_companion();
    let uris = block.value(URIS).and_then(Value::as_array).filter(|uris| lists && !uris.is_empty());
    let (names, found) = match uris {
        Some(_) => (URIS, sources(block)),
        None => (SOURCE, source(block).map(|(url, _)| url).into_iter().collect()),
    };
    let foreign = found.iter().find(|url| !tokens.jwks.contains(url));
    if found.is_empty() || foreign.is_some() {
        let found = foreign.map_or("", String::as_str);
        let at = (file, block.field(names));
        report.differs(Fault::JwksElsewhere, at, found, &tokens.jwks.join(" "));
    }
    if uris.is_none() && source(block).is_some_and(|(_, plain)| plain) {
        report.note(Fault::JwksPlain, file, block.field(SOURCE));
    }
    let announced = pair.site.config.signing.rules.announce;
    let longest = uris.into_iter().flatten().filter_map(kept).max().unwrap_or(USUAL_CACHE);
    if tokens.with_policies && Seconds::new(longest) > announced {
        let (found, expected) = (format!("{longest}s"), format!("at most {announced}"));
        report.differs(Fault::JwksCache, (file, block.field(names)), &found, &expected);
    }
}

/// For how long Tyk keeps a key set.
fn kept(uri: &Value) -> Option<i64> {
    match uri.get(CACHE.1).or_else(|| uri.get(CACHE.0))? {
        Value::Number(seconds) => seconds.as_i64(),
        Value::String(text) => go_duration(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `1h30m`, in whole seconds.
fn go_duration(text: &str) -> Option<i64> {
    let (mut total, mut rest) = (0_i64, text);
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (number, tail) = rest.split_at(end);
        let number: i64 = number.parse().ok()?;
        let end = tail.find(|letter: char| letter.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let seconds = match unit {
            "h" => 3600,
            "m" => 60,
            "s" => 1,
            _ => 0,
        };
        total = total.saturating_add(number.saturating_mul(seconds));
        rest = tail;
    }
    Some(total)
}

/// The newer list, or the older single name.
fn listed<'d>(block: &Block<'d>, list: Names, one: Names) -> (Names, Vec<&'d str>) {
    let found = block.texts(list);
    if found.is_empty() { (one, block.texts(one)) } else { (list, found) }
}

fn identity(file: &str, block: &Block<'_>, tokens: &Tokens, report: &mut Report) {
    let (names, found) = listed(block, IDENTITIES, IDENTITY);
    if found != [tokens.identity] {
        let at = (file, block.field(names));
        report.differs(Fault::IdentityField, at, &found.join(" "), tokens.identity);
    }
}

fn policies(pair: &Pair<'_>, block: &Block<'_>, report: &mut Report) {
    let file = pair.definition.file.as_str();
    let (names, found) = listed(block, POLICY_CLAIMS, POLICY);
    if found != [POLICY_CLAIM] {
        let at = (file, block.field(names));
        report.differs(Fault::JwtPolicyField, at, &found.join(" "), POLICY_CLAIM);
    }
    let (_, claims) = listed(block, SCOPE_CLAIMS, SCOPE_CLAIM);
    let granted = pair.site.granted();
    let missing = granted.iter().find(|policy| !is_mapped(block, policy));
    if !granted.is_empty() && (claims != [POLICIES_CLAIM] || missing.is_some()) {
        let expected = missing.map_or(POLICIES_CLAIM, String::as_str);
        let at = (file, block.field(MAPPING));
        report.differs(Fault::JwtPolicyMapping, at, &claims.join(" "), expected);
    }
}

fn is_mapped(block: &Block<'_>, policy: &str) -> bool {
    let text = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str) == Some(policy);
    match block.value(MAPPING) {
        Some(Value::Object(mapping)) => mapping.get(policy).and_then(Value::as_str) == Some(policy),
        Some(Value::Array(entries)) => {
            entries.iter().any(|entry| text(entry, "scope") && text(entry, "policyId"))
        }
        _ => false,
    }
}

/// By whom, and to whom.
fn addressed(pair: &Pair<'_>, block: &Block<'_>, tokens: &Tokens, report: &mut Report) {
    let Pair { site, definition, api } = pair;
    let file = definition.file.as_str();
    // Every tenant has the keys of all tenants, and every resource those of all resources.
    let keys_are_shared = !tokens.with_policies || site.others_are_signed(api);
    if definition.form == Form::Classic {
        if keys_are_shared && !definition.is_companion() {
            report.note(Fault::AudienceOpen, file, block.field(AUDIENCES));
        }
        return;
    }
    let issuers = block.texts(ISSUERS);
    let same = same_set(&issuers, &tokens.issuers);
    if !same && (!issuers.is_empty() || !tokens.with_policies) {
        let at = (file, block.field(ISSUERS));
        report.differs(Fault::IssuersDiffer, at, &issuers.join(" "), &tokens.issuers.join(" "));
    }
    let audiences = block.texts(AUDIENCES);
    let foreign = audiences.iter().any(|name| !api.audiences.iter().any(|known| known == name));
    if foreign || (audiences.is_empty() && keys_are_shared) {
        let at = (file, block.field(AUDIENCES));
        let (found, expected) = (audiences.join(" "), api.audiences.join(" "));
        report.differs(Fault::AudienceOpen, at, &found, &expected);
    }
}

/// Whether two lists have the same entries.
pub(super) fn same_set(found: &[&str], expected: &[String]) -> bool {
    found.len() == expected.len() && expected.iter().all(|entry| found.contains(&entry.as_str()))
}
