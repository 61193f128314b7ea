//! The messages of Envoy's external authorization (`envoy.service.auth.v3.Authorization`), by the
//! numbers of its protocol files: only what is read, and only what is answered.

use std::collections::HashMap;

/// The full name of the service.
pub const SERVICE: &str = "envoy.service.auth.v3.Authorization";

unprinted!(
    CheckRequest,
    AttributeContext,
    Request,
    HttpRequest,
    HeaderMap,
    HeaderValue,
    HeaderValueOption,
    CheckResponse,
    HttpResponse,
    DeniedResponse,
    OkResponse
);

/// A request on its way through Envoy.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct CheckRequest {
    /// What is known about it.
    #[prost(message, optional, tag = "1")]
    pub attributes: Option<AttributeContext>,
}

/// What is known about a request.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct AttributeContext {
    /// The request itself.
    #[prost(message, optional, tag = "4")]
    pub request: Option<Request>,
    /// What the route's configuration adds; no caller can write here.
    #[prost(map = "string, string", tag = "10")]
    pub context_extensions: HashMap<String, String>,
}

/// A request.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct Request {
    /// As HTTP.
    #[prost(message, optional, tag = "2")]
    pub http: Option<HttpRequest>,
}

/// A request as HTTP.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct HttpRequest {
    /// Its headers, names in lower case; several values of one are joined by commas.
    #[prost(map = "string, string", tag = "3")]
    pub headers: HashMap<String, String>,
    /// The address: path and query.
    #[prost(string, tag = "4")]
    pub path: String,
    /// The headers one by one, where Envoy is told so (`encode_raw_headers`).
    #[prost(message, optional, tag = "13")]
    pub header_map: Option<HeaderMap>,
}

/// Headers one by one.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct HeaderMap {
    /// In the order they came.
    #[prost(message, repeated, tag = "1")]
    pub headers: Vec<HeaderValue>,
}

/// A header.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct HeaderValue {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
    /// Its value, where that need not be UTF-8.
    #[prost(bytes = "vec", tag = "3")]
    pub raw_value: Vec<u8>,
}

/// A header to be set.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct HeaderValueOption {
    /// The header.
    #[prost(message, optional, tag = "1")]
    pub header: Option<HeaderValue>,
    /// What happens to one that is there.
    #[prost(enumeration = "AppendAction", tag = "3")]
    pub append_action: i32,
}

/// What happens to a header that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum AppendAction {
    /// It stays, and the new one stands beside it.
    AppendIfExistsOrAdd = 0,
    /// It stays alone.
    AddIfAbsent = 1,
    /// The new one stands in its place.
    OverwriteIfExistsOrAdd = 2,
    /// Only one that is there is replaced.
    OverwriteIfExists = 3,
}

/// The answer.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct CheckResponse {
    /// Whether the request may pass.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// What goes with that.
    #[prost(oneof = "HttpResponse", tags = "2, 3")]
    pub http_response: Option<HttpResponse>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Status {
    /// A gRPC code; 0: it may pass.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// What goes with an answer.
#[derive(Clone, PartialEq, prost::Oneof)]
#[prost(skip_debug)]
pub enum HttpResponse {
    /// What Envoy is to answer itself.
    #[prost(message, tag = "2")]
    Denied(DeniedResponse),
    /// What Envoy is to change on the way.
    #[prost(message, tag = "3")]
    Ok(OkResponse),
}

/// What Envoy is to answer itself.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct DeniedResponse {
    /// With this status.
    #[prost(message, optional, tag = "1")]
    pub status: Option<HttpStatus>,
    /// With these headers.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// And this body.
    #[prost(string, tag = "3")]
    pub body: String,
}

/// An HTTP status; the numbers of `envoy.type.v3.StatusCode` are the codes themselves.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct HttpStatus {
    /// The code.
    #[prost(int32, tag = "1")]
    pub code: i32,
}

/// What Envoy is to change on the way.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct OkResponse {
    /// Headers to set.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// Headers to remove.
    #[prost(string, repeated, tag = "5")]
    pub headers_to_remove: Vec<String>,
}
