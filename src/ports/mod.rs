//! What the services need from outside, as traits; `adapters` provides it.

mod measures;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::domain::audit::record::{Event, Introspections, Record};
use crate::domain::cluster::KeySource;
use crate::domain::keyring::{KeyStatus, Rotation, SigningAlgorithm, UnknownKey};
use crate::domain::lineage::Exposure;
use crate::domain::principal::{PrincipalId, PrincipalType};
use crate::domain::revocation::Mark;
use crate::protocol::ids::{ClientId, Fingerprint};
use crate::protocol::jwk::KeySet;
use crate::protocol::time::{Seconds, UnixTime};

pub use measures::{CacheStatus, Calls, FAR, NEAR, SPREAD, StoreMeasures, Tally, Timing, Upstream};

/// Something we depend on did not answer, so the truth is not known: 503, never a guess (INT-28).
#[derive(Clone, Debug, thiserror::Error)]
#[error("{dependency} is unavailable: {detail}")]
pub struct Unavailable {
    /// What did not answer.
    pub dependency: Dependency,
    /// What happened, for the operator; holds no token and no secret.
    pub detail: String,
}

/// What can be unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Dependency {
    /// What keeps the audit trail: what cannot be recorded is not granted.
    Audit,
    /// The decision itself, for which nobody could wait any longer.
    Decision,
    /// An issuer's discovery document or key set.
    IssuerKeys,
    /// Microsoft Graph.
    Graph,
    /// The source of randomness.
    Random,
    /// The key that signs our own answers.
    SigningKey,
    /// What keeps opaque tokens and revocations.
    Store,
}

/// What time it is. Never goes back.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present moment.
    fn now(&self) -> UnixTime;

    /// How far that is ahead of what the clock of this host says, because that was set back.
    fn ahead(&self) -> Duration {
        Duration::ZERO
    }
}

/// What discovery told about one issuer, and its keys at one moment.
#[derive(Debug)]
pub struct IssuerKeySet {
    /// The issuer (`iss`) as its discovery document spells it; may hold the literal `{tenantid}`.
    pub issuer: String,
    /// The usable keys.
    pub keys: KeySet,
    /// When they were fetched.
    pub fetched_at: UnixTime,
}

/// Why a key set is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum FetchReason {
    /// There is none yet, or it is too old to be trusted.
    Missing,
    /// A token names a `kid` that the present set does not have.
    UnknownKid,
    /// It is time.
    Age,
}

/// How the key set of one issuer is doing.
#[derive(Clone, Debug)]
pub struct IssuerStatus {
    /// Which issuer.
    pub issuer: KeySource,
    /// Where its discovery document is, or else its keys.
    pub document: String,
    /// How many keys are usable; 0 when there is no set.
    pub keys: usize,
    /// How many entries of the document were unusable.
    pub skipped: usize,
    /// When the set was asked for.
    pub fetched_at: Option<UnixTime>,
    /// Whether it may be trusted now.
    pub trusted: bool,
    /// Whether a replica without its keys leaves requests to others. Not so for an issuer that came
    /// while the service ran and has had no keys yet: see [`ready`].
    pub expected: bool,
    /// Attempts since the start that were good, and those that were not.
    pub attempts: (u64, u64),
    /// How often a token named a key that the set did not have.
    pub unknown_keys: u64,
    /// Failed attempts since the last good one.
    pub failures: u32,
    /// Why the last attempt failed; `None` when it was good.
    pub last_error: Option<String>,
}

/// Whether every tenant among `issuers` has a set that may be trusted.
///
/// A replica that cannot yet answer for all its tenants leaves the requests to those that can.
/// A set is trusted for long (`max_stale`), so an outage does not make running ones unready.
/// Clusters do not count: their keys let a few callers in, and must not shut all others out. Nor
/// does a tenant that was added lately and whose keys nobody could fetch yet: every replica learns
/// of it at the same time, and all would be away.
pub fn ready(issuers: &[IssuerStatus]) -> bool {
    let entra = |issuer: &IssuerStatus| matches!(issuer.issuer, KeySource::Entra(_));
    let counts = |issuer: &&IssuerStatus| entra(issuer) && issuer.expected;
    issuers.iter().filter(counts).all(|issuer| issuer.trusted)
}

/// The key sets of the configured issuers. Fetches only from configured authorities.
#[async_trait]
pub trait IssuerKeys: Send + Sync + std::fmt::Debug {
    /// The last good set, if it may still be trusted at `now`. Never waits.
    fn current(&self, issuer: KeySource, now: UnixTime) -> Option<Arc<IssuerKeySet>>;

    /// A set as fresh as the rules allow: fetches it, or joins a fetch under way, or, within the
    /// cooldown after the last fetch, answers the present set.
    ///
    /// Unavailable when the last attempt failed: then a `kid` we do not know may well be good.
    async fn fetch(
        &self,
        issuer: KeySource,
        reason: FetchReason,
    ) -> Result<Arc<IssuerKeySet>, Unavailable>;

    /// How each configured issuer is doing at `now`, in order.
    fn status(&self, now: UnixTime) -> Vec<IssuerStatus>;
}

/// The groups of principals whose token does not list them. Called only for tenants with Graph
/// access configured.
#[async_trait]
pub trait GroupDirectory: Send + Sync + std::fmt::Debug {
    /// The groups of `principal`, from the cache or from Graph; one request for many askers.
    async fn groups(
        &self,
        principal: PrincipalId,
        kind: PrincipalType,
    ) -> Result<Membership, Unavailable>;

    /// Whether Graph access is configured for the principal's tenant.
    fn covers(&self, principal: PrincipalId) -> bool;
}

/// The groups of one principal as Graph told them.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Group object ids.
    pub groups: Arc<[String]>,
    /// Until when this may be used.
    pub valid_until: UnixTime,
}

/// Remembers what may be used once.
#[async_trait]
pub trait ReplayGuard: Send + Sync + std::fmt::Debug {
    /// Whether `id` is used by `client` for the first time; it is remembered until `expires`.
    /// `false` also when nothing more can be remembered: then nobody can be sure.
    async fn first_use(
        &self,
        client: &ClientId,
        id: &str,
        expires: UnixTime,
    ) -> Result<bool, Unavailable>;
}

/// How far a revocation reaches when it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To every replica, within the promised time.
    Everywhere,
    /// To this one; to the others as soon as they can be told.
    HereForNow,
}

/// What was revoked.
#[async_trait]
pub trait Revocations: Send + Sync + std::fmt::Debug {
    /// A number that every revocation changes: what was decided under another one may be wrong.
    /// Never waits.
    fn epoch(&self) -> u64;

    /// Whether enough is known to decide by. Never waits.
    fn known(&self) -> Result<(), Unavailable>;

    /// Whether any of `exposures` is revoked. Never waits.
    fn is_revoked(&self, exposures: &[Exposure]) -> bool;

    /// Revokes. From the answer on, whatever it is, nothing that the mark ends is good here.
    async fn revoke(&self, mark: Mark) -> Result<Reach, Unavailable>;

    /// How many revocations hold and would not outlive a restart, though they should. Never waits.
    fn unwritten(&self) -> usize {
        0
    }
}

/// What is behind opaque tokens, kept under the digest of each: whoever sees the digests has no
/// token.
#[async_trait]
pub trait OpaqueTokens: Send + Sync + std::fmt::Debug {
    /// Keeps `claims` under `id` until `expires`.
    async fn keep(
        &self,
        id: Fingerprint,
        claims: Bytes,
        expires: UnixTime,
    ) -> Result<(), Unavailable>;

    /// What is kept under `id`.
    async fn find(&self, id: Fingerprint) -> Result<Option<Bytes>, Unavailable>;
}

/// How a replica stands to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum StoreState {
    /// It has not yet read what the others know.
    Joining,
    /// It knows what the others know.
    Current,
    /// It may not know what the others learnt lately.
    Behind,
}

/// How what replicas share is doing.
#[derive(Clone, Debug)]
pub struct StoreStatus {
    /// How this replica stands to the others.
    pub state: StoreState,
    /// Whether there is a connection.
    pub connected: bool,
    /// What the configuration says about outages.
    pub policy: &'static str,
    /// Whether decisions are made now.
    pub decides: bool,
    /// How long ago it was proved that nothing was missed; `None`: never yet.
    pub proof_age: Option<Duration>,
    /// Revocations that the others were not told yet.
    pub waiting: usize,
    /// How often everything was read.
    pub synchronisations: u64,
    /// Revocations of other replicas that were learnt while this one was in step with them.
    pub learnt: u64,
    /// Why there is no connection.
    pub last_error: Option<String>,
}

/// What replicas share.
pub trait SharedStore: Send + Sync + std::fmt::Debug {
    /// How it is doing. Never waits.
    fn status(&self) -> StoreStatus;

    /// What it counts, from now on.
    fn measures(&self) -> StoreMeasures;
}

/// Prepared answers, as replicas share them.
#[async_trait]
pub trait SharedAnswers: Send + Sync + std::fmt::Debug {
    /// What is kept under `name`; nothing, too, when that cannot be known.
    async fn find(&self, name: &str) -> Option<Bytes>;

    /// Keeps `record` under `name` for `life`. Never waits.
    fn keep(&self, name: &str, record: Vec<u8>, life: Seconds);
}

/// Where unguessable bytes come from.
pub trait Random: Send + Sync + std::fmt::Debug {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Unavailable>;
}

/// Slows down those who guess.
pub trait Throttle: Send + Sync + std::fmt::Debug {
    /// Whether nobody has failed yet: then everybody may try, without being looked up.
    fn is_idle(&self) -> bool;

    /// Whether `key` may try now; otherwise the seconds to wait.
    fn admit(&self, key: &ThrottleKey) -> Result<(), u64>;

    /// Records that `key` failed.
    fn failed(&self, key: &ThrottleKey);
}

/// Whose failures are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ThrottleKey(pub Fingerprint);

/// Signs what we issue, and knows the public halves of the keys it did so with.
#[async_trait]
pub trait Signer: Send + Sync + std::fmt::Debug {
    /// The compact JWS of `claims` (a JSON object) with the header's `typ`, by the key that signs
    /// with `algorithm` now.
    async fn sign(
        &self,
        algorithm: SigningAlgorithm,
        typ: &'static str,
        claims: &[u8],
    ) -> Result<String, Unavailable>;

    /// The public keys now; none while it is not known what they are. Never waits.
    fn public_keys(&self) -> Arc<PublicKeys>;

    /// Looks whether another replica has made a key that is not known here.
    async fn look_again(&self);
}

/// The keys of a [`Signer`], for operators.
#[async_trait]
pub trait KeyRing: Send + Sync + std::fmt::Debug {
    /// How every key is doing: by algorithm, the one that signs first.
    fn statuses(&self) -> Vec<KeyStatus>;

    /// Rotates the keys of one algorithm, or of all: at once where the next key has been published
    /// for long enough, and as soon as it has where not.
    async fn rotate(
        &self,
        only: Option<SigningAlgorithm>,
    ) -> Result<Vec<(SigningAlgorithm, Rotation)>, Unavailable>;

    /// Takes out a key that others may hold; what it signed is good no more.
    async fn retire(&self, kid: &str) -> Result<Result<(), UnknownKey>, Unavailable>;
}

/// The public halves of our own keys at one moment: those that will sign, sign and have signed.
#[derive(Debug)]
pub struct PublicKeys {
    /// As a JSON Web Key Set document (RFC 7517 §5).
    pub document: Bytes,
    /// As keys that verify. A key that leaves the document is trusted no longer, wherever it is held.
    pub keys: KeySet,
}

/// Keeps the audit trail.
///
/// Whoever grants something waits until that is written; whoever refuses or ends something waits
/// until there is room for the record; whoever answers a question waits for nothing.
#[async_trait]
pub trait AuditTrail: Send + Sync + std::fmt::Debug {
    /// Which introspections are to be recorded. Never waits.
    fn introspections(&self) -> Introspections;

    /// Records, if there is room; otherwise counts the record as lost. Never waits.
    fn note(&self, record: Record);

    /// Records as soon as there is room. Unavailable if there was none in time: the record is lost,
    /// and counted.
    async fn accept(&self, record: Record) -> Result<(), Unavailable>;

    /// Records, and waits until it is written. Unavailable if it was not written in time; it may be
    /// later.
    async fn write(&self, record: Record) -> Result<(), Unavailable>;

    /// How it is doing. Never waits.
    fn status(&self) -> AuditStatus;
}

/// How the audit trail is doing.
#[derive(Clone, Debug)]
pub struct AuditStatus {
    /// For each event, how many records were written and how many were lost since the start.
    pub events: Vec<(Event, u64, u64)>,
    /// Records that wait to be written.
    pub queued: u64,
    /// Attempts to write that failed.
    pub failures: u64,
    /// For how long what is being written now has been waiting for its sink.
    pub stalled: Duration,
    /// Why the last attempt failed; `None` when it was good.
    pub last_error: Option<String>,
}
