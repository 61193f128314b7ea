use std::sync::LazyLock;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::*;
use crate::adapters::clock::ManualClock;
use crate::adapters::http_client::Timeouts;
use crate::adapters::test_server::{Reply, TestServer};
use crate::dev::keys::SigningKey;
use crate::domain::tenant::{IssuerId, TokenVersion};
use crate::ports::ready;
use crate::protocol::time::Seconds;

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const DOCUMENT: &str =
    "/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0/.well-known/openid-configuration";
const KEYS: &str = "/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/discovery/v2.0/keys";
const START: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// Two public keys, made once for all tests.
static PUBLIC: LazyLock<[Value; 2]> =
    LazyLock::new(|| ["one", "two"].map(|name| SigningKey::pooled(name).unwrap().jwk()));

fn key_set(keys: &[usize]) -> Reply {
    let keys: Vec<_> = keys.iter().map(|index| PUBLIC[*index].clone()).collect();
    Reply::json(&json!({ "keys": keys }).to_string())
}

fn kid(index: usize) -> &'static str {
    PUBLIC[index]["kid"].as_str().unwrap()
}

fn of(tenant: &str, version: TokenVersion) -> KeySource {
    KeySource::Entra(IssuerId { tenant: tenant.parse().unwrap(), version })
}

struct World {
    server: TestServer,
    clock: Arc<ManualClock>,
    keys: Arc<KeySets>,
}

/// The v2 issuer of the one tenant.
fn v2() -> KeySource {
    of(TENANT, TokenVersion::V2)
}

fn world() -> World {
    let server = TestServer::start();
    server.on(DOCUMENT, document(&server, &issuer(), server.url(KEYS).as_str()));
    server.on(KEYS, key_set(&[0]));
    let tenant = tenant_at(&server);
    let clock = Arc::new(ManualClock::new(START));
    let timeouts = Timeouts { connect: Duration::from_secs(1), total: Duration::from_secs(1) };
    let http = HttpClient::with_timeouts(timeouts).unwrap();
    let background = Background::new(TaskTracker::new(), Handle::current());
    let rules = KeySetRules::default();
    let keys = KeySets::new((&[tenant], &[]), rules, http, Arc::clone(&clock) as _, background);
    World { server, clock, keys: Arc::new(keys) }
}

fn tenant_at(server: &TestServer) -> Tenant {
    Tenant {
        id: TENANT.parse().unwrap(),
        authority: server.url("/"),
        audiences: Vec::new(),
        caller_audiences: Vec::new(),
        signing_app: None,
        graph: None,
    }
}

fn issuer() -> String {
    format!("https://login.microsoftonline.com/{TENANT}/v2.0")
}

fn document(server: &TestServer, issuer: &str, jwks_uri: &str) -> Reply {
    let document = json!({
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "authorization_endpoint": server.url("/authorize"),
        "token_endpoint": server.url("/token"),
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "tenant_region_scope": "EU",
    });
    Reply::json(&document.to_string())
}

impl World {
    async fn fetch(&self, reason: FetchReason) -> Result<Vec<String>, String> {
        let set = self.keys.fetch(v2(), reason).await.map_err(|error| error.to_string())?;
        Ok(set.keys.keys().iter().map(|key| key.kid().unwrap().to_owned()).collect())
    }

    fn current(&self) -> Option<Arc<IssuerKeySet>> {
        self.keys.current(v2(), self.clock.now())
    }

    fn status(&self) -> IssuerStatus {
        self.keys.status(self.clock.now()).remove(1)
    }

    fn hits(&self) -> usize {
        self.server.hits(KEYS)
    }
}

#[tokio::test]
async fn a_set_is_fetched_once_and_then_read_without_waiting() {
    let world = world();
    assert!(world.current().is_none());
    assert_eq!(world.fetch(FetchReason::Missing).await.unwrap(), [kid(0)]);
    assert_eq!(world.fetch(FetchReason::Missing).await.unwrap(), [kid(0)]);
    assert_eq!(world.hits(), 1);
    let set = world.current().unwrap();
    assert_eq!((set.issuer.as_str(), set.fetched_at), (issuer().as_str(), START));
    assert!(set.keys.keys()[0].is_trusted(START));
    let status = world.status();
    assert_eq!((status.issuer, status.keys, status.attempts), (v2(), 1, (1, 0)));
    assert!(status.trusted && status.last_error.is_none(), "{status:?}");
    assert!(!ready(&world.keys.status(START)), "the v1 issuer has no set");
}

#[tokio::test]
async fn what_must_not_be_believed_never_replaces_a_good_set() {
    let world = world();
    world.fetch(FetchReason::Missing).await.unwrap();
    let good = world.current().unwrap();
    let elsewhere = TestServer::start();
    elsewhere.on(KEYS, key_set(&[1]));
    let (server, keys) = (&world.server, world.server.url(KEYS));
    let foreign = issuer().replace(TENANT, "9188040d-6c67-4c5b-b112-36a304b66dad");
    let duplicate = json!({ "keys": [], "oops": "x".repeat(600_000) }).to_string();
    for (path, reply, told) in [
        (DOCUMENT, document(server, &foreign, keys.as_str()), "names the issuer"),
        (DOCUMENT, document(server, &issuer(), elsewhere.url(KEYS).as_str()), "another host"),
        (DOCUMENT, document(server, &issuer(), "http://169.254.169.254/keys"), "another host"),
        (DOCUMENT, document(server, &issuer(), "file:///etc/passwd"), "another host"),
        (DOCUMENT, Reply::redirect(elsewhere.url(DOCUMENT).as_str()), "answered 302"),
        (DOCUMENT, Reply::json("<html>"), "not an OpenID Connect discovery document"),
        (DOCUMENT, Reply::new(500, "{}"), "answered 500"),
        (KEYS, Reply::redirect(elsewhere.url(KEYS).as_str()), "answered 302"),
        (KEYS, Reply::json(r#"{"keys":[]}"#), "no usable key"),
        (KEYS, Reply::json("<html>"), "not a JSON Web Key Set"),
        (KEYS, Reply::json(&duplicate), "larger than"),
        (KEYS, Reply::endless(), "larger than"),
        (KEYS, Reply::stalled(), "no complete answer in time"),
        (KEYS, Reply::new(503, ""), "answered 503"),
    ] {
        world.server.on(path, reply);
        world.clock.advance(Seconds::hours(1));
        let error = world.fetch(FetchReason::Age).await.unwrap_err();
        assert!(error.contains(told), "A251: {error}");
        assert!(Arc::ptr_eq(&good, &world.current().unwrap()), "A251: {told}");
        assert!(good.keys.keys()[0].is_trusted(world.clock.now()), "A252: {told}");
        assert!(world.status().last_error.is_some());
        world.server.on(DOCUMENT, document(&world.server, &issuer(), keys.as_str()));
    }
    assert!(elsewhere.seen().is_empty(), "A91: no other host was called");
    assert_eq!(world.status().failures, 14);
}

#[tokio::test]
async fn a_rotation_keeps_the_keys_that_stay_and_ends_those_that_leave() {
    let world = world();
    world.server.on(KEYS, key_set(&[0, 1]));
    world.fetch(FetchReason::Missing).await.unwrap();
    let before = world.current().unwrap();
    world.clock.advance(Seconds::hours(23));
    world.server.on(KEYS, key_set(&[1]));
    assert_eq!(world.fetch(FetchReason::Age).await.unwrap(), [kid(1)]);
    let after = world.current().unwrap();
    let (left, stays) = (&before.keys.keys()[0], &before.keys.keys()[1]);
    assert!(Arc::ptr_eq(stays, &after.keys.keys()[0]));
    assert!(!left.is_trusted(world.clock.now()), "A250");
    world.clock.advance(Seconds::hours(23));
    assert!(stays.is_trusted(world.clock.now()), "trust was extended by the fetch");
}

#[tokio::test]
async fn a_set_too_old_is_not_there_and_what_follows_is_unavailable() {
    let world = world();
    world.fetch(FetchReason::Missing).await.unwrap();
    let key = Arc::clone(&world.current().unwrap().keys.keys()[0]);
    world.server.on(KEYS, Reply::new(500, ""));
    world.clock.advance(Seconds::hours(24));
    assert!(world.current().is_none(), "A252");
    assert!(!key.is_trusted(world.clock.now()));
    let error = world.fetch(FetchReason::Missing).await.unwrap_err();
    assert!(error.starts_with("issuer_keys is unavailable"), "INT-28 {error}");
    assert_eq!(world.hits(), 2);
    world.fetch(FetchReason::Missing).await.unwrap_err();
    assert_eq!(world.hits(), 2, "within the wait nobody is asked");
    world.clock.advance(Seconds::new(1));
    world.server.on(KEYS, key_set(&[0]));
    assert_eq!(world.fetch(FetchReason::Missing).await.unwrap(), [kid(0)]);
}

#[tokio::test]
async fn five_hundred_unknown_names_cause_one_fetch_and_slow_nobody() {
    let world = world();
    world.fetch(FetchReason::Missing).await.unwrap();
    // However young the present set is: the keys may have been rotated since.
    world.server.on(KEYS, key_set(&[0, 1]));
    world.server.close_gate().await;
    let mut callers = join_all((0..500).map(|_| world.fetch(FetchReason::UnknownKid)));
    assert!(futures_util::poll!(&mut callers).is_pending());
    assert!(world.current().is_some(), "known keys need not wait");
    world.server.open_gate();
    for caller in callers.await {
        assert_eq!(caller.unwrap().len(), 2);
    }
    assert_eq!(world.hits(), 2, "A38");
    for _ in 0..100 {
        world.fetch(FetchReason::UnknownKid).await.unwrap();
    }
    assert_eq!(world.hits(), 2, "A38: the cooldown has begun");
}

#[tokio::test]
async fn an_unknown_name_after_a_failure_is_not_called_unknown() {
    let world = world();
    world.fetch(FetchReason::Missing).await.unwrap();
    world.clock.advance(Seconds::minutes(5));
    world.server.on(KEYS, Reply::new(500, ""));
    for _ in 0..50 {
        world.fetch(FetchReason::UnknownKid).await.unwrap_err();
    }
    assert_eq!(world.hits(), 2, "A38 also while the authority is down");
    assert!(world.current().is_some(), "known keys stay good");
    world.server.on(KEYS, key_set(&[0, 1]));
    world.clock.advance(Seconds::new(1));
    assert_eq!(world.fetch(FetchReason::Age).await.unwrap().len(), 2, "the own retry heals it");
    assert_eq!(world.fetch(FetchReason::UnknownKid).await.unwrap().len(), 2);
    assert_eq!(world.hits(), 3);
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_end_the_fetch() {
    let world = world();
    world.server.close_gate().await;
    let keys = Arc::clone(&world.keys);
    let mut leaving = Box::pin(keys.fetch(v2(), FetchReason::Missing));
    assert!(futures_util::poll!(&mut leaving).is_pending());
    drop(leaving);
    let staying = world.fetch(FetchReason::Missing);
    world.server.open_gate();
    assert_eq!(staying.await.unwrap(), [kid(0)]);
    assert_eq!(world.hits(), 1);
}

#[tokio::test]
async fn all_that_is_due_is_fetched_beside_the_requests() {
    let world = world();
    let v1 = of(TENANT, TokenVersion::V1);
    let place = DOCUMENT.replace("/v2.0", "");
    let issuer = format!("https://sts.windows.net/{TENANT}/");
    let keys = world.server.url(KEYS);
    world.server.on(&place, document(&world.server, &issuer, keys.as_str()));
    world.keys.refresh_due();
    world.keys.refresh_due();
    for id in [v1, v2()] {
        world.keys.fetch(id, FetchReason::Missing).await.unwrap();
    }
    assert!(ready(&world.keys.status(START)));
    assert_eq!(world.keys.current(v1, START).unwrap().issuer, issuer, "ENT-01");
    assert_eq!(world.hits(), 2, "one for each issuer");
    world.keys.refresh_due();
    assert_eq!(world.status().attempts, (1, 0), "nothing is due");
    let stranger = of("9188040d-6c67-4c5b-b112-36a304b66dad", TokenVersion::V1);
    let error = world.keys.fetch(stranger, FetchReason::Missing).await.unwrap_err();
    assert!(error.to_string().contains("not configured"), "A90 {error}");
    assert!(world.keys.current(stranger, START).is_none());
}

/// What is waited for while the server holds back what it would say.
const NOT_LONG: Duration = Duration::from_millis(50);

impl World {
    async fn configure(&self, tenants: &[Tenant], rules: KeySetRules) {
        self.keys.configure((tenants, &[]), rules, NOT_LONG).await;
    }
}

#[tokio::test]
async fn another_configuration_keeps_the_sets_and_the_fetches_of_issuers_that_stay() {
    let world = world();
    world.server.close_gate().await;
    let mut under_way = Box::pin(world.fetch(FetchReason::Missing));
    assert!(futures_util::poll!(&mut under_way).is_pending());
    let more = Tenant { audiences: vec!["api://more".to_owned()], ..tenant_at(&world.server) };
    world.configure(std::slice::from_ref(&more), KeySetRules::default()).await;
    let mut joined = Box::pin(world.fetch(FetchReason::Missing));
    assert!(futures_util::poll!(&mut joined).is_pending());
    world.server.open_gate();
    assert_eq!(
        (under_way.await.unwrap(), joined.await.unwrap()),
        (vec![kid(0).into()], vec![kid(0).into()])
    );
    assert_eq!(world.hits(), 1, "one fetch for those before and those after");
    let before = world.current().unwrap();
    world.configure(&[more], KeySetRules::default()).await;
    assert!(Arc::ptr_eq(&before, &world.current().unwrap()));
    assert_eq!(world.hits(), 1);
}

#[tokio::test]
async fn other_spans_hold_for_the_keys_that_are_there() {
    let world = world();
    world.fetch(FetchReason::Missing).await.unwrap();
    let key = Arc::clone(&world.current().unwrap().keys.keys()[0]);
    world.clock.advance(Seconds::hours(2));
    let tenants = [tenant_at(&world.server)];
    let short = KeySetRules { max_stale: Seconds::hours(1), ..KeySetRules::default() };
    world.configure(&tenants, short).await;
    assert!(!key.is_trusted(world.clock.now()), "answers that rest on it end");
    assert!(world.current().is_none());
    world.configure(&tenants, KeySetRules::default()).await;
    assert!(key.is_trusted(world.clock.now()));
    assert!(world.current().is_some());
}

#[tokio::test]
async fn an_issuer_that_comes_is_asked_at_once_and_makes_nobody_unready() {
    let world = world();
    world.configure(&[], KeySetRules::default()).await;
    assert!(world.keys.status(START).is_empty());
    world.server.close_gate().await;
    let tenants = [tenant_at(&world.server)];
    world.configure(&tenants, KeySetRules::default()).await;
    assert!(world.current().is_none(), "it was not waited for longer than asked");
    assert!(!world.status().expected);
    assert!(ready(&world.keys.status(START)), "nobody could have its keys yet");
    let mut asked = Box::pin(world.fetch(FetchReason::Missing));
    assert!(futures_util::poll!(&mut asked).is_pending(), "who asks joins the fetch");
    world.server.open_gate();
    assert_eq!(asked.await.unwrap(), [kid(0)]);
    assert_eq!(world.hits(), 1);
    assert!(world.status().expected && world.status().trusted);
    world.clock.advance(Seconds::hours(24));
    assert!(!ready(&world.keys.status(world.clock.now())), "from then on it counts");
}

#[tokio::test]
async fn an_issuer_that_moved_is_asked_anew_and_its_old_keys_are_gone() {
    let world = world();
    world.fetch(FetchReason::Missing).await.unwrap();
    let elsewhere = TestServer::start();
    elsewhere.on(DOCUMENT, document(&elsewhere, &issuer(), elsewhere.url(KEYS).as_str()));
    elsewhere.on(KEYS, key_set(&[1]));
    world.server.close_gate().await;
    world.clock.advance(Seconds::hours(1));
    let mut old = Box::pin(world.fetch(FetchReason::Age));
    assert!(futures_util::poll!(&mut old).is_pending());
    let patience = Duration::from_secs(10);
    let tenants = [tenant_at(&elsewhere)];
    world.keys.configure((&tenants, &[]), KeySetRules::default(), patience).await;
    assert_eq!(world.fetch(FetchReason::Missing).await.unwrap(), [kid(1)]);
    world.server.open_gate();
    assert_eq!(old.await.unwrap(), [kid(0)], "who asked before is told what was asked for");
    assert_eq!(world.fetch(FetchReason::Missing).await.unwrap(), [kid(1)], "and nobody else");
}

#[tokio::test]
async fn an_issuer_that_goes_serves_requests_under_way_until_it_is_forgotten() {
    let world = world();
    world.fetch(FetchReason::Missing).await.unwrap();
    world.configure(&[], KeySetRules::default()).await;
    assert!(world.current().is_some());
    world.keys.refresh_due();
    world.keys.forget_former();
    assert!(world.current().is_none());
    let error = world.fetch(FetchReason::Missing).await.unwrap_err();
    assert!(error.contains("not configured"), "{error}");
    assert_eq!(world.hits(), 1);
}
