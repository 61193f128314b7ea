//! RFC 8414: what clients find out by themselves (META-01…META-04).

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;

use serde_json::json;

use crate::cli::Folder;
use crate::support::process::{Running, free_port, wait_until};
use crate::support::{ISSUER, Request, World};

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

#[test]
fn meta_01_meta_02_the_document_is_where_the_issuer_says_and_nowhere_else() {
    let world = World::start();
    for path in [OAUTH, OPENID] {
        let answer = Request::get(path).send(world.public);
        assert_eq!(answer.status, 200, "META-02");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(answer.json()["issuer"], ISSUER, "META-02, META-04");
        let head = Request::get(path).method("HEAD").send(world.public);
        assert_eq!((head.status, head.bytes()), (200, &b""[..]));
        let posted = Request::form(path, &[]).send(world.public);
        assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
    }
    let below = World::configured(|text| text.replacen(ISSUER, "https://sts.example.com/t1", 1));
    for path in [format!("{OAUTH}/t1"), format!("/t1{OPENID}")] {
        let answer = Request::get(&path).send(below.public);
        assert_eq!(answer.json()["issuer"], "https://sts.example.com/t1", "META-01 {path}");
    }
    for path in [OAUTH.to_owned(), OPENID.to_owned(), format!("{OAUTH}/t2"), format!("{OAUTH}/t1/")]
    {
        Request::get(&path).send(below.public).assert_error(404, "not_found");
    }
}

#[test]
fn meta_03_it_says_what_there_is_and_that_is_there() {
    let world = World::start();
    let document =
        Request::get(OAUTH).header("X-Forwarded-Host", "evil.example").send(world.public).json();
    let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    assert_eq!(document["grant_types_supported"], json!([grant]));
    assert_eq!(document["response_types_supported"], json!([]), "ruling D8");
    let scopes =
        json!(["jobs", "orders.export", "orders.read", "orders.write", "read", "tasks.run"]);
    assert_eq!(document["scopes_supported"], scopes);
    for (member, path) in [
        ("token_endpoint", "/token"),
        ("introspection_endpoint", "/introspect"),
        ("revocation_endpoint", "/revoke"),
        ("jwks_uri", "/jwks"),
    ] {
        assert_eq!(document[member], format!("{ISSUER}{path}"), "A225");
        assert_ne!(Request::get(path).send(world.public).status, 404, "{path} is there");
    }
    for endpoint in ["token", "introspection", "revocation"] {
        let methods = &document[format!("{endpoint}_endpoint_auth_methods_supported")];
        let known = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
        assert_eq!(*methods, json!(known));
        let algorithms =
            &document[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
        assert_eq!(*algorithms, json!(["RS256", "PS256", "ES256"]));
    }
}

#[test]
fn meta_02_dev_is_its_own_issuer_at_any_port() {
    let (folder, port) = (Folder::new("dev-issuer"), free_port());
    let mut command = Command::new(env!("CARGO_BIN_EXE_tessera"));
    command.args(["dev", "--port", &port.to_string()]);
    for other in ["--admin-port", "--tenant-port", "--tyk-port", "--envoy-port"] {
        command.args([other, "0"]);
    }
    let _dev = Running::start(&mut command, &folder);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    wait_until("tessera dev", || TcpStream::connect(address).is_ok());
    let document = Request::get(OAUTH).send(address).json();
    assert_eq!(document["issuer"], format!("http://{address}"), "META-02");
}
