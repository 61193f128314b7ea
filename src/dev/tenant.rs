//! The state of the look-alike: its keys, its clock, its faults; and the handle tests hold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::apps::Api;
use super::faults::{Fault, Faults, Surface};
use super::issue::Issuer;
use super::keys::{KeyError, SigningKey, base64url};
use super::people::TENANTS;
use super::token::{TokenBuilder, raw_token};
use crate::domain::tenant::{PERSONAL_ACCOUNTS, TokenVersion};
use crate::ports::Clock;
use crate::protocol::ids::Fingerprint;
use crate::protocol::time::UnixTime;

/// Where the look-alike's keys come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySupply {
    /// New keys, as `tessera dev` wants them.
    #[default]
    Fresh,
    /// The keys this process has made before, as a test suite wants them. Two look-alikes then
    /// have the same ones.
    Pooled,
}

/// What becomes of the old key when keys rotate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldKey {
    /// Published until the next rotation.
    Kept,
    /// Gone at once, as after a compromise (A250).
    Dropped,
}

/// How a look-alike is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// When its tokens are issued.
    pub clock: Arc<dyn Clock>,
    /// Where its keys come from.
    pub keys: KeySupply,
}

/// A running look-alike, to be asked and tampered with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FakeEntra(pub(super) Arc<World>);

/// What all requests share.
#[derive(Debug)]
pub(super) struct World {
    pub(super) authority: String,
    pub(super) faults: Faults,
    clock: Arc<dyn Clock>,
    ring: Mutex<Ring>,
    graph: Mutex<GraphState>,
}

#[derive(Debug)]
struct Ring {
    supply: KeySupply,
    made: u32,
    current: SigningKey,
    old: Option<SigningKey>,
    custom: SigningKey,
    personal: SigningKey,
    extra: Vec<Value>,
}

#[derive(Debug, Default)]
struct GraphState {
    tokens: HashMap<Fingerprint, GraphToken>,
    groups: HashMap<String, Vec<String>>,
}

/// A token that was issued for Graph.
#[derive(Clone, Debug)]
pub(super) struct GraphToken {
    pub(super) tenant: String,
    pub(super) roles: Vec<String>,
    pub(super) expires: UnixTime,
}

/// The tenant segment of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Realm {
    /// `common` or `organizations`: whichever tenant the user is of.
    Any,
    /// One tenant, by id.
    Tenant(&'static str),
}

impl Realm {
    /// Reads `common`, `organizations`, a tenant's id or its name.
    pub(super) fn parse(segment: &str) -> Option<Self> {
        if matches!(segment, "common" | "organizations") {
            return Some(Self::Any);
        }
        let tenant = TENANTS.iter().find(|(name, id)| [*name, *id].contains(&segment))?;
        Some(Self::Tenant(tenant.1))
    }

    /// The tenant's id, or the placeholder that Entra writes for it.
    pub(super) const fn tenant(self) -> &'static str {
        match self {
            Self::Any => "{tenantid}",
            Self::Tenant(id) => id,
        }
    }
}

impl Ring {
    fn new(supply: KeySupply) -> Result<Self, KeyError> {
        let make = |name| match supply {
            KeySupply::Fresh => SigningKey::rsa(),
            KeySupply::Pooled => SigningKey::pooled(name),
        };
        Ok(Self {
            supply,
            made: 0,
            current: make("entra 0")?,
            old: None,
            custom: make("entra custom")?,
            personal: make("entra personal")?,
            extra: Vec::new(),
        })
    }

    fn rotate(&mut self, old: OldKey) -> Result<(), KeyError> {
        self.made = self.made.saturating_add(1);
        let next = match self.supply {
            KeySupply::Fresh => SigningKey::rsa()?,
            KeySupply::Pooled => SigningKey::pooled(&format!("entra {}", self.made))?,
        };
        let before = std::mem::replace(&mut self.current, next);
        self.old = (old == OldKey::Kept).then_some(before);
        Ok(())
    }
}

impl World {
    pub(super) fn new(authority: String, options: Options) -> Result<Self, KeyError> {
        Ok(Self {
            authority,
            faults: Faults::default(),
            clock: options.clock,
            ring: Mutex::new(Ring::new(options.keys)?),
            graph: Mutex::default(),
        })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn graph(&self) -> MutexGuard<'_, GraphState> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    pub(super) fn issuer(&self, tenant: &str) -> Issuer {
        Issuer { authority: self.authority.clone(), tenant: tenant.to_owned(), now: self.now() }
    }

    pub(super) fn rotate(&self, old: OldKey) -> Result<SigningKey, KeyError> {
        let mut ring = self.ring();
        ring.rotate(old)?;
        Ok(ring.current.clone())
    }

    /// The entries of a key set. Where tenants mix, issuers are templates, and the key of personal
    /// accounts is there too (ENT-03).
    pub(super) fn key_set(&self, realm: Realm, version: TokenVersion, custom: bool) -> Vec<Value> {
        let issuer = |tenant| self.issuer(tenant).name(version);
        let ring = self.ring();
        if custom {
            return vec![ring.custom.entra_jwk(&issuer(realm.tenant()))];
        }
        let shared = std::iter::once(&ring.current).chain(&ring.old);
        let mut keys: Vec<_> = shared.map(|key| key.entra_jwk(&issuer(realm.tenant()))).collect();
        if realm == Realm::Any {
            keys.push(ring.personal.entra_jwk(&issuer(PERSONAL_ACCOUNTS)));
        }
        keys.extend(ring.extra.iter().cloned());
        keys
    }

    /// Signs as the API's registration has it.
    pub(super) fn sign(&self, token: &TokenBuilder, api: &Api) -> Result<String, KeyError> {
        let ring = self.ring();
        let key = if api.has_custom_key { &ring.custom } else { &ring.current };
        token.sign(key)
    }

    /// Signs what is not for an API: ID tokens.
    pub(super) fn sign_shared(&self, token: &TokenBuilder) -> Result<String, KeyError> {
        token.sign(&self.ring().current)
    }

    /// Signs a token for Graph: over a header whose `nonce` is hashed, so that only those who know
    /// that can check it (ENT-06). Graph here knows its tokens by heart.
    pub(super) fn sign_for_graph(&self, token: &TokenBuilder) -> Result<String, KeyError> {
        let key = self.ring().current.clone();
        let nonce = base64url(token.payload().get(..24).unwrap_or_default());
        let hashed = Fingerprint::of(nonce.as_bytes()).to_string();
        let hidden = token.clone().header("nonce", hashed).sign(&key)?;
        let signature = hidden.rsplit('.').next().unwrap_or_default();
        let shown = token.clone().header("nonce", nonce);
        let shown = raw_token(&shown.header_for(&key), &shown.payload(), |_| Vec::new());
        Ok(format!("{shown}{signature}"))
    }

    pub(super) fn remember_graph_token(&self, token: &str, rights: GraphToken) {
        self.graph().tokens.insert(Fingerprint::of(token.as_bytes()), rights);
    }

    pub(super) fn graph_token(&self, token: &str) -> Option<GraphToken> {
        let known = self.graph().tokens.get(&Fingerprint::of(token.as_bytes())).cloned();
        known.filter(|token| self.now() < token.expires)
    }

    /// The groups a test has set for an object id.
    pub(super) fn groups_set_for(&self, oid: &str) -> Option<Vec<String>> {
        self.graph().groups.get(oid).cloned()
    }
}

impl FakeEntra {
    /// Scheme, host and port, without a slash at the end; Graph's address too.
    pub fn authority(&self) -> &str {
        &self.0.authority
    }

    /// A tenant as an issuer of tokens, at the present moment.
    pub fn issuer(&self, tenant: &str) -> Issuer {
        self.0.issuer(tenant)
    }

    /// `token`, signed by the present key.
    pub fn sign(&self, token: &TokenBuilder) -> Result<String, KeyError> {
        self.0.sign_shared(token)
    }

    /// The present key.
    pub fn signing_key(&self) -> SigningKey {
        self.0.ring().current.clone()
    }

    /// The key of APIs with a key of their own (ENT-11).
    pub fn custom_key(&self) -> SigningKey {
        self.0.ring().custom.clone()
    }

    /// The key of personal accounts, which only `/common` and `/organizations` publish.
    pub fn personal_key(&self) -> SigningKey {
        self.0.ring().personal.clone()
    }

    /// Signs with a new key from now on; answers that key.
    pub fn rotate(&self, old: OldKey) -> Result<SigningKey, KeyError> {
        self.0.rotate(old)
    }

    /// Adds an entry to every key set but those of custom keys.
    pub fn publish(&self, jwk: Value) {
        self.0.ring().extra.push(jwk);
    }

    /// From now on Graph says that `oid` is a member of these.
    pub fn set_groups(&self, oid: &str, groups: Vec<String>) {
        self.0.graph().groups.insert(oid.to_owned(), groups);
    }

    /// From now on `surface` misbehaves like this.
    pub fn set_fault(&self, surface: Surface, fault: Fault) {
        self.0.faults.set(surface, fault);
    }

    /// All is well again; requests that hang are answered.
    pub fn heal(&self) {
        for surface in Surface::ALL {
            self.set_fault(surface, Fault::None);
        }
    }

    /// How often `surface` was asked, whatever it answered.
    pub fn requests(&self, surface: Surface) -> u64 {
        self.0.faults.requests(surface)
    }

    /// How often `path` was asked for, with whatever query.
    pub fn requests_to(&self, path: &str) -> u64 {
        self.0.faults.requests_to(path)
    }

    /// What callers said about their traces, the last few of them (W3C Trace Context).
    pub fn traceparents(&self) -> Vec<String> {
        self.0.faults.traceparents()
    }

    /// Waits until `surface` has been asked `count` times in all, answered or not.
    pub async fn arrived(&self, surface: Surface, count: u64) {
        self.0.faults.arrived(surface, count).await;
    }

    /// The key set of a tenant, as it is published now.
    pub fn key_set(&self, tenant: &str, version: TokenVersion) -> Option<Value> {
        let realm = Realm::parse(tenant)?;
        Some(json!({ "keys": self.0.key_set(realm, version, false) }))
    }
}
