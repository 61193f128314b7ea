//! The one HTTP client: what leaves this process goes through here, by these limits.
//!
//! No redirects are followed and no proxy is taken from the environment: an answer comes from the
//! configured host or not at all (A251). Bodies are read piece by piece and refused when they grow
//! too large, whatever `Content-Length` says.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use reqwest::redirect::Policy;
use tracing::Instrument as _;
use url::{Host, Url};

use super::spans;
use crate::ports::Calls;

/// How long an exchange may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the first packet to a connection, TLS included.
    pub connect: Duration,
    /// From the start to the last byte of the body.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), total: Duration::from_secs(10) }
    }
}

/// A client for the few hosts that the configuration names. Clones share their connections.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: reqwest::Client,
    /// Where its requests are counted.
    calls: Option<Arc<Calls>>,
}

/// What is counted as a good answer.
pub type Good = fn(&http::Response<Vec<u8>>) -> bool;

/// The body of a good answer.
#[derive(Debug)]
pub struct Fetched {
    /// The bytes.
    pub body: Vec<u8>,
    /// `Content-Type`, when it is there and readable.
    pub content_type: Option<String>,
}

/// Why there is no answer. Holds no header, no body and no query.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is not one that may be called.
    #[error(
        "{place}: only https, or http to this host itself, is called, without user or password"
    )]
    Address {
        /// Which address.
        place: String,
    },
    /// It took too long.
    #[error("{place}: no complete answer in time")]
    Timeout {
        /// Which address.
        place: String,
    },
    /// No connection, or it broke.
    #[error("{place}: {detail}")]
    Transport {
        /// Which address.
        place: String,
        /// What the network said.
        detail: String,
    },
    /// The answer has another status than 200.
    #[error("{place}: answered {status}, not 200")]
    Status {
        /// Which address.
        place: String,
        /// The status.
        status: u16,
    },
    /// The body is larger than was asked for.
    #[error("{place}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// Which address.
        place: String,
        /// The limit.
        limit: usize,
    },
}

/// The client could not be made: no TLS, or no root certificates.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up HTTPS: {0}; are there root certificates in this image (ca-certificates)?")]
pub struct HttpSetupError(#[source] pub(super) reqwest::Error);

impl HttpClient {
    /// A client with the default time limits.
    pub fn new() -> Result<Self, HttpSetupError> {
        Self::with_timeouts(Timeouts::default())
    }

    /// A client with these time limits.
    pub fn with_timeouts(timeouts: Timeouts) -> Result<Self, HttpSetupError> {
        let client = limited(timeouts).build().map_err(HttpSetupError)?;
        Ok(Self { client, calls: None })
    }

    /// The same client, whose requests are counted as `calls`.
    #[must_use]
    pub fn counted_as(&self, calls: &Arc<Calls>) -> Self {
        Self { calls: Some(Arc::clone(calls)), ..self.clone() }
    }

    /// The body at `url`, at most `limit` bytes of it; only a 200 is good.
    pub async fn get(&self, url: &Url, limit: usize) -> Result<Fetched, HttpError> {
        let request = self.client.get(url.clone());
        let response = self.recorded(&Method::GET, url, (request, limit, is_served)).await?;
        let status = response.status();
        if status != http::StatusCode::OK {
            return Err(HttpError::Status { place: place(url), status: status.as_u16() });
        }
        let content_type = response.headers().get(http::header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
        Ok(Fetched { content_type, body: response.into_body() })
    }

    /// Sends `request` and reads at most `limit` bytes of the answer, whatever its status. Counts it
    /// among the good ones if it is one, too.
    pub async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        limit: usize,
        good: Good,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let (parts, body) = request.into_parts();
        let uri = parts.uri.to_string();
        let url = Url::parse(&uri)
            .map_err(|error| HttpError::Address { place: format!("{uri:?} ({error})") })?;
        let request = self.client.request(parts.method.clone(), url.clone());
        let request = request.headers(parts.headers).body(body);
        self.recorded(&parts.method, &url, (request, limit, good)).await
    }

    /// An exchange in a span of its own, which the other side is told, where traces are recorded.
    async fn recorded(
        &self,
        method: &Method,
        url: &Url,
        (request, limit, good): (reqwest::RequestBuilder, usize, Good),
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let span = spans::http(method, url);
        let told = async {
            let request = match spans::traceparent() {
                Some(place) => request.header("traceparent", place),
                None => request,
            };
            self.exchange(url, request, (limit, good)).await
        };
        let answer = told.instrument(span.clone()).await;
        spans::answered(&span, answer.as_ref().ok().map(|answer| answer.status().as_u16()));
        answer
    }

    async fn exchange(
        &self,
        url: &Url,
        request: reqwest::RequestBuilder,
        (limit, good): (usize, Good),
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        if !is_callable(url) {
            return Err(HttpError::Address { place: place(url) });
        }
        let begun = Instant::now();
        // Whoever waits for it carries no more than a pointer.
        let ended = Box::pin(exchanged(url, request, limit)).await;
        if let Some(calls) = &self.calls {
            let took = begun.elapsed();
            if ended.as_ref().is_ok_and(|answer| is_served(answer) && good(answer)) {
                calls.good(took);
            } else {
                calls.failed(Some(took));
            }
        }
        ended
    }
}

/// Whether it was served, whatever came out: that there is no such principal is an answer, that
/// there are too many requests is none.
pub fn is_served(response: &http::Response<Vec<u8>>) -> bool {
    response.status().is_success() || response.status() == http::StatusCode::NOT_FOUND
}

async fn exchanged(
    url: &Url,
    request: reqwest::RequestBuilder,
    limit: usize,
) -> Result<http::Response<Vec<u8>>, HttpError> {
    let mut response = request.send().await.map_err(|error| transport(url, &error))?;
    let too_large = || HttpError::TooLarge { place: place(url), limit };
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).map_or(true, |length| length > limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| transport(url, &error))? {
        if body.len().saturating_add(piece.len()) > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    let mut answer = http::Response::new(body);
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}

/// What every client here keeps to: no redirect, no proxy, and an end.
#[expect(clippy::disallowed_methods, reason = "the one client, with our limits")]
pub(super) fn limited(timeouts: Timeouts) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .connect_timeout(timeouts.connect)
        .timeout(timeouts.total)
        .user_agent(concat!("tessera/", env!("CARGO_PKG_VERSION")))
}

/// Whether `url` may be called: https, or http where it cannot leave this host (a pretend tenant
/// for development and tests).
pub fn is_callable(url: &Url) -> bool {
    let anonymous = url.username().is_empty() && url.password().is_none();
    anonymous && (url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url)))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

/// An address as messages show it: without user, password, query and fragment.
pub fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

pub(super) fn transport(url: &Url, error: &reqwest::Error) -> HttpError {
    if error.is_timeout() {
        return HttpError::Timeout { place: place(url) };
    }
    // The outermost message only repeats the address; the innermost says what went wrong.
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    HttpError::Transport { place: place(url), detail: innermost.to_string() }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use reqwest::dns::{Addrs, Name, Resolve, Resolving};

    use super::*;
    use crate::adapters::test_server::{Reply, TestServer};

    fn client() -> HttpClient {
        let total = Duration::from_millis(300);
        HttpClient::with_timeouts(Timeouts { connect: total, total }).unwrap()
    }

    async fn get(path: &str, reply: Reply) -> Result<Fetched, HttpError> {
        let server = TestServer::start();
        server.on(path, reply);
        client().get(&server.url(path), 1000).await
    }

    #[tokio::test]
    async fn a_good_answer_arrives_whole() {
        let fetched = get("/a", Reply::json("{}")).await.unwrap();
        assert_eq!(fetched.body, b"{}");
        assert_eq!(fetched.content_type.as_deref(), Some("application/json"));
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let elsewhere = TestServer::start();
        elsewhere.on("/b", Reply::json("{}"));
        let error = get("/a", Reply::redirect(elsewhere.url("/b").as_str())).await.unwrap_err();
        assert!(matches!(error, HttpError::Status { status: 302, .. }), "A251 {error}");
        assert_eq!(elsewhere.hits("/b"), 0);
    }

    #[tokio::test]
    async fn a_large_body_is_refused_announced_or_not() {
        for reply in [Reply::json(&"x".repeat(1001)), Reply::endless()] {
            let error = get("/a", reply).await.unwrap_err();
            assert!(matches!(error, HttpError::TooLarge { limit: 1000, .. }), "A251 {error}");
        }
        assert!(get("/a", Reply::json(&"x".repeat(1000))).await.is_ok());
    }

    #[tokio::test]
    async fn a_slow_body_is_given_up() {
        let error = get("/a", Reply::stalled()).await.unwrap_err();
        assert!(matches!(error, HttpError::Timeout { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_closed_port_is_told_without_the_query() {
        let mut url = TestServer::start().url("/a");
        url.set_port(Some(1)).unwrap();
        url.set_query(Some("secret=1"));
        let error = client().get(&url, 10).await.unwrap_err();
        assert!(matches!(error, HttpError::Transport { .. }), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(error.to_string().contains("refused"), "{error}");
    }

    /// Finds no name, says nothing, or finds this host, in this order.
    struct Names(AtomicUsize);

    impl Resolve for Names {
        fn resolve(&self, _: Name) -> Resolving {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Box::pin(async { Err("no such name".into()) }),
                1 => Box::pin(std::future::pending()),
                _ => Box::pin(async {
                    let here = SocketAddr::from(([127, 0, 0, 1], 0));
                    Ok(Box::new(std::iter::once(here)) as Addrs)
                }),
            }
        }
    }

    #[tokio::test]
    async fn a_name_that_is_not_found_is_looked_up_again_the_next_time() {
        let server = TestServer::start();
        server.on("/a", Reply::json("{}"));
        let mut url = server.url("/a");
        url.set_host(Some("localhost")).unwrap();
        let short = Duration::from_millis(300);
        let builder = limited(Timeouts { connect: short, total: short });
        let resolver = Arc::new(Names(AtomicUsize::new(0)));
        let client =
            HttpClient { client: builder.dns_resolver(resolver).build().unwrap(), calls: None };
        let missing = client.get(&url, 10).await.unwrap_err();
        assert!(matches!(missing, HttpError::Transport { .. }), "{missing}");
        assert!(missing.to_string().contains("no such name"), "{missing}");
        let silent = client.get(&url, 10).await.unwrap_err();
        assert!(matches!(silent, HttpError::Timeout { .. }), "{silent}");
        assert_eq!(client.get(&url, 10).await.unwrap().body, b"{}");
    }

    #[tokio::test]
    async fn only_callable_addresses_are_called() {
        for (text, callable) in [
            ("https://login.microsoftonline.com/x", true),
            ("http://127.0.0.1:80/", true),
            ("http://127.8.8.8/", true),
            ("http://[::1]:80/", true),
            ("http://localhost:1/", true),
            ("http://login.microsoftonline.com/", false),
            ("http://169.254.169.254/", false),
            ("http://localhost.evil.example/", false),
            ("https://user@login.microsoftonline.com/", false),
            ("https://:pw@login.microsoftonline.com/", false),
            ("file:///etc/passwd", false),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(is_callable(&url), callable, "A91 {text}");
            if !callable {
                let error = client().get(&url, 10).await.unwrap_err();
                assert!(matches!(error, HttpError::Address { .. }), "{error}");
            }
        }
    }
}
