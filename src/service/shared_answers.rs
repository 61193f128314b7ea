//! Answers that another replica prepared. They are held to everything that our own are held to:
//! the configuration, the key that signed the token, what was revoked, and time.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::snapshot::Caller;
use super::standing::Standing;
use super::tokens::{Own, Token, Vetted};
use super::verdict_cache::{Entry, Question};
use crate::domain::answer::TokenIssuer;
use crate::domain::cluster::KeySource;
use crate::domain::lineage::Exposure;
use crate::domain::tenant::IssuerId;
use crate::ports::{Clock, IssuerKeys, SharedAnswers};
use crate::protocol::ids::Fingerprint;
use crate::protocol::jwk::VerificationKey;
use crate::protocol::time::UnixTime;

/// Reads and writes them.
#[derive(Debug)]
pub struct Answers {
    /// Where they are.
    pub shared: Arc<dyn SharedAnswers>,
    /// The keys that tokens of others are signed with.
    pub keys: Arc<dyn IssuerKeys>,
    /// The keys that ours are signed with, and what was revoked.
    pub own: Own,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// An answer as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    until: UnixTime,
    signed: Signed,
    exposures: Box<[Exposure]>,
    body: String,
}

/// By which key, so that the answer ends with it.
#[derive(Debug, Serialize, Deserialize)]
enum Signed {
    /// By none: an opaque token.
    No,
    /// By one of ours.
    Here([u8; 32]),
    /// By one of an issuer's: tenant, version, key.
    ByEntra(String, String, [u8; 32]),
}

impl Answers {
    /// The answer that stands, if another replica has prepared one.
    pub(super) async fn find(&self, caller: &Caller, question: &Question) -> Option<Entry> {
        // Read first: what is revoked while this goes on is noticed at the next use.
        let epoch = self.own.revocations.epoch();
        let record = self.shared.find(&name(caller, question)).await?;
        let Record { until, signed, exposures, body } = serde_json::from_slice(&record).ok()?;
        let (issuer, key) = match signed {
            Signed::No => (TokenIssuer::Tessera, None),
            Signed::Here(key) => (TokenIssuer::Tessera, Some(self.own_key(key)?)),
            Signed::ByEntra(tenant, version, key) => {
                let key = self.key_of(&tenant, &version, key)?;
                (TokenIssuer::Tenant(tenant.parse().ok()?), Some(key))
            }
        };
        if self.own.revocations.is_revoked(&exposures) {
            return None;
        }
        let standing = Standing::new(until, key, exposures, epoch);
        let stands = standing.stands(self.clock.now(), &*self.own.revocations);
        stands.then(|| Entry { body: Bytes::from(body), issuer, standing: Arc::new(standing) })
    }

    /// Gives an answer about `vetted`, good until `until`, to the others.
    pub(super) fn keep(
        &self,
        (caller, question): (&Caller, &Question),
        vetted: &Vetted,
        until: UnixTime,
        body: &[u8],
    ) {
        let Ok(body) = String::from_utf8(body.to_vec()) else { return };
        let (expires, signed) = match &vetted.token {
            Token::Entra(token) => {
                let IssuerId { tenant, version } = token.issuer;
                let key = named(token.signed.key());
                let version = version.as_str().to_owned();
                (token.expires, Signed::ByEntra(tenant.to_string(), version, key))
            }
            Token::Issued { token, key: Some(key) } => (token.expires, Signed::Here(named(key))),
            Token::Issued { token, key: None } => (token.expires, Signed::No),
        };
        let until = until.min(expires);
        let record = Record { until, signed, exposures: vetted.exposures().into(), body };
        if let Ok(record) = serde_json::to_vec(&record) {
            let life = until.since(self.clock.now());
            self.shared.keep(&name(caller, question), record, life);
        }
    }

    fn own_key(&self, wanted: [u8; 32]) -> Option<Arc<VerificationKey>> {
        let public = self.own.signer.public_keys();
        public.keys.keys().iter().find(|key| named(key) == wanted).cloned()
    }

    fn key_of(
        &self,
        tenant: &str,
        version: &str,
        wanted: [u8; 32],
    ) -> Option<Arc<VerificationKey>> {
        let issuer = IssuerId { tenant: tenant.parse().ok()?, version: version.parse().ok()? };
        let set = self.keys.current(KeySource::Entra(issuer), self.clock.now())?;
        set.keys.keys().iter().find(|key| named(key) == wanted).cloned()
    }
}

fn named(key: &VerificationKey) -> [u8; 32] {
    key.fingerprint().first()
}

/// The exact token, for one client, under what decides about it, in one version. The parts have fixed
/// lengths but for the last, so no two are one.
fn name(caller: &Caller, question: &Question) -> String {
    let text = |print: &Fingerprint| BASE64_URL_SAFE_NO_PAD.encode(print.first::<32>());
    format!(
        "answer {} {} {} {}",
        text(&caller.basis.answers),
        text(&question.token),
        env!("CARGO_PKG_VERSION"),
        caller.client.id,
    )
}
