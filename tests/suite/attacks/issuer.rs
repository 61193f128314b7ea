//! §14.5: issuer, tenant, key ownership.

use serde_json::{Value, json};
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::faults::Surface;
use tessera::dev::keys::SigningKey;
use tessera::dev::people::{ALICE, BOB, DAVE, HOME_TENANT, PARTNER_TENANT};
use tessera::domain::rejection::Reason;
use tessera::domain::tenant::PERSONAL_ACCOUNTS;

use super::{all_refused, named, with_claim};
use crate::support::{ISSUER, World, and_partner};

#[test]
fn a90_a91_an_unknown_issuer_is_never_asked() {
    let world = World::start();
    world.assert_active(&world.sign(&world.alice()));
    let asked = || Surface::ALL.map(|surface| world.entra.requests(surface));
    let before = asked();
    let stranger = SigningKey::pooled("stranger").unwrap();
    let issuers = [
        "https://login.evil.example/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0",
        "http://169.254.169.254/",
        "https://localhost",
        "file:///etc/passwd",
        "http://10.0.0.1/",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "",
    ];
    let tokens = issuers.into_iter().flat_map(|issuer| {
        let token = world.alice().claim("iss", issuer);
        [
            (format!("{issuer} signed by Entra"), world.sign(&token)),
            (format!("{issuer} signed by itself"), token.sign(&stranger).unwrap()),
        ]
    });
    let tokens: Vec<_> = tokens.collect();
    let keys_before = before[1];
    all_refused(&world, "A90 A91", tokens);
    let after = asked();
    assert_eq!(after[0], before[0], "A90: no discovery");
    assert!(after[1] - keys_before <= 1, "A90: one look for the unknown `kid` at most");
}

#[test]
fn a92_a93_a94_an_issuer_is_compared_letter_by_letter() {
    let world = World::start();
    let good = world.alice().claims()["iss"].as_str().unwrap().to_owned();
    let authority = world.entra.authority().to_owned();
    let variants = [
        format!("{good}/"),
        good.trim_end_matches("/v2.0").to_owned(),
        good.replace("http://", "HTTP://"),
        good.replace("http://", "https://"),
        good.replace("http://", "http://user@"),
        good.replace("/v2.0", ":443/v2.0"),
        good.replace("/v2.0", "/%76%32.0"),
        good.replace("/v2.0", "/x/../v2.0"),
        good.replacen("127.0.0.1", "127.0.0.1.evil.example", 1),
        good.to_uppercase(),
        format!(" {good}"),
        format!("{good}\0"),
        format!("{authority}/{{tenantid}}/v2.0"),
        format!("{authority}/common/v2.0"),
        format!("{authority}/organizations/v2.0"),
        format!("{authority}/consumers/v2.0"),
    ];
    let tokens = variants.map(|issuer| {
        let token = with_claim(&world, "iss", issuer.clone());
        (issuer, token)
    });
    all_refused(&world, "A92 A93 A94", tokens);
}

#[test]
fn a95_a96_the_tenant_is_one_exact_guid() {
    let world = World::configured(and_partner);
    let crossed = with_claim(&world, "tid", PARTNER_TENANT);
    world.assert_refused(&crossed, Reason::IssuerMismatch);
    let mut tokens = vec![world.alice().without("tid")];
    let values: Vec<Value> = vec![
        json!("contoso.example"),
        json!([HOME_TENANT]),
        json!(HOME_TENANT.to_uppercase()),
        json!(format!("{{{HOME_TENANT}}}")),
        json!(HOME_TENANT.replace('-', "")),
        json!(format!(" {HOME_TENANT}")),
        json!(""),
        json!(7),
        Value::Null,
    ];
    tokens.extend(values.into_iter().map(|value| world.alice().claim("tid", value)));
    all_refused(&world, "A96", named(&tokens, &world));
}

#[test]
fn a97_a98_only_configured_tenants_are_trusted() {
    let world = World::start();
    let partner = world.entra.issuer(PARTNER_TENANT);
    let dave = world.sign(&partner.delegated(&PORTAL, &DAVE, &ORDERS, &["orders.read"]));
    world.assert_refused(&dave, Reason::TenantNotAccepted);
    let personal = world.entra.issuer(PERSONAL_ACCOUNTS);
    let token = personal.delegated(&PORTAL, &ALICE, &ORDERS, &["orders.read"]);
    let personal = token.sign(&world.entra.personal_key()).unwrap();
    world.assert_refused(&personal, Reason::TenantNotAccepted);
}

#[test]
fn a37_a99_a_key_signs_for_its_own_issuer_only() {
    let world = World::configured(and_partner);
    let personal = world.entra.personal_key();
    let token = world.alice().sign(&personal).unwrap();
    world.introspect(&token).assert_inactive();
    let reason = world.explain(&token)["refused"]["reason"].clone();
    assert!(["key_unknown", "key_not_for_issuer"].contains(&reason.as_str().unwrap()), "{reason}");
    // Published among the organisations' keys, but marked as another issuer's.
    let foreign = SigningKey::pooled("foreign").unwrap();
    world.entra.publish(foreign.entra_jwk("https://login.example/other/v2.0"));
    world.clock.advance(tessera::protocol::time::Seconds::minutes(10));
    world.assert_refused(&world.alice().sign(&foreign).unwrap(), Reason::KeyNotForIssuer);
}

#[test]
fn a100_a101_version_and_cloud_belong_to_the_issuer() {
    let world = World::start();
    let v1 = world.alice_v1().claims()["iss"].as_str().unwrap().to_owned();
    let v2 = world.alice().claims()["iss"].as_str().unwrap().to_owned();
    let clouds = ["https://login.microsoftonline.us", "https://login.partner.microsoftonline.cn"];
    let mut tokens = vec![
        world.alice().claim("iss", v1.clone()),
        world.alice_v1().claim("iss", v2),
        world.alice().claim("ver", "1.0"),
        world.alice_v1().claim("ver", "2.0"),
        world.alice().claim("ver", "3.0"),
        world.alice().claim("ver", 2),
        world.alice().without("ver"),
        world.alice_v1().claim("iss", v1.trim_end_matches('/')),
    ];
    tokens.extend(
        clouds.map(|cloud| world.alice().claim("iss", format!("{cloud}/{HOME_TENANT}/v2.0"))),
    );
    all_refused(&world, "A100 A101", named(&tokens, &world));
}

#[test]
fn a102_issuer_and_subject_are_texts() {
    let world = World::start();
    let issuer = world.alice().claims()["iss"].clone();
    let mut tokens = vec![
        world.alice().claim("iss", json!([issuer])),
        world.alice().claim("iss", 7),
        world.alice().without("iss"),
        world.alice().without("sub"),
    ];
    let values = [json!(7), json!({}), json!([]), json!(null), json!("")];
    tokens.extend(values.map(|value| world.alice().claim("sub", value)));
    for claim in ["oid", "azp"] {
        let values = [json!(7), json!(null), json!("alice"), json!("")];
        tokens.extend(values.map(|value| world.alice().claim(claim, value)));
        tokens.push(world.alice().without(claim));
    }
    all_refused(&world, "A102", named(&tokens, &world));
}

#[test]
fn a103_our_own_name_is_no_issuer_of_entra_tokens() {
    let world = World::start();
    let ours = world.alice().claim("iss", ISSUER);
    // Our own tokens have a type of their own, and only our own keys sign them.
    world.assert_refused(&world.sign(&ours), Reason::TypeNotAccepted);
    let typed = world.sign(&ours.clone().header("typ", "at+jwt"));
    world.assert_refused(&typed, Reason::KeyUnknown);
    let v1 = world.alice_v1().claim("iss", ISSUER);
    let tokens = [ours.clone().header("typ", "at+jwt"), ours.without("tid"), v1];
    all_refused(&world, "A103", named(&tokens, &world));
}

#[test]
fn a104_a_guests_home_is_not_the_tenant() {
    let world = World::start();
    let bob = world.entra.issuer(HOME_TENANT).delegated(&PORTAL, &BOB, &ORDERS, &["orders.read"]);
    let idp = format!("https://sts.windows.net/{PARTNER_TENANT}/");
    let body = world.assert_active(&world.sign(&bob.claim("idp", idp)));
    assert_eq!(body["tenant"], HOME_TENANT);
    assert_eq!(body["principal"], format!("{}.{HOME_TENANT}", BOB.oid));
}

#[test]
fn a105_a106_names_decide_nothing() {
    let world = World::configured(and_partner);
    let partner = world.entra.issuer(PARTNER_TENANT);
    let dave = partner.delegated(&PORTAL, &DAVE, &ORDERS, &["orders.read"]);
    let dave = ["email", "upn", "preferred_username", "unique_name"]
        .into_iter()
        .fold(dave, |token, claim| token.claim(claim, ALICE.username));
    let body = world.assert_active(&world.sign(&dave));
    assert_eq!(body["principal"], format!("{}.{PARTNER_TENANT}", DAVE.oid), "A106");
    // `.` joins two GUIDs; the name of a client never has that form by accident of a kind.
    assert_eq!(body["principal_type"], "user", "A105");
}
