//! Random configurations. The alphabets are small, so that rules, tokens and requests meet.

use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Map, Value, json};
use tessera::dev::apps::{BILLING, GATEWAY, GRAPH_READER, INVOICE_AGENT, ORDERS};
use tessera::dev::people::{GOLD_CUSTOMERS, HOME_TENANT, STAFF};

use crate::support::ISSUER;

/// What tokens that prove something to the test itself are addressed to; never taken away.
pub(super) const CANARY: &str = "api://canary";
/// What proofs of callers are addressed to.
pub(super) const OURSELVES: &str = "api://tessera";
/// The protected APIs.
pub(super) const APIS: [&str; 2] = [ORDERS.client_id, BILLING.uri];
/// What tokens may be minted for.
pub(super) const RESOURCES: [&str; 3] =
    ["https://orders.internal", "https://tasks.internal", "plain"];
/// The clients: name, secret, application. The last one only introspects canaries.
pub(super) const CLIENTS: [(&str, &str, Option<&str>); 5] = [
    ("tyk", "tyk-model-secret-4c9e1b7a6d2f8035e1a9", None),
    ("planner", "planner-model-secret-0b8e5d2f9c714a36", None),
    ("gateway", "gateway-model-secret-d47a1e90b3c65f28", Some(GATEWAY.client_id)),
    ("invoice-agent", "agent-model-secret-5a1d7c90e2b84f36", Some(INVOICE_AGENT.client_id)),
    ("watch", "watch-model-secret-92e6f04b8d1c37a5b0", None),
];
/// How many of them are random.
pub(super) const RANDOM_CLIENTS: usize = 4;
/// Scopes and roles of Entra, and scopes of resources.
pub(super) const ENTRA_SCOPES: [&str; 3] = ["p", "q", "r"];
pub(super) const ENTRA_ROLES: [&str; 2] = ["A", "B"];
pub(super) const SCOPES: [&str; 3] = ["s0", "s1", "s2"];
pub(super) const KINDS: [&str; 3] = ["user", "service", "agent"];
pub(super) const GROUPS: [&str; 2] = [GOLD_CUSTOMERS, STAFF];

type Names = Vec<&'static str>;

/// A configuration, as the reference sees it.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    /// The protected APIs that are configured.
    pub(super) audiences: Names,
    pub(super) resources: Vec<Resource>,
    pub(super) clients: Vec<Client>,
    pub(super) mapping: Vec<MappingRule>,
}

#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) id: &'static str,
    pub(super) scopes: Vec<(&'static str, Names)>,
    pub(super) callers: Names,
    pub(super) from: Names,
    pub(super) subjects: Names,
    pub(super) ttl: i64,
    pub(super) opaque: bool,
    pub(super) rs256: bool,
    pub(super) release: Names,
    pub(super) may_act: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: &'static str,
    pub(super) app: Option<&'static str>,
    /// Audiences, and the personal data that is released.
    pub(super) introspect: Option<(Names, Names)>,
    pub(super) exchange: Vec<Rule>,
    pub(super) default_resource: Option<&'static str>,
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) resource: &'static str,
    pub(super) scopes: Names,
    pub(super) subjects: Names,
    pub(super) from: Names,
    pub(super) grants: Names,
    pub(super) actors: Names,
    pub(super) ttl: Option<i64>,
    pub(super) impersonate: bool,
}

#[derive(Clone, Debug)]
pub(super) struct MappingRule {
    pub(super) name: &'static str,
    pub(super) groups: Names,
    pub(super) roles: Names,
    pub(super) scopes: Names,
    pub(super) kinds: Names,
    pub(super) department: Names,
    pub(super) policies: Names,
    pub(super) granted_scopes: Names,
    pub(super) granted_roles: Names,
}

/// All of these, or now and then fewer; never none.
fn mostly(all: Names) -> impl Strategy<Value = Names> {
    let count = all.len();
    prop_oneof![5 => Just(all.clone()), 1 => subsequence(all, 1..=count)]
}

/// None of these, or now and then some.
fn rarely(all: Names) -> impl Strategy<Value = Names> {
    let count = all.len();
    prop_oneof![6 => Just(Vec::new()), 1 => subsequence(all, 0..=count)]
}

fn client_names() -> Names {
    CLIENTS[..RANDOM_CLIENTS].iter().map(|(name, ..)| *name).collect()
}

fn addresses() -> Names {
    [&APIS[..], &RESOURCES].concat()
}

prop_compose! {
    fn scope()(name in proptest::sample::select(&SCOPES), earned in mostly(vec!["p", "q", "r", "A", "B", "s0", "s1"]))
        -> (&'static str, Names) { (name, earned) }
}

prop_compose! {
    fn resource(id: &'static str)(
        mut scopes in proptest::collection::vec(scope(), 1..4),
        callers in mostly(client_names()), from in rarely(addresses()), subjects in rarely(KINDS.to_vec()),
        ttl in 30_i64..=900, opaque in any::<bool>(), rs256 in prop::bool::weighted(0.3),
        release in rarely(vec!["groups", "roles"]),
        may_act in prop_oneof![5 => Just(None), 1 => proptest::sample::select(client_names()).prop_map(Some)],
    ) -> Resource {
        scopes.sort_unstable();
        scopes.dedup_by_key(|(name, _)| *name);
        Resource { id, scopes, callers, from, subjects, ttl, opaque, rs256, release, may_act }
    }
}

prop_compose! {
    fn rule(resource: &'static str)(
        scopes in mostly(SCOPES.to_vec()), subjects in mostly(KINDS.to_vec()),
        from in mostly(addresses()), grants in rarely(vec!["m0", "m1"]),
        actors in mostly(client_names()), ttl in proptest::option::weighted(0.3, 30_i64..=900),
        impersonate in prop::bool::weighted(0.2),
    ) -> Rule { Rule { resource, scopes, subjects, from, grants, actors, ttl, impersonate } }
}

/// Mostly one for each resource; sometimes a second one, which is tried when the first does not fit.
fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let some = |share| RESOURCES.map(|id| proptest::option::weighted(share, rule(id)));
    let none = prop_oneof![7 => Just(false), 1 => Just(true)];
    (some(0.85), some(0.2), none).prop_map(|(first, second, none)| {
        first.into_iter().chain(second).flatten().filter(|_| !none).collect()
    })
}

prop_compose! {
    fn client(number: usize)(
        audiences in mostly(addresses()), release in rarely(vec!["username", "email", "name"]),
        blind in prop::bool::weighted(0.1), exchange in rules(),
        default_resource in proptest::option::of(proptest::sample::select(&RESOURCES)),
    ) -> Client {
        let (id, _, app) = CLIENTS[number];
        let introspect = (!blind).then_some((audiences, release));
        Client { id, app, introspect, exchange, default_resource }
    }
}

prop_compose! {
    fn mapping_rule(name: &'static str)(
        groups in rarely(GROUPS.to_vec()), roles in rarely(ENTRA_ROLES.to_vec()),
        scopes in rarely(ENTRA_SCOPES.to_vec()), kinds in mostly(KINDS.to_vec()),
        department in rarely(vec!["d1", "d2"]), policies in mostly(vec!["gold", "silver"]),
        granted_scopes in rarely(vec!["p", "s0"]), granted_roles in rarely(vec!["A", "C"]),
    ) -> MappingRule {
        MappingRule { name, groups, roles, scopes, kinds, department, policies, granted_scopes, granted_roles }
    }
}

/// Any configuration that is valid.
pub(super) fn setup() -> impl Strategy<Value = Setup> {
    let some = |id| proptest::option::weighted(0.9, resource(id));
    let resources = RESOURCES.map(some);
    let clients = [0, 1, 2, 3].map(client);
    let rules = ["m0", "m1", "m2"].map(|name| proptest::option::weighted(0.6, mapping_rule(name)));
    // A client that comes and goes.
    let gone = prop::bool::weighted(0.2);
    (mostly(APIS.to_vec()), resources, clients, rules, gone).prop_map(
        |(audiences, resources, clients, rules, gone)| {
            let mut clients = clients.to_vec();
            clients.retain(|client| !gone || client.id != "planner");
            clients.push(Client {
                id: CLIENTS[RANDOM_CLIENTS].0,
                app: None,
                introspect: Some((vec![CANARY], Vec::new())),
                exchange: Vec::new(),
                default_resource: None,
            });
            let resources = resources.into_iter().flatten().collect();
            let mapping = rules.into_iter().flatten().collect();
            Setup { audiences, resources, clients, mapping }.tidied()
        },
    )
}

impl Setup {
    /// Without references to what is not there, which would make it invalid.
    fn tidied(mut self) -> Self {
        let clients: Names = self.clients.iter().map(|client| client.id).collect();
        let rules: Names = self.mapping.iter().map(|rule| rule.name).collect();
        self.resources.iter_mut().for_each(|resource| {
            resource.callers.retain(|name| clients.contains(name));
            resource.may_act = resource.may_act.filter(|name| clients.contains(name));
        });
        self.resources.retain(|resource| !resource.callers.is_empty());
        let resources = self.resources.clone();
        let known = |name: &&'static str| {
            self.audiences.contains(name)
                || *name == CANARY
                || resources.iter().any(|resource| resource.id == *name)
        };
        for client in &mut self.clients {
            if let Some((audiences, _)) = &mut client.introspect {
                audiences.retain(known);
            }
            client.introspect =
                client.introspect.take().filter(|(audiences, _)| !audiences.is_empty());
            client.exchange.retain_mut(|rule| {
                let target = resources.iter().find(|resource| resource.id == rule.resource);
                let offered = |name: &&'static str| {
                    target
                        .is_some_and(|target| target.scopes.iter().any(|(scope, _)| scope == name))
                };
                rule.scopes.retain(offered);
                rule.from.retain(known);
                rule.grants.retain(|name| rules.contains(name));
                rule.actors.retain(|name| clients.contains(name));
                !rule.scopes.is_empty()
            });
            let asked_for =
                |name: &&'static str| client.exchange.iter().any(|rule| rule.resource == *name);
            client.default_resource = client.default_resource.filter(asked_for);
        }
        self
    }

    /// With one part as in `like`: a client, what it may introspect or exchange; a resource; or the
    /// mapping.
    pub(super) fn adjusted(mut self, part: usize, like: &Self) -> Self {
        let number = part / 4;
        let random = self.clients.len() - (CLIENTS.len() - RANDOM_CLIENTS);
        let client = &mut self.clients[number % random];
        let other = like.client(client.id).unwrap_or(client).clone();
        match part % 4 {
            0 if client.introspect.is_some() && other.introspect.is_some() => {
                client.introspect = other.introspect;
                // Never the same again: one audience is taken away.
                if let Some((audiences, _)) = &mut client.introspect {
                    audiences.remove(number % audiences.len());
                }
            }
            0 => client.introspect = other.introspect,
            1 => client.exchange = other.exchange,
            2 => self.mapping.clone_from(&like.mapping),
            _ => {
                let id = RESOURCES[number % RESOURCES.len()];
                self.resources.retain(|resource| resource.id != id);
                self.resources.extend(like.resource(id).cloned());
            }
        }
        self.tidied()
    }

    pub(super) fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    pub(super) fn resource(&self, id: &str) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.id == id)
    }

    /// The client that authenticates as the application `app`.
    pub(super) fn client_of_app(&self, app: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.app == Some(app))
    }

    /// As a file: JSON, which is YAML too. `folder` has the secrets.
    pub(super) fn text(&self, authority: &str, folder: &str, store: &Value) -> String {
        let audiences: Names = self.audiences.iter().chain(&[CANARY]).copied().collect();
        let secret = |name: &str| format!("${{file:{folder}/{name}}}");
        let clients = self.clients.iter().map(|one| (one.id.to_owned(), one.text(&secret(one.id))));
        let resources = self.resources.iter().map(|one| (one.id.to_owned(), one.text()));
        let mut file = json!({
            "issuer": ISSUER,
            "listen": { "public": "127.0.0.1:0", "admin": "127.0.0.1:0" },
            "entra": [{
                "tenant": HOME_TENANT, "authority": authority, "audiences": audiences,
                "caller_audiences": [OURSELVES],
                "graph": { "client_id": GRAPH_READER.client_id, "client_secret": secret("graph"), "endpoint": authority },
            }],
            // Keys are fetched when a test rotates them, not by the way.
            "key_sets": { "refresh": "24h", "cooldown": "10s", "max_stale": "168h" },
            "clients": clients.collect::<Map<_, _>>(),
            "resources": resources.collect::<Map<_, _>>(),
            "mapping": self.mapping.iter().map(MappingRule::text).collect::<Vec<_>>(),
        });
        if !store.is_null() {
            file["store"] = store.clone();
        }
        filled(file).to_string()
    }
}

/// `value` without members that say nothing: lists must not be empty, and absent is not null.
fn filled(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let says = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    };
    members
        .into_iter()
        .map(|(name, value)| (name, filled(value)))
        .filter(|(_, value)| says(value))
        .collect()
}

impl Client {
    fn text(&self, secret: &str) -> Value {
        let introspect = self.introspect.as_ref();
        let introspect = introspect
            .map(|(audiences, release)| json!({ "audiences": audiences, "release": release }));
        let rules = self.exchange.iter().enumerate().map(|(number, rule)| rule.text(number));
        json!({
            "secret": secret, "entra_app": self.app, "introspect": introspect,
            "exchange": rules.collect::<Vec<_>>(), "default_resource": self.default_resource,
        })
    }
}

impl Rule {
    fn text(&self, number: usize) -> Value {
        filled(json!({
            "name": format!("rule {number}"), "resource": self.resource, "scopes": self.scopes,
            "subjects": self.subjects, "from": self.from, "grants": self.grants, "actors": self.actors,
            "ttl": self.ttl.map(|ttl| format!("{ttl}s")), "impersonate": self.impersonate,
        }))
    }
}

impl Resource {
    fn text(&self) -> Value {
        let scopes = self.scopes.iter().map(|(name, earned)| ((*name).to_owned(), json!(earned)));
        json!({
            "scopes": scopes.collect::<Map<_, _>>(), "callers": self.callers, "from": self.from,
            "subjects": self.subjects, "ttl": format!("{}s", self.ttl),
            "token": if self.opaque { "opaque" } else { "jwt" },
            "algorithm": if self.rs256 { "RS256" } else { "ES256" },
            "release": self.release, "may_act": self.may_act,
        })
    }

    /// What earns the scope `name`, if it is one of ours.
    pub(super) fn earned_by(&self, name: &str) -> Option<&[&'static str]> {
        self.scopes.iter().find(|(scope, _)| *scope == name).map(|(_, earned)| &**earned)
    }
}

impl MappingRule {
    fn text(&self) -> Value {
        filled(json!({
            "name": self.name,
            "when": {
                "groups": self.groups, "roles": self.roles, "scopes": self.scopes,
                "principal_type": self.kinds, "claims": { "department": self.department },
            },
            "grant": { "policies": self.policies, "scopes": self.granted_scopes, "roles": self.granted_roles },
        }))
    }
}
