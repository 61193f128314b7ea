//! Who is let in (§14.9, CA-01…CA-11), and what everybody else is told.
//!
//! Not built, and so not here: mutual TLS (A213's proxy headers are ignored, A214), SPIFFE and
//! Kubernetes tokens (second half of A209), proofs of possession (A229, A230), the endpoints `/token` and `/revoke`.

use serde_json::json;
use tessera::dev::apps::{GATEWAY, INVOICE_AGENT, PORTAL, REPORTING, TESSERA};
use tessera::dev::keys::SigningKey;
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::dev::token::TokenBuilder;
use tessera::protocol::client_auth::JWT_BEARER;
use tessera::protocol::time::Seconds;

use crate::support::{
    Answer, BILLING_GATEWAY, ISSUER, Request, SIGNER, START, TYK, World, assertion_key,
};

/// A request of the client that signs assertions.
fn asserted(world: &World, assertion: &str, extra: &[(&str, &str)]) -> Answer {
    let token = world.sign(&world.alice());
    let mut fields = vec![
        ("token", token.as_str()),
        ("client_assertion", assertion),
        ("client_assertion_type", JWT_BEARER),
    ];
    fields.extend(extra);
    Request::introspect(&fields).send(world.public)
}

fn assertion(jti: &str) -> TokenBuilder {
    TokenBuilder::client_assertion(SIGNER, ISSUER, jti, START)
}

fn is_active(answer: &Answer) -> bool {
    answer.status == 200 && answer.json()["active"] == true
}

/// The gateway's own Entra token.
fn gateway(world: &World) -> TokenBuilder {
    world.entra.issuer(HOME_TENANT).app_only(&GATEWAY, &TESSERA)
}

#[test]
fn a200_a232_nobody_is_let_in_without_proof() {
    let world = World::start();
    for fields in [vec![], vec![("client_id", TYK.0)], vec![("client_secret", TYK.1)]] {
        let mut fields = fields.clone();
        fields.push(("token", "x"));
        let answer = Request::introspect(&fields).send(world.public);
        answer.assert_error(401, "invalid_client");
        let challenges = answer.all("www-authenticate");
        assert!(challenges.iter().any(|one| one.starts_with("Basic ")), "INT-09 {challenges:?}");
        assert!(challenges.iter().any(|one| one.starts_with("Bearer ")), "INT-10 {challenges:?}");
        assert!(!challenges.iter().any(|one| one.contains("error")), "ERR-12 {challenges:?}");
    }
}

#[test]
fn a201_an_unknown_name_and_a_wrong_secret_look_the_same() {
    let world = World::start();
    let ask = |id, secret| Request::introspect(&[("token", "x")]).basic((id, secret));
    let unknown = ask("nobody-at-all", TYK.1).send(world.public);
    let wrong = ask(TYK.0, "wrong").send(world.public);
    let no_secret = ask(SIGNER, TYK.1).send(world.public);
    for answer in [&unknown, &wrong, &no_secret] {
        answer.assert_error(401, "invalid_client");
        assert_eq!(answer.bytes(), unknown.bytes(), "A201");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "), "ERR-01");
    }
}

#[test]
fn a202_what_is_no_basic_header_is_no_client() {
    let world = World::start();
    for value in ["Basic", "Basic !!!", "Basic Zm9v", "Basic /zo/", "Digest x", "Bearer", "basic "]
    {
        let request = Request::introspect(&[("token", "x")]).header("Authorization", value);
        request.send(world.public).assert_error(401, "invalid_client");
    }
}

#[test]
fn a203_names_and_secrets_are_form_encoded_first() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let encoded: Vec<_> = TYK.1.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let request = Request::introspect(&[("token", &token)]).basic(("t%79k", &encoded.concat()));
    assert!(is_active(&request.send(world.public)), "ERR-05");
    let request = Request::introspect(&[("token", &token)]).basic((TYK.0, "100%"));
    request.send(world.public).assert_error(401, "invalid_client");
}

#[test]
fn a204_a205_a206_a207_there_is_one_way_at_a_time() {
    let world = World::start();
    let post = |id: &'static str, secret: &'static str| {
        Request::introspect(&[("token", "x"), ("client_id", id), ("client_secret", secret)])
    };
    for (id, secret) in [TYK, BILLING_GATEWAY] {
        post(id, secret).basic(TYK).send(world.public).assert_error(400, "invalid_request");
    }
    let named = Request::introspect(&[("token", "x"), ("client_id", "other")]).basic(TYK);
    named.send(world.public).assert_error(400, "invalid_request");
    let twice = Request::introspect(&[("token", "x")]).basic(TYK);
    twice.clone().basic(TYK).send(world.public).assert_error(400, "invalid_request");
    twice.bearer("x").send(world.public).assert_error(400, "invalid_request");
    let signed = assertion("one").sign(&assertion_key()).unwrap();
    let fields = [("token", "x"), ("client_assertion", &signed)];
    let typed = [&fields[..], &[("client_assertion_type", JWT_BEARER)]].concat();
    let with_basic = Request::introspect(&typed).basic(TYK);
    with_basic.send(world.public).assert_error(401, "invalid_client");
    asserted(&world, &signed, &[("client_secret", TYK.1)]).assert_error(401, "invalid_client");
    asserted(&world, &signed, &[("client_id", TYK.0)]).assert_error(401, "invalid_client");
    let same = [("client_id", SIGNER)];
    assert!(is_active(&asserted(&world, &signed, &same)), "CA-02: refused ones used up nothing");
}

#[test]
fn ca_01_ca_09_an_assertion_by_the_registered_key_lets_in() {
    let world = World::start();
    let key = assertion_key();
    assert!(is_active(&asserted(&world, &assertion("a").sign(&key).unwrap(), &[])));
    let typed = assertion("b").header("typ", "client-authentication+jwt");
    assert!(is_active(&asserted(&world, &typed.sign(&key).unwrap(), &[])), "CA-08");
    let alone = assertion("c").claim("aud", json!([ISSUER]));
    assert!(is_active(&asserted(&world, &alone.sign(&key).unwrap(), &[])), "CA-04");
}

#[test]
fn a209_an_assertion_is_used_once() {
    let world = World::start();
    let signed = assertion("once").sign(&assertion_key()).unwrap();
    assert!(is_active(&asserted(&world, &signed, &[])));
    asserted(&world, &signed, &[]).assert_error(401, "invalid_client");
    let again = assertion("once").claim("iat", START.seconds() - 1).sign(&assertion_key()).unwrap();
    asserted(&world, &again, &[]).assert_error(401, "invalid_client");
}

#[test]
fn a117_a118_a119_a210_a212_an_assertion_says_exactly_what_it_must() {
    let now = START.seconds();
    let endpoint = format!("{ISSUER}/introspect");
    let bad = [
        ("CA-04 A117", assertion("1").claim("aud", format!("{ISSUER}/token"))),
        ("CA-04 A119", assertion("2").claim("aud", endpoint.clone())),
        ("CA-04 A118", assertion("3").claim("aud", json!([ISSUER, endpoint]))),
        ("CA-04 A112", assertion("4").claim("aud", json!([ISSUER, "https://other.example"]))),
        ("CA-04", assertion("5").claim("aud", format!("{ISSUER}/"))),
        ("CA-04", assertion("6").without("aud")),
        ("CA-03 A210", assertion("7").claim("iss", "tyk")),
        ("CA-03 A210", assertion("8").claim("sub", "tyk")),
        ("CA-03", assertion("9").without("iss")),
        ("CA-07 A210", assertion("10").without("jti")),
        ("CA-05 A210", assertion("11").without("exp")),
        ("CA-05", assertion("12").claim("exp", now - 61)),
        ("CA-05 A210", assertion("13").claim("exp", now + 301)),
        ("CA-06", assertion("14").claim("nbf", now + 61)),
        ("CA-08 A134", assertion("15").header("typ", "at+jwt")),
        ("CA-08 A138", assertion("16").header("typ", "dpop+jwt")),
        ("CA-09", assertion("17").without_header("kid")),
    ];
    let good = assertion("good").sign(&assertion_key()).unwrap();
    for (id, token) in bad {
        // A service of its own for each, or the throttle would refuse the later ones.
        let world = World::start();
        let answer = asserted(&world, &token.sign(&assertion_key()).unwrap(), &[]);
        assert_eq!(answer.status, 401, "{id} {:?}", token.claims());
        answer.assert_error(401, "invalid_client");
        assert!(is_active(&asserted(&world, &good, &[])), "{id}: and the right one lets in");
    }
}

#[test]
fn a211_a134_an_assertion_is_signed_by_the_clients_own_key() {
    let world = World::start();
    let stranger = SigningKey::pooled("stranger").unwrap().named(assertion_key().kid());
    let pss = assertion_key().as_ps256();
    let entra = world.sign(&assertion("entra"));
    let tokens = [
        assertion("a").sign(&stranger).unwrap(),
        assertion("b").sign(&pss).unwrap(),
        entra,
        world.sign(&world.alice()),
        "x.y.z".to_owned(),
    ];
    for signed in tokens {
        asserted(&world, &signed, &[]).assert_error(401, "invalid_client");
    }
    let signed = assertion("c").sign(&assertion_key()).unwrap();
    for kind in ["urn:ietf:params:oauth:client-assertion-type:jwt-spiffe", "urn:other", ""] {
        let fields =
            [("token", "x"), ("client_assertion", &*signed), ("client_assertion_type", kind)];
        let answer = Request::introspect(&fields).send(world.public);
        answer.assert_error(401, "invalid_client");
    }
}

#[test]
fn an_application_authenticates_with_its_own_entra_token() {
    let world = World::start();
    let (bearer, token) = (world.sign(&gateway(&world)), world.sign(&world.alice()));
    let ask = || Request::introspect(&[("token", &token)]).bearer(&bearer).send(world.public);
    assert!(is_active(&ask()), "first");
    assert!(is_active(&ask()), "and from memory");
    world.clock.advance(Seconds::hours(2));
    let answer = ask();
    answer.assert_error(401, "invalid_token");
}

#[test]
fn a233_a_bearer_token_must_identify_a_client() {
    let world = World::start();
    let issuer = world.entra.issuer(HOME_TENANT);
    let own = world.sign(&gateway(&world));
    let itself = Request::introspect(&[("token", &own)]).bearer(&own);
    itself.send(world.public).assert_error(401, "invalid_token");
    let user = issuer.delegated(&PORTAL, &ALICE, &TESSERA, &["access"]);
    let bad = [
        ("another app", world.sign(&issuer.app_only(&REPORTING, &TESSERA))),
        ("a person", world.sign(&user)),
        ("wrong audience", world.sign(&gateway(&world).claim("aud", "api://billing"))),
        ("not signed by Entra", gateway(&world).sign(&assertion_key()).unwrap()),
        ("expired", world.sign(&gateway(&world).claim("exp", START.seconds() - 100))),
        ("no token", "abc".to_owned()),
    ];
    for (what, bearer) in bad {
        let answer = Request::introspect(&[("token", "x")]).bearer(&bearer).send(world.public);
        assert_eq!(answer.status, 401, "{what}");
        answer.assert_error(401, "invalid_token");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.contains(r#"error="invalid_token""#), "INT-10 {challenge}");
    }
    let agent = world.sign(&issuer.app_only(&INVOICE_AGENT, &TESSERA));
    let token = world.sign(&world.alice());
    let answer = Request::introspect(&[("token", &token)]).bearer(&agent).send(world.public);
    assert!(is_active(&answer), "an agent identity is an application");
}

#[test]
fn a231_int_24_guessing_is_slowed_and_nobody_else_is() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let guess = |secret: &str| {
        Request::introspect(&[("token", &token)]).basic((TYK.0, secret)).send(world.public)
    };
    let refused = (0..1000).map(|n| guess(&format!("guess-{n}"))).find(|a| a.status == 429);
    let refused = refused.expect("A231: guessing goes on unhindered");
    refused.assert_error(429, "temporarily_unavailable");
    let wait: i64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
    let other = world.introspect_as(BILLING_GATEWAY, &world.sign(&world.alice_v1()));
    assert!(is_active(&other), "A231: other clients are unaffected");
    world.clock.advance(Seconds::new(wait));
    assert!(is_active(&guess(TYK.1)), "after the wait the right secret lets in");
}
