//! Against a cluster: a secret that was made before stays as it is when the release is upgraded.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{good, objects, template};

/// What was made when the release was installed.
const FORMER: &str = "made-when-it-was-installed";

/// The kinds that the release is made of, by the version of the API.
const KINDS: [(&str, &[&str]); 4] = [
    ("v1", &["ConfigMap", "Pod", "Secret", "Service", "ServiceAccount"]),
    ("apps/v1", &["Deployment"]),
    ("networking.k8s.io/v1", &["NetworkPolicy"]),
    ("policy/v1", &["PodDisruptionBudget"]),
];

/// The kinds of one version, as a server lists them.
fn kinds(version: &str) -> Option<Value> {
    let (_, kinds) = KINDS.iter().find(|(known, _)| *known == version)?;
    let resource = |kind: &&str| {
        let name = format!("{}s", kind.to_lowercase());
        json!({ "name": name, "namespaced": true, "kind": kind, "verbs": ["get"] })
    };
    let resources: Vec<_> = kinds.iter().map(resource).collect();
    Some(json!({ "kind": "APIResourceList", "groupVersion": version, "resources": resources }))
}

/// What an API server says, as far as Helm asks it.
fn answer(path: &str) -> Option<Value> {
    let path = path.split('?').next()?;
    let group = |version: &str| {
        let (name, number) = version.split_once('/')?;
        let version = json!({ "groupVersion": version, "version": number });
        Some(json!({ "name": name, "versions": [version], "preferredVersion": version }))
    };
    let groups: Vec<_> = KINDS.iter().filter_map(|(version, _)| group(version)).collect();
    Some(match path {
        "/version" => json!({ "major": "1", "minor": "33", "gitVersion": "v1.33.0" }),
        "/api" => json!({ "kind": "APIVersions", "versions": ["v1"] }),
        "/apis" => json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }),
        "/api/v1/namespaces/identity/secrets/one-tessera" => json!({
            "kind": "Secret", "apiVersion": "v1",
            "metadata": {
                "name": "one-tessera", "namespace": "identity",
                "labels": { "app.kubernetes.io/managed-by": "Helm" },
                "annotations": {
                    "meta.helm.sh/release-name": "one",
                    "meta.helm.sh/release-namespace": "identity",
                },
            },
            "data": { "client-secret": BASE64_STANDARD.encode(FORMER) },
        }),
        _ => kinds(path.strip_prefix("/apis/").or_else(|| path.strip_prefix("/api/"))?)?,
    })
}

/// Answers every request on one connection.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut header = String::new();
        while reader.read_line(&mut header)? > 2 {
            header.clear();
        }
        let found = first.split(' ').nth(1).and_then(answer);
        let status = if found.is_some() { "200 OK" } else { "404 Not Found" };
        let nothing = || json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404 });
        let body = found.unwrap_or_else(nothing).to_string();
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
    }
}

/// Lives until the tests end.
fn api_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || serve(stream?));
        }
    });
    address
}

#[test]
fn an_upgrade_keeps_the_secret_that_was_made_and_makes_only_what_is_missing() {
    let server = format!("http://{}", api_server());
    for version in ["4.1.4", "3.18.0"] {
        let arguments = [
            "-f",
            "ci/redis-standalone-tls-values.yaml",
            "--show-only",
            "templates/secret.yaml",
            "--dry-run=server",
            "--disable-openapi-validation",
            "--kube-apiserver",
            &server,
        ];
        let written = good(&template(version, &arguments));
        let [secret] = &objects(&written)[..] else { panic!("{written}") };
        let value =
            |key: &str| BASE64_STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap();
        assert_eq!(value("client-secret"), FORMER.as_bytes(), "Helm {version}");
        let key = BASE64_STANDARD.decode(value("sealing-key")).unwrap();
        assert_eq!(key.len(), 32, "the release had no Redis before");
        assert_eq!(secret["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
}
