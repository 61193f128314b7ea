//! Callers are let in at `/token` and `/revoke` by the same rules as everywhere (CA-11, §14.9).

use tessera::dev::token::TokenBuilder;
use tessera::protocol::client_auth::JWT_BEARER;

use super::fields;
use crate::support::{ISSUER, ORDERS_API, Request, SIGNER, START, TYK, World, assertion_key};

const ENDPOINTS: [&str; 2] = ["/token", "/revoke"];

fn assertion(jti: &str) -> String {
    let token = TokenBuilder::client_assertion(SIGNER, ISSUER, jti, START);
    token.sign(&assertion_key()).unwrap()
}

#[test]
fn a200_to_a208_credentials_come_in_one_way_and_must_be_good() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    for path in ENDPOINTS {
        let asked = [fields(&alice, ORDERS_API), vec![("token", "x")]].concat();
        let send = |more: &[(&str, &str)]| Request::form(path, &[&asked, more].concat());
        let told = |request: Request, status: u16, code: &str| {
            let answer = request.send(world.public);
            answer.assert_error(status, code);
            assert_eq!(answer.all("www-authenticate").is_empty(), status == 400, "ERR-01 {path}");
        };
        let (id, secret) = (("client_id", TYK.0), ("client_secret", TYK.1));
        told(send(&[]), 401, "invalid_client");
        told(send(&[id]), 401, "invalid_client");
        told(send(&[]).basic((TYK.0, "wrong")), 401, "invalid_client");
        told(send(&[]).basic(("nobody-knows", TYK.1)), 401, "invalid_client");
        told(send(&[]).header("Authorization", "Basic"), 401, "invalid_client");
        told(send(&[id, secret]).basic(TYK), 400, "invalid_request");
        told(send(&[("client_id", "planner")]).basic(TYK), 400, "invalid_request");
        told(send(&[]).basic(TYK).basic(TYK), 400, "invalid_request");
        let signed = assertion(path);
        let own = [("client_assertion", signed.as_str()), ("client_assertion_type", JWT_BEARER)];
        told(send(&own).basic(TYK), 401, "invalid_client");
        told(send(&own[..1]), 401, "invalid_client");
        let query = format!("{path}?client_secret={}", TYK.1);
        told(Request::form(&query, &asked).basic(TYK), 400, "invalid_request");
        let json = Request::body(path, "{}").without("Content-Type").basic(TYK);
        told(json.header("Content-Type", "application/json"), 400, "invalid_request");
        assert_eq!(send(&[]).basic(TYK).send(world.public).status, 200, "and one good way is good");
    }
}

#[test]
fn a209_a210_an_assertion_proves_something_once_at_whichever_endpoint() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let signed = assertion("once");
    let own = [("client_assertion", signed.as_str()), ("client_assertion_type", JWT_BEARER)];
    let asked = [fields(&alice, ORDERS_API), own.to_vec()].concat();
    assert_eq!(Request::form("/token", &asked).send(world.public).status, 200);
    let again = [&[("token", "x")][..], &own].concat();
    for path in ["/revoke", "/introspect"] {
        Request::form(path, &again).send(world.public).assert_error(401, "invalid_client");
    }
    let wrong = TokenBuilder::client_assertion(SIGNER, &format!("{ISSUER}/token"), "x", START);
    let wrong = wrong.sign(&assertion_key()).unwrap();
    let own = [("client_assertion", wrong.as_str()), ("client_assertion_type", JWT_BEARER)];
    let asked = [fields(&alice, ORDERS_API), own.to_vec()].concat();
    Request::form("/token", &asked).send(world.public).assert_error(401, "invalid_client");
}
