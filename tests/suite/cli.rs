//! The `tessera` command as people and pipelines use it: output, exit codes, signals.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tessera::adapters::clock::SystemClock;
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::configuration::for_orders;
use tessera::dev::people::{ALICE, HOME_TENANT};
use tessera::dev::server::Running;
use tessera::dev::tenant::{FakeEntra, KeySupply, Options};

pub(crate) use crate::support::folder::Folder;
use crate::support::{Answer, Request, watch};

const SECRET: &str = "cli-test-secret-7b1c9e4d2f6a8035d1a9";

fn tessera() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tessera"));
    command.env_remove("TESSERA_CONFIG").env("TYK_SECRET", SECRET).stdin(Stdio::null());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    run_with(arguments, &[])
}

/// With these variables in its environment.
pub(crate) fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    for argument in arguments.iter().filter(|argument| argument.starts_with("eyJ")) {
        watch::secret(argument);
    }
    let output = tessera().args(arguments).envs(environment.iter().copied()).output().unwrap();
    watch::output(&output);
    output
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A process that is killed at the end of its test, if it still runs.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Sends SIGTERM and waits: the exit code, and what else was written to standard error.
    fn terminate(&mut self) -> (Option<i32>, String) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut rest = String::new();
        if let Some(mut errors) = self.0.stderr.take() {
            errors.read_to_string(&mut rest).unwrap();
        }
        (self.0.wait().unwrap().code(), rest)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub(crate) fn entra() -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let options = Options { clock: Arc::new(SystemClock::new()), keys: KeySupply::Pooled };
    FakeEntra::start(listener, options).unwrap()
}

pub(crate) fn token(entra: &Running) -> String {
    let token = entra.issuer(HOME_TENANT).delegated(&PORTAL, &ALICE, &ORDERS, &["orders.read"]);
    entra.sign(&token).unwrap()
}

/// The last letters of the payload's signature replaced.
fn tampered(token: &str) -> String {
    let (rest, signature) = token.rsplit_once('.').unwrap();
    format!("{rest}.AAAA{}", &signature[4..])
}

#[test]
fn serve_answers_for_an_issuer_at_another_address_and_stops_in_order() {
    let (folder, entra) = (Folder::new("serve"), entra());
    let file = folder.file("tessera.yaml", &for_orders(entra.authority()));
    let mut process = Process::start(tessera().args(["serve", "--config", &file]));
    let mut lines = BufReader::new(process.0.stderr.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let started: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
    assert_eq!(started["message"], "started", "the log is JSON: {line}");
    let public: SocketAddr = started["public"].as_str().unwrap().parse().unwrap();
    let ask = |token: &str| -> Answer {
        Request::introspect(&[("token", token)]).basic(("tyk", SECRET)).send(public)
    };
    let token = token(&entra);
    let body = ask(&token).json();
    assert_eq!(body["active"], true, "{body}");
    assert_eq!(body["policies"][0], "gold");
    ask(&tampered(&token)).assert_inactive();
    let forging = entra.issuer(HOME_TENANT).delegated(&PORTAL, &ALICE, &ORDERS, &["orders.read"]);
    let forging =
        forging.header("kid", "x\r\n{\"level\":\"ERROR\",\"message\":\"forged\"}\u{1b}[31m");
    ask(&entra.sign(&forging).unwrap()).assert_inactive();
    process.0.stderr = None;
    let (code, _) = process.terminate();
    assert_eq!(code, Some(0), "SIGTERM is an orderly end");
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("\"reason\":\"signature_invalid\""), "{rest}");
    for line in rest.lines() {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("A35, A226: {line}"));
        assert_ne!(line["message"], "forged", "A35, A226");
        if line["message"] == "token refused" {
            assert!(line["span"]["request_id"].is_string(), "a refusal can be found again: {line}");
        }
    }
    assert!(rest.lines().last().unwrap().contains("stopped"), "{rest}");
    assert!(!rest.contains(SECRET) && !rest.contains(&token[..40]), "no secret, no token");
}

#[test]
fn explain_names_what_misfired_and_its_exit_code_says_whether_the_token_is_active() {
    let (folder, entra) = (Folder::new("explain"), entra());
    let file = folder.file("tessera.yaml", &for_orders(entra.authority()));
    let good = token(&entra);
    let active = run(&["explain", "--config", &file, &good]);
    let story = text(&active.stdout);
    assert_eq!(active.status.code(), Some(0), "{story}");
    assert!(story.starts_with("active, as `tyk` would be told") && story.contains("matched"));
    let refused = run(&["explain", "--config", &file, &tampered(&good)]);
    let story = text(&refused.stdout);
    assert_eq!(refused.status.code(), Some(1), "{story}");
    assert!(story.contains("failed       signature") && story.contains("signature_invalid"));
    let mut piped = Process::start(
        tessera().args(["explain", "--json", "--config", &file]).stdin(Stdio::piped()),
    );
    piped.0.stdin.take().unwrap().write_all(format!("{good}\n").as_bytes()).unwrap();
    let mut json = String::new();
    piped.0.stdout.take().unwrap().read_to_string(&mut json).unwrap();
    let story: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(story["active"], true, "a token on standard input, with its line end");
    assert_eq!(story["rules"][0]["matched"], true);
    let nobody = run(&["explain", "--config", &file, "--client", "kong", &good]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(text(&nobody.stderr).contains("--client kong"), "{}", text(&nobody.stderr));
    let ours = run(&["explain", "--config", &file, "tsr_anything"]);
    assert_eq!(ours.status.code(), Some(2), "only the service knows its own tokens");
    assert!(text(&ours.stderr).contains("POST /explain"), "{}", text(&ours.stderr));
}

#[test]
fn check_reports_every_mistake_with_its_line_and_serve_starts_nothing() {
    let folder = Folder::new("check");
    let good = for_orders("https://login.example.com");
    let bad = good.replace("secret:", "secert:").replace("groups:", "group:");
    let file = folder.file("tessera.yaml", &bad);
    for command in ["check", "serve"] {
        let ended = run(&[command, "--config", &file]);
        let report = text(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{report}");
        assert!(report.contains("tessera.yaml:10: clients.tyk.secert"), "{report}");
        assert!(report.contains("did you mean `secret`?"), "{report}");
        assert!(report.contains("did you mean `groups`?"), "{report}");
        assert!(ended.stdout.is_empty());
    }
    let plain = good.replace("${env:TYK_SECRET}", SECRET);
    let ended = run(&["check", "--config", &folder.file("plain.yaml", &plain)]);
    assert_eq!(ended.status.code(), Some(2), "a secret in plain is refused");
    assert!(!text(&ended.stderr).contains(SECRET), "and not repeated");
    let ended = run(&["check", "--config", &folder.file("good.yaml", &good)]);
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
    let missing = run(&["check", "--config", "/nowhere/tessera.yaml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert_eq!(run(&["serve"]).status.code(), Some(2), "no configuration is named");
}

#[test]
fn check_online_asks_the_issuers() {
    let (folder, entra) = (Folder::new("online"), entra());
    let file = folder.file("tessera.yaml", &for_orders(entra.authority()));
    let reached = run(&["check", "--online", "--config", &file]);
    assert_eq!(reached.status.code(), Some(0), "{}", text(&reached.stdout));
    assert_eq!(text(&reached.stdout).matches("1 key, as issuer").count(), 2);
    let authority = entra.authority().to_owned();
    entra.stop();
    let file = folder.file("tessera.yaml", &for_orders(&authority));
    let lost = run(&["check", "--online", "--config", &file]);
    assert_eq!(lost.status.code(), Some(1));
    assert!(text(&lost.stdout).contains("FAILED"), "{}", text(&lost.stdout));
}

#[test]
fn mapping_rules_are_tested_as_code() {
    let folder = Folder::new("cases");
    let config = folder.file("tessera.yaml", &for_orders("https://login.example.com"));
    let test = |cases: &str| run(&["test", "--config", &config, &folder.file("cases.yaml", cases)]);
    let good = "
cases:
  - name: gold
    claims: { groups: [7d6f1c0e-2f0d-4a59-9a54-5b3f0a4c0f51] }
    expect: { policies: [gold], rules: [gold] }
  - { name: v1, claims: { ver: \"1.0\" }, expect: { policies: [] } }
  - { name: robot, token: service, expect: { policies: [] } }
  - { name: agent, token: agent, expect: { rules: [] } }
  - { name: unknown groups, claims: { hasgroups: true }, expect: { policies: [] } }
";
    let ended = test(good);
    assert_eq!(ended.status.code(), Some(0), "{}{}", text(&ended.stdout), text(&ended.stderr));
    assert!(text(&ended.stdout).ends_with("5 cases, 0 failed\n"));
    let ended = test(&good.replace("policies: [gold]", "policies: [silver]"));
    assert_eq!(ended.status.code(), Some(1));
    let told = text(&ended.stdout);
    assert!(told.contains("policies: expected [silver], the rules give [gold]"), "{told}");
    let asked = "exchange: { client: tyk, resource: x }, expect: { refused";
    let refused = |reason: &str| format!("cases: [{{ name: x, {asked}: {reason} }} }}]");
    assert_eq!(test(&refused("target_unknown")).status.code(), Some(0));
    let told = text(&test(&refused("scope_empty")).stdout);
    assert!(told.contains("refused: target_unknown"), "{told}");
    let impossible = "cases: [{ name: x, claims: { oid: 7 }, expect: { rules: [] } }]";
    assert!(text(&test(impossible).stdout).contains("no such token can exist"));
    let alone = "cases: [{ name: x, expect: { refused: scope_empty } }]";
    for bad in [alone, "cases: []", "cases: [{ name: x, expect: {} }]", "casses: []", "- x", ""] {
        assert_eq!(test(bad).status.code(), Some(2), "{bad}");
    }
}

#[test]
fn the_documented_cases_hold_for_the_documented_configuration() {
    let folder = Folder::new("pages");
    let example = |page: &str, number: usize| {
        let block = page.split("```yaml\n").nth(number).unwrap();
        block.split("```").next().unwrap().to_owned()
    };
    let cases = example(include_str!("../../docs/testing-rules.md"), 1);
    let config = example(include_str!("../../docs/configuration.md"), 1);
    let key = serde_json::json!({ "keys": [crate::support::assertion_key().jwk()] });
    let config = config
        .replace("${file:/run/secrets/graph}", "${env:GRAPH}")
        .replace("${file:/run/secrets/audit}", "${env:SEAL}")
        .replace("/etc/tls/", concat!(env!("CARGO_MANIFEST_DIR"), "/src/config/tests/tls/"))
        .replace("tls/tls.", "tls/server.")
        .replace("${file:/run/secrets/otlp}", "${env:GRAPH}")
        .replace("${file:/run/secrets/tyk}", "${env:TYK_SECRET}")
        .replace("${file:/run/secrets/tyk.previous}", "${env:TYK_PREVIOUS}")
        .replace("${file:/etc/tessera/orders-api.json}", &format!("'{key}'"))
        .replace("${file:/etc/tessera/edge.json}", &format!("'{key}'"))
        .replace("${file:/run/secrets/seal.hex}", "${env:SEAL}")
        .replace("${file:/run/secrets/old-seal.hex}", "${env:OLD_SEAL}");
    let config = folder.file("tessera.yaml", &config);
    let cases = folder.file("cases.yaml", &cases);
    let ended = tessera()
        .env("GRAPH", "graph-secret")
        .env("TYK_PREVIOUS", SECRET.replace("cli", "old"))
        .env("SEAL", "5eed".repeat(16))
        .env("OLD_SEAL", "0ddb".repeat(16))
        .args(["test", "--config", &config, &cases])
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}{}", text(&ended.stdout), text(&ended.stderr));
}

/// Any that are free.
const NEW_PORTS: [&str; 10] = [
    "--port",
    "0",
    "--admin-port",
    "0",
    "--tenant-port",
    "0",
    "--tyk-port",
    "0",
    "--envoy-port",
    "0",
];

#[test]
fn every_line_that_dev_prints_works_as_printed() {
    let mut arguments = vec!["dev"];
    arguments.extend(NEW_PORTS);
    let mut process = Process::start(tessera().args(arguments));
    let mut out = BufReader::new(process.0.stdout.take().unwrap());
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut title = String::new();
    while !title.starts_with("# Exchange: order a new") || lines.last().is_none_or(|l| l.0 != title)
    {
        let mut line = String::new();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "the guide ended early");
        if line.starts_with("# ") {
            title = line;
        } else if ["curl ", "A="].iter().any(|begin| line.starts_with(begin))
            || line.contains(" explain ")
        {
            lines.push((title.clone(), line));
        }
    }
    assert!(lines.len() >= 26, "{lines:?}");
    for (title, line) in &lines {
        let ended = Command::new("sh").args(["-c", line]).output().unwrap();
        let answer = text(&ended.stdout);
        if title.contains("all three end") {
            let ended = answer.matches(r#"{"active":false}"#).count();
            assert_eq!((ended, answer.contains("\"token\"")), (3, true), "{line}{answer}");
            continue;
        }
        let expected = if title.contains("tampered with") {
            assert_eq!(answer, r#"{"active":false}"#, "{title}{line}");
            continue;
        } else if title.contains("Why?") || title.contains("command line") {
            "signature_invalid"
        } else if title.contains("Dave") {
            "tenant_not_accepted"
        } else if title.contains("a gateway swaps") {
            r#""scope":"orders.read"}"#
        } else if title.contains("chain of actors") {
            r#""sub":"planner","act":{"iss":"http://127.0.0.1:8080","sub":"invoice-agent"}"#
        } else if title.contains("which rule says so") {
            r#""rule": "tyk/https://orders.internal""#
        } else if title.contains("and why not?") {
            "scope_unknown"
        } else if title.contains("what it tells the API") {
            "x-tessera-principal: 11111111-2222"
        } else if title.contains("RFC 9728") {
            r#""resource":"http://127.0.0.1:8000/orders""#
        } else if title.contains("without a token") {
            "www-authenticate: Bearer realm=\"orders\""
        } else if title.contains("RFC 8414") {
            "token_endpoint"
        } else if title.contains("order a new") {
            "\"algorithm\": \"ES256\""
        } else if title.contains("RFC 9701") || title.contains("the JWT behind it") {
            "eyJ"
        } else if title.contains("New signing keys") {
            "kid"
        } else {
            r#""active":true"#
        };
        assert!(answer.contains(expected), "{title}{line}{answer}");
        if title.contains("Carol") {
            assert!(answer.contains(r#""policies":["gold""#), "Graph tells her groups: {answer}");
        }
    }
    let (code, log) = process.terminate();
    assert_eq!(code, Some(0), "{log}");
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let help = text(&run(&["--help"]).stdout);
    let commands = ["dev", "serve", "check", "explain", "keys", "test", "tyk", "doctor", "probe"];
    for word in commands.into_iter().chain(["Exit codes:"]) {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert_eq!(run(&["surve"]).status.code(), Some(2));
}

#[test]
fn a_taken_port_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in NEW_PORTS.iter().filter(|word| word.starts_with("--")) {
        let mut arguments = vec!["dev"];
        arguments.extend(NEW_PORTS);
        let at = arguments.iter().position(|word| word == flag).unwrap();
        arguments[at + 1] = &port;
        let ended = run(&arguments);
        assert_eq!(ended.status.code(), Some(1), "{flag}");
        assert!(text(&ended.stderr).contains(flag), "{flag}: {}", text(&ended.stderr));
    }
}
