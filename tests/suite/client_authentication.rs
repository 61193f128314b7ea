//! Who is let in (§14.9, CA-01…CA-11), and what everybody else is told.
//!
//! Elsewhere: Kubernetes tokens, and the endpoints `/token` and `/revoke`. Not built, and so not here:
//! mutual TLS (A213's proxy headers are ignored, A214), SPIFFE, proofs of possession (A229, A230).

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

/// The gateway's own Entra token.
fn gateway(world: &World) -> TokenBuilder {
    world.entra.issuer(HOME_TENANT).app_only(&GATEWAY, &TESSERA)
}

#[test]
pub(crate) fn a200_a232_nobody_is_let_in_without_proof() {
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
pub(crate) fn a201_an_unknown_name_and_a_wrong_secret_look_the_same() {
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
pub(crate) fn a201_headers_and_ways_look_the_same_too() {
    let world = World::start();
    let basic = |pair| Request::introspect(&[("token", "x")]).basic(pair).send(world.public);
    let post = |pair| world.introspect_as(pair, "x");
    let sign = |id, key: &SigningKey| {
        TokenBuilder::client_assertion(id, ISSUER, id, START).sign(key).unwrap()
    };
    let (own, stranger) = (assertion_key(), SigningKey::pooled("stranger").unwrap());
    let refusals = [
        basic(("nobody-at-all", TYK.1)),
        basic((TYK.0, "wrong")),
        basic((SIGNER, "no secret")),
        basic(("not a name!", "x")),
        post(("nobody-at-all", TYK.1)),
        post((TYK.0, "wrong")),
        post(("gateway", "no secret")),
        asserted(&world, &sign("nobody-at-all", &own), &[]),
        asserted(&world, &sign(TYK.0, &own), &[]),
        asserted(&world, &sign(SIGNER, &stranger), &[]),
    ];
    let seen = |answer: &Answer| {
        answer.assert_error(401, "invalid_client");
        let mut names = answer.names();
        names.retain(|name| !["date", "x-request-id"].contains(&name.as_str()));
        let value = |name: &String| (name.clone(), answer.all(name).join("|"));
        (names.iter().map(value).collect::<Vec<_>>(), answer.bytes().to_vec())
    };
    for (number, answer) in refusals.iter().enumerate() {
        assert_eq!(seen(answer), seen(&refusals[0]), "A201: refusal {number}");
    }
}

#[test]
pub(crate) fn a202_what_is_no_basic_header_is_no_client() {
    let world = World::start();
    for value in ["Basic", "Basic !!!", "Basic Zm9v", "Basic /zo/", "Digest x", "Bearer", "basic "]
    {
        let request = Request::introspect(&[("token", "x")]).header("Authorization", value);
        request.send(world.public).assert_error(401, "invalid_client");
    }
}

#[test]
pub(crate) fn a203_names_and_secrets_are_form_encoded_first() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let encoded: Vec<_> = TYK.1.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let request = Request::introspect(&[("token", &token)]).basic(("t%79k", &encoded.concat()));
    assert!(request.send(world.public).is_active(), "ERR-05");
    let request = Request::introspect(&[("token", &token)]).basic((TYK.0, "100%"));
    request.send(world.public).assert_error(401, "invalid_client");
}

#[test]
pub(crate) fn a204_a205_a206_a207_there_is_one_way_at_a_time() {
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
    let own = world.sign(&gateway(&world));
    let bearer = Request::introspect(&[("token", "x")]).bearer(&own);
    bearer.bearer(&own).send(world.public).assert_error(400, "invalid_request");
    let beside_post = post(TYK.0, TYK.1).bearer(&own).send(world.public);
    beside_post.assert_error(400, "invalid_request");
    let signed = assertion("one").sign(&assertion_key()).unwrap();
    let fields = [("token", "x"), ("client_assertion", &signed)];
    let typed = [&fields[..], &[("client_assertion_type", JWT_BEARER)]].concat();
    let with_basic = Request::introspect(&typed).basic(TYK);
    with_basic.send(world.public).assert_error(401, "invalid_client");
    let with_bearer = Request::introspect(&typed).bearer(&own);
    with_bearer.send(world.public).assert_error(401, "invalid_client");
    asserted(&world, &signed, &[("client_secret", TYK.1)]).assert_error(401, "invalid_client");
    asserted(&world, &signed, &[("client_id", TYK.0)]).assert_error(401, "invalid_client");
    let same = [("client_id", SIGNER)];
    assert!(asserted(&world, &signed, &same).is_active(), "CA-02: refused ones used up nothing");
}

#[test]
pub(crate) fn ca_01_ca_09_an_assertion_by_the_registered_key_lets_in() {
    let world = World::start();
    let key = assertion_key();
    assert!(asserted(&world, &assertion("a").sign(&key).unwrap(), &[]).is_active());
    let typed = assertion("b").header("typ", "client-authentication+jwt");
    assert!(asserted(&world, &typed.sign(&key).unwrap(), &[]).is_active(), "CA-08");
    let alone = assertion("c").claim("aud", json!([ISSUER]));
    assert!(asserted(&world, &alone.sign(&key).unwrap(), &[]).is_active(), "CA-04");
}

#[test]
pub(crate) fn a209_an_assertion_is_used_once() {
    let world = World::start();
    let signed = assertion("once").sign(&assertion_key()).unwrap();
    assert!(asserted(&world, &signed, &[]).is_active());
    asserted(&world, &signed, &[]).assert_error(401, "invalid_client");
    let again = assertion("once").claim("iat", START.seconds() - 1).sign(&assertion_key()).unwrap();
    asserted(&world, &again, &[]).assert_error(401, "invalid_client");
}

/// A120 too: what was addressed to the endpoint by way of another service's lies is refused here.
#[test]
pub(crate) fn a117_a118_a119_a210_a212_an_assertion_says_exactly_what_it_must() {
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
        assert!(asserted(&world, &good, &[]).is_active(), "{id}: and the right one lets in");
    }
}

#[test]
pub(crate) fn a211_a134_an_assertion_is_signed_by_the_clients_own_key() {
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
pub(crate) fn a212_ca_01_an_assertion_has_a_type_and_is_one_jwt() {
    let world = World::start();
    let signed = assertion("one").sign(&assertion_key()).unwrap();
    let (shouted, two) = (JWT_BEARER.to_uppercase(), format!("{signed} {signed}"));
    let bad = [
        ("no type", vec![("client_assertion", &*signed)]),
        ("no assertion", vec![("client_assertion_type", JWT_BEARER)]),
        ("another case", vec![("client_assertion", &signed), ("client_assertion_type", &shouted)]),
        ("two", vec![("client_assertion", &two), ("client_assertion_type", JWT_BEARER)]),
    ];
    for (what, mut fields) in bad {
        fields.push(("token", "x"));
        let answer = Request::introspect(&fields).send(world.public);
        assert_eq!(answer.status, 401, "A212 {what}");
        answer.assert_error(401, "invalid_client");
    }
    assert!(asserted(&world, &signed, &[]).is_active(), "A212: none of them used it up");
}

#[test]
pub(crate) fn a211_a209_clients_share_neither_keys_nor_ids() {
    let other = SigningKey::pooled("other-client").unwrap();
    let keys = json!({ "keys": [other.jwk()] });
    let client = format!("  other-signer: {{ jwks: {keys} }}\nmapping:\n");
    let world = World::configured(|usual| usual.replacen("mapping:\n", &client, 1));
    let by_other = |jti| TokenBuilder::client_assertion("other-signer", ISSUER, jti, START);
    let own = assertion_key();
    let bad = [
        ("its key", assertion("a").sign(&other)),
        ("its key under our name", assertion("b").sign(&other.named(own.kid()))),
        ("our key for it", by_other("c").sign(&own)),
    ];
    for (what, signed) in bad {
        let answer = asserted(&world, &signed.unwrap(), &[]);
        assert_eq!(answer.status, 401, "A211 {what}");
        answer.assert_error(401, "invalid_client");
    }
    asserted(&world, &by_other("same").sign(&other).unwrap(), &[]).assert_inactive();
    let same = assertion("same").sign(&own).unwrap();
    assert!(asserted(&world, &same, &[]).is_active(), "A209: a `jti` belongs to one client");
}

#[test]
pub(crate) fn ca_09_a_key_is_found_by_its_thumbprint_too() {
    const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let (plain, mut printed) = (assertion_key().jwk(), assertion_key().jwk());
    printed["x5t#S256"] = THUMBPRINT.into();
    let world =
        World::configured(|usual| usual.replacen(&plain.to_string(), &printed.to_string(), 1));
    let by = |jti, thumbprint: &str| {
        let token = assertion(jti).without_header("kid").header("x5t#S256", thumbprint);
        token.sign(&assertion_key()).unwrap()
    };
    assert!(asserted(&world, &by("1", THUMBPRINT), &[]).is_active(), "CA-09");
    let unknown = by("2", &THUMBPRINT.replace('0', "A"));
    asserted(&world, &unknown, &[]).assert_error(401, "invalid_client");
    let contradicting = assertion("3").header("kid", "unknown").header("x5t#S256", THUMBPRINT);
    let contradicting = contradicting.sign(&assertion_key()).unwrap();
    asserted(&world, &contradicting, &[]).assert_error(401, "invalid_client");
}

#[test]
pub(crate) fn an_application_authenticates_with_its_own_entra_token() {
    let world = World::start();
    let (bearer, token) = (world.sign(&gateway(&world)), world.sign(&world.alice()));
    let ask = || Request::introspect(&[("token", &token)]).bearer(&bearer).send(world.public);
    assert!(ask().is_active(), "first");
    assert!(ask().is_active(), "and from memory");
    world.clock.advance(Seconds::hours(2));
    let answer = ask();
    answer.assert_error(401, "invalid_token");
}

#[test]
pub(crate) fn a233_a_bearer_token_must_identify_a_client() {
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
    assert!(answer.is_active(), "an agent identity is an application");
}

#[test]
pub(crate) fn a231_int_24_guessing_is_slowed_and_nobody_else_is() {
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
    assert!(other.is_active(), "A231: other clients are unaffected");
    world.clock.advance(Seconds::new(wait));
    assert!(guess(TYK.1).is_active(), "after the wait the right secret lets in");
}

#[test]
pub(crate) fn a231_bad_bearer_tokens_shut_out_nobody_else_at_the_same_address() {
    let world = World::start();
    let token = world.sign(&world.alice());
    let ask =
        |bearer: &str| Request::introspect(&[("token", &token)]).bearer(bearer).send(world.public);
    let nameless = (0..1000).find(|n| ask(&format!("guess-{n}")).status == 429);
    assert!(nameless.is_some(), "A231: guessing goes on unhindered");
    assert!(ask(&world.sign(&gateway(&world))).is_active(), "A231: after guesses that name nobody");
    let forged = |n: usize| gateway(&world).claim("uti", n).sign(&assertion_key()).unwrap();
    let refused = (0..1000).map(|n| ask(&forged(n))).find(|answer| answer.status == 429);
    let refused = refused.expect("A231: forging goes on unhindered");
    refused.assert_error(429, "temporarily_unavailable");
    let agent = world.entra.issuer(HOME_TENANT).app_only(&INVOICE_AGENT, &TESSERA);
    assert!(ask(&world.sign(&agent)).is_active(), "A231: after tokens that name the gateway");
    assert!(world.introspect(&token).is_active(), "A231: clients with a secret");
    let wait = refused.header("retry-after").unwrap().parse().unwrap();
    world.clock.advance(Seconds::new(wait));
    let own = world.sign(&gateway(&world).claim("uti", "later"));
    assert!(ask(&own).is_active(), "after the wait the right token lets in");
}
