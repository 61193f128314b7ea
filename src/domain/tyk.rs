//! What can be wrong between a Tyk gateway and this service: one stable list. `docs/tyk.md` documents
//! it, and a test holds it to this file.

use strum::EnumMessage as _;

/// Something in Tyk's files that does not go with the configuration: what it means, and what to do.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    strum::EnumMessage,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Fault {
    /// The id, the organisation, the listen path or the upstream is not that of tessera.yaml.
    #[strum(
        message = "correct one of the two, or write the definition anew with `tessera tyk api`"
    )]
    ApiDiffers,
    /// No definition for an API that has `tyk`.
    #[strum(message = "write it with `tessera tyk api`, or name the file it is in")]
    ApiMissing,
    /// The definition asks tessera, and no API of tessera.yaml has its id.
    #[strum(message = "add it under `apis`, with `tyk.api_id`")]
    ApiUnknown,
    /// Tokens for other resources open this API: their keys are the same, and the audience is not
    /// checked, or other audiences are accepted.
    #[strum(
        message = "allow exactly the API's `audiences`; classic definitions cannot: use the other \
                   form, or `road: plugin`"
    )]
    AudienceOpen,
    /// Tyk shows itself as another client than the API's.
    #[strum(message = "name the `client` of the API")]
    ClientDiffers,
    /// `config_data.tessera.api` names no API of tessera.yaml, or not this one.
    #[strum(message = "name the API as it is called under `apis`")]
    ConfigDataApi,
    /// `config_data` is switched off, so that the plugin does not learn which API it is asked
    /// about.
    #[strum(message = "switch it on")]
    ConfigDataDisabled,
    /// `config_data.tessera.exchange` asks for what the client may not have.
    #[strum(
        message = "remove it, and let `apis.NAME.exchange` say it; or ask for what a rule of the \
                   client allows"
    )]
    ConfigDataExchange,
    /// There is no `config_data.tessera`: the plugin does not learn which API it is asked about.
    #[strum(message = "set `tessera: { api, secret }`")]
    ConfigDataMissing,
    /// `config_data.tessera` has a misspelt key, or a value that is not what it should be: every
    /// call ends with 500.
    #[strum(
        message = "set `api`, `secret` and, if need be, `exchange: { resource, scopes }`, and \
                   nothing else"
    )]
    ConfigDataUnreadable,
    /// Tyk looks for the plugin where `listen.tyk` is not.
    #[strum(message = "set `coprocess_grpc_server` to the address of `listen.tyk`, as \
                   `tcp://HOST:PORT` or `unix:///PATH`")]
    CoprocessAddress,
    /// The gateway calls no gRPC plugin, and an API needs it.
    #[strum(message = "set `coprocess_options.enable_coprocess` to true")]
    CoprocessDisabled,
    /// Tyk sends larger messages than tessera reads (4 MiB), or takes smaller ones than it may
    /// answer: such requests end with 403.
    #[strum(message = "set both `grpc_send_max_size` and `grpc_recv_max_size` to 4194304")]
    CoprocessSizes,
    /// A token that earns no policy is let in with a default one, and the API requires that it
    /// earns one.
    #[strum(message = "remove the default policies, or say `policies: optional`")]
    DefaultPolicies,
    /// Tyk keeps exchanged tokens, under a name that does not tell actors and clients apart, and
    /// past revocation.
    #[strum(message = "switch `cache` off: tessera keeps what is worth it")]
    ExchangeCache,
    /// The exchange asks another token endpoint than tessera's.
    #[strum(
        message = "set `tokenEndpoint` to the issuer and `/token`, or say where Tyk reaches it \
                   with `--at`"
    )]
    ExchangeElsewhere,
    /// An open-source Tyk ignores the token exchange without a word and sends the caller's own
    /// token on.
    #[strum(message = "use `road: plugin`, whose one call does both")]
    ExchangeIgnored,
    /// Tokens of an issuer that the API takes would find no provider, or tokens of another would.
    #[strum(message = "set `issuers` to those whose tokens the API takes")]
    ExchangeIssuers,
    /// The exchange asks for another audience or other scopes than `apis.NAME.exchange`.
    #[strum(message = "set `defaultTarget` to what tessera.yaml says")]
    ExchangeTarget,
    /// The exchange stands alone: Tyk lets unsigned tokens up to it.
    #[strum(message = "put JWT authentication beside it, in the same entry of `security`")]
    ExchangeUnchecked,
    /// While a session is remembered, Tyk does not ask: a revoked token goes on until the
    /// deadline.
    #[strum(message = "remove the id extractor: tessera's own memory is fast enough")]
    IdExtractor,
    /// When Tyk does not ask, no header is set: the caller's own token goes on to the API.
    #[strum(message = "remove the id extractor")]
    IdExtractorWithExchange,
    /// Sessions are shared by all APIs and issuers under this claim, and it is not unique: callers
    /// get each other's.
    #[strum(message = "use `principal`, or `oid` where Tyk reads Entra's own tokens")]
    IdentityField,
    /// Tyk's cache outlives revocation.
    #[strum(message = "switch `cache` off: tessera's own is the fast one")]
    IntrospectionCache,
    /// The cache with `timeout` 0 keeps an answer for ever.
    #[strum(message = "switch `cache` off")]
    IntrospectionCacheForEver,
    /// Tyk asks another introspection endpoint than tessera's.
    #[strum(
        message = "set the URL to the issuer and `/introspect`, or say where Tyk reaches it with \
                   `--at`"
    )]
    IntrospectionElsewhere,
    /// The issuers that are accepted are not those whose tokens the API takes.
    #[strum(message = "set `allowedIssuers` to them")]
    IssuersDiffer,
    /// Tyk would keep the key set for longer than a new key is announced before it signs.
    #[strum(message = "lower `cacheTimeout`, or raise `signing.announce`")]
    JwksCache,
    /// The keys are not those of the issuer whose tokens the API takes.
    #[strum(
        message = "set the URL of the key set to the issuer and `/jwks`, or say where Tyk reaches \
                   it with `--at`"
    )]
    JwksElsewhere,
    /// A plain URL as the source of keys works for the first request alone in some versions 5.
    #[strum(message = "write the URL in base64, or use `jwksURIs`")]
    JwksPlain,
    /// Tyk looks its own OAuth clients up by `client_id` at each new session.
    #[strum(
        message = "set `idp_client_id_mapping_disabled`, or `idpClientIdMappingDisabled`, to true"
    )]
    JwtClientMapping,
    /// The signing method is not the one the tokens are signed with.
    #[strum(message = "`ecdsa` for ES256, `rsa` for RS256; Tyk knows no EdDSA")]
    JwtMethod,
    /// The base policy is read from a claim that is not one text: Tyk ignores lists there.
    #[strum(message = "use `pol`")]
    JwtPolicyField,
    /// Policies that `mapping` grants do not come through: only the first, in `pol`, would apply.
    #[strum(message = "map each value of the claim `policies` to the policy of the same name")]
    JwtPolicyMapping,
    /// The definition asks for no authentication at all.
    #[strum(message = "switch authentication on")]
    Keyless,
    /// An API of tessera.yaml whose definition does not ask tessera.
    #[strum(message = "write it anew with `tessera tyk api`")]
    NoRoad,
    /// The driver of the custom authentication is not `grpc`.
    #[strum(message = "set it to `grpc`")]
    PluginDriver,
    /// The plugin is called by a hook that is not authentication: tessera answers such calls with
    /// 500.
    #[strum(message = "call it as `auth_check` and nowhere else")]
    PluginHook,
    /// The plugin is configured, and custom authentication is switched off: Tyk does not ask it.
    #[strum(message = "switch it on: `enable_coprocess_auth`, or `custom.enabled` and its \
                   `config.enabled`")]
    PluginOff,
    /// The API requires a policy, and this road cannot apply any: it lets every good token in.
    #[strum(message = "use `road: plugin`, or say `policies: optional`")]
    PoliciesNotApplied,
    /// A policy that can be granted is not active: whoever has it gets 403.
    #[strum(message = "set `active` to true and `is_inactive` to false")]
    PolicyInactive,
    /// A policy that can be granted is none of Tyk's: whoever has it gets 403.
    #[strum(message = "add it, with exactly this id")]
    PolicyMissing,
    /// A policy that can be granted opens none of the APIs.
    #[strum(message = "add the APIs to its `access_rights`")]
    PolicyOpensNothing,
    /// A policy that can be granted belongs to another organisation than the APIs.
    #[strum(message = "set its `org_id` to that of the APIs")]
    PolicyOrganisation,
    /// Tyk cannot apply several policies at once unless all are partitioned, or all are per API.
    #[strum(message = "partition all of them alike")]
    PolicyPartitions,
    /// No rule grants this policy.
    #[strum(message = "remove it, or grant it by `mapping`, if it is meant for tokens")]
    PolicyUnused,
    /// Tyk asks in another way than tessera.yaml says.
    #[strum(message = "correct `tyk.road`, or write the definition anew with `tessera tyk api`")]
    RoadDiffers,
    /// A secret stands in the definition itself.
    #[strum(
        message = "refer to it: `env://NAME`, `secrets://NAME`, `vault://NAME`, `consul://NAME` \
                   or `kv://…`"
    )]
    SecretInPlain,
    /// Tyk does not show the client's secret, which the API asks for.
    #[strum(message = "set it, or say `guard: network` where nobody else reaches `listen.tyk`")]
    SecretMissing,
    /// Tyk removes `Authorization` before the API, and with it the token that was swapped in.
    #[strum(message = "switch the stripping off")]
    StripAuthorization,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Severity {
    /// It does not work, or is unsafe.
    Error,
    /// It works, and is not what it should be.
    Warning,
}

impl Severity {
    /// As it is told.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Fault {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// How bad it is.
    pub const fn severity(self) -> Severity {
        match self {
            Self::ApiDiffers
            | Self::ApiMissing
            | Self::CoprocessSizes
            | Self::ExchangeCache
            | Self::IdExtractor
            | Self::JwksPlain
            | Self::JwtClientMapping
            | Self::JwtPolicyMapping
            | Self::PolicyOpensNothing
            | Self::PolicyUnused => Severity::Warning,
            Self::ApiUnknown
            | Self::AudienceOpen
            | Self::ClientDiffers
            | Self::ConfigDataApi
            | Self::ConfigDataDisabled
            | Self::ConfigDataExchange
            | Self::ConfigDataMissing
            | Self::ConfigDataUnreadable
            | Self::CoprocessAddress
            | Self::CoprocessDisabled
            | Self::DefaultPolicies
            | Self::ExchangeElsewhere
            | Self::ExchangeIgnored
            | Self::ExchangeIssuers
            | Self::ExchangeTarget
            | Self::ExchangeUnchecked
            | Self::IdExtractorWithExchange
            | Self::IdentityField
            | Self::IntrospectionCache
            | Self::IntrospectionCacheForEver
            | Self::IntrospectionElsewhere
            | Self::IssuersDiffer
            | Self::JwksCache
            | Self::JwksElsewhere
            | Self::JwtMethod
            | Self::JwtPolicyField
            | Self::Keyless
            | Self::NoRoad
            | Self::PluginDriver
            | Self::PluginHook
            | Self::PluginOff
            | Self::PoliciesNotApplied
            | Self::PolicyInactive
            | Self::PolicyMissing
            | Self::PolicyOrganisation
            | Self::PolicyPartitions
            | Self::RoadDiffers
            | Self::SecretInPlain
            | Self::SecretMissing
            | Self::StripAuthorization => Severity::Error,
        }
    }

    /// What is wrong.
    pub fn meaning(self) -> String {
        self.get_documentation().unwrap_or_default().trim().replace('\n', " ")
    }

    /// What to do about it.
    pub fn remedy(self) -> &'static str {
        self.get_message().unwrap_or_default()
    }
}
