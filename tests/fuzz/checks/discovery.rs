//! Discovery documents: whatever one says, it speaks for the tenant it was fetched for, and sends us
//! to no other host (A91, A251); what is told about a bad one is short and plain (A226).

use std::sync::LazyLock;

use tessera::adapters::issuer_keys::Discovery;
use tessera::domain::tenant::{Tenant, TokenVersion};
use url::Url;

use super::strict::{self, Value};

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const AUTHORITY: &str = "https://login.microsoftonline.com";
const MAX_SHOWN: usize = 1000;

static TENANTS: LazyLock<Tenant> = LazyLock::new(|| Tenant {
    id: TENANT.parse().unwrap(),
    authority: Url::parse(AUTHORITY).unwrap(),
    audiences: Vec::new(),
    caller_audiences: Vec::new(),
    signing_app: None,
    graph: None,
});

/// `data` is a document.
pub(crate) fn check(data: &[u8]) -> bool {
    let mut believed = 0;
    for version in TokenVersion::ALL {
        match Discovery::new(&TENANTS, version).read(data) {
            Ok((issuer, keys)) => {
                believed += 1;
                assert_eq!(keys.origin(), TENANTS.authority.origin());
                let end = if version == TokenVersion::V2 { "/v2.0" } else { "/" };
                let host = issuer.strip_prefix("https://").and_then(|rest| rest.strip_suffix(end));
                let (host, tenant) = host.and_then(|rest| rest.split_once('/')).unwrap();
                assert!(tenant == TENANT || tenant == "{tenantid}", "{issuer}");
                assert!(!host.is_empty() && !host.contains(['/', '@', '?', '#', '\\']), "{issuer}");
                says(data, "issuer", |text| text == issuer);
                says(data, "jwks_uri", |text| Url::parse(text).is_ok_and(|url| url == keys));
            }
            Err(error) => {
                let shown = error.to_string();
                assert!(shown.len() < MAX_SHOWN, "{} bytes", shown.len());
                assert!(
                    shown.chars().all(|one| (' '..='~').contains(&one) || one == '…'),
                    "{shown:?}"
                );
            }
        }
    }
    assert!(believed < 2, "both versions at once (A100)");
    believed > 0
}

/// The document says so once, where a strict reader can read it at all.
fn says(data: &[u8], name: &str, good: impl Fn(&str) -> bool) {
    let Some(document) = strict::read(data) else { return };
    assert!(document.only(name).and_then(Value::text).is_some_and(good), "{name}");
}
