//! The messages of Tyk's plugins (`coprocess.Dispatcher`), by the numbers of its protocol files.
//!
//! The message that was received goes back changed, so every field of a request on its way to
//! authentication is here, read or not: what is not here would be lost on the way.

use std::borrow::Cow;
use std::collections::HashMap;

use bytes::Bytes;
use serde::Deserialize;

use super::json::FromObject;

/// The full name of the service.
pub const SERVICE: &str = "coprocess.Dispatcher";

unprinted! {
    Object, MiniRequestObject, ReturnOverrides, SessionState, BasicAuthData,
    JwtData, ResponseObject, Event
}

/// A request on its way through Tyk, there and back.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct Object {
    /// Where on the way it is.
    #[prost(enumeration = "HookType", tag = "1")]
    pub hook_type: i32,
    /// The function that the API's definition names.
    #[prost(string, tag = "2")]
    pub hook_name: String,
    /// The request.
    #[prost(message, optional, tag = "3")]
    pub request: Option<MiniRequestObject>,
    /// What Tyk knows, or is to know, about the caller.
    #[prost(message, optional, tag = "4")]
    pub session: Option<SessionState>,
    /// Merged by Tyk into the metadata of the session.
    #[prost(map = "string, string", tag = "5")]
    pub metadata: HashMap<String, String>,
    /// `APIID`, `OrgID` and `config_data` of the API.
    #[prost(map = "string, string", tag = "6")]
    pub spec: HashMap<String, String>,
    /// The API's answer, where there is one already.
    #[prost(message, optional, tag = "7")]
    pub response: Option<ResponseObject>,
}

/// Where on its way a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum HookType {
    /// Not said.
    Unknown = 0,
    /// Before authentication.
    Pre = 1,
    /// Before the API is called.
    Post = 2,
    /// After authentication.
    PostKeyAuth = 3,
    /// In place of authentication.
    CustomKeyCheck = 4,
    /// After the API has answered.
    Response = 5,
}

/// The request.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct MiniRequestObject {
    /// Its headers; of several values of one, the first.
    #[prost(map = "string, string", tag = "1")]
    pub headers: HashMap<String, String>,
    /// Headers that Tyk is to set.
    #[prost(map = "string, string", tag = "2")]
    pub set_headers: HashMap<String, String>,
    /// Headers that Tyk is to remove first.
    #[prost(string, repeated, tag = "3")]
    pub delete_headers: Vec<String>,
    /// The body, where it is text.
    #[prost(string, tag = "4")]
    pub body: String,
    /// The address.
    #[prost(string, tag = "5")]
    pub url: String,
    /// The query.
    #[prost(map = "string, string", tag = "6")]
    pub params: HashMap<String, String>,
    /// Parameters that Tyk is to add.
    #[prost(map = "string, string", tag = "7")]
    pub add_params: HashMap<String, String>,
    /// Unused by Tyk.
    #[prost(map = "string, string", tag = "8")]
    pub extended_params: HashMap<String, String>,
    /// Parameters that Tyk is to remove.
    #[prost(string, repeated, tag = "9")]
    pub delete_params: Vec<String>,
    /// What Tyk is to answer itself.
    #[prost(message, optional, tag = "10")]
    pub return_overrides: Option<ReturnOverrides>,
    /// The method.
    #[prost(string, tag = "11")]
    pub method: String,
    /// The address as it was sent.
    #[prost(string, tag = "12")]
    pub request_uri: String,
    /// `http` or `https`.
    #[prost(string, tag = "13")]
    pub scheme: String,
    /// The body, which Tyk takes over from what comes back.
    #[prost(bytes = "bytes", tag = "14")]
    pub raw_body: Bytes,
    /// The certificates that the caller showed.
    #[prost(bytes = "bytes", repeated, tag = "15")]
    pub raw_certificates: Vec<Bytes>,
}

/// What Tyk is to answer itself.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct ReturnOverrides {
    /// The status; -1 or 0: nothing is to be answered.
    #[prost(int32, tag = "1")]
    pub response_code: i32,
    /// Why; wins over the body.
    #[prost(string, tag = "2")]
    pub response_error: String,
    /// Headers of the answer.
    #[prost(map = "string, string", tag = "3")]
    pub headers: HashMap<String, String>,
    /// Whether a status of 400 and above is no refusal.
    #[prost(bool, tag = "4")]
    pub override_error: bool,
    /// The body of the answer.
    #[prost(string, tag = "5")]
    pub response_body: String,
}

/// What Tyk knows about a caller.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct SessionState {
    /// When it was checked last.
    #[prost(int64, tag = "1")]
    pub last_check: i64,
    /// Left of the rate.
    #[prost(double, tag = "2")]
    pub allowance: f64,
    /// Requests in a period.
    #[prost(double, tag = "3")]
    pub rate: f64,
    /// The period in seconds.
    #[prost(double, tag = "4")]
    pub per: f64,
    /// When it ends, in seconds since 1970.
    #[prost(int64, tag = "5")]
    pub expires: i64,
    /// The quota.
    #[prost(int64, tag = "6")]
    pub quota_max: i64,
    /// When the quota is renewed.
    #[prost(int64, tag = "7")]
    pub quota_renews: i64,
    /// Left of the quota.
    #[prost(int64, tag = "8")]
    pub quota_remaining: i64,
    /// How often it is renewed, in seconds.
    #[prost(int64, tag = "9")]
    pub quota_renewal_rate: i64,
    /// The APIs that may be called, by id.
    #[prost(map = "string, message", tag = "10")]
    pub access_rights: HashMap<String, AccessDefinition>,
    /// The organisation.
    #[prost(string, tag = "11")]
    pub org_id: String,
    /// The client, of Tyk's own OAuth.
    #[prost(string, tag = "12")]
    pub oauth_client_id: String,
    /// Its keys.
    #[prost(map = "string, string", tag = "13")]
    pub oauth_keys: HashMap<String, String>,
    /// A password.
    #[prost(message, optional, tag = "14")]
    pub basic_auth_data: Option<BasicAuthData>,
    /// A secret for JWTs.
    #[prost(message, optional, tag = "15")]
    pub jwt_data: Option<JwtData>,
    /// Whether requests are signed.
    #[prost(bool, tag = "16")]
    pub hmac_enabled: bool,
    /// With what.
    #[prost(string, tag = "17")]
    pub hmac_secret: String,
    /// Whether nothing is allowed.
    #[prost(bool, tag = "18")]
    pub is_inactive: bool,
    /// One policy; given up for [`Self::apply_policies`].
    #[prost(string, tag = "19")]
    pub apply_policy_id: String,
    /// When what is kept with it ends.
    #[prost(int64, tag = "20")]
    pub data_expires: i64,
    /// When somebody is to be told.
    #[prost(message, optional, tag = "21")]
    pub monitor: Option<Monitor>,
    /// Whether whole requests are recorded.
    #[prost(bool, tag = "22")]
    pub enable_detailed_recording: bool,
    /// `$tyk_meta`.
    #[prost(map = "string, string", tag = "23")]
    pub metadata: HashMap<String, String>,
    /// Tags of analytics.
    #[prost(string, repeated, tag = "24")]
    pub tags: Vec<String>,
    /// A name for people.
    #[prost(string, tag = "25")]
    pub alias: String,
    /// When it was changed, in seconds since 1970.
    #[prost(string, tag = "26")]
    pub last_updated: String,
    /// Until when Tyk need not ask again, where the API has an id extractor.
    #[prost(int64, tag = "27")]
    pub id_extractor_deadline: i64,
    /// For how long it is kept, in seconds.
    #[prost(int64, tag = "28")]
    pub session_lifetime: i64,
    /// The policies, by id.
    #[prost(string, repeated, tag = "29")]
    pub apply_policies: Vec<String>,
    /// A certificate's id.
    #[prost(string, tag = "30")]
    pub certificate: String,
    /// For GraphQL.
    #[prost(int64, tag = "31")]
    pub max_query_depth: i64,
    /// What it is kept under.
    #[prost(string, tag = "32")]
    pub key_id: String,
    /// What happens when it has ended.
    #[prost(string, tag = "33")]
    pub post_expiry_action: String,
    /// And when, in seconds.
    #[prost(int64, tag = "34")]
    pub post_expiry_grace_period: i64,
}

/// A right to call an API.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AccessDefinition {
    /// The name of the API.
    #[prost(string, tag = "1")]
    pub api_name: String,
    /// Its id.
    #[prost(string, tag = "2")]
    pub api_id: String,
    /// Its versions.
    #[prost(string, repeated, tag = "3")]
    pub versions: Vec<String>,
    /// Addresses in it; none: all.
    #[prost(message, repeated, tag = "4")]
    pub allowed_urls: Vec<AccessSpec>,
}

/// Addresses in an API.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AccessSpec {
    /// Which.
    #[prost(string, tag = "1")]
    pub url: String,
    /// By which methods.
    #[prost(string, repeated, tag = "2")]
    pub methods: Vec<String>,
}

/// A password.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct BasicAuthData {
    /// As it is kept.
    #[prost(string, tag = "1")]
    pub password: String,
    /// How.
    #[prost(string, tag = "2")]
    pub hash: String,
}

/// A secret for JWTs.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct JwtData {
    /// The secret.
    #[prost(string, tag = "1")]
    pub secret: String,
}

/// When somebody is to be told.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Monitor {
    /// At these shares of the quota.
    #[prost(double, repeated, tag = "1")]
    pub trigger_limits: Vec<f64>,
}

/// The API's answer.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct ResponseObject {
    /// The status.
    #[prost(int32, tag = "1")]
    pub status_code: i32,
    /// The body.
    #[prost(bytes = "bytes", tag = "2")]
    pub raw_body: Bytes,
    /// The body, where it is text.
    #[prost(string, tag = "3")]
    pub body: String,
    /// The first value of each header.
    #[prost(map = "string, string", tag = "4")]
    pub headers: HashMap<String, String>,
    /// All values.
    #[prost(message, repeated, tag = "5")]
    pub multivalue_headers: Vec<Header>,
}

/// A header of an answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Header {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its values.
    #[prost(string, repeated, tag = "2")]
    pub values: Vec<String>,
}

/// Something that happened in Tyk.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct Event {
    /// As JSON.
    #[prost(string, tag = "1")]
    pub payload: String,
}

/// Nothing.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct EventReply {}

/// What an API's `config_data` says to us; other plugins may have their own keys beside it.
#[derive(Deserialize)]
struct ConfigData<'a> {
    #[serde(borrow)]
    tessera: FromObject<Asked<'a>>,
}

/// `config_data.tessera`. A misspelt key is an error: it may have been `exchange`, and then the wrong
/// token would go on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked<'a> {
    /// The API, as it is called under `apis`.
    #[serde(borrow)]
    pub api: Cow<'a, str>,
    /// The secret of the API's client.
    #[serde(borrow, default)]
    pub secret: Option<Cow<'a, str>>,
    /// What the token is to be swapped for, in place of what `apis` says.
    #[serde(default)]
    pub exchange: Option<FromObject<AskedSwap>>,
}

/// Never shows the secret.
impl std::fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asked").field("api", &self.api).finish_non_exhaustive()
    }
}

/// What a token is to be swapped for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskedSwap {
    /// The resource, by its exact name.
    pub resource: String,
    /// The scopes to ask for; empty: whatever can be had.
    #[serde(default)]
    pub scopes: Vec<String>,
}

impl<'a> Asked<'a> {
    /// Reads the JSON of a whole `config_data`.
    pub fn read(config_data: &'a str) -> Result<Self, serde_json::Error> {
        let read = serde_json::from_str::<FromObject<ConfigData<'a>>>(config_data)?;
        let FromObject(ConfigData { tessera: FromObject(asked) }) = read;
        Ok(asked)
    }
}
