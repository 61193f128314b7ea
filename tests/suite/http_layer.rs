//! The HTTP layer (§14.9): whatever is not a plain form gets a clear answer, and nothing of it
//! comes back. The deadline of a slow body (A221, 408) is ten seconds of real time, and only its
//! length limit is tried here.

use std::io::Write as _;
use std::net::TcpStream;

use tessera::protocol::params::MAX_BODY_BYTES;

use crate::support::{Answer, Request, TYK, World};

fn tyk(world: &World, extra: &str) -> Answer {
    let token = world.sign(&world.alice());
    let body = format!("client_id={}&client_secret={}&token={token}{extra}", TYK.0, TYK.1);
    Request::body("/introspect", body).send(world.public)
}

/// A217 too: what stands in the address is never added to what stands in the body.
#[test]
fn a208_int_30_nothing_secret_stands_in_an_address() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let queries =
        ["token=x", "client_id=tyk", "client_secret=x", "client_assertion=x", "%74oken=x", "a=%zz"];
    for query in queries {
        let request = Request::form(&format!("/introspect?{query}"), &[("token", &token)]);
        request.basic(TYK).send(world.public).assert_error(400, "invalid_request");
    }
    let harmless = Request::form("/introspect?trace=1", &[("token", &token)]).basic(TYK);
    assert!(harmless.send(world.public).is_active(), "A217");
}

#[test]
fn a215_a216_a218_each_parameter_comes_once() {
    let world = World::start();
    for extra in
        ["&token=x", "&%74oken=x", "&client_id=tyk", "&token_type_hint=a&token_type_hint=b"]
    {
        tyk(&world, extra).assert_error(400, "invalid_request");
    }
    for extra in ["&Token=x", "&token[]=x", "&scope=admin", "&x=1;token=2", "&&", "&=", "&flag"] {
        assert!(tyk(&world, extra).is_active(), "A216, A218, INT-04 {extra}");
    }
}

#[test]
fn a219_only_forms_are_read() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let form = Request::introspect(&[("token", &token)]).basic(TYK);
    for kind in ["application/json", "multipart/form-data; boundary=x", "text/plain", "x"] {
        let request = form.clone().without("Content-Type").header("Content-Type", kind);
        request.send(world.public).assert_error(400, "invalid_request");
    }
    let without = form.clone().without("Content-Type").send(world.public);
    without.assert_error(400, "invalid_request");
    let charset = "application/x-www-form-urlencoded; charset=UTF-8";
    let charset = form.without("Content-Type").header("Content-Type", charset);
    assert!(charset.send(world.public).is_active(), "A219");
}

#[test]
fn a220_what_does_not_decode_is_refused() {
    let world = World::start();
    for extra in ["&a=%zz", "&a=%4", "&a=%ff", "&a=%00", "&token%00=x", "&a=%c0%af"] {
        tyk(&world, extra).assert_error(400, "invalid_request");
    }
    let mut body = b"token=".to_vec();
    body.push(0xff);
    let answer = Request::body("/introspect", body).basic(TYK).send(world.public);
    answer.assert_error(400, "invalid_request");
}

#[test]
fn a221_a62_bodies_have_bounds() {
    let world = World::start();
    let long = Request::body("/introspect", vec![b'a'; MAX_BODY_BYTES + 1]).basic(TYK);
    long.send(world.public).assert_error(413, "invalid_request");
    let announced = Request::body("/introspect", "token=x").basic(TYK);
    let announced = announced.header("Content-Length", "99999999999");
    announced.send(world.public).assert_error(413, "invalid_request");
    let mut chunks = Vec::new();
    for _ in 0..140 {
        chunks.extend_from_slice(format!("400\r\n{}\r\n", "a".repeat(1024)).as_bytes());
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    let chunked = Request::body("/introspect", chunks).header("Transfer-Encoding", "chunked");
    chunked.basic(TYK).send(world.public).assert_error(413, "invalid_request");
    let many = (0..64).map(|number| format!("p{number}=1")).collect::<Vec<_>>().join("&");
    tyk(&world, &format!("&{many}")).assert_error(400, "invalid_request");
    tyk(&world, &format!("&a={}", "x".repeat(49 * 1024))).assert_error(400, "invalid_request");
    assert!(tyk(&world, "").is_active(), "good requests go on");
}

#[test]
fn a222_nothing_is_inflated() {
    let world = World::start();
    for coding in ["gzip", "deflate", "br", "identity", "x"] {
        let request = Request::body("/introspect", "\x1f\u{8b}").header("Content-Encoding", coding);
        request.basic(TYK).send(world.public).assert_error(415, "invalid_request");
    }
}

#[test]
fn a223_smuggling_ends_the_connection() {
    let world = World::start();
    let head = "POST /introspect HTTP/1.1\r\nHost: x\r\n";
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let second = "GET /jwks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let requests = [
        format!(
            "{head}{form}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{second}"
        ),
        format!("{head}{form}Content-Length: 5\r\nContent-Length: 6\r\n\r\naaaaaa{second}"),
        format!("{head}{form}Content-Length: +5\r\n\r\naaaaa{second}"),
        format!("{head}{form} folded: x\r\nContent-Length: 0\r\n\r\n{second}"),
        format!("{head}{form}Transfer-Encoding: chunked\r\n\r\nxyz\r\n{second}"),
        format!("{head}{form}Transfer-Encoding: xchunked\r\n\r\n{second}"),
        format!("{head}{form}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{second}"),
        format!("{head}{form}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{second}"),
        format!("{head}{form}Transfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n{second}"),
        format!("{head}{form}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{second}"),
        format!("{head}{form}Transfer-Encoding: chunked\r\n\r\n0\n\n{second}"),
        format!(
            "{head}{form}Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\naaaaa\r\n0\r\n\r\n{second}"
        ),
        format!("{head}{form}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n{second}"),
        format!("{head}{form}Content-Length: 5\r\nContent-Length: 5\r\n\r\naaaaa{second}"),
        format!("{head}{form}Content-Length: 5, 5\r\n\r\naaaaa{second}"),
        format!("{head}{form}Content-Length: -5\r\n\r\n{second}"),
        format!("{head}{form}X-A: b\rContent-Length: 5\r\n\r\naaaaa{second}"),
        format!("{head}{form}Host: y\r\nContent-Length: 0\r\n\r\n{second}"),
    ];
    for request in requests {
        let mut stream = TcpStream::connect(world.public).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let answer = Answer::read(&mut stream);
        assert_eq!(answer.status / 100, 4, "A223 {request} {answer:?}");
        let rest = String::from_utf8_lossy(answer.bytes()).into_owned();
        assert!(!rest.contains(r#""keys""#), "A223: the second request was answered: {request}");
    }
    assert!(tyk(&world, "").is_active());
}

#[test]
fn a224_int_05_methods_are_what_they_are() {
    let world = World::start();
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD", "TRACE", "post"] {
        let request = Request::get("/introspect").method(method);
        let answer = request.header("X-HTTP-Method-Override", "POST").send(world.public);
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "A224 {method}");
        answer.assert_clean();
    }
    let answer = Request::body("/jwks", "x").send(world.public);
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
    for path in ["/", "/introspect/", "/metrics", "/explain", "/livez", "/..%2fjwks", "/%00"] {
        let answer = Request::get(path).send(world.public);
        assert_eq!(answer.status, 404, "{path}: admin pages are not on this listener");
        answer.assert_clean();
    }
}

#[test]
fn a213_a225_a_request_does_not_say_who_or_where_we_are() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let spoofed = |request: Request| {
        ["Host", "X-Forwarded-Host", "X-Forwarded-For", "X-Client-Cert", "X-SSL-Client-Verify"]
            .into_iter()
            .fold(request.without("Host"), |request, name| request.header(name, "evil.example"))
    };
    let nobody = spoofed(Request::introspect(&[("token", &token)]));
    assert!(nobody.send(world.public).status >= 400, "A213");
    let signed = Request::introspect(&[("token", &token)]).basic(TYK).signed();
    let signed = signed.header("X-Forwarded-Host", "evil.example").send(world.public);
    assert!(!signed.text().contains("evil"), "A225");
    let issuer = crate::signed_answers::claims(&signed.text());
    assert_eq!(issuer["iss"], crate::support::ISSUER, "A225");
}

#[test]
fn a226_a227_a228_nothing_of_a_request_comes_back() {
    let world = World::start();
    let marker = "<script>alert(1)</script>";
    let hostile = ["\u{1b}[31mred", "${jndi:ldap://x}", marker, "a\u{2028}b", "a\r\nb: c"];
    for text in hostile {
        let fields = [("token", text), ("client_id", text), ("client_secret", text), (text, text)];
        let answer = Request::introspect(&fields).send(world.public);
        answer.assert_error(401, "invalid_client");
        assert!(!answer.text().contains(marker), "A227");
    }
    for id in ["${jndi:ldap://x}", "a b", "<x>", "a;b", &"x".repeat(65)] {
        let answer = Request::introspect(&[("token", "x")])
            .basic(TYK)
            .header("X-Request-Id", id)
            .send(world.public);
        assert_ne!(answer.header("x-request-id"), Some(id), "A226");
        answer.assert_inactive();
    }
    let named = Request::introspect(&[("token", "x")]).basic(TYK).header("X-Request-Id", "abc-1_2");
    assert_eq!(named.send(world.public).header("x-request-id"), Some("abc-1_2"));
}
