//! The processor is taken away: for some seconds altogether, or most of the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tessera::adapters::clock::SystemClock;
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::ports::Clock as _;

use crate::exchange::fields;
use crate::replicas::{Replicas, store};
use crate::support::process::wait_until;
use crate::support::redis::RedisServer;
use crate::support::service::{Service, Site};
use crate::support::{Answer, ORDERS_API, Request, TYK, summed};

/// What is asked while nobody can answer yet.
const ASKERS: usize = 20;
/// Longer than it may take until a revocation holds everywhere.
const STANDSTILL: Duration = Duration::from_secs(6);

/// What is answered as soon as `go_on` lets it, to questions that were there before.
fn answers(ask: impl Fn() -> Answer + Sync, go_on: impl FnOnce()) -> Vec<Answer> {
    thread::scope(|scope| {
        let askers: Vec<_> = (0..ASKERS).map(|_| scope.spawn(&ask)).collect();
        // It is this time that must pass, and nothing that is waited for.
        thread::sleep(STANDSTILL);
        go_on();
        askers.into_iter().map(|asker| asker.join().unwrap()).collect()
    })
}

#[test]
fn a_replica_that_stood_still_says_nothing_before_it_knows_what_was_revoked() {
    let redis = RedisServer::start();
    let replicas = Replicas::start(2, &store(&redis.url(), ""));
    replicas.wait_until_current();
    let [one, two] = &replicas.all[..] else { panic!("two replicas") };
    let alice = replicas.alice();
    for replica in [one, two] {
        assert!(replica.introspect(&alice).is_active());
    }
    two.signal("STOP");
    assert_eq!(one.order("token", &alice).status, 200);
    for answer in answers(|| two.introspect(&alice), || two.signal("CONT")) {
        assert!(!answer.is_active(), "revoked {STANDSTILL:?} ago: {answer:?}");
    }
    wait_until("the end", || two.verdict(&alice) == "inactive");
    let other = replicas.token_of(&tessera::dev::people::BOB);
    wait_until("recovery", || two.verdict(&other) == "active");
    assert!(two.metrics().contains("tessera_store_state{state=\"current\"} 1"));
}

#[test]
fn what_expired_while_the_process_stood_still_has_expired() {
    let site = Site::new("standstill", str::to_owned);
    let service = site.serve();
    let now = SystemClock::new().now().seconds();
    let issuer = site.entra.issuer(HOME_TENANT);
    // Good for three seconds, by the leeway.
    let token = issuer.delegated(&PORTAL, &ALICE, &ORDERS, &["orders.read"]);
    let token = token.claim("iat", now - 600).claim("nbf", now - 600).claim("exp", now - 57);
    let token = site.entra.sign(&token).unwrap();
    assert!(service.introspect(&token).is_active());
    service.signal("STOP");
    for answer in answers(|| service.introspect(&token), || service.signal("CONT")) {
        answer.assert_inactive();
    }
    assert!(service.introspect(&site.alice()).is_active());
}

/// Lets `service` run for a twentieth of the time while `work` is done.
fn starved(service: &Service, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                service.signal("STOP");
                thread::sleep(Duration::from_millis(190));
                service.signal("CONT");
                thread::sleep(Duration::from_millis(10));
            }
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        over.store(true, Ordering::SeqCst);
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn with_little_time_answers_are_late_and_right() {
    let site = Site::new("starved", str::to_owned);
    let service = site.serve();
    let revoked = site.alice();
    assert!(service.introspect(&revoked).is_active());
    starved(&service, || {
        let begun = Instant::now();
        let order = Request::form("/revocations", &[("token", &*revoked)]).send(service.admin);
        assert_eq!(order.status, 200, "{order:?}");
        while begun.elapsed() < Duration::from_secs(4) {
            service.introspect(&revoked).assert_inactive();
            let fresh = site.entra.issuer(HOME_TENANT);
            let fresh = fresh.delegated(&PORTAL, &ALICE, &ORDERS, &["orders.read"]);
            let fresh = fresh.claim("uti", format!("{:?}", begun.elapsed()));
            let fresh = site.entra.sign(&fresh).unwrap();
            assert!(service.introspect(&fresh).is_active());
            let form = Request::form("/token", &fields(&fresh, ORDERS_API)).basic(TYK);
            let exchanged = form.send(service.public).status;
            assert!([200, 503].contains(&exchanged), "{exchanged}");
            assert_eq!(service.get("/livez").status, 200);
        }
    });
    let begun = Instant::now();
    assert!(service.introspect(&site.alice()).status == 200);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(service.get("/readyz").status, 200);
    let late = service.get("/metrics").text();
    let asked = summed(&late, "tessera_introspections_total", &["result=\"active\""]);
    assert!(asked > 2, "{late}");
    assert_eq!(summed(&late, "tessera_http_requests_total", &["status=\"500\""]), 0);
}
