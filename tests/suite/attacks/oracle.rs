//! §14.10: what an answer tells beside its one word, and who keeps it.

use tessera::dev::apps::{LEDGER, PORTAL};
use tessera::dev::keys::SigningKey;
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::protocol::params::MAX_BODY_BYTES;

use crate::exchange::{fields, token};
use crate::support::{Answer, BILLING_GATEWAY, ORDERS_API, Request, TASKS_API, TYK, World};

/// All of an answer but the moment and the name of the request.
fn shape(answer: &Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let mut headers: Vec<_> = answer
        .headers()
        .filter(|(name, _)| !["date", "x-request-id"].contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    headers.sort();
    (answer.status, headers, answer.bytes().to_vec())
}

/// One token for each way to be refused.
fn refused_ones(world: &World) -> Vec<(&'static str, String)> {
    let (alice, past) = (world.alice(), world.clock_at(-7200));
    let ledger = world.entra.issuer(HOME_TENANT);
    let ledger = ledger.delegated(&PORTAL, &ALICE, &LEDGER, &["ledger.read"]);
    let stranger = SigningKey::pooled("stranger").unwrap();
    let revoked = token(world, TYK, &fields(&world.sign(&alice), TASKS_API));
    let order = Request::form("/revocations", &[("token", &revoked)]).send(world.admin);
    assert_eq!(order.status, 200, "{order:?}");
    vec![
        ("expired", world.sign(&alice.clone().claim("exp", past).claim("iat", past))),
        ("not yet valid", world.sign(&alice.clone().claim("nbf", world.clock_at(600)))),
        ("revoked", revoked),
        (
            "bad signature",
            alice.clone().sign(&stranger.named(world.entra.signing_key().kid())).unwrap(),
        ),
        ("unknown key", alice.clone().sign(&stranger).unwrap()),
        ("unknown issuer", world.sign(&alice.claim("iss", "https://evil.example"))),
        ("another API", world.sign(&ledger)),
        ("unknown handle", format!("tsr_{}", "A".repeat(43))),
        ("no token", "x".to_owned()),
        ("too large", "x".repeat(40_000)),
    ]
}

#[test]
fn a241_no_reason_shows_in_an_answer() {
    let world = World::start();
    let introspected = |token: &str| world.introspect(token);
    let exchanged = |token: &str| {
        Request::form("/token", &fields(token, ORDERS_API)).basic(TYK).send(world.public)
    };
    let tokens = refused_ones(&world);
    for ask in [&introspected as &dyn Fn(&str) -> Answer, &exchanged] {
        let first = shape(&ask("nothing of ours"));
        for (what, token) in &tokens {
            assert_eq!(shape(&ask(token)), first, "A241: {what}");
            assert_eq!(shape(&ask(token)), first, "A241: {what}, once more");
        }
    }
    // A good one, seen by who may not see it.
    let good = world.sign(&world.alice());
    let hidden = world.introspect_as(BILLING_GATEWAY, &good);
    assert_eq!(shape(&hidden), shape(&world.introspect("x")), "A241: another caller's");
    world.assert_active(&good);
}

#[test]
fn a254_nothing_is_kept_by_those_in_between() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let (asked, swap) = ([("token", alice.as_str())], fields(&alice, ORDERS_API));
    let introspect = || Request::introspect(&asked);
    let public = [
        (200, introspect().basic(TYK)),
        (200, introspect().basic(TYK).signed()),
        (200, introspect().basic(TYK).header("Accept", "application/jwt")),
        (200, Request::introspect(&[("token", "x")]).basic(TYK)),
        (200, Request::form("/token", &swap).basic(TYK)),
        (200, Request::form("/revoke", &[("token", "x")]).basic(TYK)),
        (400, introspect().signed()),
        (400, Request::introspect(&[]).basic(TYK)),
        (400, Request::form("/token", &[]).basic(TYK)),
        (400, Request::form("/token", &fields("x", ORDERS_API)).basic(TYK)),
        (400, Request::form("/revoke", &asked).basic(TYK)),
        (401, introspect()),
        (401, Request::form("/token", &swap)),
        (401, introspect().bearer(&alice)),
        (404, Request::get("/nowhere")),
        (405, Request::get("/introspect")),
        (405, Request::get("/token")),
        (405, Request::body("/jwks", "x")),
        (413, Request::body("/introspect", vec![b'a'; MAX_BODY_BYTES + 1]).basic(TYK)),
        (415, introspect().basic(TYK).header("Content-Encoding", "gzip")),
    ];
    for (status, request) in public {
        let answer = request.send(world.public);
        assert_eq!(answer.status, status, "{request:?} {answer:?}");
        answer.assert_clean();
    }
    let explain = Request::form("/explain", &[("token", &*alice), ("client", TYK.0)]);
    for request in [explain, Request::form("/revocations", &[]), Request::get("/nowhere")] {
        let answer = request.send(world.admin);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "A254 {request:?} {answer:?}");
    }
}
