//! Good files, and reports about several problems.

use std::path::Path;

use secrecy::ExposeSecret as _;

use super::super::schema::{self, Presence};
use super::super::{
    CacheBounds, Environment, KeySetRules, LogFormat, LogLevel, PlainSecrets, Shutdown,
    SystemEnvironment, load, read_file,
};
use super::apis::GUARDED;
use super::audit::AUDITED;
use super::{Fixed, GOOD, GRAPH_SECRET, ISSUING, SECRET, SHARED, read, with};
use crate::domain::client::Released;
use crate::domain::principal::PrincipalType;
use crate::protocol::time::{Seconds, UnixTime};

#[test]
fn every_key_arrives_where_it_belongs() {
    let config = read(GOOD).unwrap();
    assert_eq!(config.issuer, "https://sts.example.com/tessera");
    assert_eq!(config.listen.admin.to_string(), "[::1]:9090");
    let [tenant, personal] = &config.tenants[..] else { panic!("two tenants") };
    assert_eq!(tenant.authority.as_str(), "https://login.microsoftonline.us/");
    assert_eq!(tenant.audiences.len(), 2);
    assert_eq!(tenant.caller_audiences, ["api://tessera"]);
    assert!(tenant.signing_app.is_some());
    let graph = tenant.graph.as_ref().unwrap();
    assert_eq!(graph.client_secret.expose_secret(), GRAPH_SECRET, "without the newline");
    assert_eq!(personal.authority.as_str(), "https://login.microsoftonline.com/");
    assert!(personal.caller_audiences.is_empty() && personal.graph.is_none());
    let [tyk, robot, agent] = &config.clients[..] else { panic!("three clients") };
    assert!(tyk.credentials.secret.as_ref().unwrap().matches(SECRET));
    let permission = tyk.introspect.as_ref().unwrap();
    assert_eq!(permission.release, [Released::Email, Released::Username]);
    let keys = robot.credentials.keys.as_ref().unwrap();
    assert!(keys.keys()[0].is_trusted(UnixTime::from_seconds(4_000_000_000)));
    assert!(robot.introspect.is_none() && agent.credentials.entra_app.is_some(), "INT-08");
    let [rule] = config.mapping.rules() else { panic!("one rule") };
    assert_eq!(rule.when.principal_types, [PrincipalType::User, PrincipalType::Agent]);
    assert_eq!(rule.when.claims["department"], ["sales", "support"]);
    assert_eq!(rule.grant.policies, ["gold"]);
    assert_eq!(config.key_sets.refresh, Seconds::minutes(30));
    assert_eq!(config.cache.bytes, 64 << 20);
    let stopping = (config.shutdown.drain, config.shutdown.grace);
    assert_eq!(stopping, (Seconds::new(20), Seconds::new(30)));
    let traces = config.traces.as_ref().unwrap();
    assert_eq!(traces.endpoint.as_str(), "http://otel-collector:4318/v1/traces");
    assert!(traces.sample.takes(249_999) && !traces.sample.takes(250_000));
    let [(name, value)] = &traces.headers[..] else { panic!("one header") };
    assert_eq!((&**name, value.expose_secret()), ("authorization", "Bearer trace-secret"));
    assert_eq!((config.log.level, config.log.format), (LogLevel::Debug, LogFormat::Human));
}

pub(super) const SMALL: &str = r#"
issuer: https://${env:HOST}
entra:
  - tenant: 72f988bf-86f1-41af-91ab-2d7cd011db47
    authority: china
    audiences: [api://orders]
    graph: { client_id: 0f0f0f0f-2222-3333-4444-555555555555, client_secret: "${env:SHORT}" }
clients:
  tyk: { jwks: "${file:/run/jwks}" }
"#;

#[test]
fn what_is_left_out_has_its_default() {
    let config = read(SMALL).unwrap();
    assert_eq!(config.issuer, "https://sts.example.com");
    assert_eq!(config.listen.public.to_string(), "0.0.0.0:8080");
    assert_eq!(config.listen.admin.to_string(), "0.0.0.0:9090");
    let endpoint = config.tenants[0].graph.as_ref().unwrap().endpoint.as_str();
    assert_eq!(endpoint, "https://microsoftgraph.chinacloudapi.cn/", "not the public cloud");
    assert!(config.mapping.rules().is_empty());
    // The table of keys and the types agree about the defaults.
    let (rules, defaults) = (config.key_sets, KeySetRules::default());
    assert_eq!(
        (rules.refresh, rules.cooldown, rules.max_stale),
        (defaults.refresh, defaults.cooldown, defaults.max_stale)
    );
    assert_eq!(config.cache.bytes, CacheBounds::default().bytes);
    assert_eq!(config.shutdown, Shutdown::default());
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Json));
    assert!(config.redis.is_none() && config.signing.folder.is_none());
    assert!(config.traces.is_none());
}

/// What two variables say.
struct Pair(&'static str, &'static str);

impl Environment for Pair {
    fn variable(&self, name: &str) -> Result<String, String> {
        Ok(if name == "ONE" { self.0 } else { self.1 }.to_owned())
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        Fixed.file(path)
    }
}

#[test]
fn the_digest_is_of_all_that_is_said() {
    let good = with("${file:/run/secrets/graph}", "${env:ONE}")
        .replace("[api://shop]", "[\"${env:ONE}\", \"${env:TWO}\"]");
    let digest = |text: &str, pair: Pair| {
        load(text, "tessera.yaml", &pair, PlainSecrets::Allowed).unwrap().digest
    };
    let good =
        good.replace("${env:TYK_SECRET}", SECRET).replace("${file:/run/secrets/otlp}", SECRET);
    let first = digest(&good, Pair("ab", "c"));
    assert_eq!(first, digest(&good, Pair("ab", "c")));
    assert_ne!(first, digest(&good, Pair("ab", "d")), "another value");
    assert_ne!(first, digest(&good, Pair("a", "bc")), "the same letters, cut elsewhere");
    assert_ne!(first, digest(&good, Pair("c", "ab")), "another order");
    let other = good.replace("level: debug", "level: info");
    assert_ne!(first, digest(&other, Pair("ab", "c")), "another text");
}

#[test]
fn the_good_files_use_every_key_there_is() {
    let keys = schema::SECTIONS.iter().flat_map(|section| section.keys);
    for key in keys {
        let named = format!("{}:", key.name);
        let files = [GOOD, ISSUING, SHARED, GUARDED, AUDITED];
        assert!(files.iter().any(|file| file.contains(&named)), "{}", key.name);
    }
    let required = schema::SECTIONS.iter().flat_map(|section| section.keys);
    assert!(required.filter(|key| key.presence == Presence::Required).count() > 8);
}

#[test]
fn development_may_have_plain_secrets() {
    let text = with("${env:TYK_SECRET}", SECRET);
    assert!(load(&text, "dev", &Fixed, PlainSecrets::Allowed).is_ok());
    let short = with("${env:TYK_SECRET}", "short");
    assert!(load(&short, "dev", &Fixed, PlainSecrets::Allowed).is_err());
}

#[test]
fn loopback_hosts_may_speak_http() {
    for host in ["localhost:8080", "127.0.0.1:1", "[::1]:1", "sts.localhost"] {
        read(&with("https://sts.example.com/tessera", &format!("http://{host}"))).unwrap();
    }
    let text = with("us-government", "http://127.0.0.1:8400");
    assert_eq!(read(&text).unwrap().tenants[0].authority.port(), Some(8400));
    for host in ["127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "[::2]"] {
        let text = with("https://sts.example.com/tessera", &format!("http://{host}"));
        assert!(read(&text).is_err(), "{host}");
    }
}

#[test]
fn everything_is_reported_at_once_with_its_line() {
    let text = "\
issuer: ftp://sts.example.com
listen:
  admin: nowhere
entra:
  - tenant: 72F988BF-86F1-41AF-91AB-2D7CD011DB47
    audiences: api://orders
clients:
  tyk:
    secert: hunter2hunter2
    introspect:
      audiences: []
mapping:
  - name: gold
    when: {}
    grant: {}
log:
  level: inof
  level: info
store:
  redis: rediss://:hunter2hunter2@redis
";
    let said = read(text).unwrap_err().to_string();
    let expected = "\
tessera.yaml:1: issuer: not an https URL; write it like https://sts.example.com
tessera.yaml:3: listen.admin: not an IP address and port; write it like 0.0.0.0:8080 or [::]:8080
tessera.yaml:5: entra[0].tenant: not a GUID in lower case with hyphens; write it in lower case, without braces
tessera.yaml:6: entra[0].audiences: expected a list, found text; write it as a list: [x]
tessera.yaml:8: clients.tyk: no way to authenticate; set `secret`, `jwks`, `entra_app` or `kubernetes`
tessera.yaml:9: clients.tyk.secert: unknown key; did you mean `secret`?
tessera.yaml:11: clients.tyk.introspect.audiences: an empty list; at least one entry is needed
tessera.yaml:14: mapping[0].when: no condition: the rule would grant to everybody; if everybody is meant, say so: `tenant: [...]`
tessera.yaml:15: mapping[0].grant: the rule grants nothing; name at least one policy, scope or role
tessera.yaml:17: log.level: not one of `error`, `warn`, `info`, `debug`; did you mean `info`?
tessera.yaml:18: log.level: the same key stands in line 17 already
tessera.yaml:20: store.redis: expected a mapping, found text
tessera.yaml:20: store.redis: needs `store.sealing_key`: what Redis holds is always sealed; make one with: openssl rand -hex 32";
    assert_eq!(said, expected);
}

#[test]
fn a_file_that_cannot_be_read_is_a_report_too() {
    let path = std::env::temp_dir().join(format!("tessera-config-{}.yaml", std::process::id()));
    std::fs::write(&path, GOOD).unwrap();
    assert_eq!(read_file(&path, &SystemEnvironment).as_deref(), Ok(GOOD));
    std::fs::remove_file(&path).unwrap();
    let said = read_file(&path, &SystemEnvironment).unwrap_err().to_string();
    assert_eq!(said.split(": ").nth(1), Some("cannot read the file"), "{said}");
}
