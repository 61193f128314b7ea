//! Each fault by itself, in files that are otherwise as we write them.

mod faults;
mod forms;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::files::Files;
use super::{Edition, examine};
use crate::cli::tyk::{Format, written};
use crate::config::{Config, Environment, PlainSecrets, load};
use crate::domain::tyk::Fault;

const SECRET: &str = "doctor-test-secret-0123456789abcdef";

struct Secrets;

impl Environment for Secrets {
    fn variable(&self, _: &str) -> Result<String, String> {
        Ok(SECRET.to_owned())
    }

    fn file(&self, _: &Path) -> Result<String, String> {
        Err("there are no files".to_owned())
    }
}

/// What both worlds have.
const BASE: &str = r"
issuer: https://sts.example.com
listen: { tyk: 127.0.0.1:5555 }
entra:
  - tenant: 72f988bf-86f1-41af-91ab-2d7cd011db47
    audiences: [api://orders]
clients:
  tyk:
    secret: ${env:TYK_SECRET}
    introspect: { audiences: [api://orders, https://orders.internal] }
    exchange: [{ resource: https://orders.internal, scopes: [orders.read], subjects: [user] }]
mapping:
  - { name: gold, when: { roles: [Gold] }, grant: { policies: [gold, orders-read] } }
  - { name: silver, when: { roles: [Silver] }, grant: { policies: [silver] } }
resources:
  https://orders.internal: { scopes: { orders.read: [Orders.Read] }, callers: [tyk] }
";

/// One more resource, so that audiences matter.
const REPORTS: &str = r"  https://reports.internal: { scopes: { reports.read: [R] }, callers: [tyk] }
";

const APIS: &str = r"
apis:
  asked:
    { client: tyk, audiences: [api://orders], policies: optional, tyk: { road: introspection, listen_path: /asked/, upstream: http://asked } }
  checked:
    { client: tyk, audiences: [https://orders.internal], tyk: { road: jwt, listen_path: /checked/, upstream: http://checked } }
  plain:
    { client: tyk, audiences: [api://orders], guard: network, tyk: { listen_path: /plain/, upstream: http://plain } }
  plugged:
    client: tyk
    audiences: [api://orders]
    exchange: { resource: https://orders.internal, scopes: [orders.read] }
    tyk: { road: plugin, listen_path: /plugged/, upstream: http://plugged, api_id: p1, org_id: default }
  seen:
    { client: tyk, audiences: [api://orders], tyk: { listen_path: /seen/, upstream: http://seen } }
";

/// Only the other form knows it.
const SWAPPED: &str = r"  swapped:
    client: tyk
    audiences: [api://orders]
    policies: optional
    exchange: { resource: https://orders.internal, scopes: [orders.read] }
    tyk: { road: exchange, listen_path: /swapped/, upstream: http://swapped }
";

pub(super) fn config(text: &str) -> Config {
    load(text, "tessera.yaml", &Secrets, PlainSecrets::Refused)
        .unwrap_or_else(|why| panic!("{why}"))
}

/// A gateway's files, as we write them, and then changed.
struct World {
    config: Config,
    files: BTreeMap<String, Value>,
    edition: Edition,
}

impl World {
    fn classic() -> Self {
        Self::new(&format!("{BASE}{APIS}"), Format::Classic)
    }

    fn oas() -> Self {
        Self::new(&format!("{BASE}{REPORTS}{APIS}{SWAPPED}"), Format::Oas)
    }

    fn new(text: &str, format: Format) -> Self {
        let config = config(text);
        let files = written(&config, format).unwrap_or_else(|why| panic!("{why}"));
        Self { config, files: files.into_iter().collect(), edition: Edition::Enterprise }
    }

    /// Puts a value at a place of a file.
    fn set(&mut self, file: &str, path: &str, value: Value) {
        let known: Vec<_> = self.files.keys().cloned().collect();
        let document = self.files.get_mut(file).unwrap_or_else(|| panic!("{file} of {known:?}"));
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{path}: {file}"));
        if let Value::Array(items) = parent {
            items[name.parse::<usize>().unwrap()] = value;
        } else {
            drop(parent.as_object_mut().unwrap().insert(name.to_owned(), value));
        }
    }

    /// Takes out what is at a place of a file.
    fn cut(&mut self, file: &str, path: &str) {
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = self.files.get_mut(file).unwrap().pointer_mut(parent).unwrap();
        assert!(parent.as_object_mut().unwrap().remove(name).is_some(), "{path}: {file}");
    }

    fn report(&self) -> super::Report {
        let mut files = Files::default();
        for (name, value) in &self.files {
            match name.as_str() {
                "policies.json" => files.add_policies(name, value.clone()).unwrap(),
                "tyk.conf.json" => files.tyk_conf = Some((name.clone(), value.clone())),
                _ => files.add_definitions(name, value.clone()).unwrap(),
            }
        }
        let site = crate::cli::tyk::site::Site::new(&self.config, None);
        examine(&site, &files, self.edition)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<_> =
            self.report().findings().iter().map(|finding| finding.fault).collect();
        faults.sort();
        faults.dedup();
        faults
    }

    fn told(&self) -> String {
        let lines: Vec<_> = self.report().findings().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }
}

#[test]
fn what_we_write_has_no_fault() {
    for world in [World::classic(), World::oas()] {
        assert!(world.files.len() >= 7, "{:?}", world.files.keys());
        assert_eq!(world.told(), "");
    }
    let mut open_source = World::oas();
    open_source.edition = Edition::OpenSource;
    assert_eq!(open_source.faults(), [Fault::ExchangeIgnored]);
}

#[test]
fn a_finding_says_where_and_what_to_do_and_repeats_no_secret() {
    let mut world = World::classic();
    world.set("apps/checked.json", "/jwt_signing_method", json!("rsa\u{1b}[31m"));
    world.set("apps/seen.json", "/config_data/tessera/secret", json!(SECRET));
    let told = world.told();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines.len(), 2, "{told}");
    assert!(lines[0].starts_with("error: apps/checked.json: jwt_signing_method: jwt_method: The"));
    assert!(lines[0].contains("expected ecdsa") && lines[0].contains("To do: "), "{told}");
    assert!(lines[1].contains("config_data.tessera.secret: secret_in_plain"), "{told}");
    assert!(!told.contains(SECRET) && !told.contains('\u{1b}'), "{told}");
}
