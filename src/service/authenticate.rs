//! Who is calling: secrets, assertions, and the caller's own Entra token.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, LazyLock};

use secrecy::{ExposeSecret as _, SecretString};

use super::identify::Unidentified;
use super::snapshot::{Caller, Snapshot};
use super::standing::Standing;
use super::tokens::Tokens;
use super::views::ViewId;
use crate::domain::assertion;
use crate::domain::audit::record::{Event, Origin, Record};
use crate::ports::{
    AuditTrail, Clock, ReplayGuard, Revocations, Throttle, ThrottleKey, Unavailable,
};
use crate::protocol::client_auth::{Method, Presented};
use crate::protocol::ids::{ClientId, Fingerprint, SecretDigest};
use crate::protocol::jwk::VerificationKey;
use crate::protocol::jws::{Header, UnverifiedJwt};
use crate::protocol::time::UnixTime;

/// Why a caller is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// The credentials prove nothing; why is for the operator only.
    #[error("{why}")]
    Invalid {
        /// How the caller tried.
        method: Method,
        /// What was wrong.
        why: String,
    },
    /// Too many failures; seconds to wait.
    #[error("too many failures; retry after {0} s")]
    Throttled(u64),
    /// It cannot be known.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

/// What authentication works with.
#[derive(Debug)]
pub struct Authenticator {
    /// Verifies the caller's own Entra token.
    pub tokens: Arc<Tokens>,
    /// Slows down who guesses.
    pub throttle: Arc<dyn Throttle>,
    /// Knows the assertions that were used.
    pub replay: Arc<dyn ReplayGuard>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Bearer tokens that were good a moment ago.
    pub bearers: BearerCache,
    /// Records who was not let in.
    pub audit: Arc<dyn AuditTrail>,
}

/// Verified bearer tokens of callers; each stands as long as its token, its key and its view, and
/// while nothing it rests on is revoked.
pub struct BearerCache {
    known: quick_cache::sync::Cache<Fingerprint, KnownBearer>,
    revocations: Arc<dyn Revocations>,
}

/// A caller's token that was verified, and for how long that stands.
#[derive(Clone, Debug)]
struct KnownBearer {
    client: ClientId,
    view: ViewId,
    standing: Arc<Standing>,
}

impl std::fmt::Debug for BearerCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BearerCache").finish_non_exhaustive()
    }
}

impl BearerCache {
    /// A cache that forgets what is in `revocations`.
    pub fn new(revocations: Arc<dyn Revocations>) -> Self {
        Self { known: quick_cache::sync::Cache::new(1024), revocations }
    }

    /// The client as it is registered now: what else has changed about it holds at once.
    fn get(&self, token: &str, snapshot: &Snapshot, now: UnixTime) -> Option<Arc<Caller>> {
        let known = self.known.get(&Fingerprint::of(token.as_bytes()))?;
        let registered = snapshot.caller(&known.client)?;
        let stands = known.standing.stands(now, &*self.revocations);
        (stands && registered.view == known.view).then(|| Arc::clone(registered))
    }

    pub(super) fn keep(&self, token: &str, caller: &Caller, standing: Standing) {
        let (client, view) = (caller.client.id.clone(), caller.view);
        let known = KnownBearer { client, view, standing: Arc::new(standing) };
        self.known.insert(Fingerprint::of(token.as_bytes()), known);
    }
}

/// Compared with when there is no such client, so that both cases take the same time (A201).
static NOBODY: LazyLock<SecretDigest> = LazyLock::new(|| SecretDigest::of(""));

impl Authenticator {
    /// The client that `presented` proves, calling from `source`. A failure is on record before it
    /// is told; who is throttled was, and is not recorded again.
    pub async fn authenticate(
        &self,
        snapshot: &Snapshot,
        presented: &Presented<'_>,
        source: IpAddr,
        origin: Origin<'_>,
    ) -> Result<Arc<Caller>, Denied> {
        let proved = self.prove(snapshot, presented, source).await;
        if let Err(Denied::Invalid { method, why }) = &proved {
            let client = snapshot.client_claimed(presented);
            self.record((*method, why), client, source, origin).await?;
        }
        proved
    }

    /// Why a caller from `source` is not let in that presents nothing which could be checked: a
    /// failure like any other that names no client, on record before it is told.
    pub async fn turn_away(
        &self,
        (method, why): (Method, &str),
        source: IpAddr,
        origin: Origin<'_>,
    ) -> Denied {
        let key = || throttle_key(source, None);
        if let Err(throttled) = self.admit(key) {
            return throttled;
        }
        self.throttle.failed(&key());
        match self.record((method, why), None, source, origin).await {
            Ok(()) => Denied::Invalid { method, why: why.to_owned() },
            Err(unavailable) => unavailable.into(),
        }
    }

    async fn record(
        &self,
        (method, why): (Method, &str),
        client: Option<&ClientId>,
        source: IpAddr,
        origin: Origin<'_>,
    ) -> Result<(), Unavailable> {
        let mut record = Record::new(Event::AuthenticationFailed).from(origin).detail(why);
        record.client = client.map(ToString::to_string);
        record.source = Some(source.to_string());
        record.method = Some(method.as_str());
        self.audit.accept(record.refused("credentials_invalid")).await
    }

    async fn prove(
        &self,
        snapshot: &Snapshot,
        presented: &Presented<'_>,
        source: IpAddr,
    ) -> Result<Arc<Caller>, Denied> {
        match presented {
            Presented::Secret { client_id, secret, method } => {
                let caller = snapshot.caller_named(client_id);
                let key = || throttle_key(source, caller);
                self.admit(key)?;
                self.settle(by_secret(caller, secret), key, *method)
            }
            Presented::Assertion { assertion, client_id } => {
                let key = || throttle_key(source, Self::claimed(snapshot, assertion));
                self.admit(key)?;
                let proved = match self.identify(snapshot, assertion, *client_id).await {
                    Err(Unidentified::Unavailable(unavailable)) => return Err(unavailable.into()),
                    Err(Unidentified::Invalid(why)) => Err(why),
                    Ok(identified) => Ok(identified.caller),
                };
                self.settle(proved, key, Method::PrivateKeyJwt)
            }
            Presented::Bearer { token, client_id } => {
                let caller = self.by_bearer(snapshot, token, source).await?;
                if client_id.is_some_and(|named| named != caller.client.id.as_str()) {
                    let why = "`client_id` names another client than the token".to_owned();
                    return Err(Denied::Invalid { method: Method::Bearer, why });
                }
                Ok(caller)
            }
        }
    }

    /// Whether `key` may try. The key is made only if somebody failed before: mostly nobody did.
    fn admit(&self, key: impl FnOnce() -> ThrottleKey) -> Result<(), Denied> {
        if self.throttle.is_idle() {
            return Ok(());
        }
        self.throttle.admit(&key()).map_err(Denied::Throttled)
    }

    fn settle(
        &self,
        proved: Result<Arc<Caller>, String>,
        key: impl FnOnce() -> ThrottleKey,
        method: Method,
    ) -> Result<Arc<Caller>, Denied> {
        proved.map_err(|why| {
            self.throttle.failed(&key());
            Denied::Invalid { method, why }
        })
    }

    /// By an assertion that the client signed, and until when that proves anything.
    pub(super) async fn by_assertion(
        &self,
        snapshot: &Snapshot,
        caller: Option<&Arc<Caller>>,
        jwt: UnverifiedJwt<'_>,
    ) -> Result<(Arc<Caller>, UnixTime), Unidentified> {
        let invalid = |why: &str| Unidentified::Invalid(why.to_owned());
        let caller = caller.ok_or_else(|| invalid("no such client"))?;
        let client = &caller.client;
        let keys = client.credentials.keys.as_ref();
        let keys = keys.ok_or_else(|| invalid("the client has no `jwks`"))?;
        let key = keys.keys().iter().find(|key| is_named(key, jwt.header()));
        let key =
            key.ok_or_else(|| invalid("the client has no key of this `kid` or `x5t#S256`"))?;
        let signed = jwt.verify(Arc::clone(key)).map_err(|error| invalid(&error.to_string()))?;
        let whose = (&client.id, client.credentials.assertion_audience);
        let once = assertion::check(&signed, whose, &snapshot.issuer, self.clock.now())
            .map_err(|error| invalid(&error.to_string()))?;
        if !self.replay.first_use(&client.id, &once.id, once.until).await? {
            return Err(invalid("`jti` was used before"));
        }
        Ok((Arc::clone(caller), once.until))
    }

    async fn by_bearer(
        &self,
        snapshot: &Snapshot,
        token: &str,
        source: IpAddr,
    ) -> Result<Arc<Caller>, Denied> {
        if let Some(caller) = self.bearers.get(token, snapshot, self.clock.now()) {
            return Ok(caller);
        }
        let key = || throttle_key(source, Self::claimed(snapshot, token));
        self.admit(key)?;
        match self.by_entra_token(snapshot, token).await {
            Ok(identified) => Ok(identified.caller),
            Err(Unidentified::Unavailable(unavailable)) => Err(unavailable.into()),
            Err(Unidentified::Invalid(why)) => {
                self.throttle.failed(&key());
                Err(Denied::Invalid { method: Method::Bearer, why })
            }
        }
    }
}

/// Failures count for one client at one address, so that nobody locks out others (A231); all
/// failures of one address that name no client count together. So do those of an IPv6 network of
/// 64 bits, which is what one host is given.
fn throttle_key(source: IpAddr, caller: Option<&Arc<Caller>>) -> ThrottleKey {
    let source = match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    };
    let name = caller.map_or("", |caller| caller.client.id.as_str());
    ThrottleKey(Fingerprint::of(format!("{source} {name}").as_bytes()))
}

fn by_secret(caller: Option<&Arc<Caller>>, secret: &SecretString) -> Result<Arc<Caller>, String> {
    let credentials = caller.map(|caller| &caller.client.credentials);
    let digest = credentials.and_then(|credentials| credentials.secret.as_ref());
    let previous = credentials.and_then(|credentials| credentials.previous_secret.as_ref());
    // Who fails has been compared with two, whether there are two or not.
    let matches = |one: Option<&SecretDigest>| {
        one.unwrap_or(&NOBODY).matches(secret.expose_secret()) && one.is_some()
    };
    match (caller, digest) {
        (Some(caller), Some(_)) if matches(digest) || matches(previous) => Ok(Arc::clone(caller)),
        (Some(_), Some(_)) => Err("the secret is wrong".to_owned()),
        (Some(_), None) => Err("the client has no secret".to_owned()),
        (None, _) => Err("no such client".to_owned()),
    }
}

/// By `kid`, or by `x5t#S256` alone, as some gateways send it (CA-09).
fn is_named(key: &VerificationKey, header: &Header) -> bool {
    match (&header.kid, &header.x5t_s256) {
        (Some(kid), _) => key.kid() == Some(kid),
        (None, Some(thumbprint)) => key.x5t_s256() == Some(thumbprint),
        (None, None) => false,
    }
}
