//! §14.5: issuer, tenant, key ownership.

use serde_json::{Value, json};
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::keys::SigningKey;
use tessera::dev::people::{ALICE, BOB, DAVE, HOME_TENANT, PARTNER_TENANT};
use tessera::domain::rejection::Reason;
use tessera::domain::tenant::PERSONAL_ACCOUNTS;
use tessera::protocol::time::Seconds;

use super::places::Place;
use super::{attack, world};
use crate::support::{ISSUER, World, and_partner};

#[test]
fn a90_a91_an_unknown_issuer_is_never_asked() {
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
    attack("A90 A91").tries(|stand| {
        let tokens = issuers.into_iter().flat_map(|issuer| {
            let token = stand.good().claim("iss", issuer);
            [
                (format!("{issuer} well signed"), stand.sign(&token)),
                (format!("{issuer} signed by itself"), token.sign(&stranger).unwrap()),
            ]
        });
        tokens.collect()
    });
}

#[test]
fn a92_a93_a94_an_issuer_is_compared_letter_by_letter() {
    let world = world();
    let authority = world.entra.authority().to_owned();
    attack("A92 A93 A94").tries_in(&world, |stand| {
        let good = stand.text("iss");
        let (scheme, rest) = good.split_once("://").unwrap_or(("", &good));
        let other = if scheme == "http" { "https" } else { "http" };
        let mut variants = vec![
            format!("{good}/"),
            good.trim_end_matches('/').to_owned(),
            good.trim_end_matches("/v2.0").to_owned(),
            format!("{}://{rest}", scheme.to_uppercase()),
            format!("{other}://{rest}"),
            format!("{scheme}://user@{rest}"),
            good.replace("/v2.0", ":443/v2.0"),
            good.replacen(".net/", ".net:443/", 1),
            good.replace("/v2.0", "/%76%32.0"),
            good.replace(HOME_TENANT, &format!("x/../{HOME_TENANT}")),
            good.replacen("127.0.0.1", "127.0.0.1.evil.example", 1),
            good.replacen("windows.net", "windows.net.evil.example", 1),
            good.to_uppercase(),
            format!(" {good}"),
            format!("{good}\0"),
        ];
        for tenant in ["{tenantid}", "common", "organizations", "consumers"] {
            variants.push(format!("{authority}/{tenant}/v2.0"));
            variants.push(format!("https://sts.windows.net/{tenant}/"));
        }
        // Not every change applies to every form.
        variants.retain(|variant| *variant != good);
        stand.with_claim("iss", variants)
    });
}

#[test]
fn a95_a96_the_tenant_is_one_exact_guid() {
    let world = World::configured(and_partner);
    let values: [Value; 10] = [
        json!(PARTNER_TENANT),
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
    attack("A95 A96").at(&Place::OF_ENTRA).tries_in(&world, |stand| {
        let absent = stand.signed([stand.good().without("tid")]);
        [stand.with_claim("tid", values.clone()), absent].concat()
    });
    let crossed = world.sign(&world.alice().claim("tid", PARTNER_TENANT));
    world.assert_refused(&crossed, Reason::IssuerMismatch);
}

#[test]
fn a97_a98_only_configured_tenants_are_trusted() {
    let world = world();
    let partner = world.entra.issuer(PARTNER_TENANT);
    let dave = world.sign(&partner.delegated(&PORTAL, &DAVE, &ORDERS, &["orders.read"]));
    world.assert_refused(&dave, Reason::TenantNotAccepted);
    let personal = world.entra.issuer(PERSONAL_ACCOUNTS);
    let token = personal.delegated(&PORTAL, &ALICE, &ORDERS, &["orders.read"]);
    let personal = token.sign(&world.entra.personal_key()).unwrap();
    world.assert_refused(&personal, Reason::TenantNotAccepted);
    attack("A97 A98").at(&Place::OF_ENTRA).tries_in(&world, |stand| {
        let elsewhere = |tenant: &str| {
            let issuer = stand.text("iss").replace(HOME_TENANT, tenant);
            stand.sign(&stand.good().claim("tid", tenant).claim("iss", issuer))
        };
        let tenants = [PARTNER_TENANT, PERSONAL_ACCOUNTS];
        tenants.map(|tenant| (tenant.to_owned(), elsewhere(tenant))).to_vec()
    });
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
    world.clock.advance(Seconds::minutes(10));
    attack("A37 A99").at(&Place::OF_ENTRA).fetching(2).tries_in(&world, |stand| {
        [&foreign, &personal]
            .map(|key| (key.kid().to_owned(), stand.good().sign(key).unwrap()))
            .to_vec()
    });
    world.assert_refused(&world.alice().sign(&foreign).unwrap(), Reason::KeyNotForIssuer);
}

#[test]
fn a100_a101_version_and_cloud_belong_to_the_issuer() {
    let world = world();
    let v1 = world.alice_v1().claims()["iss"].as_str().unwrap().to_owned();
    let v2 = world.alice().claims()["iss"].as_str().unwrap().to_owned();
    let clouds = ["https://login.microsoftonline.us", "https://login.partner.microsoftonline.cn"];
    let clouds = clouds.map(|cloud| format!("{cloud}/{HOME_TENANT}/v2.0"));
    attack("A100 A101").at(&Place::OF_ENTRA).tries_in(&world, |stand| {
        let (version, issuer) = (stand.text("ver"), stand.text("iss"));
        let other = if version == "1.0" { ("2.0", &v2) } else { ("1.0", &v1) };
        assert_ne!(issuer, *other.1);
        let versions = [json!(other.0), json!("3.0"), json!(2), json!("")];
        let issuers = [&clouds[..], std::slice::from_ref(other.1)].concat();
        let absent = stand.signed([stand.good().without("ver")]);
        [stand.with_claim("ver", versions), stand.with_claim("iss", issuers), absent].concat()
    });
    attack("A100").at(&Place::OF_USERS).tries_in(&world, |stand| {
        stand.signed([
            world.alice_v1().claim("iss", v2.clone()),
            world.alice_v1().claim("ver", "2.0"),
            world.alice_v1().claim("iss", v1.trim_end_matches('/')),
        ])
    });
}

#[test]
fn a102_issuer_and_subject_are_texts() {
    attack("A102").tries(|stand| {
        let issuer = stand.text("iss");
        let values = [json!(7), json!({}), json!([]), json!(null), json!("")];
        let issuers = [json!([issuer]), json!(7), json!(null)];
        let absent = ["iss", "sub"].map(|claim| stand.good().without(claim));
        let wrong = [stand.with_claim("iss", issuers), stand.with_claim("sub", values)];
        [wrong.concat(), stand.signed(absent)].concat()
    });
    attack("A102").at(&Place::OF_ENTRA).tries(|stand| {
        let app = if stand.text("ver") == "1.0" { "appid" } else { "azp" };
        let of = |claim| {
            let values = [json!(7), json!(null), json!("alice"), json!("")];
            let absent = stand.signed([stand.good().without(claim)]);
            [stand.with_claim(claim, values), absent].concat()
        };
        ["oid", app].into_iter().flat_map(of).collect()
    });
}

#[test]
fn a103_our_own_name_is_no_issuer_of_entra_tokens() {
    let world = world();
    let ours = world.alice().claim("iss", ISSUER);
    // Our own tokens have a type of their own, and only our own keys sign them.
    world.assert_refused(&world.sign(&ours), Reason::TypeNotAccepted);
    let typed = world.sign(&ours.header("typ", "at+jwt"));
    world.assert_refused(&typed, Reason::KeyUnknown);
    attack("A103").tries_in(&world, |stand| {
        let ours = || stand.good().claim("iss", ISSUER);
        let typed = ours().header("typ", "at+jwt");
        stand.signed([ours(), typed.clone(), ours().without("tid"), typed.without("tid")])
    });
}

#[test]
fn a104_a_guests_home_is_not_the_tenant() {
    let world = world();
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
