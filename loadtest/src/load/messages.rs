//! The messages of Tyk's plugins, as anybody's plugin has them.

use std::collections::HashMap;

/// A request on its way through Tyk, there and back.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Object {
    #[prost(int32, tag = "1")]
    pub(crate) hook_type: i32,
    #[prost(string, tag = "2")]
    pub(crate) hook_name: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) request: Option<MiniRequestObject>,
    #[prost(map = "string, string", tag = "5")]
    pub(crate) metadata: HashMap<String, String>,
    #[prost(map = "string, string", tag = "6")]
    pub(crate) spec: HashMap<String, String>,
}

/// The request.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MiniRequestObject {
    #[prost(map = "string, string", tag = "1")]
    pub(crate) headers: HashMap<String, String>,
    #[prost(map = "string, string", tag = "2")]
    pub(crate) set_headers: HashMap<String, String>,
    #[prost(string, repeated, tag = "3")]
    pub(crate) delete_headers: Vec<String>,
    #[prost(string, tag = "4")]
    pub(crate) body: String,
    #[prost(string, tag = "5")]
    pub(crate) url: String,
    #[prost(map = "string, string", tag = "6")]
    pub(crate) params: HashMap<String, String>,
    #[prost(message, optional, tag = "10")]
    pub(crate) return_overrides: Option<ReturnOverrides>,
    #[prost(string, tag = "11")]
    pub(crate) method: String,
    #[prost(string, tag = "12")]
    pub(crate) request_uri: String,
    #[prost(string, tag = "13")]
    pub(crate) scheme: String,
    #[prost(bytes = "bytes", tag = "14")]
    pub(crate) raw_body: tonic::codegen::Bytes,
}

/// What Tyk is to answer itself.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReturnOverrides {
    #[prost(int32, tag = "1")]
    pub(crate) response_code: i32,
    #[prost(string, tag = "2")]
    pub(crate) response_error: String,
}
