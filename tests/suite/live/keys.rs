//! Each key that is taken up at once really changes what the service does.

use std::fs;

use serde_json::{Value, json};
use tessera::dev::faults::{Fault, Surface};
use tessera::dev::keys::SigningKey;
use tessera::dev::people::{HOME_TENANT, PARTNER_TENANT};
use tessera::dev::token::TokenBuilder;
use tessera::protocol::client_auth::JWT_BEARER;

use super::{KONG, Service, TYK, and_partner, events};
use crate::support::process::wait_until;
use crate::support::{Answer, Request};

const NEXT_SECRET: &str = "tyk-live-secret-of-tomorrow-77d1e0c35a";

#[test]
fn a_client_comes_and_goes() {
    let service = Service::start("client");
    let (token, new) = (service.token(), ("apisix", NEXT_SECRET));
    service.ask(new, &token).assert_error(401, "invalid_client");
    service.folder.file("apisix", NEXT_SECRET);
    let secret = service.path("apisix");
    service.change(|text| {
        let kong = "  kong:\n";
        let orders = text.lines().find(|line| line.contains("introspect:")).unwrap();
        let client = format!("  apisix:\n    secret: \"${{file:{secret}}}\"\n{orders}\n");
        text.replacen(kong, &format!("{client}{kong}"), 1)
    });
    assert!(service.ask(new, &token).is_active());
    assert!(service.ask(KONG, &token).is_active());
    service.change(|text| {
        let (before, rest) = text.split_once("  kong:\n").unwrap();
        format!("{before}mapping:\n{}", rest.split_once("mapping:\n").unwrap().1)
    });
    service.ask(KONG, &token).assert_error(401, "invalid_client");
    assert!(service.ask(new, &token).is_active());
    service.active(&token);
}

#[test]
fn a_secret_is_rotated_by_its_file_without_an_order() {
    let service = Service::start("secret");
    let token = service.token();
    service.active(&token);
    service.after(|| fs::write(service.path("tyk"), NEXT_SECRET).unwrap());
    service.ask(TYK, &token).assert_error(401, "invalid_client");
    assert!(service.ask((TYK.0, NEXT_SECRET), &token).is_active());
    let applied = events(&service.log(), "configuration applied");
    assert_eq!(applied[0]["keys"], "clients.tyk.secret");
    assert!(!service.log().contains(NEXT_SECRET), "no secret in the log");
}

/// A249.
#[test]
fn rules_and_permissions_decide_from_the_change_on() {
    let service = Service::start("rules");
    let token = service.token();
    assert_eq!(service.active(&token)["policies"], json!(["p-1"]));
    service.change(|text| text.replace("p-1", "p-2"));
    assert_eq!(service.active(&token)["policies"], json!(["p-2"]));
    assert!(service.active(&token)["username"].is_null());
    service.change(|text| text.replacen("] }\n  kong", "], release: [username] }\n  kong", 1));
    assert!(service.active(&token)["username"].is_string());
    let other = service.ask(KONG, &token).json();
    assert!(other["active"] == true && other["username"].is_null(), "{other}");
    service.change(|text| text.replacen("audiences: [", "audiences: [api://elsewhere, ", 1));
    service.change(|text| {
        let introspect = text.lines().find(|line| line.contains("release:")).unwrap();
        let other = "    introspect: { audiences: [api://elsewhere] }";
        text.replacen(introspect, other, 1)
    });
    service.ask(TYK, &token).assert_inactive();
    assert!(service.ask(KONG, &token).is_active());
}

#[test]
fn a_tenant_comes_with_its_keys_and_goes() {
    let service = Service::start("tenant");
    let (home, token) = (service.token(), service.token_of(PARTNER_TENANT));
    service.ask(TYK, &token).assert_inactive();
    let before = service.entra.requests(Surface::Keys);
    service.change(and_partner);
    assert_eq!(service.entra.requests(Surface::Keys) - before, 2, "asked before anybody asks us");
    service.active(&token);
    service.active(&home);
    assert_eq!(service.entra.requests(Surface::Keys) - before, 2, "the others' were kept");
    service.change(|text| {
        let partner = text.find(&format!("  - tenant: {PARTNER_TENANT}")).unwrap();
        format!("{}{}", &text[..partner], &text[text.find("clients:\n").unwrap()..])
    });
    service.ask(TYK, &token).assert_inactive();
    service.active(&home);
}

#[test]
fn a_tenant_whose_keys_cannot_be_had_is_unknown_and_troubles_nobody() {
    let service = Service::start("unreachable");
    let (home, token) = (service.token(), service.token_of(PARTNER_TENANT));
    service.active(&home);
    service.entra.set_fault(Surface::Keys, Fault::Status(503));
    service.change(and_partner);
    assert_eq!(service.ask(TYK, &token).status, 503, "never a no that is a guess");
    service.active(&home);
    assert_eq!(Request::get("/readyz").send(service.admin).status, 200);
    service.entra.heal();
    wait_until("its keys", || service.ask(TYK, &token).status == 200);
    service.active(&token);
}

#[test]
fn keys_of_a_client_are_exchanged() {
    let [old, new] = ["live-one", "live-two"].map(|name| SigningKey::pooled(name).unwrap());
    let jwks = |key: &SigningKey| json!({ "keys": [key.jwk()] }).to_string();
    let service = Service::configured("jwks", |text| {
        let orders = text.lines().find(|line| line.contains("introspect:")).unwrap().to_owned();
        let client = format!("  signer:\n    jwks: {}\n{orders}\n", jwks(&old));
        text.replacen("mapping:\n", &format!("{client}mapping:\n"), 1)
    });
    let token = service.token();
    let ask = |key: &SigningKey, jti: &str| -> Answer {
        let now = service.entra.issuer(HOME_TENANT).now;
        let assertion =
            TokenBuilder::client_assertion("signer", "https://sts.example.com", jti, now);
        let assertion = assertion.sign(key).unwrap();
        let fields = [
            ("client_assertion_type", JWT_BEARER),
            ("client_assertion", &assertion),
            ("token", &token),
        ];
        Request::introspect(&fields).send(service.public)
    };
    assert!(ask(&old, "1").is_active());
    ask(&new, "2").assert_error(401, "invalid_client");
    service.change(|text| text.replace(&jwks(&old), &jwks(&new)));
    assert!(ask(&new, "3").is_active());
    ask(&old, "4").assert_error(401, "invalid_client");
}

#[test]
fn the_log_says_more_and_less() {
    let service = Service::start("log");
    service.active(&service.token());
    assert!(!service.log().contains("\"level\":\"DEBUG\""));
    service.change(|text| text.replace("level: info", "level: debug"));
    service.active(&service.token());
    wait_until("a line of a request", || service.log().contains("\"level\":\"DEBUG\""));
    service.change(|text| text.replace("level: debug", "level: error"));
    let said = || service.log().lines().filter(|line| line.contains("\"level\":")).count();
    let before = said();
    service.change(|text| text.replace("p-1", "p-2"));
    assert_eq!(said(), before, "what was applied is told at `info` alone");
}

#[test]
fn introspections_are_recorded_as_is_said_now() {
    let service = Service::start("audit");
    let token = service.token();
    let recorded = || {
        let log = service.log();
        log.lines().filter(|line| line.contains("\"event\":\"introspected\"")).count()
    };
    service.active(&token);
    wait_until("a record", || recorded() == 1);
    service.change(|text| format!("{text}audit: {{ introspections: all }}\n"));
    service.active(&token);
    wait_until("a record of what was remembered", || recorded() == 2);
    service.change(|text| text.replace("introspections: all", "introspections: off"));
    service.active(&service.token());
    service.change(|text| text.replace("introspections: off", "introspections: all"));
    service.active(&token);
    wait_until("a record after none", || recorded() == 3);
    assert_eq!(service.configuration()["restart_needed"], json!([]));
}

#[test]
fn every_change_is_recorded_for_auditors() {
    let service = Service::start("recorded");
    let recorded = |event: &str| {
        let wanted = format!("\"event\":\"{event}\"");
        let line = service.log().lines().find(|line| line.contains(&wanted)).map(str::to_owned);
        line.map(|line| serde_json::from_str::<Value>(&line).unwrap())
    };
    service.change(|text| text.replace("p-1", "p-2"));
    wait_until("a record", || recorded("configuration_changed").is_some());
    let changed = recorded("configuration_changed").unwrap();
    assert_eq!(changed["detail"], "generation 2: mapping[0].grant.policies[0]", "{changed}");
    service.replace("tessera.yaml", &service.text().replace("    secret:", "    secert:"));
    wait_until("a record", || recorded("configuration_refused").is_some());
    let refused = recorded("configuration_refused").unwrap();
    assert_eq!(refused["reason"], "configuration_invalid", "{refused}");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("tessera.yaml:11: clients.tyk.secert: unknown key"), "{detail}");
}
