//! What `examples/agents/README.md` says to paste works as it stands, with the sample configuration.

use std::process::Command;

use tessera::dev::people::{ALICE, HOME_TENANT};

use super::rig::{assert_no_token, examples};
use crate::cli::text;
use crate::support::World;
use crate::support::process::free_port;
use crate::support::server::Server;

const PAGE: &str = include_str!("../../../examples/agents/README.md");
const SAMPLE: &str = include_str!("../../../src/cli/dev/tessera.yaml");

/// The address at `from` of this machine replaced by one that is free, or taken for it.
fn moved(text: &str, from: u16, to: &str) -> String {
    let from = format!("127.0.0.1:{from}");
    assert!(text.contains(&from), "{from}");
    text.replace(&from, to)
}

#[test]
fn every_block_works_as_printed() {
    let (listener, issuer) = Server::reserve();
    let issuer = issuer.trim_start_matches("http://").to_owned();
    let (gateway_port, mcp_port) = (free_port(), free_port());
    let [gateway, mcp] = [gateway_port, mcp_port].map(|port| format!("127.0.0.1:{port}"));
    let world = World::configured(|usual| {
        let authority =
            usual.lines().find_map(|line| line.trim().strip_prefix("authority: http://")).unwrap();
        let sample = moved(SAMPLE, 8090, authority)
            .replace("http://127.0.0.1:8080", &format!("http://{issuer}"));
        // Where it listens is not where it is found.
        let listens = [8080, 9090, 5555, 5556];
        let sample = listens.into_iter().fold(sample, |text, port| {
            text.replace(&format!(": 127.0.0.1:{port}\n"), ": 127.0.0.1:0\n")
        });
        moved(&sample, 8001, &mcp)
    });
    let public = world.public;
    let _front = Server::start(listener, move |received| received.passed_on().send(public).into());

    let blocks = PAGE.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    // `make test` has compiled it.
    let mut script: String = blocks.filter(|block| !block.starts_with("npm ci")).collect();
    assert_eq!(script.matches(".py &\n").count(), 2, "both servers are started");
    let wait = format!(
        "until curl -so /dev/null {gateway} && curl -so /dev/null {mcp}; do kill -0 $started || exit 9; done"
    );
    script = script
        .replace(".py &\n", ".py & started=\"$started $!\"\n")
        .replace("\necho \"$ALICE\"", &format!("\n{wait}\necho \"$ALICE\""));
    script = moved(&script, 8080, &issuer);
    let authority = world.entra.authority().trim_start_matches("http://");
    script = moved(&script, 8090, authority);
    script = moved(&script, 9090, &world.admin.to_string());
    script = moved(&script, 8000, &gateway);
    script = moved(&script, 8001, &mcp);
    let ended = Command::new("sh")
        .args(["-c", &format!("trap 'kill $started' EXIT\n{script}")])
        .current_dir(examples().join("../.."))
        .env("GATEWAY_PORT", gateway_port.to_string())
        .env("MCP_PORT", mcp_port.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let (said, log) = (text(&ended.stdout), text(&ended.stderr));
    assert_no_token(&said);
    assert_no_token(&log);
    let order = r#"{"order": "42", "for": "#;
    assert_eq!(said.matches(order).count(), 3, "{said}{log}");
    assert_eq!(said.matches(r#""by": "invoice-agent", "scope": "orders.read"}"#).count(), 3);
    let for_alice = format!("invoice-agent for {}.{HOME_TENANT})", ALICE.oid);
    for line in ["order 42: 3 tesserae of bone (read by ", "order 42 is cancelled (by "] {
        assert!(said.contains(&format!("{line}{for_alice}")), "{said}{log}");
    }
    for why in [
        "this agent gets no tokens for https://payroll.internal",
        "orders.burn orders.read cannot be had: asking for what can",
        "SignInAgain: ",
    ] {
        assert_eq!(log.matches(why).count(), 1, "{why} {log}");
    }
    assert_eq!(ended.status.code(), Some(3), "the last one is that the user must sign in");
}
