//! Whatever happens to Redis, under traffic: no answer is wrong, none is slow, what need not fail
//! does not, and all is well again without anybody doing anything.

use std::time::{Duration, Instant};

use super::traffic::{Kind, Traffic, Watched};
use super::{Replicas, store};
use crate::support::proxy::{Fault, FaultProxy};
use crate::support::redis::{RedisServer, wait_until};
use crate::support::{ORDERS_API, Request, TASKS_API};

/// Longer takes no answer, whatever happens to Redis: a few commands may wait for their time-out,
/// one after the other, in a build that is not optimised, on a busy machine.
pub(super) const SLOWEST: Duration = Duration::from_secs(2);

/// What is watched, by its place in the traffic.
const ENDED_BEFORE: usize = 3;
const ENDED_MEANWHILE: usize = 4;

/// What the configuration says about outages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    Degrade,
    Deny,
}

/// Three replicas behind a proxy to one server, and traffic to all of them.
struct Scene {
    redis: RedisServer,
    proxy: FaultProxy,
    replicas: Replicas,
    policy: Policy,
    traffic: Traffic,
    /// An opaque token that only the replica which issued it has seen.
    unseen: String,
}

impl Scene {
    fn new(policy: Policy) -> Self {
        let redis = RedisServer::start();
        let proxy = FaultProxy::before(redis.address());
        let more = match policy {
            Policy::Degrade => "",
            Policy::Deny => ", when_unreachable: deny",
        };
        let replicas = Replicas::start(3, &store(&format!("redis://{}", proxy.address()), more));
        let (alice, one) = (replicas.alice(), &replicas.all[0]);
        let issued = |resource| one.issued(&alice, resource);
        let good = |kind, text| Watched::good(kind, text, 3);
        let watched = vec![
            good(Kind::Entra, alice.clone()),
            good(Kind::Issued, issued(ORDERS_API)),
            good(Kind::Opaque, issued(TASKS_API)),
            good(Kind::Issued, issued(ORDERS_API)),
            good(Kind::Issued, issued(ORDERS_API)),
        ];
        let unseen = issued(TASKS_API);
        let traffic = Traffic::start(&replicas, watched);
        let scene = Self { redis, proxy, replicas, policy, traffic, unseen };
        scene.revoke(ENDED_BEFORE);
        scene.ended_everywhere(ENDED_BEFORE);
        scene.traffic.wait_for(150);
        scene
    }

    /// Revokes at the first replica, where it holds at once.
    fn revoke(&self, token: usize) -> u16 {
        let text = self.traffic.dying(token).to_owned();
        let status = self.replicas.all[0].revoke(&text).status;
        if status == 200 {
            self.traffic.dead(token, 0);
        }
        status
    }

    /// From here on it must be dead on all of them.
    #[track_caller]
    fn ended_everywhere(&self, token: usize) {
        let (text, begun) = (self.traffic.dying(token).to_owned(), Instant::now());
        for (index, replica) in self.replicas.all.iter().enumerate() {
            wait_until("the end everywhere", || replica.verdict(&text) == "inactive");
            self.traffic.dead(token, index);
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    /// Waits until every replica has noticed that it cannot follow the others.
    #[track_caller]
    fn noticed(&self) {
        for replica in &self.replicas.all {
            wait_until("the outage being noticed", || {
                let (status, told) = replica.ready();
                let expected = if self.policy == Policy::Deny { 503 } else { 200 };
                told["store"]["state"] == "behind" && status == expected
            });
            let metrics = replica.metrics();
            assert!(metrics.contains("tessera_store_state{state=\"behind\"} 1"), "{metrics}");
        }
    }

    /// What is answered while Redis is away, and what is not.
    #[track_caller]
    fn promises_are_kept(&self) {
        let [one, two, _] = &self.replicas.all[..] else { panic!() };
        let alice = self.replicas.alice();
        let degrades = self.policy == Policy::Degrade;
        assert_eq!(two.verdict(&alice), if degrades { "active" } else { "503" });
        let exchanged = two.exchange(&alice, ORDERS_API).status;
        assert_eq!(exchanged, if degrades { 200 } else { 503 }, "a JWT needs no Redis");
        assert_eq!(two.exchange(&alice, TASKS_API).status, 503, "an opaque token does");
        for opaque in [&*self.unseen, "tsr_nobody-issued-this"] {
            assert_eq!(two.verdict(opaque), "503", "never inactive");
        }
        let assertion = super::assertion();
        let asserted = super::asserted(two, &assertion).status;
        assert_eq!(asserted, if degrades { 200 } else { 503 }, "what proves a client once");
        if degrades {
            assert_eq!(self.revoke(ENDED_MEANWHILE), 200);
            assert_eq!(one.order("client", "nobody").status, 400);
        } else {
            assert_eq!(self.revoke(ENDED_MEANWHILE), 503);
        }
        self.traffic.wait_for(150);
    }

    /// Waits until all is well again, and stops.
    #[track_caller]
    fn recovers(self, what: &str) {
        self.replicas.wait_until_current();
        let alice = self.replicas.alice();
        if self.policy == Policy::Deny {
            // What was refused meanwhile is tried again by whoever asked.
            assert_eq!(self.revoke(ENDED_MEANWHILE), 200);
        }
        self.ended_everywhere(ENDED_MEANWHILE);
        for replica in &self.replicas.all {
            wait_until("recovery", || replica.exchange(&alice, TASKS_API).status == 200);
            wait_until("recovery", || super::active_or_unavailable(replica, &self.unseen));
            assert_eq!(replica.ready().0, 200);
        }
        self.traffic.wait_for(150);
        self.traffic.stop(what, SLOWEST);
    }
}

#[test]
fn paused() {
    for policy in [Policy::Degrade, Policy::Deny] {
        let scene = Scene::new(policy);
        scene.redis.pause();
        scene.noticed();
        scene.promises_are_kept();
        scene.redis.resume();
        scene.recovers("paused");
    }
}

#[test]
fn killed_and_restarted_empty() {
    for policy in [Policy::Degrade, Policy::Deny] {
        let mut scene = Scene::new(policy);
        scene.redis.kill();
        scene.noticed();
        scene.promises_are_kept();
        scene.redis.restart();
        scene.recovers("killed, and restarted empty");
    }
}

#[test]
fn emptied_while_it_runs() {
    let scene = Scene::new(Policy::Degrade);
    scene.redis.command(&["FLUSHALL"]);
    scene.traffic.wait_for(300);
    assert_eq!(scene.revoke(ENDED_MEANWHILE), 200);
    scene.recovers("emptied");
}

#[test]
fn read_only() {
    let scene = Scene::new(Policy::Degrade);
    scene.redis.read_only();
    scene.noticed();
    scene.promises_are_kept();
    scene.redis.writable();
    scene.recovers("read-only");
}

#[test]
fn out_of_memory() {
    let scene = Scene::new(Policy::Degrade);
    scene.redis.out_of_memory();
    scene.noticed();
    assert_eq!(scene.replicas.all[1].exchange(&scene.replicas.alice(), TASKS_API).status, 503);
    assert_eq!(scene.revoke(ENDED_MEANWHILE), 200);
    scene.traffic.wait_for(150);
    scene.redis.enough_memory();
    scene.recovers("out of memory");
}

#[test]
fn garbage() {
    let scene = Scene::new(Policy::Degrade);
    scene.proxy.set(Fault::Garbage);
    scene.noticed();
    scene.promises_are_kept();
    scene.proxy.set(Fault::None);
    scene.recovers("garbage");
}

#[test]
fn cut_off_both_ways_and_each_way() {
    for (fault, what) in [
        (Fault::BlackHole, "cut off"),
        (Fault::DropToServer, "cut off on the way there"),
        (Fault::DropToClient, "cut off on the way back"),
        (Fault::Reset, "reset"),
        (Fault::Delay(Duration::from_millis(700)), "too slow"),
    ] {
        let scene = Scene::new(Policy::Degrade);
        scene.proxy.set(fault);
        scene.noticed();
        scene.promises_are_kept();
        scene.proxy.set(Fault::None);
        scene.recovers(what);
    }
}

#[test]
fn slow_but_alive() {
    let scene = Scene::new(Policy::Degrade);
    scene.proxy.set(Fault::Delay(Duration::from_millis(40)));
    scene.traffic.wait_for(300);
    scene.replicas.wait_until_current();
    assert_eq!(scene.revoke(ENDED_MEANWHILE), 200);
    scene.ended_everywhere(ENDED_MEANWHILE);
    scene.proxy.set(Fault::None);
    scene.recovers("slow");
}

#[test]
fn a_replica_that_starts_without_redis_answers_nothing_until_it_knows_what_was_revoked() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::before(redis.address());
    let mut replicas = Replicas::start(1, &store(&redis.url(), ""));
    replicas.reconfigure(&store(&format!("redis://{}", proxy.address()), ""));
    let alice = replicas.alice();
    let revoked = replicas.all[0].issued(&alice, ORDERS_API);
    assert_eq!(replicas.all[0].revoke(&revoked).status, 200);
    proxy.set(Fault::Reset);
    let late = replicas.add();
    let late = &replicas.all[late];
    wait_until("a complaint", || late.ready().1["store"]["last_error"].is_string());
    assert_eq!((late.ready().0, &late.ready().1["store"]["state"]), (503, &"joining".into()));
    for token in [&alice, &revoked] {
        assert_eq!(late.verdict(token), "503");
    }
    assert_eq!(Request::get("/jwks").send(late.public).status, 503, "no set without keys");
    assert_eq!(late.exchange(&alice, ORDERS_API).status, 503);
    proxy.set(Fault::None);
    wait_until("recovery", || late.ready().0 == 200);
    assert_eq!(late.verdict(&revoked), "inactive");
    assert_eq!(late.verdict(&alice), "active");
}

#[test]
fn one_replica_alone_is_cut_off_and_learns_what_it_missed() {
    let redis = RedisServer::start();
    let proxy = FaultProxy::before(redis.address());
    let mut replicas = Replicas::start(2, &store(&redis.url(), ""));
    replicas.reconfigure(&store(&format!("redis://{}", proxy.address()), ""));
    let far = replicas.add();
    replicas.wait_until_ready();
    let alice = replicas.alice();
    let tokens: Vec<_> = (0..20).map(|_| replicas.all[0].issued(&alice, ORDERS_API)).collect();
    proxy.set(Fault::BlackHole);
    wait_until("being behind", || replicas.all[far].ready().1["store"]["state"] == "behind");
    for token in &tokens {
        assert_eq!(replicas.all[0].revoke(token).status, 200);
    }
    let here = replicas.all[far].issued(&alice, ORDERS_API);
    assert_eq!(replicas.all[far].revoke(&here).status, 200, "for now, here");
    proxy.set(Fault::None);
    // From the moment it is in step again.
    wait_until("being current", || replicas.all[far].ready().1["store"]["state"] == "current");
    for token in &tokens {
        assert_eq!(replicas.all[far].verdict(token), "inactive", "not answered active once more");
    }
    wait_until("the others learning", || replicas.all[0].verdict(&here) == "inactive");
}
