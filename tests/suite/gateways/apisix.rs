//! Apache APISIX, which cannot be run here: what its plugins put on the wire, as their sources and
//! lua-resty-openidc's have it, with the settings of `examples/apisix`.

use tessera::dev::faults::{Fault, Surface};
use tessera::protocol::time::Seconds;

use super::{DEV_SECRET, Swap, adapted, credentials, form, replay};
use crate::support::{Answer, TYK, World, eventually};

/// A head as lua-resty-http writes it.
const HEAD: &str = "POST /introspect HTTP/1.1\nHost: 127.0.0.1:8080\nUser-Agent: \
                    lua-resty-http/0.17.1 (Lua) ngx_lua/10026\nContent-Type: \
                    application/x-www-form-urlencoded";

/// `introspection_endpoint_auth_method: client_secret_post`; the fields come in no certain order.
fn introspect(world: &World, token: &str) -> Answer {
    let fields = [("client_secret", TYK.1), ("token", token), ("client_id", TYK.0)];
    replay(world.public, &form(HEAD, &fields))
}

#[test]
fn the_examples_are_the_ones_that_are_replayed() {
    let text = adapted("apisix/introspection.yaml", &[]);
    for line in [
        "introspection_endpoint: http://127.0.0.1:8080/introspect",
        "introspection_endpoint_auth_method: client_secret_post",
        "required_scopes: [orders.read]",
        &format!("client_secret: {DEV_SECRET}"),
    ] {
        assert!(text.contains(line), "{line}");
    }
    let text = adapted("apisix/forward-auth.yaml", &[]);
    let basic = format!("Tessera-Authorization: \"Basic {}\"", credentials((TYK.0, DEV_SECRET)));
    for line in
        ["uri: http://127.0.0.1:8080/verify/orders", "request_headers: [Authorization]", &basic]
    {
        assert!(text.contains(line), "{line}");
    }
    for name in super::checks::IDENTITY {
        assert!(text.to_lowercase().contains(&format!("- {name}\n")), "{name}");
    }
}

#[test]
fn openid_connect_is_told_what_it_looks_at() {
    let world = World::start();
    let answer = introspect(&world, &world.sign(&world.alice()));
    assert_eq!(answer.status, 200, "anything else is a failure to it");
    let body = answer.json();
    assert_eq!(body["active"], true);
    // `required_scopes` splits it at spaces.
    assert!(body["scope"].as_str().unwrap().split(' ').any(|scope| scope == "orders.read"));
    assert!(body["exp"].is_u64(), "by which it caches");
    introspect(&world, "x").assert_inactive();
}

/// The default, `client_secret_basic`, sends the secret twice up to lua-resty-openidc 1.8; hence
/// the line in the example.
#[test]
fn a_secret_that_comes_twice_is_no_good_request() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let fields = [("client_secret", TYK.1), ("token", alice.as_str()), ("client_id", TYK.0)];
    let head = format!("{HEAD}\nAuthorization: Basic {}", credentials(TYK));
    replay(world.public, &form(&head, &fields)).assert_error(400, "invalid_request");
    // As later ones send it.
    let answer = replay(world.public, &form(&head, &[("token", &alice)]));
    assert!(answer.is_active(), "{answer:?}");
}

/// It takes whatever is not 200 for a bad token, and shows the whole answer to its caller: there is
/// nothing in it to see.
#[test]
fn an_answer_that_fails_gives_nothing_away() {
    let world = World::start();
    for surface in [Surface::Discovery, Surface::Keys] {
        world.entra.set_fault(surface, Fault::Status(500));
    }
    world.clock.advance(Seconds::hours(25));
    let alice = world.sign(&world.alice());
    eventually("an outage", || introspect(&world, &alice).status == 503);
    let answer = introspect(&world, &alice);
    answer.assert_error(503, "temporarily_unavailable");
    for secret in [&alice, TYK.1, "Keys", "login", "127.0.0.1"] {
        assert!(!answer.text().contains(secret), "{answer:?}");
    }
}

/// The head of what `forward-auth` sends; lua-resty-http adds no body to it.
fn forwarded(extra: &str) -> String {
    let head = format!(
        "GET /verify/orders HTTP/1.1\nHost: 127.0.0.1:8080\nUser-Agent: lua-resty-http/0.17.1 \
         (Lua) ngx_lua/10026\nX-Forwarded-Proto: https\nX-Forwarded-Method: POST\nX-Forwarded-Host: \
         api.example.com\nX-Forwarded-Uri: /orders/1?token=y\nX-Forwarded-For: 192.0.2.7\n\
         Tessera-Authorization: Basic {}\n{extra}\n",
        credentials(TYK)
    );
    head.replace('\n', "\r\n")
}

#[test]
fn forward_auth_is_told_everything_that_it_passes_on() {
    let world = super::world(Swap::Yes);
    let alice = world.sign(&world.alice());
    let good = replay(world.public, &forwarded(&format!("Authorization: Bearer {alice}\n")));
    assert_eq!(good.status, 200, "{good:?}");
    for name in super::checks::IDENTITY {
        assert!(good.header(name).is_some(), "{name} {good:?}");
    }
    assert!(good.header("authorization").unwrap().starts_with("Bearer ey"), "{good:?}");
    let none = replay(world.public, &forwarded(""));
    assert_eq!(none.status, 401, "{none:?}");
    assert!(none.header("www-authenticate").unwrap().starts_with("Bearer "), "{none:?}");
}
