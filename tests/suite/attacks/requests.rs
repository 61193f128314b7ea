//! §14.9: what is no request at one endpoint is none at any.

use tessera::protocol::params::MAX_BODY_BYTES;
use url::form_urlencoded::Serializer;

use super::sightings::{Asked, assert_no_piece};
use crate::exchange::fields;
use crate::support::{ORDERS_API, Request, TYK, World, logs};

/// The endpoints, and a parameter that each of them needs.
const ENDPOINTS: [(&str, &str); 3] =
    [("/introspect", "token"), ("/token", "subject_token"), ("/revoke", "token")];

/// A good form for every endpoint at once: unknown parameters are ignored (A216).
fn form(alice: &str, endpoint: &str) -> String {
    let token = if endpoint == "/revoke" { "x" } else { alice };
    let asked = [fields(alice, ORDERS_API), vec![("token", token)]].concat();
    let asked = asked.into_iter().chain([("client_id", TYK.0), ("client_secret", TYK.1)]);
    Serializer::new(String::new()).extend_pairs(asked).finish()
}

/// What is refused at `endpoint` for its form alone, and with which status.
fn malformed(alice: &str, (endpoint, needed): (&str, &str)) -> Vec<(&'static str, u16, Request)> {
    let good = form(alice, endpoint);
    let with = |extra: &str| Request::body(endpoint, format!("{good}&{extra}"));
    let at = |query: &str| Request::body(&format!("{endpoint}?{query}"), good.as_str());
    let typed = |kind: &str| with("").without("Content-Type").header("Content-Type", kind);
    let escaped = format!("%{:02x}{}=x", needed.as_bytes()[0], &needed[1..]);
    let many = (0..64).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&");
    vec![
        ("A208", 400, at(&format!("{needed}=x"))),
        ("A208", 400, at(&format!("client_secret={}", TYK.1))),
        ("A208", 400, at(&format!("%63lient_secret={}", TYK.1))),
        ("A217", 400, at("client_assertion=x")),
        ("A215", 400, with(&format!("{needed}=x"))),
        ("A215", 400, with(&format!("{needed}={alice}"))),
        ("A215", 400, with("client_id=tyk")),
        ("A215", 400, with("client_secret=x")),
        ("A216", 400, with(&escaped)),
        ("A219", 400, typed("application/json")),
        ("A219", 400, typed("multipart/form-data; boundary=x")),
        ("A219", 400, typed("text/plain")),
        ("A219", 400, with("").without("Content-Type")),
        ("A220", 400, with("a=%zz")),
        ("A220", 400, with("a=%ff")),
        ("A220", 400, with("a=%00")),
        ("A221", 400, with(&many)),
        ("A221", 400, with(&format!("a={}", "x".repeat(49 * 1024)))),
        ("A221", 413, with(&format!("a={}", "x".repeat(MAX_BODY_BYTES)))),
        ("A222", 415, with("").header("Content-Encoding", "gzip")),
        ("A224", 405, with("").method("PUT").header("X-HTTP-Method-Override", "POST")),
        ("A224", 405, Request::get(endpoint)),
    ]
}

#[test]
fn a208_a215_a216_a217_a219_a220_a221_a222_a224_no_endpoint_reads_what_is_no_form() {
    let world = World::start();
    let (alice, asked) = (world.sign(&world.alice()), Asked::now(&world));
    for endpoint in ENDPOINTS {
        for (number, (row, status, request)) in malformed(&alice, endpoint).into_iter().enumerate()
        {
            let (what, name) =
                (format!("{row}, the {number}th at {}", endpoint.0), logs::watched());
            let answer = request.header("X-Request-Id", &name).send(world.public);
            answer.assert_clean();
            assert_eq!(answer.status, status, "{what}: {answer:?}");
            // A request that is none is counted; nobody's token or secret was refused.
            let lines = logs::about(&name);
            assert!(lines.is_empty(), "{what}: {lines:?}");
            for secret in [alice.as_str(), TYK.1] {
                assert_no_piece(&what, &answer.text(), secret);
            }
            let good = Request::body(endpoint.0, form(&alice, endpoint.0)).send(world.public);
            assert_eq!(good.status, 200, "{what}: {good:?}");
        }
    }
    asked.assert_no_more_than(0, "requests", &world);
}
