//! The compose file: what is published, what is pinned, what is mounted; and, but for Docker itself,
//! the way of a token through it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{read, root};
use crate::cli::{Folder, run_with, text};
use crate::gateways::program;
use crate::plugin::object;
use crate::support::grpc::Grpc;
use crate::support::process::{Running, free_port, log, missing, wait_until};
use crate::support::redis::RedisServer;

/// A parameter with its default: nothing is set in the environment of a newcomer.
fn resolved(text: &str) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (parameter, after) = rest.split_once('}').unwrap();
    let (_, default) = parameter.split_once(":-").unwrap_or_else(|| panic!("no default: {text}"));
    format!("{before}{default}{}", resolved(after))
}

fn file() -> Value {
    serde_saphyr::from_str(&read("compose/compose.yaml")).unwrap()
}

fn services(file: &Value) -> impl Iterator<Item = (&String, &Value)> {
    file["services"].as_object().unwrap().iter()
}

fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|entry| resolved(entry.as_str().unwrap())).collect()
}

/// The environment of one service.
fn environment(service: &str) -> BTreeMap<String, String> {
    let file = file();
    let variables = file["services"][service]["environment"].as_object().unwrap();
    let text = |value: &Value| resolved(value.as_str().unwrap());
    variables.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn tessera(arguments: &[&str]) -> std::process::Output {
    let environment = environment("tessera");
    let pairs: Vec<_> = environment.iter().map(|(name, value)| (&**name, &**value)).collect();
    run_with(arguments, &pairs)
}

const CONFIG: &str = "compose/tessera/tessera.yaml";

#[test]
fn nothing_is_published_beyond_this_machine_and_every_image_is_pinned() {
    let file = file();
    let mut published = Vec::new();
    for (name, service) in services(&file) {
        let image = service["image"].as_str().unwrap();
        let (_, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{name}: {image}"));
        assert!(tag.contains(|letter: char| letter.is_ascii_digit()), "{name}: {image}");
        assert!(service["privileged"].is_null(), "{name}");
        for port in texts(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
            published.push(port);
        }
    }
    assert_eq!(published.len(), 5, "{published:?}");
    let version = format!("tessera:{}", env!("CARGO_PKG_VERSION"));
    for service in ["tessera", "entra"] {
        let service = &file["services"][service];
        assert_eq!(service["image"], version.as_str());
        assert_eq!((&service["read_only"], &service["cap_drop"][0]), (&true.into(), &"ALL".into()));
    }
}

#[test]
fn every_file_that_is_mounted_is_there_and_cannot_be_written() {
    let file = file();
    let mut seen = 0;
    for (name, service) in services(&file) {
        for volume in texts(&service["volumes"]) {
            let (source, target) = volume.split_once(':').unwrap();
            assert!(root().join("compose").join(source).exists(), "{name}: {volume}");
            assert!(target.ends_with(":ro"), "{name}: {volume}");
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen}");
}

/// As `tests/golden/tyk`: `TESSERA_BLESS=1 cargo test` writes them anew.
#[test]
fn tyk_is_configured_by_what_the_generator_writes_from_the_same_file() {
    let folder = Folder::new("compose-tyk");
    let out = if std::env::var_os("TESSERA_BLESS").is_some() {
        root().join("compose/tyk").display().to_string()
    } else {
        folder.path().to_owned()
    };
    for order in ["api", "policies", "gateway"] {
        let ended = tessera(&["tyk", order, "--config", CONFIG, "--out", &out]);
        assert_eq!(ended.status.code(), Some(0), "{order}: {}", text(&ended.stderr));
    }
    for name in ["apps/orders.json", "policies.json", "tyk.conf.json"] {
        let written = fs::read_to_string(Path::new(&out).join(name)).unwrap();
        assert_eq!(written, read(&format!("compose/tyk/{name}")), "{name}");
    }
    let files = ["--apis", "compose/tyk/apps", "--policies", "compose/tyk/policies.json"];
    let site = ["doctor", "--config", CONFIG, "--tyk-conf", "compose/tyk/tyk.conf.json"];
    let ended = tessera(&[&site[..], &files].concat());
    let told = text(&ended.stdout);
    assert!(ended.status.success() && told.contains(" 0 errors, 0 warnings"), "{told}");
    // Tyk shows the secret that tessera expects.
    assert_eq!(environment("tyk")["TESSERA_TYK_SECRET"], environment("tessera")["TYK_SECRET"]);
}

#[test]
fn prometheus_asks_the_admin_listener_and_grafana_asks_prometheus() {
    let prometheus: Value = serde_saphyr::from_str(&read("compose/prometheus.yaml")).unwrap();
    let target = &prometheus["scrape_configs"][0]["static_configs"][0]["targets"][0];
    assert_eq!(target, "tessera:9090");
    let config: Value = serde_saphyr::from_str(&read(CONFIG)).unwrap();
    assert_eq!(config["listen"]["admin"], "0.0.0.0:9090");
    let file = file();
    let mounted = texts(&file["services"]["prometheus"]["volumes"]).join(" ");
    let rules = prometheus["rule_files"][0].as_str().unwrap();
    assert!(mounted.contains(&format!(":{rules}:ro")), "{mounted}");
    let datasource = "compose/grafana/datasources/prometheus.yaml";
    let datasource: Value = serde_saphyr::from_str(&read(datasource)).unwrap();
    assert_eq!(datasource["datasources"][0]["url"], "http://prometheus:9090");
    let provider = "compose/grafana/dashboards/tessera.yaml";
    let provider: Value = serde_saphyr::from_str(&read(provider)).unwrap();
    let folder = provider["providers"][0]["options"]["path"].as_str().unwrap();
    let mounted = texts(&file["services"]["grafana"]["volumes"]).join(" ");
    assert!(mounted.contains(&format!(":{folder}/dashboard.json:ro")), "{mounted}");
}

#[test]
fn prometheus_takes_its_file_with_the_rules_of_the_chart() {
    let folder = Folder::new("compose-prometheus");
    let (usual, rules) =
        ("/etc/prometheus/rules.yaml", root().join("helm/tessera/files/rules.yaml"));
    let text = read("compose/prometheus.yaml");
    assert!(text.contains(usual), "{text}");
    let file = folder.file("prometheus.yaml", &text.replace(usual, rules.to_str().unwrap()));
    let ended = program("promtool").args(["check", "config", &file]).output();
    let ended = ended.unwrap_or_else(|error| panic!("{error}: {}", missing("promtool")));
    let told = crate::cli::text(&ended.stdout);
    assert!(ended.status.success(), "{told}{}", crate::cli::text(&ended.stderr));
    assert!(told.contains("1 rule files found"), "{told}");
}

/// What the container `token` runs, with its `$$` read as compose does.
fn token(person: &str, port: u16) -> String {
    let file = file();
    let script = file["services"]["token"]["entrypoint"][2].as_str().unwrap();
    let script = script.replace("$$", "$").replace("127.0.0.1:8090", &format!("127.0.0.1:{port}"));
    let ended = Command::new("sh").args(["-c", &script, person]).output().unwrap();
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    text(&ended.stdout).trim().to_owned()
}

#[test]
fn a_token_of_the_look_alike_passes_the_plugin_and_is_swapped() {
    let (folder, redis) = (Folder::new("compose"), RedisServer::start());
    let [entra, public, admin, tyk] = [(); 4].map(|()| free_port());
    let program = env!("CARGO_BIN_EXE_tessera");
    let beside = Folder::new("compose-entra");
    let port = entra.to_string();
    let mut look_alike = Command::new(program);
    look_alike.args(["dev", "--entra-only", "--tenant-port", &port]);
    let _entra = Running::start(&mut look_alike, &beside);
    wait_until("the look-alike", || log(&beside).contains("Ctrl-C stops it."));

    let mut text = read(CONFIG);
    for (usual, here) in [
        ("0.0.0.0:8080", format!("127.0.0.1:{public}")),
        ("0.0.0.0:9090", format!("127.0.0.1:{admin}")),
        ("127.0.0.1:5555", format!("127.0.0.1:{tyk}")),
        ("redis://redis:6379", redis.url()),
    ] {
        assert!(text.contains(usual), "{usual}");
        text = text.replace(usual, &here);
    }
    let config = folder.file("tessera.yaml", &text);
    let mut serve = Command::new(program);
    serve.args(["serve", "--config", &config]).envs(environment("tessera"));
    serve.env("ENTRA_AUTHORITY", format!("http://127.0.0.1:{entra}"));
    let _tessera = Running::start(&mut serve, &folder);
    let ready = format!("http://127.0.0.1:{admin}/readyz");
    wait_until("readiness", || run_with(&["probe", &ready], &[]).status.success());

    let definition: Value = serde_json::from_str(&read("compose/tyk/apps/orders.json")).unwrap();
    let secret = environment("tyk")["TESSERA_TYK_SECRET"].clone();
    let config_data = definition["config_data"].to_string();
    let config_data = config_data.replace("env://TESSERA_TYK_SECRET", &secret);
    let config_data: Value = serde_json::from_str(&config_data).unwrap();
    let endpoint = format!("127.0.0.1:{tyk}").parse().unwrap();
    let mut tyk = Grpc::tyk(Some(&tessera::config::Endpoint::Tcp(endpoint)));
    let mut ask = |person: &str| {
        let bearer = format!("Bearer {}", token(person, entra));
        let asked = object(&config_data, &[("Authorization", &bearer)]);
        let reply = tyk.call("Dispatch", &asked).unwrap();
        let passed = reply["request"]["set_headers"]["Authorization"].as_str();
        assert!(passed.is_some_and(|passed| passed != bearer), "the token is swapped: {reply}");
        reply["session"]["apply_policies"].clone()
    };
    assert_eq!(ask("alice@contoso.example"), serde_json::json!(["gold", "orders-read"]));
    assert_eq!(ask("bob@partner.example"), serde_json::json!(["orders-read"]));
}
