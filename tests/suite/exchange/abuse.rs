//! Exchange abuse (A150…A185): each with exactly the error that is told, and the reason that is not.

use serde_json::json;
use tessera::dev::apps::{GATEWAY, INVOICE_AGENT, ORDERS, PORTAL, REPORTING, TESSERA};
use tessera::dev::people::{BOB, HOME_TENANT};
use tessera::dev::token::TokenBuilder;

use super::{JWT, ask, exchanged, fields, refused, token, with};
use crate::signed_answers::claims;
use crate::support::{
    BILLING_GATEWAY, ISSUER, ORDERS_API, PLAIN_API, PLANNER, Request, SIGNER, START, TASKS_API,
    TYK, World, assertion_key,
};

#[test]
fn a150_a151_a152_a153_scopes_are_had_whole_or_not_at_all() {
    let world = World::start();
    let bob = world.entra.issuer(HOME_TENANT).delegated(&PORTAL, &BOB, &ORDERS, &["orders.read"]);
    let (alice, bob) = (world.sign(&world.alice()), world.sign(&bob));
    let for_tasks = world.sign(&world.alice_v1());
    for (subject, scope, reason) in [
        /* A150 */ (&bob, "orders.read orders.write", "scope_not_held"),
        /* A151 */ (&alice, "orders.export", "scope_not_permitted"),
        /* A151 */ (&alice, "orders.delete", "scope_unknown"),
        /* A151 */ (&alice, "Orders.Read", "scope_unknown"),
        /* A152 */ (&for_tasks, "orders.read", "scope_not_held"),
    ] {
        let asked = with(fields(subject, ORDERS_API), "scope", scope);
        refused(&world, TYK, &asked, ("invalid_scope", reason));
    }
    let empty = fields(&for_tasks, ORDERS_API);
    refused(&world, TYK, &empty, ("invalid_scope", "scope_empty"));
    let many = vec!["orders.read"; 65].join(" ");
    for scope in ["a\"b", "a\\b", "a\tb", "a\r\nb", "a  b", " ", &many] {
        let asked = with(fields(&alice, ORDERS_API), "scope", scope);
        ask(&world, TYK, &asked).assert_error(400, "invalid_scope");
    }
}

#[test]
fn a154_a155_a156_a157_a158_a_target_is_one_that_both_sides_allow() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let long = format!("https://{}.internal", "x".repeat(8000));
    let plain = |target: &str| ask(&world, PLANNER, &fields(&alice, target)).text();
    assert_eq!(plain("https://unknown.internal"), plain(PLAIN_API), "A154: alike from outside");
    for (target, reason) in [
        /* A154 */ ("https://unknown.internal", "target_unknown"),
        /* A155 */ (ISSUER, "target_unknown"),
        /* A155 */ ("https://sts.example.com/introspect", "target_unknown"),
        /* A156 */ ("/orders", "target_unknown"),
        /* A156 */ ("https://orders.internal#x", "target_unknown"),
        /* A156 */ ("https://orders.internal/", "target_unknown"),
        /* A156 */ ("javascript:alert(1)", "target_unknown"),
        /* A156 */ ("https://", "target_unknown"),
        /* A156 */ (&long, "target_unknown"),
    ] {
        refused(&world, TYK, &fields(&alice, target), ("invalid_target", reason));
    }
    let known = fields(&alice, PLAIN_API);
    refused(&world, PLANNER, &known, ("invalid_target", "target_not_permitted"));
    let mixed = [fields(&alice, ORDERS_API), vec![("audience", TASKS_API)]].concat();
    refused(&world, TYK, &mixed, ("invalid_target", "target_ambiguous"));
    let smuggled =
        [fields(&alice, ORDERS_API), vec![("resource", "https://evil.example")]].concat();
    refused(&world, TYK, &smuggled, ("invalid_target", "target_ambiguous"));
    let none = with(fields(&alice, ORDERS_API), "resource", "");
    refused(&world, PLANNER, &none, ("invalid_target", "target_missing"));
}

#[test]
fn the_data_owner_must_agree_as_well_as_the_clients_rule() {
    let owner = "callers: [tyk, orders-api, invoice-agent, planner, gateway]";
    let world = World::configured(|text| {
        text.replacen(owner, "callers: [tyk, planner]\n    subjects: [user]", 1)
    });
    let issuer = world.entra.issuer(HOME_TENANT);
    let (alice, job) =
        (world.sign(&world.alice()), world.sign(&issuer.app_only(&REPORTING, &ORDERS)));
    let story = world.rehearse("invoice-agent", &fields(&alice, ORDERS_API));
    assert_eq!(story["refused"]["reason"], "target_not_admitted");
    assert_eq!(story["refused"]["error"], "invalid_target");
    let by_kind = fields(&job, ORDERS_API);
    refused(&world, TYK, &by_kind, ("invalid_request", "subject_not_admitted"));
}

#[test]
fn a159_a160_a178_a_subject_token_is_good_and_for_this_client() {
    let world = World::start();
    let alice = world.alice();
    let past = world.clock_at(-7200);
    for (subject, reason) in [
        /* A160 */
        (world.sign(&alice.clone().claim("exp", past).claim("iat", past)), "expired"),
        /* A160 */
        (world.sign(&alice.clone().claim("nbf", world.clock_at(600))), "not_yet_valid"),
        /* A160 */ (format!("{}x", world.sign(&alice)), "token_malformed"),
        /* A159 */
        (world.sign(&alice.clone().claim("aud", "api://elsewhere")), "audience_not_accepted"),
        /* A180 */
        (world.sign(&alice.clone().claim("cnf", json!({"kid": "k"}))), "proof_of_possession"),
        /* A160 */ ("tsr_never-issued".to_owned(), "opaque_unknown"),
    ] {
        let asked = fields(&subject, ORDERS_API);
        let story = world.rehearse(TYK.0, &asked);
        assert!(story["refused"]["cause"].as_str().unwrap().starts_with(reason), "{story}");
        refused(&world, TYK, &asked, ("invalid_request", "subject_rejected"));
    }
    let stolen = world.sign(&alice);
    let asked = fields(&stolen, ORDERS_API);
    let story = world.rehearse(PLANNER.0, &asked);
    assert_eq!(story["refused"]["rules"][0]["missed"][0]["condition"], "from", "{story}");
    refused(&world, PLANNER, &asked, ("invalid_request", "no_rule_fits"));
    for kind in ["refresh_token", "saml2", "txn_token", "id-jag"] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        let asked = with(fields(&stolen, ORDERS_API), "requested_token_type", &kind);
        ask(&world, TYK, &asked).assert_error(400, "invalid_request");
    }
    let asked = with(fields(&stolen, TASKS_API), "requested_token_type", JWT);
    refused(&world, TYK, &asked, ("invalid_request", "format_not_offered"));
    let asked = with(fields(&stolen, ORDERS_API), "requested_token_type", JWT);
    assert_eq!(exchanged(&world, TYK, &asked)["issued_token_type"], JWT, "TEX-26");
}

fn with_actor<'a>(subject: &'a str, actor: &'a str) -> Vec<(&'a str, &'a str)> {
    [fields(subject, ORDERS_API), vec![("actor_token", actor), ("actor_token_type", JWT)]].concat()
}

#[test]
fn a161_a163_a164_a165_an_actor_token_proves_a_client_that_may_act() {
    let world = World::start();
    let issuer = world.entra.issuer(HOME_TENANT);
    let alice = world.sign(&world.alice());
    let agent = issuer.app_only(&INVOICE_AGENT, &TESSERA);
    let past = world.clock_at(-7200);
    let bob = world.sign(&issuer.delegated(&PORTAL, &BOB, &TESSERA, &["x"]));
    for (actor, reason) in [
        /* A161 */
        (world.sign(&agent.clone().claim("exp", past).claim("iat", past)), "actor_rejected"),
        /* A163 */ (alice.clone(), "actor_is_subject"),
        /* A164 */ (world.sign(&issuer.app_only(&GATEWAY, &TESSERA)), "no_rule_fits"),
        /* A164 */ (world.sign(&issuer.app_only(&REPORTING, &TESSERA)), "actor_rejected"),
        /* A165 */ (world.sign(&issuer.app_only(&INVOICE_AGENT, &ORDERS)), "actor_rejected"),
        /* A165 */ (bob, "actor_rejected"),
    ] {
        refused(&world, TYK, &with_actor(&alice, &actor), ("invalid_request", reason));
    }
    let itself = world.sign(&issuer.app_only(&INVOICE_AGENT, &ORDERS));
    let agent = world.sign(&agent);
    refused(&world, TYK, &with_actor(&itself, &agent), ("invalid_request", "actor_is_subject"));
    let own = token(&world, TYK, &fields(&alice, ORDERS_API));
    refused(&world, TYK, &with_actor(&alice, &own), ("invalid_request", "actor_rejected"));
    let said = claims(&token(&world, TYK, &with_actor(&alice, &agent)));
    assert_eq!(said["act"], json!({ "iss": ISSUER, "sub": "invoice-agent" }), "TEX-46");
    assert_eq!(said["client_id"], "tyk", "TEX-44");
}

#[test]
fn an_assertion_serves_as_actor_token_once_and_bounds_the_life() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let assertion = TokenBuilder::client_assertion(SIGNER, ISSUER, "actor-1", START);
    let assertion = assertion.sign(&assertion_key()).unwrap();
    let body = exchanged_once(&world, &with_actor(&alice, &assertion));
    assert_eq!(claims(body["access_token"].as_str().unwrap())["act_sub"], SIGNER);
    assert!(body["expires_in"].as_i64().unwrap() <= 120, "P1: not past the actor's end {body}");
    let again = ask(&world, TYK, &with_actor(&alice, &assertion));
    again.assert_error(400, "invalid_request");
}

/// Without a rehearsal, which would use up a one-time assertion.
fn exchanged_once(world: &World, asked: &[(&str, &str)]) -> serde_json::Value {
    let answer = ask(world, TYK, asked);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn a166_a167_may_act_names_who_alone_may_act() {
    let world = World::start();
    let issuer = world.entra.issuer(HOME_TENANT);
    let agent = world.sign(&issuer.app_only(&INVOICE_AGENT, &TESSERA));
    let only = |may_act: serde_json::Value| world.sign(&world.alice().claim("may_act", may_act));
    for bad in [
        json!({ "sub": "planner" }),
        json!({ "iss": "https://elsewhere.example", "sub": "tyk" }),
        json!({ "sub": "tyk", "email": "a@b" }),
        json!({}),
        json!("tyk"),
        json!(["tyk"]),
    ] {
        let subject = only(bad);
        let asked = fields(&subject, ORDERS_API);
        refused(&world, TYK, &asked, ("invalid_request", "may_act_mismatch"));
    }
    for good in [json!({ "sub": "tyk" }), json!({ "iss": ISSUER, "sub": "tyk" })] {
        exchanged(&world, TYK, &fields(&only(good), ORDERS_API));
    }
    let subject = only(json!({ "sub": "invoice-agent" }));
    exchanged(&world, TYK, &with_actor(&subject, &agent));
    refused(&world, TYK, &fields(&subject, ORDERS_API), ("invalid_request", "may_act_mismatch"));
}

/// What is malformed besides is refused in a chain of ours, which `protocol::delegation` reads.
#[test]
fn a170_a172_what_entra_cannot_say_is_not_believed() {
    let world = World::start();
    let party = json!({ "iss": ISSUER, "sub": "planner" });
    for act in [
        party.clone(),
        json!({ "iss": ISSUER, "sub": "planner", "act": party }),
        json!("planner"),
        json!(["planner"]),
        json!({ "sub": "planner", "exp": 1 }),
        json!({ "sub": "planner", "aud": ISSUER }),
        json!({}),
        json!(null),
    ] {
        let subject = world.sign(&world.alice().claim("act", act.clone()));
        assert_eq!(world.assert_active(&subject).get("act"), None, "A172 {act}");
        let said = claims(&token(&world, TYK, &fields(&subject, ORDERS_API)));
        assert_eq!(said["act"], json!({ "iss": ISSUER, "sub": "tyk" }), "A172 {act}");
    }
    let bomb = (0..20).fold(json!({ "sub": "a" }), |act, _| json!({ "sub": "a", "act": act }));
    let subject = world.sign(&world.alice().claim("act", bomb));
    let asked = fields(&subject, ORDERS_API);
    refused(&world, TYK, &asked, ("invalid_request", "subject_rejected"));
}

#[test]
fn a162_an_actor_token_and_its_type_come_together() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    let agent = world.entra.issuer(HOME_TENANT).app_only(&INVOICE_AGENT, &TESSERA);
    let agent = world.sign(&agent);
    for pair in [
        vec![("actor_token", agent.as_str())],
        vec![("actor_token_type", JWT)],
        vec![("actor_token", ""), ("actor_token_type", JWT)],
        vec![("actor_token", agent.as_str()), ("actor_token_type", "")],
        vec![("actor_token", agent.as_str()), ("actor_token_type", "jwt")],
    ] {
        let asked = [fields(&alice, ORDERS_API), pair].concat();
        ask(&world, TYK, &asked).assert_error(400, "invalid_request");
    }
    exchanged(&world, TYK, &with_actor(&alice, &agent));
}

#[test]
fn a181_authorization_details_are_of_no_known_type() {
    let world = World::start();
    let alice = world.sign(&world.alice());
    for details in ["[]", r#"[{"type":"payment","actions":["everything"]}]"#, "{", "x"] {
        let asked = with(fields(&alice, ORDERS_API), "authorization_details", details);
        ask(&world, TYK, &asked).assert_error(400, "invalid_authorization_details");
    }
    exchanged(&world, TYK, &fields(&alice, ORDERS_API));
}

#[test]
fn a174_a_token_never_outlives_its_subject() {
    let world = World::start();
    let at = |seconds| world.sign(&world.alice().claim("exp", world.clock_at(seconds)));
    assert_eq!(exchanged(&world, TYK, &fields(&at(40), ORDERS_API))["expires_in"], 40);
    let at = |seconds| {
        let issued = world.clock_at(-600);
        let token = world.alice().claim("iat", issued).claim("nbf", issued);
        world.sign(&token.claim("exp", world.clock_at(seconds)))
    };
    for seconds in [29, 1, -10] {
        let asked = at(seconds);
        let asked = fields(&asked, ORDERS_API);
        refused(&world, TYK, &asked, ("invalid_request", "lifetime_too_short"));
    }
}

#[test]
fn a176_a177_a179_a185_clients_get_what_rules_give_and_no_more() {
    let world = World::start();
    let issuer = world.entra.issuer(HOME_TENANT);
    let (alice, job) =
        (world.sign(&world.alice()), world.sign(&issuer.app_only(&REPORTING, &ORDERS)));
    assert!(claims(&token(&world, TYK, &fields(&alice, ORDERS_API)))["act"].is_object(), "A176");
    refused(&world, TYK, &fields(&job, TASKS_API), ("invalid_request", "no_rule_fits"));
    let v1 = world.alice_v1().claim("aud", ORDERS.client_id).claim("auth_time", 1_795_434_000);
    let v1 = world.sign(&v1.claim("scp", "orders.read"));
    let asked = [fields(&v1, ORDERS_API), vec![("acr", "9"), ("auth_time", "1795435200")]].concat();
    let said = claims(&token(&world, TYK, &asked));
    let copied = [&said["acr"], &said["amr"], &said["auth_time"]];
    assert_eq!(copied, [&json!("1"), &json!(["pwd"]), &json!(1_795_434_000)], "A179, P10, ATJ-05");
    let asked = with(fields(&alice, TASKS_API), "scope", "tasks.run orders.write");
    refused(&world, TYK, &asked, ("invalid_scope", "scope_unknown"));
    let answer = ask(&world, BILLING_GATEWAY, &fields(&alice, ORDERS_API));
    answer.assert_error(400, "unauthorized_client");
}

#[test]
fn a227_nothing_of_a_request_is_repeated_and_every_token_problem_reads_the_same() {
    let world = World::start();
    let (alice, marked) = (world.sign(&world.alice()), "<script>\"\\\u{1b}[31m");
    let expired = world.sign(&world.alice().claim("exp", world.clock_at(-90)));
    let texts: Vec<_> = [marked, &expired, &format!("{alice}x"), "tsr_x"]
        .into_iter()
        .map(|subject| ask(&world, TYK, &fields(subject, ORDERS_API)).text())
        .collect();
    assert!(texts.iter().all(|text| *text == texts[0]), "TEX-33 {texts:?}");
    for asked in [
        with(fields(&alice, ORDERS_API), "scope", "script"),
        fields(&alice, marked),
        with(fields(&alice, ORDERS_API), "subject_token_type", marked),
    ] {
        let text = ask(&world, TYK, &asked).text();
        assert!(!text.contains("<script") && !text.contains("\"script"), "A227 {text}");
    }
    let bearer = Request::form("/token", &fields(&alice, ORDERS_API)).bearer(&alice);
    bearer.send(world.public).assert_error(401, "invalid_token");
}
