use std::time::Duration;

use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::json;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::*;
use crate::adapters::clock::ManualClock;
use crate::adapters::http_client::Timeouts;
use crate::adapters::test_server::{Reply, TestServer};

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const TOKEN: &str = "/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/oauth2/v2.0/token";
const ALICE: &str = "11111111-2222-3333-4444-555555555555";
const GROUPS: &str = "/v1.0/users/11111111-2222-3333-4444-555555555555/getMemberGroups";
const AS_APP: &str = "/v1.0/servicePrincipals/11111111-2222-3333-4444-555555555555/getMemberGroups";
const GROUP: &str = "7d6f1c0e-2f0d-4a59-9a54-5b3f0a4c0f51";
const SECRET: &str = "the-secret-of-the-application";
const START: i64 = 1_800_000_000;

struct World {
    server: TestServer,
    clock: Arc<ManualClock>,
    groups: GraphGroups,
}

fn world() -> World {
    let server = TestServer::start();
    server.on(TOKEN, token("graph-token-1", 3600));
    server.on(GROUPS, list(&[GROUP]));
    let tenant = tenant_at(&server, SECRET);
    let clock = Arc::new(ManualClock::new(UnixTime::from_seconds(START)));
    let timeouts = Timeouts { connect: Duration::from_secs(1), total: Duration::from_secs(1) };
    let http = HttpClient::with_timeouts(timeouts).unwrap();
    let background = Background::new(TaskTracker::new(), Handle::current());
    let groups = GraphGroups::new(&[tenant], &http, None, Arc::clone(&clock) as _, background);
    World { server, clock, groups }
}

fn tenant_at(server: &TestServer, secret: &str) -> Tenant {
    Tenant {
        id: TENANT.parse().unwrap(),
        authority: server.url("/"),
        audiences: Vec::new(),
        caller_audiences: Vec::new(),
        signing_app: None,
        graph: Some(crate::domain::tenant::GraphAccess {
            client_id: "535fb089-9ff3-47b6-9bfb-4f1264799865".parse().unwrap(),
            client_secret: SecretString::from(secret),
            endpoint: server.url("/"),
        }),
    }
}

fn token(value: &str, life: u32) -> Reply {
    let token = json!({ "token_type": "Bearer", "expires_in": life, "access_token": value });
    Reply::json(&token.to_string())
}

fn list(groups: &[&str]) -> Reply {
    Reply::json(&json!({ "@odata.context": "x", "value": groups }).to_string())
}

fn principal(object: &str) -> PrincipalId {
    PrincipalId { object: object.parse().unwrap(), tenant: TENANT.parse().unwrap() }
}

impl World {
    /// The groups of Alice and for how many seconds they may be used.
    async fn ask_as(&self, kind: PrincipalType) -> Result<(Vec<String>, i64), String> {
        let membership = self.groups.groups(principal(ALICE), kind).await;
        let membership = membership.map_err(|error| error.to_string())?;
        let left = membership.valid_until.since(self.clock.now()).count();
        Ok((membership.groups.to_vec(), left))
    }

    async fn ask(&self) -> Result<(Vec<String>, i64), String> {
        self.ask_as(PrincipalType::User).await
    }
}

#[tokio::test]
async fn groups_are_asked_for_as_graph_documents_it_and_kept() {
    let world = world();
    assert_eq!(world.ask().await.unwrap(), (vec![GROUP.to_owned()], 300));
    world.clock.advance(Seconds::new(299));
    assert_eq!(world.ask().await.unwrap().1, 1);
    let [token, groups] = world.server.seen().try_into().ok().unwrap();
    assert_eq!(token.path, TOKEN);
    let scope = format!("{}.default", world.server.url("/"));
    let body: BTreeMap<_, _> = url::form_urlencoded::parse(token.body.as_bytes()).collect();
    assert_eq!(body["grant_type"], "client_credentials");
    assert_eq!(body["client_id"], "535fb089-9ff3-47b6-9bfb-4f1264799865");
    assert_eq!((&*body["client_secret"], &*body["scope"]), (SECRET, &*scope));
    assert_eq!(groups.body, r#"{"securityEnabledOnly":true}"#);
    assert_eq!(groups.authorization.as_deref(), Some("Bearer graph-token-1"));
    assert_eq!((token.query, groups.query), (String::new(), String::new()));
    world.clock.advance(Seconds::new(1));
    world.server.on(GROUPS, list(&[]));
    assert_eq!(world.ask().await.unwrap(), (vec![], 300), "asked again after five minutes");
    assert_eq!(world.server.hits(TOKEN), 1, "by the same token");
    world.clock.advance(Seconds::hours(1));
    world.ask().await.unwrap();
    assert_eq!(world.server.hits(TOKEN), 2, "a token is renewed before it expires");
}

#[tokio::test]
async fn services_and_agents_are_found_where_they_are() {
    let world = world();
    world.server.on(AS_APP, list(&[]));
    assert_eq!(world.ask_as(PrincipalType::Service).await.unwrap().0.len(), 0);
    assert_eq!(world.ask_as(PrincipalType::Agent).await.unwrap().0, [GROUP], "its user account");
    assert_eq!(world.server.hits(AS_APP), 1);
    world.clock.advance(FRESH);
    world.server.on(GROUPS, Reply::new(404, "{}"));
    assert_eq!(world.ask_as(PrincipalType::Agent).await.unwrap().0.len(), 0, "its own identity");
    assert_eq!(world.server.hits(AS_APP), 2);
}

#[tokio::test]
async fn many_who_ask_for_one_principal_cause_one_request() {
    let world = world();
    world.server.close_gate().await;
    let mut askers = join_all((0..200).map(|_| world.ask()));
    assert!(futures_util::poll!(&mut askers).is_pending());
    world.server.open_gate();
    for answer in askers.await {
        assert_eq!(answer.unwrap().0, [GROUP]);
    }
    assert_eq!((world.server.hits(TOKEN), world.server.hits(GROUPS)), (1, 1));
}

#[tokio::test]
async fn graph_is_left_alone_as_long_as_it_asks_and_the_last_answer_serves() {
    for status in [429, 503] {
        let world = world();
        world.ask().await.unwrap();
        world.clock.advance(FRESH);
        world.server.on(GROUPS, Reply::new(status, "{}").with("retry-after", "120"));
        assert_eq!(world.ask().await.unwrap(), (vec![GROUP.to_owned()], 30), "the last good one");
        world.server.on(GROUPS, list(&[]));
        world.clock.advance(Seconds::new(119));
        assert_eq!(world.ask().await.unwrap().0, [GROUP]);
        let bob = principal("22222222-2222-3333-4444-555555555555");
        let error = world.groups.groups(bob, PrincipalType::User).await.unwrap_err();
        assert_eq!(error.dependency, Dependency::Graph, "INT-28: unknown, not empty");
        assert_eq!(world.server.seen().len(), 3, "nobody is asked for anybody");
        world.clock.advance(Seconds::new(1));
        assert_eq!(world.ask().await.unwrap(), (vec![], 300));
    }
}

#[tokio::test]
async fn an_outage_is_bridged_for_an_hour_and_costs_few_requests() {
    let world = world();
    world.ask().await.unwrap();
    world.server.on(GROUPS, Reply::new(500, "{}"));
    world.clock.advance(Seconds::new(3590));
    for _ in 0..100 {
        assert_eq!(world.ask().await.unwrap(), (vec![GROUP.to_owned()], 10));
    }
    assert_eq!(world.server.hits(GROUPS), 2);
    world.clock.advance(Seconds::new(10));
    for _ in 0..100 {
        assert!(world.ask().await.unwrap_err().starts_with("graph is unavailable"), "INT-28");
    }
    assert_eq!(world.server.hits(GROUPS), 3, "a failure is remembered for a moment");
}

#[tokio::test]
async fn what_is_not_a_list_of_groups_is_an_error_never_an_empty_list() {
    for (reply, told) in [
        (Reply::new(403, "{}"), "GroupMember.Read.All"),
        (Reply::new(401, "{}"), "refused our token"),
        (Reply::new(404, "{}"), "no such principal"),
        (Reply::json(r#"{"value":["Domain Admins"]}"#), "not an object id"),
        (Reply::json("{}"), "missing field"),
        (Reply::redirect("https://elsewhere.example/"), "answered 302"),
        (Reply::endless(), "larger than"),
        (Reply::stalled(), "no complete answer in time"),
    ] {
        let world = world();
        world.server.on(GROUPS, reply);
        let error = world.ask().await.unwrap_err();
        assert!(error.contains(told), "ENT-10 {told}: {error}");
        assert!(!error.contains("graph-token"), "{error}");
    }
}

#[tokio::test]
async fn without_a_token_nobody_is_asked_and_nothing_secret_is_told() {
    let refused = json!({
        "error": "invalid_client",
        "error_description": "AADSTS7000215: Invalid client secret provided.",
        "error_codes": [7_000_215],
    });
    for (reply, told) in [
        (Reply::new(401, &refused.to_string()), "AADSTS7000215"),
        (Reply::new(429, "{}").with("retry-after", "5"), "answered 429"),
        (Reply::json(r#"{"access_token":"leak","token_type":7}"#), "not one of RFC 6749"),
        (Reply::redirect("https://elsewhere.example/"), "not one of RFC 6749"),
    ] {
        let world = world();
        world.server.on(TOKEN, reply);
        for _ in 0..10 {
            let error = world.ask().await.unwrap_err();
            assert!(error.contains(told), "{error}");
            assert!(!error.contains("leak") && !error.contains(SECRET), "{error}");
        }
        assert_eq!((world.server.hits(TOKEN), world.server.hits(GROUPS)), (1, 0));
        world.server.on(TOKEN, token("graph-token-2", 3600));
        world.clock.advance(Seconds::new(5));
        assert_eq!(world.ask().await.unwrap().0, [GROUP]);
        world.groups.check(TENANT.parse().unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn whoever_was_deleted_keeps_no_groups() {
    let world = world();
    world.ask().await.unwrap();
    world.server.on(GROUPS, Reply::new(404, "{}"));
    world.clock.advance(FRESH);
    assert!(world.ask().await.is_err());
    world.server.on(GROUPS, Reply::new(500, "{}"));
    world.clock.advance(AFTER_FAILURE);
    assert!(world.ask().await.is_err(), "the last answer is not taken up again");
}

#[tokio::test]
async fn a_revoked_token_is_replaced() {
    let world = world();
    world.server.on(GROUPS, Reply::new(401, "{}"));
    world.ask().await.unwrap_err();
    world.server.on(TOKEN, token("graph-token-2", 3600));
    world.server.on(GROUPS, list(&[GROUP]));
    world.clock.advance(AFTER_FAILURE);
    world.ask().await.unwrap();
    let last = world.server.seen().pop().unwrap();
    assert_eq!(last.authorization.as_deref(), Some("Bearer graph-token-2"));
}

#[tokio::test]
async fn only_configured_tenants_are_covered() {
    let world = world();
    let foreign = PrincipalId { tenant: ALICE.parse().unwrap(), ..principal(ALICE) };
    assert!(world.groups.covers(principal(ALICE)) && !world.groups.covers(foreign));
    assert!(world.groups.groups(foreign, PrincipalType::User).await.is_err());
    assert!(world.server.seen().is_empty());
    assert!(!format!("{:?}", world.groups).contains(SECRET));
}

#[test]
fn the_longest_list_fits_into_the_cache() {
    let capacity = MAX_ENTRIES / u64::try_from(SHARDS).unwrap();
    assert!(capacity > 2 * 11_000, "or it would be asked for at every request");
}

#[tokio::test]
async fn another_secret_is_used_at_once_and_what_is_known_stays() {
    let world = world();
    world.ask().await.unwrap();
    world.groups.configure(&[tenant_at(&world.server, SECRET)]);
    world.ask().await.unwrap();
    assert_eq!(world.server.hits(TOKEN) + world.server.hits(GROUPS), 2, "nothing has changed");
    world.server.on(TOKEN, Reply::new(503, "").with("retry-after", "3000"));
    world.clock.advance(Seconds::hours(2));
    world.ask().await.unwrap_err();
    world.server.on(TOKEN, token("graph-token-2", 3600));
    world.clock.advance(Seconds::new(6));
    world.ask().await.unwrap_err();
    world.groups.configure(&[tenant_at(&world.server, "another-secret")]);
    assert_eq!(world.ask().await.unwrap().0, [GROUP], "whoever had to wait was the other one");
    let bodies: Vec<_> =
        world.server.seen().into_iter().filter(|seen| seen.path == TOKEN).collect();
    assert!(bodies.last().unwrap().body.contains("client_secret=another-secret"));
    world.groups.configure(&[tenant_at(&world.server, "a-third-secret")]);
    let asked = world.server.seen().len();
    assert_eq!(world.ask().await.unwrap().0, [GROUP]);
    assert_eq!(world.server.seen().len(), asked, "known from before");
}

#[tokio::test]
async fn another_graph_knows_nothing_of_what_the_first_one_said() {
    let world = world();
    assert_eq!(world.ask().await.unwrap().0, [GROUP]);
    let elsewhere = TestServer::start();
    elsewhere.on(TOKEN, token("graph-token-1", 3600));
    elsewhere.on(GROUPS, list(&[]));
    world.groups.configure(&[tenant_at(&elsewhere, SECRET)]);
    assert!(world.ask().await.unwrap().0.is_empty());
    world.groups.configure(&[Tenant { graph: None, ..tenant_at(&elsewhere, SECRET) }]);
    assert!(!world.groups.covers(principal(ALICE)));
    assert!(world.ask().await.unwrap_err().contains("not configured"));
}
