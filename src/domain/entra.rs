//! Which issuer and which key may vouch for an Entra token.
//!
//! Everything here looks at a token that is not believed yet. What it says only selects among
//! what is configured and what discovery told; it never adds a source of keys (A30…A32, A90).

use std::borrow::Cow;
use std::sync::Arc;

use super::claims;
use super::rejection::{Reason, Rejection};
use super::tenant::{IssuerId, Tenant, TokenVersion};
use crate::protocol::ids::Guid;
use crate::protocol::json::Object;
use crate::protocol::jwk::{KeySet, VerificationKey};
use crate::protocol::jws::{Header, JwsError, SignatureError};

/// The one algorithm of Entra's keys.
const ALGORITHM: &str = "RS256";
/// What stands in the issuer of a document for many tenants, in place of the tenant (ENT-02).
const TENANT_PLACEHOLDER: &str = "{tenantid}";

/// The text could not be read as a signed token.
impl From<JwsError> for Rejection {
    fn from(error: JwsError) -> Self {
        match error {
            JwsError::TooLarge => Self::new(Reason::TokenTooLarge),
            JwsError::Encrypted => Self::new(Reason::TokenEncrypted),
            JwsError::NotCompact | JwsError::Encoding => Self::new(Reason::TokenMalformed),
            JwsError::Header(inner) => Self::new(Reason::TokenMalformed).at("header").found(inner),
            JwsError::Payload(inner) => {
                Self::new(Reason::TokenMalformed).at("payload").found(inner)
            }
            JwsError::HeaderMember("alg") => {
                Self::new(Reason::AlgorithmNotAccepted).at("alg").expected(ALGORITHM)
            }
            JwsError::HeaderMember(name) => Self::new(Reason::HeaderUnsupported)
                .at(name)
                .expected("at most 256 printable ASCII characters"),
            JwsError::HeaderUnsupported(name) => {
                Self::new(Reason::HeaderUnsupported).at(name).expected("no such member")
            }
        }
    }
}

/// The key did not make this signature.
impl From<SignatureError> for Rejection {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Algorithm => {
                Self::new(Reason::AlgorithmNotAccepted).at("alg").expected(ALGORITHM)
            }
            SignatureError::Mismatch => Self::new(Reason::SignatureInvalid),
        }
    }
}

/// Checks what the header asks for, and gives the name of the key (ENT-06).
pub fn key_id(header: &Header) -> Result<&str, Rejection> {
    if header.alg != ALGORITHM {
        let refused = Rejection::new(Reason::AlgorithmNotAccepted).at("alg");
        return Err(refused.expected(ALGORITHM).found(&header.alg));
    }
    if header.has_nonce {
        return Err(Rejection::new(Reason::GraphToken).at("nonce").expected("no such member"));
    }
    match header.typ.as_deref() {
        None | Some("JWT") => {}
        Some(other) => {
            let refused = Rejection::new(Reason::TypeNotAccepted).at("typ");
            return Err(refused.expected("JWT").found(other));
        }
    }
    header.kid.as_deref().ok_or_else(|| Rejection::new(Reason::KidMissing).at("kid"))
}

/// The configured tenant and version whose issuer the token names by `tid` and `ver`.
pub fn issuer<'t>(
    unverified: &Object,
    tenants: &'t [Tenant],
) -> Result<(&'t Tenant, IssuerId), Rejection> {
    if !unverified.has("tid") {
        let refused = Rejection::new(Reason::IssuerNotAccepted).at("iss");
        let found = claims::text(unverified, "iss")?.unwrap_or("nothing");
        return Err(refused.expected("an Entra tenant (with `tid`)").found(found));
    }
    let id = claims::guid(unverified, "tid")?;
    let tenant = tenants.iter().find(|tenant| tenant.id == id).ok_or_else(|| {
        let configured: Vec<_> = tenants.iter().map(|tenant| tenant.id.to_string()).collect();
        Rejection::new(Reason::TenantNotAccepted)
            .at("tid")
            .expected(format_args!("one of {}", configured.join(", ")))
            .found(id)
    })?;
    let named = claims::required_text(unverified, "ver")?;
    let version = TokenVersion::ALL.into_iter().find(|version| version.as_str() == named);
    let version = version.ok_or_else(|| {
        Rejection::new(Reason::VersionNotAccepted).at("ver").expected("1.0 or 2.0").found(named)
    })?;
    Ok((tenant, IssuerId { tenant: id, version }))
}

/// Checks that `iss` is exactly the issuer that discovery told for this tenant and version.
pub fn check_issuer(
    unverified: &Object,
    issuer: IssuerId,
    discovered: &str,
) -> Result<(), Rejection> {
    let named = claims::required_text(unverified, "iss")?;
    let expected = for_tenant(discovered, issuer.tenant);
    if named == expected {
        return Ok(());
    }
    Err(Rejection::new(Reason::IssuerMismatch).at("iss").expected(expected).found(named))
}

/// The issuer's key of this name, if the key may sign for the issuer (ENT-03, A37, A99).
pub fn key(
    keys: &KeySet,
    kid: &str,
    issuer: IssuerId,
    discovered: &str,
) -> Result<Arc<VerificationKey>, Rejection> {
    let iss = for_tenant(discovered, issuer.tenant);
    let mut foreign = None;
    for key in keys.keys().iter().filter(|key| key.kid() == Some(kid)) {
        match key.issuer() {
            None => return Ok(Arc::clone(key)),
            Some(owner) if for_tenant(owner, issuer.tenant) == iss => return Ok(Arc::clone(key)),
            Some(owner) => foreign = Some(owner),
        }
    }
    let refused = |reason| Rejection::new(reason).at("kid");
    Err(match foreign {
        Some(owner) => refused(Reason::KeyNotForIssuer)
            .expected(format_args!("a key of {iss}"))
            .found(format_args!("a key of {owner}")),
        None => refused(Reason::KeyUnknown).expected(format_args!("a key of {iss}")).found(kid),
    })
}

/// `issuer` with the tenant in place of the placeholder, if it has one.
fn for_tenant(issuer: &str, tenant: Guid) -> Cow<'_, str> {
    if issuer.contains('{') {
        Cow::Owned(issuer.replace(TENANT_PLACEHOLDER, &tenant.to_string()))
    } else {
        Cow::Borrowed(issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
    const OTHER: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

    fn tenants() -> Vec<Tenant> {
        vec![Tenant {
            id: HOME.parse().unwrap(),
            authority: "https://login.microsoftonline.com".parse().unwrap(),
            audiences: vec!["api://orders".to_owned()],
            caller_audiences: vec![],
            signing_app: None,
            graph: None,
        }]
    }

    fn select(payload: &str) -> Result<IssuerId, Reason> {
        let claims = Object::parse(payload.as_bytes()).unwrap();
        issuer(&claims, &tenants()).map(|(_, id)| id).map_err(|refused| refused.reason)
    }

    #[test]
    fn only_a_configured_tenant_in_its_one_spelling_is_an_issuer() {
        let found = select(&format!(r#"{{"tid":"{HOME}","ver":"2.0"}}"#)).unwrap();
        assert_eq!(found.version, TokenVersion::V2);
        let upper = HOME.to_uppercase();
        for (payload, reason) in [
            (r#"{"iss":"https://evil.example"}"#.to_owned(), Reason::IssuerNotAccepted),
            (format!(r#"{{"tid":"{OTHER}","ver":"2.0"}}"#), Reason::TenantNotAccepted),
            (format!(r#"{{"tid":"{upper}","ver":"2.0"}}"#), Reason::ClaimMalformed),
            (format!(r#"{{"tid":"{{{HOME}}}","ver":"2.0"}}"#), Reason::ClaimMalformed),
            (format!(r#"{{"tid":["{HOME}"],"ver":"2.0"}}"#), Reason::ClaimMalformed),
            (format!(r#"{{"tid":"{HOME}","ver":"3.0"}}"#), Reason::VersionNotAccepted),
            (format!(r#"{{"tid":"{HOME}"}}"#), Reason::ClaimMissing),
        ] {
            assert_eq!(select(&payload), Err(reason), "A90, A96…A98, A100 {payload}");
        }
    }

    #[test]
    fn the_issuer_is_compared_exactly_after_the_template() {
        let id = IssuerId { tenant: HOME.parse().unwrap(), version: TokenVersion::V2 };
        let check = |iss: &str, discovered: &str| {
            let claims = Object::parse(format!(r#"{{"iss":"{iss}"}}"#).as_bytes()).unwrap();
            check_issuer(&claims, id, discovered).is_ok()
        };
        let base = "https://login.microsoftonline.com";
        let good = format!("{base}/{HOME}/v2.0");
        let template = format!("{base}/{{tenantid}}/v2.0");
        assert!(check(&good, &good) && check(&good, &template), "ENT-02");
        for bad in [
            format!("{good}/"),
            good.replace("https", "http"),
            good.replace(".com", ".com:443"),
            good.replace(".com", ".us"),
            format!("{base}/{OTHER}/v2.0"),
            format!("{base}/common/v2.0"),
            template.clone(),
        ] {
            assert!(!check(&bad, &template) && !check(&bad, &good), "A92…A95, A101 {bad}");
        }
    }
}
