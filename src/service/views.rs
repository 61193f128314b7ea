//! What is kept for a client from one request to the next stands as long as everything that decided
//! about it is the same.
//!
//! The deciding parts of a configuration are taken together as one number. It is made of their whole
//! debug output, so that a part which a type gains later counts from its first day. Whatever is in
//! doubt counts: a view that ends too early costs a decision, one that ends too late is wrong.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

use secrecy::ExposeSecret as _;

use crate::config::Config;
use crate::domain::client::Client;
use crate::domain::tenant::Tenant;
use crate::protocol::ids::Fingerprint;

/// Names what one client may see. Two configurations share one only if they decide alike about it,
/// and it is never used again after one that decides otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ViewId(u64);

impl ViewId {
    pub(super) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Everything that decides about one client, as two numbers. The same configuration gives the same
/// ones in every process of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Basis {
    /// What it is told about tokens, which of them may be exchanged, and who it is.
    pub answers: Fingerprint,
    /// And what it gets for them.
    pub swaps: Fingerprint,
}

/// What decides about every client alike.
#[derive(Debug)]
pub(super) struct Bases {
    answers: Fingerprint,
    resources: Fingerprint,
}

impl Bases {
    pub(super) fn of(config: &Config) -> Self {
        // A token that was minted here ends with its client and with its resource. In which order
        // the file has them is no matter, unlike that of mapping rules.
        let clients: BTreeMap<_, _> =
            config.clients.iter().map(|one| (&one.id, one.credentials.entra_app)).collect();
        let resources: BTreeMap<_, _> = config.resources.iter().map(|one| (&one.id, one)).collect();
        let names: Vec<_> = resources.keys().collect();
        // Debug output hides secrets. Whether Graph answers depends on this one.
        let secret = |tenant: &Tenant| {
            let graph = tenant.graph.as_ref()?;
            Some(Fingerprint::of(graph.client_secret.expose_secret().as_bytes()).first::<32>())
        };
        let secrets: Vec<_> = config.tenants.iter().map(secret).collect();
        let answers = together(&[
            &config.issuer,
            &config.tenants,
            &secrets,
            &config.mapping,
            &names,
            &clients,
        ]);
        Self { answers, resources: together(&[&resources]) }
    }

    /// With what decides about `client` alone. How it proves who it is does not: that is looked at
    /// in each request, but for Entra tokens, and the applications are in the common part.
    pub(super) fn for_client(&self, client: &Client) -> Basis {
        let answers = together(&[&self.answers.first::<32>(), &client.id, &client.introspect]);
        let swaps = together(&[
            &answers.first::<32>(),
            &self.resources.first::<32>(),
            &client.exchange,
            &client.default_resource,
        ]);
        Basis { answers, swaps }
    }
}

/// Debug output quotes texts, so parts do not run into each other.
fn together(parts: &[&dyn Debug]) -> Fingerprint {
    Fingerprint::of(format!("{parts:?}").as_bytes())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use secrecy::SecretString;

    use super::*;
    use crate::config::{Environment, LogLevel, PlainSecrets, load};
    use crate::domain::client::{AssertionAudience, ExchangeRule, IntrospectPermission, Released};
    use crate::domain::keyring::SigningAlgorithm;
    use crate::domain::mapping::{Mapping, Rule};
    use crate::domain::principal::PrincipalType;
    use crate::domain::resource::{ScopeRule, TokenFormat, Told};
    use crate::domain::tenant::GraphAccess;
    use crate::protocol::ids::{ClientId, Guid, SecretDigest};
    use crate::protocol::time::Seconds;
    use crate::service::snapshot::Snapshot;

    const FILE: &str = r"
issuer: https://sts.example.com
entra:
  - tenant: 8eaef023-2b34-4da1-9baa-8bc8c9d6a490
    audiences: [api://orders, api://billing]
    caller_audiences: [api://tessera]
    graph: { client_id: 535fb089-9ff3-47b6-9bfb-4f1264799865, client_secret: a-graph-secret }
clusters:
  prod: { issuer: https://cluster.example, jwks_uri: https://cluster.example/keys }
resources:
  https://orders.internal: { scopes: { read: [orders.read] }, callers: [tyk, kong] }
apis:
  orders: { client: tyk, audiences: [api://orders] }
clients:
  tyk:
    secret: the-secret-of-tyk-is-long-enough-0001
    introspect: { audiences: [api://orders] }
    exchange: [{ resource: https://orders.internal, scopes: [read], subjects: [user] }]
  kong:
    secret: the-secret-of-kong-is-long-enough-001
    introspect: { audiences: [api://orders] }
    exchange: [{ resource: https://orders.internal, scopes: [read], subjects: [user] }]
  agent: { entra_app: 1c2d3e4f-0000-4000-8000-000000000001 }
mapping:
  - { name: gold, when: { groups: [g] }, grant: { policies: [gold] } }
  - { name: read, when: { scopes: [orders.read] }, grant: { scopes: [more] } }
";

    struct Nothing;

    impl Environment for Nothing {
        fn variable(&self, _: &str) -> Result<String, String> {
            Err("none".to_owned())
        }

        fn file(&self, _: &Path) -> Result<String, String> {
            Err("none".to_owned())
        }
    }

    fn config() -> Config {
        load(FILE, "test", &Nothing, PlainSecrets::Allowed).unwrap_or_else(|why| panic!("{why}"))
    }

    /// What ends with a change, of what is kept for `tyk`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Ends {
        Nothing,
        Swaps,
        Everything,
    }

    type Edit = (Ends, &'static str, fn(&mut Config));

    fn guid(last: char) -> Guid {
        format!("1c2d3e4f-0000-4000-8000-00000000000{last}").parse().unwrap()
    }

    fn tyk(config: &mut Config) -> &mut Client {
        config.clients.iter_mut().find(|client| client.id.as_str() == "tyk").unwrap()
    }

    fn kong(config: &mut Config) -> &mut Client {
        config.clients.iter_mut().find(|client| client.id.as_str() == "kong").unwrap()
    }

    fn permission(client: &mut Client) -> &mut IntrospectPermission {
        client.introspect.as_mut().unwrap()
    }

    fn rules(config: &mut Config, change: impl FnOnce(&mut Vec<Rule>)) {
        let mut rules = config.mapping.rules().to_vec();
        change(&mut rules);
        config.mapping = Mapping::new(rules);
    }

    fn graph(config: &mut Config) -> &mut GraphAccess {
        config.tenants[0].graph.as_mut().unwrap()
    }

    /// No two undo each other.
    const EDITS: &[Edit] = &[
        (Ends::Everything, "issuer", |c| c.issuer.push('x')),
        (Ends::Everything, "tenant", |c| c.tenants[0].id = guid('2')),
        (Ends::Everything, "tenant gone", |c| drop(c.tenants.pop())),
        (Ends::Everything, "authority", |c| {
            c.tenants[0].authority = "https://login.example".parse().unwrap();
        }),
        (Ends::Everything, "audiences", |c| drop(c.tenants[0].audiences.pop())),
        (Ends::Everything, "caller_audiences", |c| drop(c.tenants[0].caller_audiences.pop())),
        (Ends::Everything, "signing_app", |c| c.tenants[0].signing_app = Some(guid('3'))),
        (Ends::Everything, "graph", |c| c.tenants[0].graph = None),
        (Ends::Everything, "graph app", |c| graph(c).client_id = guid('4')),
        (Ends::Everything, "graph secret", |c| {
            graph(c).client_secret = SecretString::from("another");
        }),
        (Ends::Everything, "graph endpoint", |c| {
            graph(c).endpoint = "https://graph.example".parse().unwrap();
        }),
        (Ends::Everything, "rule gone", |c| rules(c, |rules| drop(rules.pop()))),
        (Ends::Everything, "rules in another order", |c| rules(c, |rules| rules.reverse())),
        (Ends::Everything, "rule's name", |c| rules(c, |rules| rules[0].name.push('x'))),
        (Ends::Everything, "rule's condition", |c| {
            rules(c, |rules| rules[0].when.groups.push("other".to_owned()));
        }),
        (Ends::Everything, "rule's claims", |c| {
            rules(c, |rules| drop(rules[0].when.claims.insert("acct".to_owned(), Vec::new())));
        }),
        (Ends::Everything, "rule's grant", |c| {
            rules(c, |rules| rules[0].grant.policies.push("silver".to_owned()));
        }),
        (Ends::Everything, "its own audiences", |c| {
            permission(tyk(c)).audiences.push("api://billing".to_owned());
        }),
        (Ends::Everything, "its own release", |c| {
            permission(tyk(c)).release.push(Released::Email);
        }),
        (Ends::Everything, "its own phantom", |c| permission(tyk(c)).phantom = true),
        (Ends::Everything, "its own permission", |c| tyk(c).introspect = None),
        (Ends::Everything, "its own application", |c| {
            tyk(c).credentials.entra_app = Some(guid('5'));
        }),
        (Ends::Everything, "another's application", |c| {
            kong(c).credentials.entra_app = Some(guid('6'));
        }),
        (Ends::Everything, "a client gone", |c| {
            c.clients.retain(|client| client.id.as_str() != "agent");
        }),
        (Ends::Everything, "a client more", |c| {
            let id: ClientId = "new".parse().unwrap();
            let client = Client { id, ..kong(c).clone() };
            c.clients.push(client);
        }),
        (Ends::Everything, "a resource gone", |c| c.resources.clear()),
        (Ends::Swaps, "scopes", |c| {
            let rule = ScopeRule { name: "write".to_owned(), earned_by: Vec::new() };
            c.resources.iter_mut().for_each(|one| one.scopes.push(rule.clone()));
        }),
        (Ends::Swaps, "ttl", |c| {
            c.resources.iter_mut().for_each(|one| one.ttl = Seconds::minutes(1));
        }),
        (Ends::Swaps, "format", |c| {
            c.resources.iter_mut().for_each(|one| one.format = TokenFormat::Opaque);
        }),
        (Ends::Swaps, "algorithm", |c| {
            c.resources.iter_mut().for_each(|one| one.algorithm = SigningAlgorithm::Rs256);
        }),
        (Ends::Swaps, "callers", |c| {
            c.resources.iter_mut().for_each(|one| one.callers.clear());
        }),
        (Ends::Swaps, "from", |c| {
            c.resources.iter_mut().for_each(|one| one.from.push("api://x".to_owned()));
        }),
        (Ends::Swaps, "subjects", |c| {
            c.resources.iter_mut().for_each(|one| one.subjects.push(PrincipalType::Agent));
        }),
        (Ends::Swaps, "told", |c| {
            c.resources.iter_mut().for_each(|one| one.release.push(Told::Roles));
        }),
        (Ends::Swaps, "may_act", |c| {
            c.resources.iter_mut().for_each(|one| one.may_act = "kong".parse().ok());
        }),
        (Ends::Swaps, "its own exchange", |c| tyk(c).exchange.push(ExchangeRule::default())),
        (Ends::Swaps, "its own default", |c| tyk(c).default_resource = Some("x".to_owned())),
        (Ends::Nothing, "clients in another order", |c| c.clients.reverse()),
        (Ends::Nothing, "its own secret", |c| {
            tyk(c).credentials.secret = Some(SecretDigest::of("another"));
        }),
        (Ends::Nothing, "another's secret", |c| {
            kong(c).credentials.secret = Some(SecretDigest::of("another"));
        }),
        (Ends::Nothing, "another's permission", |c| permission(kong(c)).phantom = true),
        (Ends::Nothing, "another's exchange", |c| kong(c).exchange.clear()),
        (Ends::Nothing, "another's assertions", |c| {
            kong(c).credentials.assertion_audience = AssertionAudience::TokenEndpoint;
        }),
        (Ends::Nothing, "APIs", |c| c.apis.clear()),
        (Ends::Nothing, "clusters", |c| c.clusters.clear()),
        (Ends::Nothing, "log level", |c| c.log.level = LogLevel::Debug),
        (Ends::Nothing, "key sets", |c| c.key_sets.refresh = Seconds::minutes(2)),
        (Ends::Nothing, "comments", |c| c.digest = Fingerprint::of(b"another")),
    ];

    fn ends(before: &Snapshot, after: &Snapshot) -> Ends {
        let known = |snapshot: &Snapshot| {
            let caller = snapshot.caller_named("tyk").unwrap();
            (caller.view, caller.swaps)
        };
        let (before, after) = (known(before), known(after));
        match (before.0 == after.0, before.1 == after.1) {
            (true, true) => Ends::Nothing,
            (true, false) => Ends::Swaps,
            (false, _) => Ends::Everything,
        }
    }

    #[test]
    fn each_thing_that_decides_ends_what_is_kept_and_nothing_else_does() {
        for (expected, name, edit) in EDITS {
            let mut config = config();
            let before = Snapshot::of(&config);
            edit(&mut config);
            assert_eq!(ends(&before, &before.then(&config)), *expected, "{name}");
        }
    }

    #[test]
    fn an_answer_is_not_found_again_when_the_old_configuration_is_back() {
        let first = Snapshot::of(&config());
        let mut other = config();
        other.issuer.push('x');
        let second = first.then(&other);
        let third = second.then(&config());
        assert_eq!(ends(&first, &third), Ends::Everything, "it was kept under doubt meanwhile");
        let basis = |snapshot: &Snapshot| snapshot.caller_named("tyk").unwrap().basis;
        assert_eq!(basis(&first), basis(&third), "other replicas may have decided by the same");
        assert_eq!(basis(&first), basis(&Snapshot::of(&config())));
    }

    #[test]
    fn two_clients_never_share_a_view() {
        let snapshot = Snapshot::of(&config());
        let [tyk, kong] = ["tyk", "kong"].map(|name| snapshot.caller_named(name).unwrap());
        assert_ne!(tyk.view, kong.view);
        assert_ne!(tyk.basis.answers, kong.basis.answers);
        assert_ne!(tyk.basis.swaps, kong.basis.swaps);
    }

    proptest! {
        #[test]
        fn many_changes_at_once_end_what_the_worst_of_them_ends(
            picked in proptest::sample::subsequence((0..EDITS.len()).collect::<Vec<_>>(), 0..6),
        ) {
            // Whoever takes away what another edit needs comes last.
            let (first, last): (Vec<_>, Vec<_>) = picked
                .into_iter()
                .map(|index| &EDITS[index])
                .partition(|(_, name, _)| !name.ends_with("gone") && !["graph", "its own permission"].contains(name));
            let mut config = config();
            let before = Snapshot::of(&config);
            let mut worst = Ends::Nothing;
            for (ends, _, edit) in first.into_iter().chain(last.into_iter().rev()) {
                edit(&mut config);
                worst = match (worst, ends) {
                    (Ends::Everything, _) | (_, Ends::Everything) => Ends::Everything,
                    (Ends::Swaps, _) | (_, Ends::Swaps) => Ends::Swaps,
                    (Ends::Nothing, Ends::Nothing) => Ends::Nothing,
                };
            }
            prop_assert_eq!(ends(&before, &before.then(&config)), worst);
        }
    }
}
