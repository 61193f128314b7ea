//! The agents use a tool of the example MCP server, which tessera protects.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::Child;

use serde_json::{Value, json};
use tessera::dev::apps::{ORDERS, PORTAL};
use tessera::dev::people::{ALICE, BOB, HOME_TENANT};

use super::rig::{Agent, Ended, Place, Rig, assert_no_token, python};
use crate::exchange;
use crate::support::server::{Reply, Server};
use crate::support::{Answer, ORDERS_API, Request, TYK};

const SECRET: &str = "orders-mcp-test-secret-8c1f5e9a3d7b2046";
const OTHER: &str = "http://127.0.0.1:9/other";
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// The MCP server, behind a proxy that sees what agents send, and tessera.
struct Mcp {
    rig: Rig,
    /// The name of the server, which is the URL that agents use.
    url: String,
    /// What comes to the server.
    place: Place,
    /// Where the server itself is.
    address: SocketAddr,
    process: Child,
    _proxy: Server,
}

impl Mcp {
    fn start() -> Self {
        Self::described("orders-mcp", None)
    }

    /// A server that says to be described by the API `described` of the configuration, which takes
    /// tokens of `issuer`; of ours, if it is `None`.
    fn described(described: &str, issuer: Option<&str>) -> Self {
        let (listener, origin) = Server::reserve();
        let url = format!("{origin}/mcp");
        let rig = Rig::configured(|text| configuration(text, &url, issuer));
        let mut process = python("mcp_server.py")
            .envs([("MCP_RESOURCE", url.as_str()), ("MCP_API", described), ("MCP_PORT", "0")])
            .envs([("TESSERA_ISSUER", rig.issuer.as_str()), ("MCP_CLIENT_SECRET", SECRET)])
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim().strip_prefix("MCP: http://").and_then(|rest| rest.strip_suffix("/mcp"));
        let address = address.unwrap_or_else(|| panic!("{line}")).parse().unwrap();
        let place = Place::default();
        let its = place.clone();
        let proxy = Server::start(listener, move |received| {
            its.receive(received).unwrap_or_else(|| received.passed_on().send(address).into())
        });
        Self { rig, url, place, address, process, _proxy: proxy }
    }

    /// An agent uses a tool, for Alice.
    #[track_caller]
    fn run(&self, agent: Agent, tool: &str) -> Ended {
        let alice = self.rig.world.sign(&self.rig.world.alice());
        self.run_for(agent, &alice, tool)
    }

    #[track_caller]
    fn run_for(&self, agent: Agent, user_token: &str, tool: &str) -> Ended {
        self.rig.sts.forget();
        self.rig.run(agent, user_token, &["mcp", &self.url, tool, r#"{"id":"42"}"#])
    }

    /// Sends a message to the server, by hand.
    fn message(&self, request: &dyn Fn(Request) -> Request, message: &Value) -> Answer {
        let plain = Request::body("/mcp", message.to_string()).without("Content-Type");
        request(plain.header("Content-Type", "application/json")).send(self.address)
    }

    /// Ends the server, and gives what it logged.
    fn log(mut self) -> String {
        self.process.kill().unwrap();
        let mut log = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Mcp {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// With the MCP server at `url` as a client, as a resource and as APIs that describe it.
fn configuration(text: &str, url: &str, issuer: Option<&str>) -> String {
    let ours = text.lines().find_map(|line| line.strip_prefix("issuer: ")).unwrap();
    let issuer = issuer.unwrap_or(ours);
    let orders = ORDERS.client_id;
    let api = |name: &str, resource: &str| {
        format!(
            "  {name}: {{ client: orders-mcp, audiences: [\"{url}\"], policies: optional, \
             resource: \"{resource}\", authorization_servers: [\"{issuer}\"] }}\n"
        )
    };
    let apis = ["apis:\n".to_owned(), api("orders-mcp", url), api("impostor", OTHER)].concat();
    let agent = format!(
        "    exchange:\n      - {{ resource: \"{url}\", scopes: [orders.read, orders.write], \
         subjects: [user], from: [{orders}] }}\n"
    );
    let resource = format!(
        "resources:\n  \"{url}\":\n    scopes: {{ orders.read: [orders.read], orders.write: \
         [orders.write] }}\n    callers: [invoice-agent]\n"
    );
    let client = format!(
        "clients:\n  orders-mcp: {{ secret: {SECRET}, introspect: {{ audiences: [\"{url}\"] }} }}\n"
    );
    let (before, own) = text.split_once("  invoice-agent:\n").expect("the agent's entry");
    let own = own.replacen("    exchange:\n", &agent, 1);
    format!("{before}  invoice-agent:\n{own}")
        .replacen("apis:\n", &apis, 1)
        .replacen("resources:\n", &resource, 1)
        .replacen("clients:\n", &client, 1)
}

fn alice_principal() -> String {
    format!("{}.{HOME_TENANT}", ALICE.oid)
}

#[test]
fn an_agent_finds_out_what_the_server_takes_and_uses_a_tool() {
    let mcp = Mcp::start();
    for agent in Agent::ALL {
        let before = mcp.rig.issued();
        mcp.place.forget();
        let ended = mcp.run(agent, "get_order");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let told = format!(
            "order 42: 3 tesserae of bone (read by invoice-agent for {})\n",
            alice_principal()
        );
        assert_eq!(ended.said, told);
        assert!(ended.log.contains("its tools: get_order, cancel_order"), "{ended:?}");
        assert_eq!(mcp.rig.issued() - before, 1, "one token for all messages: {ended:?}");
        assert_eq!(mcp.rig.sts.count(&format!("{METADATA}/orders-mcp")), 1);
        let tokens = mcp.place.tokens();
        let (first, rest) = tokens.split_first().unwrap();
        assert_eq!((first.as_str(), rest.len()), ("", 4), "no token before it is asked for");
        let about = mcp.rig.world.introspect_as(("orders-mcp", SECRET), &rest[0]).json();
        assert_eq!((&about["aud"], &about["scope"]), (&json!(mcp.url), &json!("orders.read")));
        let versions = mcp.place.seen().into_iter().skip(2);
        for received in versions {
            assert_eq!(received.header("mcp-protocol-version"), Some("2025-11-25"));
        }
    }
    let log = mcp.log();
    let line = format!("get_order: invoice-agent for {}", alice_principal());
    assert_eq!(log.matches(&line).count(), 2, "{log}");
    assert_no_token(&log);
}

#[test]
fn a_server_that_is_described_as_another_gets_no_token() {
    for (described, issuer, told) in [
        ("impostor", None, "no token is sent there"),
        ("orders-mcp", Some("https://login.example.com"), "does not take tokens of"),
    ] {
        let mcp = Mcp::described(described, issuer);
        for agent in Agent::ALL {
            mcp.place.forget();
            let ended = mcp.run(agent, "get_order");
            assert_eq!(ended.code, Some(1), "{ended:?}");
            assert!(ended.log.contains(told), "RFC 9728 §3.3 {ended:?}");
            assert_eq!(mcp.rig.sts.count(&format!("{METADATA}/{described}")), 1);
            assert_eq!((mcp.rig.sts.count("/token"), mcp.place.tokens()), (0, vec![String::new()]));
        }
    }
}

#[test]
fn a_server_may_not_have_strangers_describe_it_nor_let_everybody_in() {
    let mcp = Mcp::start();
    for agent in Agent::ALL {
        for (reply, told) in [
            (
                Reply::new(401)
                    .header("WWW-Authenticate", &format!(r#"Bearer resource_metadata="{OTHER}""#)),
                "has others describe it",
            ),
            (Reply::json(&json!({})), "answers 200 to somebody without a token"),
            // Without a pointer the document is looked for at the server itself, which has none.
            (Reply::new(401), "/.well-known/oauth-protected-resource/mcp does not describe"),
        ] {
            let mut first = true;
            mcp.place.first(move |_| std::mem::take(&mut first).then(|| reply.clone()));
            let ended = mcp.run(agent, "get_order");
            assert_eq!(ended.code, Some(1), "{ended:?}");
            assert!(ended.log.contains(told), "{ended:?}");
            assert_eq!(mcp.rig.sts.count("/token"), 0, "{ended:?}");
        }
    }
}

#[test]
fn a_tool_that_needs_another_scope_is_used_with_one_or_not_at_all() {
    let mcp = Mcp::start();
    let bob = mcp.rig.world.entra.issuer(HOME_TENANT);
    let bob = mcp.rig.world.sign(&bob.delegated(&PORTAL, &BOB, &ORDERS, &["orders.read"]));
    for agent in Agent::ALL {
        let ended = mcp.run(agent, "cancel_order");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let told = format!("order 42 is cancelled (by invoice-agent for {})\n", alice_principal());
        assert_eq!((ended.said, mcp.rig.sts.count("/token")), (told, 2));
        let ended = mcp.run_for(agent, &bob, "cancel_order");
        assert_eq!((ended.code, ended.said.as_str()), (Some(4), ""), "{ended:?}");
        assert!(ended.log.contains("cannot be had"), "{ended:?}");
        let ended = mcp.run(agent, "burn_order");
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.log.contains("there is no such tool"), "{ended:?}");
    }
}

#[test]
fn a_user_who_is_revoked_during_the_conversation_is_asked_to_sign_in() {
    let mcp = Mcp::start();
    for (number, agent) in Agent::ALL.into_iter().enumerate() {
        let alice = mcp.rig.world.alice().claim("uti", format!("alice-{number}"));
        let alice = mcp.rig.world.sign(&alice);
        let (admin, token) = (mcp.rig.world.admin, alice.clone());
        mcp.place.first(move |received| {
            if received.text().contains("tools/call") {
                let revoked = Request::form("/revocations", &[("token", &token)]).send(admin);
                assert_eq!(revoked.status, 200, "{revoked:?}");
            }
            None
        });
        let ended = mcp.run_for(agent, &alice, "get_order");
        assert_eq!((ended.code, ended.said.as_str()), (Some(3), ""), "{ended:?}");
        assert!(ended.log.contains("its tools"), "it was let in before: {ended:?}");
        assert_eq!(mcp.rig.sts.count("/token"), 2, "{ended:?}");
    }
}

#[test]
fn answers_may_come_as_a_stream_of_events() {
    let mcp = Mcp::start();
    let address = mcp.address;
    for agent in Agent::ALL {
        mcp.place.first(move |received| {
            let answer: Answer = received.passed_on().send(address);
            (answer.status == 200).then(|| {
                let note = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#;
                let body = answer.text();
                let stream = format!(": hello\r\ndata:\r\n\r\nevent: message\r\ndata: {note}\r\n\r\ndata:{body}\r\n\r\n");
                Reply::new(200).header("Content-Type", "text/event-stream").body(stream)
            })
        });
        let ended = mcp.run(agent, "get_order");
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.said.starts_with("order 42:"), "{ended:?}");
    }
}

#[test]
fn the_server_takes_good_tokens_that_are_for_itself_and_tells_what_is_missing() {
    let mcp = Mcp::start();
    let world = &mcp.rig.world;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let place = format!("{}{METADATA}/orders-mcp", mcp.rig.issuer);
    let asked = mcp.message(&|request| request, &list);
    let challenge = format!(r#"Bearer scope="orders.read", resource_metadata="{place}""#);
    assert_eq!((asked.status, asked.header("www-authenticate")), (401, Some(&*challenge)));
    let metadata = Request::get(&format!("{METADATA}/orders-mcp")).send(world.public).json();
    assert_eq!(metadata["resource"], mcp.url);
    let alice = world.sign(&world.alice());
    // Not for this server: the user's own token, and one for another resource.
    let others = exchange::token(world, TYK, &exchange::fields(&alice, ORDERS_API));
    let invalid = format!(r#"Bearer error="invalid_token", resource_metadata="{place}""#);
    for token in [alice.as_str(), &others, "nonsense"] {
        let answer = mcp.message(&|request| request.bearer(token), &list);
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(&*invalid)));
    }
    // What an agent sends, sent again by hand.
    assert_eq!(mcp.run_for(Agent::Python, &alice, "get_order").code, Some(0));
    let token = mcp.place.tokens().pop().unwrap();
    let good = |request: Request| request.bearer(&token);
    let cancel = json!({
        "jsonrpc": "2.0", "id": 2, "method": "tools/call",
        "params": { "name": "cancel_order", "arguments": { "id": "42" } },
    });
    let answer = mcp.message(&good, &cancel);
    let missing = format!(
        r#"Bearer error="insufficient_scope", scope="orders.write", resource_metadata="{place}""#
    );
    assert_eq!((answer.status, answer.header("www-authenticate")), (403, Some(&*missing)));
    assert_eq!(mcp.message(&good, &list).json()["result"]["tools"][0]["name"], "get_order");
    for (code, message) in [
        (-32601, json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/burn" })),
        (-32602, json!({ "jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": [] })),
    ] {
        let answer = mcp.message(&good, &message).json();
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &json!("a")));
    }
    let as_page = |request: Request| good(request).header("Origin", "http://127.0.0.1:3000");
    let newer = |request: Request| good(request).header("MCP-Protocol-Version", "2026-07-28");
    assert_eq!(mcp.message(&as_page, &list).status, 403, "DNS rebinding");
    assert_eq!(mcp.message(&newer, &list).status, 400, "newer clients then fall back to this");
    assert_eq!(mcp.message(&good, &json!([list])).status, 400, "there are no batches");
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(mcp.message(&good, &note).status, 202);
    assert_eq!(Request::get("/mcp").send(mcp.address).status, 405);
    // When the truth cannot be known, the answer is neither yes nor no.
    mcp.rig.sts.first(|_| Some(Reply::new(503).header("Retry-After", "7")));
    let answer = mcp.message(&good, &list);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("7")));
    // What tessera would never say about this token is not taken for good either.
    for (active, audience) in [(json!(true), ORDERS_API), (json!("true"), mcp.url.as_str())] {
        let about = json!({ "active": active, "aud": audience, "scope": "orders.read" });
        mcp.rig.sts.first(move |_| Some(Reply::json(&about)));
        assert_eq!(mcp.message(&good, &list).status, 401, "{active} {audience}");
    }
    // Revoked, it ends at once.
    mcp.rig.sts.forget();
    let revoked = Request::form("/revocations", &[("token", &alice)]).send(world.admin);
    assert_eq!(revoked.status, 200);
    let answer = mcp.message(&good, &list);
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(&*invalid)));
}
