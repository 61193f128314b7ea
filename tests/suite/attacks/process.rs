//! A process of its own: what it really writes, and what it holds in memory, while it is attacked.

use std::fs;

use serde_json::{Value, json};
use tessera::dev::apps::{INVOICE_AGENT, ORDERS, PORTAL, TESSERA};
use tessera::dev::faults::Surface;
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::dev::token::{TokenBuilder, raw_token};
use tessera::protocol::client_auth::JWT_BEARER;

use super::sightings::{assert_bounded, assert_no_piece};
use crate::exchange::{JWT, fields};
use crate::support::process::wait_until;
use crate::support::service::{Service, Site};
use crate::support::{ISSUER, ORDERS_API, Request, SIGNER, TYK, assertion_key};

/// With a caller of each kind.
fn site(name: &str) -> Site {
    let (orders, agent) = (ORDERS.client_id, INVOICE_AGENT.client_id);
    let keys = json!({ "keys": [assertion_key().jwk()] });
    let callers = format!(
        "    caller_audiences: [{}]\nclients:\n\
         \x20 {SIGNER}: {{ jwks: {keys}, introspect: {{ audiences: [{orders}] }} }}\n\
         \x20 invoice-agent: {{ entra_app: {agent}, introspect: {{ audiences: [{orders}] }} }}\n",
        TESSERA.uri,
    );
    Site::new(name, |usual| usual.replacen("clients:\n", &callers, 1))
}

/// Another letter in the signature.
fn spoiled(token: &str) -> String {
    let (before, rest) = token.split_at(token.len() - 20);
    let other = if rest.starts_with('A') { 'B' } else { 'A' };
    format!("{before}{other}{}", &rest[1..])
}

/// A bad token in each place, with what asks about it.
fn attempts(site: &Site, alice: &str) -> Vec<(String, Request)> {
    let issuer = site.entra.issuer(HOME_TENANT);
    let agent = site.entra.sign(&issuer.app_only(&INVOICE_AGENT, &TESSERA)).unwrap();
    let (bad, agent) = (spoiled(&site.alice()), spoiled(&agent));
    let another = spoiled(&site.alice());
    let assertion = TokenBuilder::client_assertion(SIGNER, ISSUER, "one", issuer.now);
    let assertion = spoiled(&assertion.sign(&assertion_key()).unwrap());
    let actor = vec![("actor_token", agent.as_str()), ("actor_token_type", JWT)];
    let acting = [fields(alice, ORDERS_API), actor].concat();
    let asserted = [
        ("token", alice),
        ("client_assertion", assertion.as_str()),
        ("client_assertion_type", JWT_BEARER),
    ];
    let requests = [
        Request::introspect(&[("token", &bad)]).basic(TYK),
        Request::form("/token", &fields(&another, ORDERS_API)).basic(TYK),
        Request::form("/token", &acting).basic(TYK),
        Request::introspect(&asserted),
        Request::introspect(&[("token", alice)]).bearer(&agent),
    ];
    [bad, another, agent.clone(), assertion, agent].into_iter().zip(requests).collect()
}

#[test]
fn a226_each_refusal_is_one_line_that_repeats_nothing() {
    let site = site("attacks-log");
    let service = site.serve();
    let alice = site.alice();
    let attempts = attempts(&site, &alice);
    for (number, (_, request)) in attempts.iter().enumerate() {
        let named = request.clone().header("X-Request-Id", &format!("attack-{number}"));
        let answer = named.send(service.public);
        answer.assert_clean();
        assert!(!answer.is_active(), "{answer:?}");
        assert_eq!(answer.status, [200, 400, 400, 401, 401][number], "{answer:?}");
    }
    let good = Request::form("/token", &fields(&alice, ORDERS_API)).basic(TYK);
    let good = good.header("X-Request-Id", "the-last").send(service.public);
    assert_eq!(good.status, 200, "{good:?}");
    // What was said before is there when this is.
    wait_until("the last line", || service.log().contains("the-last"));
    let log = service.log();
    for (number, (token, _)) in attempts.iter().enumerate() {
        let of = |line: &&str| {
            let told: Value = serde_json::from_str(line).unwrap();
            told["span"]["request_id"] == format!("attack-{number}")
        };
        let lines: Vec<_> = log.lines().filter(of).collect();
        let [line] = lines[..] else { panic!("{number}: {lines:#?}") };
        assert_bounded(&format!("attack {number}"), line, token);
        assert_no_piece("the whole log", &log, token);
    }
    for secret in [alice.as_str(), TYK.1, good.json()["access_token"].as_str().unwrap()] {
        assert_no_piece("the whole log", &log, secret);
    }
}

/// A value of the process in kB, as Linux tells it.
fn memory(service: &Service, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.id())).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.unwrap().trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// A token that costs something to read, another one for each number. Nobody signed it: the
/// signature is looked at last.
fn heavy(site: &Site, number: usize) -> String {
    let claims = site.entra.issuer(HOME_TENANT).delegated(&PORTAL, &ALICE, &ORDERS, &["x"]);
    let claims = claims.claim("uti", number);
    let open = |member: &str| {
        let text = String::from_utf8(claims.payload()).unwrap();
        text.replacen('{', &format!("{{{member},"), 1).into_bytes()
    };
    let kid = match number % 6 {
        0 => "k".repeat(2_800),
        1 => format!("unknown-{number}"),
        _ => site.entra.signing_key().kid().to_owned(),
    };
    let payload = match number % 6 {
        2 => open(&format!("\"x\":{}{}", "[".repeat(8_000), "]".repeat(8_000))),
        3 => open(&(0..2_000).map(|n| format!("\"m{n}\":1")).collect::<Vec<_>>().join(",")),
        4 => open(&format!("\"x\":\"{}\"", "x".repeat(20_000))),
        5 => open(&format!("\"x\":\"{}\"", "x".repeat(30_000))),
        _ => claims.payload(),
    };
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": kid }).to_string();
    raw_token(header.as_bytes(), &payload, |_| vec![0; 256])
}

#[test]
fn a35_a38_a60_a61_a62_large_tokens_leave_nothing_in_memory() {
    let site = site("attacks-memory");
    let service = site.serve();
    let (alice, keys) = (site.alice(), site.entra.requests(Surface::Keys));
    let attack = |number: usize| {
        let token = heavy(&site, number);
        service.introspect(&token).assert_inactive();
        let exchange = Request::form("/token", &fields(&token, ORDERS_API)).basic(TYK);
        exchange.send(service.public).assert_error(400, "invalid_request");
        assert!(service.introspect(&alice).is_active(), "a good one after attack {number}");
    };
    (0..300).for_each(attack);
    let before = memory(&service, "VmRSS");
    (300..1_200).for_each(attack);
    let (after, peak) = (memory(&service, "VmRSS"), memory(&service, "VmHWM"));
    assert!(after < before + 8 * 1024, "{before} kB, then {after} kB");
    assert!(peak < before + 16 * 1024, "{before} kB, and {peak} kB at most");
    assert!(site.entra.requests(Surface::Keys) - keys <= 1, "A38: one look for all of them");
    let longest = service.log().lines().map(str::len).max().unwrap();
    assert!(longest <= 4096, "a line of {longest} bytes");
}
