//! A file that is not valid changes nothing; one that needs a restart changes the rest.

use serde_json::json;

use super::{Service, TYK, events};
use crate::support::process::wait_until;
use crate::support::{Request, World};

#[test]
fn every_mistake_is_told_and_the_old_configuration_goes_on_until_the_file_is_good() {
    let service = Service::start("refused");
    let token = service.token();
    service.active(&token);
    let good = service.text();
    let bad = good.replace("    secret:", "    secert:").replace("p-1", "p-2");
    service.replace("tessera.yaml", &bad);
    wait_until("a refusal", || service.changes("refused") == 1);
    assert_eq!(service.active(&token)["policies"][0], "p-1");
    assert_eq!(Request::get("/readyz").send(service.admin).status, 200);
    let now = service.configuration();
    assert_eq!(now["generation"], 1);
    assert_eq!(now["last_change"]["outcome"], "refused");
    let mistakes = now["last_change"]["mistakes"].as_array().unwrap();
    for (line, client) in [(11, "tyk"), (14, "kong")] {
        let wanted = format!("tessera.yaml:{line}: clients.{client}.secert: unknown key");
        let told = |text: &serde_json::Value| text.as_str().unwrap().contains(&wanted);
        assert!(mistakes.iter().any(told), "{wanted}: {now}");
        // Lines are written by a thread of their own, and may come after what is counted.
        wait_until("its line", || {
            let logged = events(&service.log(), "configuration refused");
            logged.iter().any(|line| told(&line["mistake"]))
        });
    }
    assert!(!service.log().contains(TYK.1), "no secret in the log");
    assert_eq!(service.metric("tessera_config_last_reload_success"), 0);
    assert_eq!(service.metric("tessera_config_generation"), 1);
    service.after(|| service.replace("tessera.yaml", &good.replace("p-1", "p-2")));
    assert_eq!(service.active(&token)["policies"][0], "p-2");
    assert_eq!(service.metric("tessera_config_last_reload_success"), 1);
    assert_eq!(service.metric("tessera_config_generation"), 2);
    let last = &service.configuration()["last_change"];
    assert!(last["outcome"] == "applied" && last["mistakes"].is_null(), "{last}");
}

#[test]
fn what_is_no_configuration_at_all_is_refused_too() {
    let service = Service::start("nonsense");
    let token = service.token();
    let huge = "#".repeat(1024 * 1024 + 1);
    for (number, text) in (1..).zip(["", "issuer: [", "\u{0}", &huge]) {
        service.replace("tessera.yaml", text);
        service.hang_up();
        wait_until("a refusal", || service.changes("refused") >= number);
        service.active(&token);
        // An order and the look of the second may both have read it.
        assert_eq!(service.configuration()["generation"], 1);
    }
}

#[test]
fn keys_that_need_a_restart_are_named_and_the_rest_is_taken_up() {
    let service = Service::start("restart");
    let token = service.token();
    assert_eq!(service.configuration()["restart_needed"], json!([]));
    service.change(|text| {
        let more = "cache: { bytes: 8MiB }\nsigning: { rotate: 216h }\n";
        format!("{}{more}", text.replace("p-1", "p-2"))
            .replace("level: info", "level: info, format: human")
            .replacen("public: \"127.0.0.1:0\"", "public: \"127.0.0.2:0\"", 1)
    });
    assert_eq!(service.active(&token)["policies"][0], "p-2");
    let keys = ["cache.bytes", "listen.public", "log.format", "signing.rotate"];
    assert_eq!(service.configuration()["restart_needed"], json!(keys));
    assert_eq!(service.metric("tessera_config_restart_needed"), 1);
    let told = "these keys are read at the start alone: restart to take them up";
    assert_eq!(events(&service.log(), told)[0]["keys"], keys.join(", "));
    service.change(|text| text.replace("rotate: 216h", "rotate: 720h").replace("p-2", "p-3"));
    assert_eq!(service.active(&token)["policies"][0], "p-3");
    let left = service.configuration()["restart_needed"].clone();
    assert!(!left.to_string().contains("signing"), "what the start had already: {left}");
    service.change(|text| {
        let first = text.split("cache:").next().unwrap();
        let first = first.replace(", format: human", "");
        first.replacen("127.0.0.2:0", "127.0.0.1:0", 1)
    });
    assert_eq!(service.configuration()["restart_needed"], json!([]));
    assert_eq!(service.metric("tessera_config_restart_needed"), 0);
}

#[test]
fn readiness_is_short_unless_more_is_asked_for() {
    let world = World::start();
    let answer = Request::get("/readyz").send(world.admin);
    assert_eq!(answer.json(), json!({ "status": "ready" }));
    for query in ["verbose", "verbose=1", "verbose=true&x"] {
        let answer = Request::get(&format!("/readyz?{query}")).send(world.admin).json();
        assert!(answer["issuers"].is_array() && answer["status"] == "ready", "{answer}");
        assert_eq!(answer["configuration"]["generation"], 1);
        assert!(answer["configuration"]["file"].is_null(), "nothing is followed here");
    }
    let answer = Request::get("/readyz?verbosely").send(world.admin);
    assert_eq!(answer.json(), json!({ "status": "ready" }));
}
