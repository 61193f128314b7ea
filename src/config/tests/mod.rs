//! What a good file becomes, and what is said about a bad one.

mod apis;
mod audit;
mod exchange;
mod hostile;
mod redis;
mod refused;
mod tls;
mod whole;

use std::path::Path;

use super::{Config, Environment, PlainSecrets, Report, load};

/// A secret that must not be in any report.
pub(super) const SECRET: &str = "6a1f0c9e5b7d4832a1c0ffee5eed5eed";
/// Another one.
pub(super) const GRAPH_SECRET: &str = "graph~secret.of-the-tenant_0123456789";

/// A file about who may ask what, and how the service runs.
pub(super) const GOOD: &str = r#"issuer: https://sts.example.com/tessera
listen:
  public: 127.0.0.1:8080
  admin: "[::1]:9090"
  tls:
    public:
      certificate: ${file:/run/tls/server.crt}
      key: ${file:/run/tls/server.key}
      client_ca: ${file:/run/tls/ca.crt}
entra:
  - tenant: 72f988bf-86f1-41af-91ab-2d7cd011db47
    authority: us-government
    audiences: [api://orders, 6731de76-14a6-49ae-97bc-6eba6914391e]
    caller_audiences: [api://tessera]
    signing_app: 11111111-2222-3333-4444-555555555555
    graph:
      client_id: 0f0f0f0f-2222-3333-4444-555555555555
      client_secret: ${file:/run/secrets/graph}
      endpoint: https://graph.microsoft.us
  - tenant: 9188040d-6c67-4c5b-b112-36a304b66dad
    audiences: [api://shop]
clients:
  tyk:
    secret: ${env:TYK_SECRET}
    introspect:
      audiences: [api://orders]
      release: [email, username]
  robot:
    jwks:
      keys:
        - kty: EC
          crv: P-256
          x: f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU
          y: x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0
    assertion_audience: token_endpoint
  agent:
    entra_app: 1c2d3e4f-2222-3333-4444-555555555555
mapping:
  - name: gold
    when:
      groups: [9a1c2b3d-2222-3333-4444-555555555555]
      roles: [Gold]
      scopes: [Orders.Read]
      app: [1c2d3e4f-2222-3333-4444-555555555555]
      tenant: [72f988bf-86f1-41af-91ab-2d7cd011db47]
      principal_type: [user, agent]
      claims:
        department: [sales, support]
    grant:
      policies: [gold]
      scopes: [orders.read]
      roles: [buyer]
key_sets:
  refresh: 30m
  cooldown: 1m
  max_stale: 48h
cache:
  bytes: 64MiB
shutdown:
  drain: 20s
  grace: 30s
traces:
  endpoint: http://otel-collector:4318
  sample: 0.25
  headers:
    authorization: ${file:/run/secrets/otlp}
log:
  level: debug
  format: human
"#;

/// A file about what is issued, and by which keys.
pub(super) const ISSUING: &str = r"issuer: https://sts.example.com/tessera
entra:
  - tenant: 72f988bf-86f1-41af-91ab-2d7cd011db47
    audiences: [api://orders]
    caller_audiences: [api://tessera]
clusters:
  prod:
    issuer: https://cluster.example/id
    jwks_uri: https://cluster.example/keys
  edge:
    issuer: https://edge.example
    jwks: ${file:/run/jwks}
clients:
  tyk:
    secret: ${env:TYK_SECRET}
    previous_secret: ${env:LONG}
    introspect:
      audiences: [api://orders, https://orders.internal]
      phantom: true
    default_resource: https://orders.internal
    exchange:
      - name: swap
        resource: https://orders.internal
        scopes: [orders.read]
        subjects: [user, service]
        from: [api://orders]
        tenants: [72f988bf-86f1-41af-91ab-2d7cd011db47]
        grants: [gold]
        actors: [agent]
        ttl: 2m
        impersonate: true
  agent:
    entra_app: 1c2d3e4f-2222-3333-4444-555555555555
  pod:
    kubernetes:
      cluster: prod
      namespace: agents
      service_account: robot
      uid: 6b8f0a3e-4c1d-4f2a-9d7e-2a5c8e1b7f40
resources:
  https://orders.internal:
    scopes: { orders.read: [Orders.Read], orders.write: [Orders.Write] }
    callers: [tyk, agent]
    from: [api://orders]
    subjects: [user, service]
    ttl: 10m
    token: opaque
    algorithm: RS256
    release: [groups]
    may_act: agent
mapping:
  - name: gold
    when: { roles: [Gold] }
    grant: { policies: [gold] }
signing:
  folder: /var/lib/tessera/keys
  rotate: 240h
  announce: 12h
store:
  sealing_key: ${file:/run/secrets/seal}
  previous_sealing_key: ${file:/run/secrets/old-seal}
";

/// A file about what replicas share.
pub(super) const SHARED: &str = r"issuer: https://sts.example.com/tessera
entra:
  - tenant: 72f988bf-86f1-41af-91ab-2d7cd011db47
    audiences: [api://orders]
clients:
  tyk:
    secret: ${env:TYK_SECRET}
    introspect: { audiences: [api://orders] }
signing:
  rotate: 240h
store:
  sealing_key: ${file:/run/secrets/seal}
  redis:
    url: rediss://redis-1.internal
    nodes: [redis-2.internal, redis-3.internal:7000]
    mode: sentinel
    master: tokens
    username: tessera
    password: ${file:/run/secrets/redis}
    sentinel_username: watcher
    sentinel_password: ${env:SHORT}
    database: 3
    prefix: tessera-2
    ca: ${file:/run/tls/ca.pem}
    certificate: ${file:/run/tls/own.pem}
    key: ${file:/run/tls/own.key}
    when_unreachable: deny
    results: all
";

/// An environment with two secrets and a few other things.
pub(super) struct Fixed;

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Result<String, String> {
        match name {
            "TYK_SECRET" => Ok(SECRET.to_owned()),
            "LONG" => Ok("another-secret-".repeat(3)),
            "OTHER" => Ok("a-third-secret-".repeat(3)),
            "SHORT" => Ok("hunter2hunter2".to_owned()),
            "SPACED" => Ok(format!("{SECRET} {SECRET}")),
            "EMPTY" => Ok(String::new()),
            "HOST" => Ok("sts.example.com".to_owned()),
            _ => Err("it is not set".to_owned()),
        }
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        match path.to_str() {
            Some("/run/secrets/graph") => Ok(format!("{GRAPH_SECRET}\n")),
            Some("/run/secrets/seal") => Ok("5eed".repeat(16)),
            Some("/run/secrets/old-seal") => Ok("0ddb".repeat(16)),
            Some("/run/secrets/otlp") => Ok("Bearer trace-secret".to_owned()),
            Some("/run/secrets/folded") => Ok("Bearer a\nb".to_owned()),
            Some("/run/secrets/redis") => Ok(SECRET.to_owned()),
            Some("/run/tls/ca.pem" | "/run/tls/own.pem") => Ok(pem("CERTIFICATE", "AAAA")),
            Some("/run/tls/own.key") => Ok(pem("PRIVATE KEY", SECRET)),
            Some("/run/tls/locked.key") => Ok(pem("ENCRYPTED PRIVATE KEY", SECRET)),
            Some("/run/tls/server.crt") => Ok(tls::SERVER.to_owned()),
            Some("/run/tls/server.key") => Ok(tls::KEY.to_owned()),
            Some("/run/tls/ca.crt") => Ok(tls::CA.to_owned()),
            Some("/run/tls/chain.crt") => Ok([tls::SERVER, tls::CA].concat()),
            Some("/run/tls/wrong-way.crt") => Ok([tls::CA, tls::SERVER].concat()),
            Some("/run/tls/broken.crt") => Ok(pem("CERTIFICATE", "%%")),
            Some("/run/jwks") => Ok(JWKS.to_owned()),
            Some("/run/not-jwks") => Ok(format!("{{\"keys\":\"{SECRET}\"}}")),
            Some("/run/private-jwks") => Ok(JWKS.replace("\"x\"", "\"d\":\"AAAA\",\"x\"")),
            Some("/run/weak-jwks") => Ok(r#"{"keys":[{"kty":"oct"}]}"#.to_owned()),
            _ => Err("No such file or directory".to_owned()),
        }
    }
}

const JWKS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

/// What a PEM file looks like from outside.
fn pem(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

pub(super) fn read(text: &str) -> Result<Config, Report> {
    load(text, "tessera.yaml", &Fixed, PlainSecrets::Refused)
}

/// [`GOOD`] with one passage replaced.
pub(super) fn with(find: &str, replace: &str) -> String {
    changed(GOOD, find, replace)
}

/// A good file with one passage replaced.
pub(super) fn changed(good: &str, find: &str, replace: &str) -> String {
    assert!(good.contains(find), "the good file has no {find:?}");
    good.replacen(find, replace, 1)
}
