//! What a definition of Tyk's must say under one configuration. The generator writes it, and the
//! doctor looks for it.

use url::Url;

use crate::config::{Config, Endpoint};
use crate::domain::api::{Api, PolicyNeed, Road};
use crate::domain::keyring::SigningAlgorithm;
use crate::domain::mapping::Mapping;
use crate::domain::resource::{Resource, TokenFormat};
use crate::domain::tenant::Tenant;
use crate::protocol::ids::ClientId;

/// The name by which Tyk calls the plugin's hook. tessera answers by hook type and not by name, so
/// that this is for people.
pub(in crate::cli) const HOOK: &str = "TesseraAuth";
/// The claim, and the member of answers, that names who calls uniquely in the whole world.
pub(in crate::cli) const IDENTITY: &str = "principal";
/// The same of Entra's own tokens, which have no principal.
pub(in crate::cli) const ENTRA_IDENTITY: &str = "oid";
/// The claim that holds the first policy.
pub(in crate::cli) const POLICY_CLAIM: &str = "pol";
/// The claim that holds all policies.
pub(in crate::cli) const POLICIES_CLAIM: &str = "policies";
/// Most bytes of one gRPC message, as `listen.tyk` reads them.
pub(in crate::cli) const MAX_MESSAGE_BYTES: u32 = 4 * 1024 * 1024;

/// The service as Tyk sees it.
#[derive(Debug)]
pub(in crate::cli) struct Site<'c> {
    pub(in crate::cli) config: &'c Config,
    base: String,
}

/// Whose tokens Tyk checks by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Tokens {
    /// What Tyk calls their algorithm.
    pub(in crate::cli) method: &'static str,
    /// Where their keys are.
    pub(in crate::cli) jwks: Vec<String>,
    /// Who issues them.
    pub(in crate::cli) issuers: Vec<String>,
    /// To whom they are addressed.
    pub(in crate::cli) audiences: Vec<String>,
    /// The claim that names who calls.
    pub(in crate::cli) identity: &'static str,
    /// Whether they carry policies.
    pub(in crate::cli) with_policies: bool,
    /// The policy of those that carry none; `None`: they are refused.
    pub(in crate::cli) otherwise: Option<String>,
}

impl<'c> Site<'c> {
    pub(in crate::cli) fn new(config: &'c Config, at: Option<&Url>) -> Self {
        let base = at.map_or(config.issuer.as_str(), Url::as_str);
        Self { config, base: base.trim_end_matches('/').to_owned() }
    }

    pub(in crate::cli) fn introspect(&self) -> String {
        format!("{}/introspect", self.base)
    }

    pub(in crate::cli) fn token(&self) -> String {
        format!("{}/token", self.base)
    }

    pub(in crate::cli) fn jwks(&self) -> String {
        format!("{}/jwks", self.base)
    }

    /// Every policy that `mapping` can grant, in the order of the file.
    pub(in crate::cli) fn granted(&self) -> Vec<String> {
        granted(&self.config.mapping)
    }

    /// The client's secret as a reference that Tyk resolves when it loads the definition.
    pub(in crate::cli) fn secret(&self, api: &Api) -> Result<String, String> {
        if self.has_secret(api) {
            return Ok(format!("env://{}", variable(&api.client)));
        }
        Err(format!("client `{}` has no `secret`, and Tyk proves itself with one", api.client))
    }

    fn has_secret(&self, api: &Api) -> bool {
        let client = self.config.clients.iter().find(|client| client.id == api.client);
        client.is_some_and(|client| client.credentials.secret.is_some())
    }

    /// The variables that hold the secrets of these APIs' clients.
    pub(in crate::cli) fn variables<'a>(
        &self,
        apis: impl Iterator<Item = &'a Api>,
    ) -> Result<Vec<(ClientId, String)>, String> {
        let mut known: Vec<(ClientId, String)> = Vec::new();
        for api in apis.filter(|api| needs_secret(api) && self.has_secret(api)) {
            if known.iter().any(|(client, _)| *client == api.client) {
                continue;
            }
            let name = variable(&api.client);
            // Tyk replaces `env://NAME` wherever these letters stand, at the start of others too.
            let clash = |other: &str| other.starts_with(&name) || name.starts_with(other);
            if let Some((other, _)) = known.iter().find(|(_, other)| clash(other)) {
                let (one, other) = (&api.client, other);
                return Err(format!(
                    "clients `{one}` and `{other}` would share a variable of Tyk's: write their \
                     APIs one by one, and name the variables yourself"
                ));
            }
            known.push((api.client.clone(), name));
        }
        Ok(known)
    }

    /// Whether anything but a token for this API is signed with the keys that Tyk checks it with.
    pub(in crate::cli) fn others_are_signed(&self, api: &Api) -> bool {
        let jwt = |resource: &&Resource| resource.format == TokenFormat::Jwt;
        self.config.resources.iter().filter(jwt).any(|other| !api.audiences.contains(&other.id))
    }

    /// Whose tokens Tyk checks for `api`, on a road where it does.
    pub(in crate::cli) fn tokens(&self, api: &Api) -> Result<Tokens, String> {
        let is_resource =
            |name: &String| self.config.resources.iter().any(|known| known.id == *name);
        if api.audiences.iter().all(is_resource) {
            return self.minted(api);
        }
        if api.audiences.iter().any(is_resource) {
            let why = "`audiences` of Entra and of `resources`: Tyk checks tokens of one issuer only; \
                       make two APIs of it, or use `road: plugin`";
            return Err(why.to_owned());
        }
        self.entra(api)
    }

    /// Tokens that are minted here.
    fn minted(&self, api: &Api) -> Result<Tokens, String> {
        let ours = |resource: &&Resource| api.audiences.contains(&resource.id);
        let resources: Vec<_> = self.config.resources.iter().filter(ours).collect();
        if let Some(opaque) = resources.iter().find(|known| known.format == TokenFormat::Opaque) {
            return Err(format!("tokens of `{}` are opaque: Tyk cannot check them", opaque.id));
        }
        let mut algorithms: Vec<_> = resources.iter().map(|resource| resource.algorithm).collect();
        algorithms.dedup();
        let method = match *algorithms.as_slice() {
            [SigningAlgorithm::Es256] => "ecdsa",
            [SigningAlgorithm::Rs256] => "rsa",
            _ => {
                let why = "its resources are signed with ES256 and RS256, and an API of Tyk checks \
                           one kind: give them one `algorithm`, or make two APIs of it";
                return Err(why.to_owned());
            }
        };
        if api.policies == PolicyNeed::Required && self.granted().is_empty() {
            let why = "`mapping` grants no policy, and Tyk lets no token in without one";
            return Err(why.to_owned());
        }
        Ok(Tokens {
            method,
            jwks: vec![self.jwks()],
            issuers: vec![self.config.issuer.clone()],
            audiences: api.audiences.clone(),
            identity: IDENTITY,
            with_policies: true,
            otherwise: (api.policies == PolicyNeed::Optional).then(|| default_policy(api)),
        })
    }

    /// Entra's own tokens.
    fn entra(&self, api: &Api) -> Result<Tokens, String> {
        policies_apply_nowhere(api)?;
        let names =
            |tenant: &&Tenant| api.audiences.iter().any(|name| tenant.audiences.contains(name));
        let tenants: Vec<_> = self.config.tenants.iter().filter(names).collect();
        Ok(Tokens {
            method: "rsa",
            jwks: tenants.iter().map(|tenant| keys(tenant)).collect(),
            issuers: tenants.iter().flat_map(|tenant| issuers(tenant)).collect(),
            audiences: api.audiences.clone(),
            identity: ENTRA_IDENTITY,
            with_policies: false,
            otherwise: Some(default_policy(api)),
        })
    }

    /// Where Tyk finds the plugin.
    pub(in crate::cli) fn plugin(&self) -> Option<String> {
        plugin(self.config)
    }
}

/// Entra's tokens carry no policy of Tyk's, and these roads cannot ask for one.
pub(in crate::cli) fn policies_apply_nowhere(api: &Api) -> Result<(), String> {
    match api.policies {
        PolicyNeed::Optional => Ok(()),
        PolicyNeed::Required => {
            let why = "this road cannot apply policies: use `road: plugin`, or say `policies: \
                       optional` and let every good token in";
            Err(why.to_owned())
        }
    }
}

/// Whether Tyk shows the client's secret for it.
fn needs_secret(api: &Api) -> bool {
    use crate::domain::api::Guard;
    api.tyk.as_ref().is_some_and(|route| match route.road {
        Road::Plugin => api.guard == Guard::Secret,
        Road::Introspection | Road::Exchange => true,
        Road::Jwt => false,
    })
}

/// `TESSERA_CLIENT_SECRET`
pub(in crate::cli) fn variable(client: &ClientId) -> String {
    let upper = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let name: String = client.as_str().chars().map(upper).collect();
    format!("TESSERA_{}_SECRET", name.to_ascii_uppercase())
}

/// The policy of tokens that carry none.
pub(in crate::cli) fn default_policy(api: &Api) -> String {
    format!("tessera-{}", api.name)
}

/// The default policies that definitions refer to.
pub(in crate::cli) fn defaults(config: &Config) -> Vec<String> {
    let site = Site::new(config, None);
    let checked = |api: &&Api| {
        let road = api.tyk.as_ref().map(|route| route.road);
        matches!(road, Some(Road::Jwt | Road::Exchange))
    };
    let apis = config.apis.iter().filter(checked);
    apis.filter_map(|api| site.tokens(api).ok()?.otherwise).collect()
}

pub(in crate::cli) fn granted(mapping: &Mapping) -> Vec<String> {
    let mut policies = Vec::new();
    for rule in mapping.rules() {
        crate::domain::mapping::add(&mut policies, &rule.grant.policies);
    }
    policies
}

/// `coprocess_grpc_server` for `listen.tyk`. Every address of a host is its own for Tyk beside it.
pub(in crate::cli) fn plugin(config: &Config) -> Option<String> {
    Some(match config.listen.tyk.as_ref()? {
        Endpoint::Unix(path) => format!("unix://{}", path.display()),
        Endpoint::Tcp(address) if address.ip().is_unspecified() => {
            format!("tcp://127.0.0.1:{}", address.port())
        }
        Endpoint::Tcp(address) => format!("tcp://{address}"),
    })
}

/// The key set of both kinds of a tenant's tokens.
fn keys(tenant: &Tenant) -> String {
    let keys = format!("{}{}/discovery/v2.0/keys", tenant.authority, tenant.id);
    match &tenant.signing_app {
        Some(app) => format!("{keys}?appid={app}"),
        None => keys,
    }
}

/// Both issuers of a tenant: of its v1.0 and of its v2.0 tokens.
fn issuers(tenant: &Tenant) -> [String; 2] {
    let china = tenant.authority.host_str() == Some("login.partner.microsoftonline.cn");
    let v1 = if china { "sts.chinacloudapi.cn" } else { "sts.windows.net" };
    [format!("https://{v1}/{}/", tenant.id), tenant.v2_issuer()]
}
