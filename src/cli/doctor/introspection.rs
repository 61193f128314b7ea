//! External OAuth.

use serde_json::Value;

use super::definition::{Block, ENABLED, Names};
use super::report::Report;
use super::road::{self, Pair};
use crate::cli::tyk::site::IDENTITY;
use crate::domain::api::PolicyNeed;
use crate::domain::tyk::Fault;

pub(super) const URL: Names = ("url", "url");
const CLIENT: Names = ("client_id", "clientId");
const SECRET: Names = ("client_secret", "clientSecret");
const IDENTITY_FIELD: Names = ("identity_base_field", "identityBaseField");

pub(super) fn examine(pair: &Pair<'_>, block: &Block<'_>, report: &mut Report) {
    let Pair { site, definition, api } = pair;
    let file = definition.file.as_str();
    let mut same = |fault, names, expected: &str| {
        let found = block.text(names);
        if found != expected {
            report.differs(fault, (file, block.field(names)), found, expected);
        }
    };
    same(Fault::IntrospectionElsewhere, URL, &site.introspect());
    same(Fault::ClientDiffers, CLIENT, api.client.as_str());
    same(Fault::IdentityField, IDENTITY_FIELD, IDENTITY);
    road::secret((file, block.field(SECRET)), Some(block.text(SECRET)), report);
    if let Some(cache) = block.inner("cache").filter(|cache| cache.flag(ENABLED)) {
        let timeout = cache.value(("timeout", "timeout")).and_then(Value::as_i64).unwrap_or(0);
        let (fault, names) = if timeout > 0 {
            (Fault::IntrospectionCache, ENABLED)
        } else {
            (Fault::IntrospectionCacheForEver, ("timeout", "timeout"))
        };
        report.note(fault, file, cache.field(names));
    }
    if api.policies == PolicyNeed::Required {
        report.note(Fault::PoliciesNotApplied, file, block.field(ENABLED));
    }
}
