//! Changes under load: every answer is that of one configuration, and memory does not grow.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::people::{ALICE, HOME_TENANT};

use super::{Service, TYK};
use crate::support::Answer;
use crate::support::process::wait_until;

/// Which configuration an answer is of: its policy and whether it tells the sign-in name must both
/// say the same one.
fn version(answer: &Answer) -> u64 {
    assert!(
        answer.status == 200 && answer.is_active(),
        "a good token, a registered client: {answer:?}"
    );
    let body = answer.json();
    let policies: Vec<_> = body["policies"].as_array().unwrap().iter().collect();
    let [policy] = policies[..] else { panic!("of more than one configuration: {body}") };
    let version: u64 = policy.as_str().unwrap().strip_prefix("p-").unwrap().parse().unwrap();
    assert_eq!(body["username"].is_string(), version.is_multiple_of(2), "a mixture: {body}");
    version
}

/// The configuration of this number.
fn text(usual: &str, number: u64) -> String {
    let text = usual.replace("p-1", &format!("p-{number}"));
    if number.is_multiple_of(2) {
        text.replacen("] }\n  kong", "], release: [username] }\n  kong", 1)
    } else {
        text
    }
}

#[test]
fn no_answer_is_late_early_mixed_or_missing() {
    let service = Service::start("load");
    let usual = service.text();
    let (warm, key) = (service.token(), service.entra.signing_key());
    let (confirmed, written) = (AtomicU64::new(1), AtomicU64::new(1));
    let (stop, asked) = (AtomicBool::new(false), AtomicU64::new(0));
    let issuer = service.entra.issuer(HOME_TENANT);
    let cold = |number: u64| {
        let token = issuer.delegated(&PORTAL, &ALICE, &ORDERS, &["orders.read"]);
        token.claim("uti", format!("cold-{number}")).sign(&key).unwrap()
    };
    thread::scope(|scope| {
        for worker in 0..8_u64 {
            let (warm, confirmed, written, stop, asked) =
                (&warm, &confirmed, &written, &stop, &asked);
            let (service, cold) = (&service, &cold);
            scope.spawn(move || {
                for number in 0_u64.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let token = if number.is_multiple_of(3) {
                        cold(worker * 1_000_000 + number)
                    } else {
                        warm.clone()
                    };
                    let least = confirmed.load(Ordering::SeqCst);
                    let found = version(&service.ask(TYK, &token));
                    let most = written.load(Ordering::SeqCst);
                    assert!((least..=most).contains(&found), "{found}, not {least} to {most}");
                    asked.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let stopped = Stop(&stop);
        for number in 2..=25 {
            let before = asked.load(Ordering::SeqCst);
            written.store(number, Ordering::SeqCst);
            service.after(|| {
                service.replace("tessera.yaml", &text(&usual, number));
                service.hang_up();
            });
            confirmed.store(number, Ordering::SeqCst);
            wait_until("requests", || asked.load(Ordering::SeqCst) > before + 16);
        }
        drop(stopped);
    });
    assert_eq!(service.changes("refused"), 0);
}

/// The workers end with the test, however that ends.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What the process holds in memory, in kB.
fn memory(service: &Service) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[test]
fn five_hundred_changes_leave_nothing_behind() {
    let service = Service::configured("memory", |text| format!("{text}cache: {{ bytes: 1MiB }}\n"));
    let usual = service.text();
    let tokens: Vec<_> = (0..8).map(|_| service.token()).collect();
    let change = |number: u64| {
        service.after(|| {
            // Every second one brings a tenant, the others take it away.
            let text = text(&usual, number);
            let text = if number.is_multiple_of(2) { super::and_partner(&text) } else { text };
            service.replace("tessera.yaml", &text);
            service.hang_up();
        });
        for token in &tokens {
            assert_eq!(version(&service.ask(TYK, token)), number);
        }
    };
    (2..=120).for_each(change);
    let before = memory(&service);
    (121..=500).for_each(change);
    let after = memory(&service);
    assert!(after < before + 8 * 1024, "{before} kB, then {after} kB");
    assert_eq!(service.generation(), 500);
}
