//! What holds behind every gateway.

use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::faults::{Fault, Surface};
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::protocol::time::Seconds;

use super::{API, Scene, Swap, credentials};
use crate::signed_answers::claims;
use crate::support::upstream::Arrived;
use crate::support::{Answer, ISSUER, ORDERS_API, Request, TYK, eventually};

/// Every header by which tessera says who it is.
pub(super) const IDENTITY: [&str; 9] = [
    "x-tessera-principal",
    "x-tessera-principal-type",
    "x-tessera-tenant",
    "x-tessera-subject",
    "x-tessera-client",
    "x-tessera-actor",
    "x-tessera-scope",
    "x-tessera-roles",
    "x-tessera-policies",
];
/// What a caller makes up. No other text here contains it.
const FORGED: &str = "f0rged";

/// A good token passes with the whole request, and the backend is told who it is.
pub(super) fn lets_through(scene: &Scene, swap: Swap) {
    let alice = scene.alice();
    // A query is the API's own business, whatever it looks like.
    let target = "/orders/7?token=y&client_id=z&scope=admin&x=%2F";
    let asked = Request::body(target, "item=3&token=y").bearer(&alice);
    let arrived = Arrived::from(&scene.send(&asked));
    assert_eq!((arrived.text("method"), arrived.text("target")), ("POST", target));
    assert_eq!(arrived.text("body"), "item=3&token=y");
    is_alice(scene, &arrived, &alice);
    let token = arrived.header("authorization").expect("a token").strip_prefix("Bearer ").unwrap();
    match swap {
        Swap::No => assert_eq!(token, alice),
        Swap::Yes => {
            assert_eq!(claims(token)["aud"], ORDERS_API);
            assert_eq!(scene.world().assert_active(token)["scope"], "orders.read");
        }
    }
    assert_eq!(scene.backend.requests(), 1);
    for method in ["GET", "DELETE", "OPTIONS"] {
        let answer = scene.send(&Request::get("/orders/7").method(method).bearer(&alice));
        assert_eq!(Arrived::from(&answer).text("method"), method);
    }
}

/// The backend is told that this is Alice, and nothing else in tessera's name.
#[track_caller]
pub(super) fn is_alice(scene: &Scene, arrived: &Arrived, alice: &str) {
    let told = scene.world().assert_active(alice);
    let text = |member: &str| told[member].as_str();
    let said = |name: &str| arrived.header(name);
    assert_eq!(said("x-tessera-principal"), Some(&*format!("{}.{HOME_TENANT}", ALICE.oid)));
    assert_eq!(said("x-tessera-principal-type"), Some("user"));
    assert_eq!(said("x-tessera-tenant"), Some(HOME_TENANT));
    assert_eq!(
        (said("x-tessera-subject"), said("x-tessera-client")),
        (text("sub"), text("client_id"))
    );
    assert_eq!(said("x-tessera-scope"), text("scope"));
    assert_eq!(said("x-tessera-roles"), Some("Orders.Approver approver"));
    assert_eq!(said("x-tessera-policies"), Some("gold,approvals"));
    assert_eq!(said("x-tessera-actor"), None, "she acts for herself");
    for (name, value) in arrived.headers().filter(|(name, _)| name.contains("tessera")) {
        assert!(IDENTITY.contains(&name), "{name}: {value}");
    }
}

/// Whatever a caller says in tessera's name, in whatever spelling, does not reach the backend, and
/// changes nothing.
pub(super) fn believes_nobody_else(scene: &Scene) {
    let alice = scene.alice();
    let names = IDENTITY.map(str::to_owned).into_iter().chain(IDENTITY.map(str::to_uppercase));
    let separators = ["_", ".", "~", "!", "+"];
    let aliases = separators.map(|separator| "X-Tessera-Actor".replace('-', separator));
    let mixed = ["X-Tessera_Actor", "X_Tessera-Actor", "x-tessera.scope"].map(str::to_owned);
    for name in names.chain(aliases).chain(mixed) {
        let request = Request::get("/orders/1").bearer(&alice).header(&name, FORGED);
        // Once more, for gateways that look at the first one or at the last.
        let answer = scene.send(&request.header(&name, FORGED));
        // A gateway may also refuse such a request.
        if answer.status != 400 {
            let arrived = Arrived::from(&answer);
            is_alice(scene, &arrived, &alice);
            let found = arrived.headers().find(|(_, value)| value.contains(FORGED));
            assert!(found.is_none(), "{name}: {found:?}");
        }
    }
    keeps_what_is_said(scene, &alice);
    credentials_are_the_gateways_own(scene, &alice);
}

/// A caller may ask a proxy to drop headers (RFC 9110 §7.6.1), but not these.
fn keeps_what_is_said(scene: &Scene, alice: &str) {
    for name in IDENTITY.into_iter().chain(["authorization", "tessera-authorization"]) {
        let asked = Request::get("/orders/1").bearer(alice).header("Connection", name);
        let before = scene.backend.requests();
        let answer = scene.send(&asked);
        if answer.status == 200 {
            let arrived = Arrived::from(&answer);
            is_alice(scene, &arrived, alice);
            assert!(arrived.header("authorization").is_some(), "{name}");
        } else {
            assert!([400, 401].contains(&answer.status), "{name} {answer:?}");
            assert_eq!(scene.backend.requests(), before, "{name}");
        }
    }
}

/// Credentials that a caller brings along count for nothing, true or made up.
fn credentials_are_the_gateways_own(scene: &Scene, alice: &str) {
    let own = format!("Basic {}", credentials(TYK));
    let made_up = format!("Basic {}", credentials(("tyk", FORGED)));
    for brought in [own.as_str(), &made_up, "Basic", FORGED] {
        let with = |request: Request| {
            let once = request.header("Tessera-Authorization", brought);
            scene.send(&once.header("Tessera-Authorization", brought))
        };
        let arrived = Arrived::from(&with(Request::get("/orders/1").bearer(alice)));
        is_alice(scene, &arrived, alice);
        assert_eq!(with(Request::get("/orders/1")).status, 401, "{brought}");
        assert_eq!(with(Request::get("/orders/1").bearer("x")).status, 401, "{brought}");
    }
}

/// Who may not pass does not, and is told what to do about it (RFC 6750 §3).
pub(super) fn refuses(scene: &Scene) {
    let world = scene.world();
    let metadata =
        format!("resource_metadata=\"{ISSUER}/.well-known/oauth-protected-resource/orders\"");
    let challenged = |answer: &Answer, status: u16, error: Option<&str>| {
        assert_eq!(answer.status, status, "{answer:?}");
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer "), "{challenge}");
        assert!(challenge.contains(&metadata), "{challenge}");
        let said =
            challenge.split_once("error=\"").map(|(_, rest)| rest.split('"').next().unwrap());
        assert_eq!(said, error, "{challenge}");
    };
    challenged(&scene.send(&Request::get("/orders/1")), 401, None);
    let alice = scene.alice();
    let (rest, signature) = alice.rsplit_once('.').unwrap();
    let tampered = format!("{rest}.AAAA{}", &signature[4..]);
    let billing = world.sign(&world.alice_v1());
    for bad in [tampered.as_str(), &billing, "x", "a.b.c", "tsr_unknown"] {
        challenged(&scene.ask(bad), 401, Some("invalid_token"));
    }
    let issuer = world.entra.issuer(HOME_TENANT);
    let small = world.sign(&issuer.delegated(&PORTAL, &ALICE, &ORDERS, &["orders.write"]));
    challenged(&scene.ask(&small), 403, Some("insufficient_scope"));
    let get = || Request::get("/orders/1");
    for two in [
        get().bearer(&alice).bearer(&small),
        get().bearer("x").bearer(&alice),
        get().header("Authorization", &format!("Bearer {alice}, Bearer x")),
        get().header("Authorization", &format!("Basic {}", credentials(TYK))),
        get().header("Authorization", "Bearer"),
    ] {
        let status = scene.send(&two).status;
        assert!([400, 401].contains(&status), "{status} {two:?}");
    }
    for path in ["/orders/../orders/1", "//orders/1", "/%6frders/1", "/orders/%2e%2e/orders/1"] {
        let status = scene.send(&Request::get(path)).status;
        assert!([301, 302, 307, 308, 400, 401, 404].contains(&status), "{status} {path}");
    }
    assert_eq!(scene.backend.requests(), 0, "nothing of this has passed");
    Arrived::from(&scene.ask(&alice));
}

/// A token that is revoked is refused from then on.
pub(super) fn forgets_at_once(scene: &Scene) {
    let alice = scene.alice();
    Arrived::from(&scene.ask(&alice));
    let revoked = Request::form("/revocations", &[("token", &alice)]).send(scene.world().admin);
    assert_eq!(revoked.status, 200, "{revoked:?}");
    let answer = scene.ask(&alice);
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(scene.backend.requests(), 1);
    let world = scene.world();
    Arrived::from(&scene.ask(&world.sign(&world.alice().claim("uti", "another"))));
}

/// Nobody passes while tessera is away, and the caller is told that it is not their fault.
pub(super) fn lets_nobody_through_alone(mut scene: Scene, told: u16) {
    let alice = scene.alice();
    Arrived::from(&scene.ask(&alice));
    drop(scene.world.take());
    for request in [Request::get("/orders/1").bearer(&alice), Request::get("/orders/1")] {
        let answer = scene.send(&request);
        assert_eq!(answer.status, told, "{answer:?}");
    }
    assert_eq!(scene.backend.requests(), 1);
}

/// Nobody passes while tessera cannot know whether they may.
pub(super) fn lets_nobody_through_unknown(scene: &Scene) -> Answer {
    let world = scene.world();
    for surface in [Surface::Discovery, Surface::Keys] {
        world.entra.set_fault(surface, Fault::Status(500));
    }
    // Whatever was fetched before the fault is too old now.
    world.clock.advance(Seconds::hours(25));
    let alice = scene.alice();
    eventually("an outage", || scene.ask(&alice).status == 503);
    assert_eq!(scene.backend.requests(), 0);
    scene.ask(&alice)
}

/// Everybody may know where tokens come from (RFC 9728).
pub(super) fn shows_the_metadata(scene: &Scene) {
    let answer = scene.send(&Request::get("/.well-known/oauth-protected-resource/orders"));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["resource"], API);
    let below = "/.well-known/oauth-protected-resource/../../orders/1";
    let status = scene.send(&Request::get(below)).status;
    assert!([301, 302, 307, 308, 400, 401, 404].contains(&status), "{status}");
    assert_eq!(scene.backend.requests(), 0);
}
