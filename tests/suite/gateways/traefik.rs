//! Traefik, which cannot be had here: what its `forwardAuth` sends, as its source has it, with the
//! settings of `examples/traefik`.

use super::checks::IDENTITY;
use super::{DEV_SECRET, Swap, adapted, credentials, replay};
use crate::signed_answers::claims;
use crate::support::{Answer, ORDERS_API, TYK, World};

/// What Go's client sends: the allowed headers, and its own.
fn ask(world: &World, authorization: &str) -> Answer {
    let head = format!(
        "GET /verify/orders HTTP/1.1\nHost: {}\nUser-Agent: Go-http-client/1.1\n{authorization}\
         Tessera-Authorization: Basic {}\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-Host: \
         api.example.com\nX-Forwarded-Method: DELETE\nX-Forwarded-Proto: https\nX-Forwarded-Uri: \
         /orders/1?token=y\nAccept-Encoding: gzip\n\n",
        world.public,
        credentials(TYK)
    );
    replay(world.public, &head.replace('\n', "\r\n"))
}

fn world() -> World {
    super::world(Swap::Yes)
}

#[test]
fn the_example_is_the_one_that_is_replayed() {
    let text = adapted("traefik/dynamic.yaml", &[]);
    for line in [
        "address: http://127.0.0.1:8080/verify/orders",
        "authRequestHeaders: [Authorization, Tessera-Authorization]",
        "authResponseHeaders: [Authorization]",
        "authResponseHeadersRegex: (?i)tessera",
        &format!("Tessera-Authorization: \"Basic {}\"", credentials((TYK.0, DEV_SECRET))),
    ] {
        assert!(text.contains(line), "{line}");
    }
}

#[test]
fn every_header_that_it_takes_over_is_there() {
    let world = world();
    let alice = world.sign(&world.alice());
    let good = ask(&world, &format!("Authorization: Bearer {alice}\n"));
    assert_eq!((good.status, good.bytes()), (200, &b""[..]), "{good:?}");
    for name in IDENTITY {
        assert!(good.header(name).is_some(), "{name} {good:?}");
    }
    let token = good.header("authorization").unwrap().strip_prefix("Bearer ").unwrap();
    assert_eq!(claims(token)["aud"], ORDERS_API);
    assert_eq!(good.header("tessera-authorization"), None, "it would go on to the backend");
}

/// It relays such an answer as it stands, headers and body.
#[test]
fn a_refusal_can_be_shown_to_anybody() {
    let world = world();
    for authorization in ["", "Authorization: Bearer x\n", "Authorization: Basic eDp5\n"] {
        let answer = ask(&world, authorization);
        assert_eq!(answer.status, 401, "{authorization} {answer:?}");
        answer.assert_clean();
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "), "{answer:?}");
        assert!(answer.json()["error"].is_string());
    }
    let twice = "Authorization: Bearer x\nAuthorization: Bearer y\n";
    assert_eq!(ask(&world, twice).status, 400);
}
