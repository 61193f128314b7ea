//! The configuration at one moment, indexed for requests.
//!
//! A request takes one snapshot and keeps it to its end, so that no answer mixes two
//! configurations. What is kept from one request for the next is kept under a view: see
//! [`super::views`].

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::views::{Bases, Basis, ViewId};
use crate::config::Config;
use crate::domain::api::Api;
use crate::domain::client::Client;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::mapping::Mapping;
use crate::domain::resource::Resource;
use crate::domain::tenant::Tenant;
use crate::domain::validate::{ValidToken, intersects};
use crate::ports::Tally;
use crate::protocol::client_auth::Presented;
use crate::protocol::ids::{ClientId, Fingerprint, Guid};

/// A registered client under one configuration.
#[derive(Debug)]
pub struct Caller {
    /// The registration.
    pub client: Client,
    /// Under what answers for it are kept.
    pub view: ViewId,
    /// Under what tokens that were swapped for it are kept.
    pub swaps: ViewId,
    /// What decides about both.
    pub basis: Basis,
    /// What counts its answers, from the first one on: looked up once, not at every answer.
    pub tally: OnceLock<Arc<dyn Tally>>,
}

/// The configuration at one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// What the configuration says, as one number.
    pub digest: Fingerprint,
    /// Who we are.
    pub issuer: String,
    /// The trusted tenants.
    pub tenants: Vec<Tenant>,
    /// The mapping rules.
    pub mapping: Mapping,
    resources: HashMap<String, Resource>,
    apis: HashMap<String, Arc<Api>>,
    callers: HashMap<ClientId, Arc<Caller>>,
    apps: HashMap<Guid, ClientId>,
    clusters: Vec<Cluster>,
    accounts: HashMap<(ClusterId, String), ClientId>,
    first_introspector: Option<ClientId>,
}

impl Snapshot {
    /// Indexes a valid configuration.
    pub fn of(config: &Config) -> Self {
        Self::made(config, None)
    }

    /// Indexes the configuration that comes after this one. What was kept for a client is good under
    /// it too, if nothing that decides about it has changed.
    #[must_use]
    pub fn then(&self, config: &Config) -> Self {
        Self::made(config, Some(self))
    }

    fn made(config: &Config, before: Option<&Self>) -> Self {
        let common = Bases::of(config);
        let caller = |client: &Client| {
            let basis = common.for_client(client);
            let known = before.and_then(|before| before.caller(&client.id));
            let view = known.filter(|known| known.basis.answers == basis.answers);
            let swaps = known.filter(|known| known.basis.swaps == basis.swaps);
            let caller = Caller {
                client: client.clone(),
                view: view.map_or_else(ViewId::next, |known| known.view),
                swaps: swaps.map_or_else(ViewId::next, |known| known.swaps),
                basis,
                tally: OnceLock::new(),
            };
            (client.id.clone(), Arc::new(caller))
        };
        let app = |client: &Client| Some((client.credentials.entra_app?, client.id.clone()));
        let account = |client: &Client| {
            let account = client.credentials.kubernetes.as_ref()?;
            Some(((account.cluster, account.subject()), client.id.clone()))
        };
        Self {
            digest: config.digest,
            issuer: config.issuer.clone(),
            tenants: config.tenants.clone(),
            mapping: config.mapping.clone(),
            resources: config.resources.iter().map(|one| (one.id.clone(), one.clone())).collect(),
            apis: config.apis.iter().map(|api| (api.name.clone(), Arc::new(api.clone()))).collect(),
            callers: config.clients.iter().map(caller).collect(),
            clusters: config.clusters.clone(),
            accounts: config.clients.iter().filter_map(account).collect(),
            apps: config.clients.iter().filter_map(app).collect(),
            first_introspector: config
                .clients
                .iter()
                .find(|client| client.introspect.is_some())
                .map(|client| client.id.clone()),
        }
    }

    /// The resource of this name.
    pub fn resource(&self, name: &str) -> Option<&Resource> {
        self.resources.get(name)
    }

    /// The resource that an exchange of `client` is about, if it is one of the configuration.
    pub fn target(&self, client: &Client, named: &[&str]) -> Option<&Resource> {
        match (named, client.default_resource.as_deref()) {
            ([one], _) => self.resource(one),
            ([], Some(default)) => self.resource(default),
            _ => None,
        }
    }

    /// The API of this name.
    pub fn api(&self, name: &str) -> Option<&Arc<Api>> {
        self.apis.get(name)
    }

    /// The APIs that `client` is the gateway of, by name.
    pub fn apis_of(&self, client: &ClientId) -> Vec<&Api> {
        let mut apis: Vec<&Api> =
            self.apis.values().map(|api| &**api).filter(|api| api.client == *client).collect();
        apis.sort_by(|one, other| one.name.cmp(&other.name));
        apis
    }

    /// The API that clients know as the protected resource `id`, if that is one.
    pub fn api_of_resource(&self, id: &str) -> Option<&Arc<Api>> {
        let is = |api: &&Arc<Api>| api.resource.as_ref().is_some_and(|resource| resource.id == id);
        self.apis.values().find(is)
    }

    /// The protected resources that take tokens of this service, sorted (RFC 9728 §4).
    pub fn protected_resources(&self) -> std::collections::BTreeSet<&str> {
        let resources = self.apis.values().filter_map(|api| api.resource.as_ref());
        resources
            .filter(|resource| resource.authorization_servers.contains(&self.issuer))
            .map(|resource| resource.id.as_str())
            .collect()
    }

    /// Where the metadata of a protected resource is, by the name of its API (RFC 9728 §3).
    pub fn metadata_url(&self, api: &str) -> String {
        let (origin, path) = self.issuer_parts();
        format!("{origin}/.well-known/oauth-protected-resource{path}/{api}")
    }

    /// The issuer up to its path, and the path without a slash at its end.
    pub fn issuer_parts(&self) -> (&str, &str) {
        let host = self.issuer.find("://").map_or(0, |at| at.saturating_add(3));
        let slash = self.issuer.get(host..).and_then(|rest| rest.find('/'));
        let at = slash.map_or(self.issuer.len(), |slash| host.saturating_add(slash));
        self.issuer.split_at_checked(at).unwrap_or((&self.issuer, ""))
    }

    /// Every scope of every resource, sorted.
    pub fn scopes(&self) -> std::collections::BTreeSet<&str> {
        let scopes = self.resources.values().flat_map(|resource| &resource.scopes);
        scopes.map(|scope| scope.name.as_str()).collect()
    }

    /// Whether a resource knows this scope.
    pub fn is_scope(&self, name: &str) -> bool {
        let mut scopes = self.resources.values().flat_map(|resource| &resource.scopes);
        scopes.any(|scope| scope.name == name)
    }

    /// Whether an Entra token is addressed to this service itself.
    pub fn is_for_us(&self, token: &ValidToken) -> bool {
        let of_issuer = |tenant: &&Tenant| tenant.id == token.issuer.tenant;
        let tenant = self.tenants.iter().find(of_issuer);
        tenant.is_some_and(|tenant| intersects(&token.audience, &tenant.caller_audiences))
    }

    /// The client registered under `id`.
    pub fn caller(&self, id: &ClientId) -> Option<&Arc<Caller>> {
        self.callers.get(id)
    }

    /// The client that somebody calls `name`, which need not even be a legal name.
    pub fn caller_named(&self, name: &str) -> Option<&Arc<Caller>> {
        self.caller(&name.parse().ok()?)
    }

    /// The client that a caller says it is, if there is such a one. A name that nobody has is not to
    /// be told anywhere: whoever mixed up name and secret must not find the secret there.
    pub fn client_claimed(&self, presented: &Presented<'_>) -> Option<&ClientId> {
        let claimed = self.caller_named(presented.claimed()?)?;
        Some(&claimed.client.id)
    }

    /// Whose question is meant when an operator asks about a token as `name`; when nobody is
    /// named, the first client of the file that may introspect at all.
    pub fn asked_as(&self, name: Option<&str>) -> Option<&Arc<Caller>> {
        match name {
            Some(name) => self.caller_named(name),
            None => self.caller(self.first_introspector.as_ref()?),
        }
    }

    /// The cluster that calls itself `issuer`.
    pub fn cluster(&self, issuer: &str) -> Option<ClusterId> {
        self.clusters.iter().find(|cluster| cluster.issuer == issuer).map(|cluster| cluster.id)
    }

    /// The client that is the service account `subject` of a cluster.
    pub fn caller_of_account(&self, cluster: ClusterId, subject: &str) -> Option<&Arc<Caller>> {
        let client = self.accounts.get(&(cluster, subject.to_owned()))?;
        self.caller(client)
    }

    /// The client that authenticates as the Entra application `app`.
    pub fn caller_of_app(&self, app: Guid) -> Option<&Arc<Caller>> {
        self.apps.get(&app).and_then(|id| self.callers.get(id))
    }
}
