//! The two requests: a token for Graph, and the groups of one principal.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use openidconnect::core::{CoreClient, CoreTokenResponse};
use openidconnect::{
    AuthType, ClientId, ClientSecret, IssuerUrl, JsonWebKeySet, OAuth2TokenResponse as _,
    RequestTokenError, Scope, TokenUrl,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use crate::adapters::http_client::{HttpClient, HttpError, is_served};
use crate::domain::principal::PrincipalType;
use crate::domain::rejection::safe;
use crate::domain::tenant::{GraphAccess, Tenant};
use crate::ports::Clock;
use crate::protocol::ids::Guid;
use crate::protocol::time::{Seconds, UnixTime};

/// The most groups Graph lists for one principal.
const MAX_GROUPS: usize = 11_000;
/// Longest list of groups that is read, in bytes: twice what that many take.
const MAX_REPLY_BYTES: usize = 1024 * 1024;
/// Longest answer of the token endpoint that is read, in bytes.
const MAX_TOKEN_REPLY_BYTES: usize = 64 * 1024;
/// A token is renewed this long before it expires.
const TOKEN_MARGIN: Seconds = Seconds::minutes(2);
/// What is assumed when the token endpoint does not say how long its token lives.
const TOKEN_LIFE: Seconds = Seconds::minutes(5);

/// Graph for one tenant, as one application.
#[derive(Debug)]
pub(super) struct GraphApi {
    access: GraphAccess,
    authority: Url,
    tenant: Guid,
    http: HttpClient,
    token: Mutex<Option<Token>>,
}

#[derive(Debug)]
struct Token {
    value: SecretString,
    until: UnixTime,
}

/// Why Graph did not tell. Holds no secret and no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum GraphError {
    /// Graph cannot serve anybody now; wait as long as it says.
    #[error("{detail}")]
    Down { detail: String, retry_after: Option<Seconds> },
    /// The directory has no such principal.
    #[error("the directory has no such principal")]
    NoSuchPrincipal,
    /// Graph answered, but not with groups.
    #[error("{0}")]
    Refused(String),
}

#[derive(Deserialize)]
struct Groups {
    value: Vec<String>,
}

impl GraphApi {
    /// `None` when Graph access is not configured for `tenant`.
    pub(super) fn new(tenant: &Tenant, http: HttpClient) -> Option<Self> {
        Some(Self {
            access: tenant.graph.clone()?,
            authority: tenant.authority.clone(),
            tenant: tenant.id,
            http,
            token: Mutex::default(),
        })
    }

    /// Whether `other` asks the same Graph about the same directory.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        self.authority == other.authority
            && self.tenant == other.tenant
            && self.access.endpoint == other.access.endpoint
    }

    /// Whether it does so as the same application with the same secret.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        let (one, another) = (&self.access, &other.access);
        one.client_id == another.client_id
            && one.client_secret.expose_secret() == another.client_secret.expose_secret()
    }

    /// The object ids of all security groups that `object` is in, directly or not.
    pub(super) async fn groups(
        &self,
        object: Guid,
        kind: PrincipalType,
        clock: &dyn Clock,
    ) -> Result<Arc<[String]>, GraphError> {
        // An agent is a service principal, or a user account that was made for one.
        let collections: &[&str] = match kind {
            PrincipalType::User => &["users"],
            PrincipalType::Service => &["servicePrincipals"],
            PrincipalType::Agent => &["users", "servicePrincipals"],
        };
        let mut outcome = Err(GraphError::NoSuchPrincipal);
        for collection in collections {
            outcome = self.members_of(collection, object, clock).await;
            if !matches!(outcome, Err(GraphError::NoSuchPrincipal)) {
                break;
            }
        }
        outcome
    }

    async fn members_of(
        &self,
        collection: &str,
        object: Guid,
        clock: &dyn Clock,
    ) -> Result<Arc<[String]>, GraphError> {
        let mut url = self.access.endpoint.clone();
        url.set_path(&format!("/v1.0/{collection}/{object}/getMemberGroups"));
        let request = post(&url, &self.token(clock).await?)?;
        let answer = self.http.send(request, MAX_REPLY_BYTES, makes_sense).await?;
        match answer.status() {
            StatusCode::OK => read(answer.body()),
            StatusCode::NOT_FOUND => Err(GraphError::NoSuchPrincipal),
            StatusCode::UNAUTHORIZED => {
                // The token may have been revoked with the secret it was got by.
                *self.token.lock().await = None;
                Err(GraphError::Refused("Graph refused our token (401)".to_owned()))
            }
            StatusCode::FORBIDDEN => Err(GraphError::Refused(format!(
                "Graph answered 403: application {} needs a permission to read memberships, for \
                 example GroupMember.Read.All with the consent of an administrator",
                self.access.client_id
            ))),
            _ => Err(busy("Graph", &answer, clock.now())
                .unwrap_or_else(|| GraphError::Refused(unexpected("Graph", answer.status())))),
        }
    }

    /// A token that is good for some time yet. Whoever comes while one is asked for waits for it.
    pub(super) async fn token(&self, clock: &dyn Clock) -> Result<SecretString, GraphError> {
        let mut kept = self.token.lock().await;
        let now = clock.now();
        if let Some(token) = kept.as_ref().filter(|token| now < token.until) {
            return Ok(token.value.clone());
        }
        let reply = self.ask_for_token(now).await?;
        let life = reply.expires_in().map_or(TOKEN_LIFE, |life| {
            Seconds::new(i64::try_from(life.as_secs()).unwrap_or(i64::MAX))
        });
        let value = SecretString::from(reply.access_token().secret().as_str());
        let until = now.plus(life).plus(TOKEN_MARGIN.negated());
        *kept = Some(Token { value: value.clone(), until });
        Ok(value)
    }

    /// Client credentials (RFC 6749 §4.4), with the secret in the body as Microsoft documents it.
    async fn ask_for_token(&self, now: UnixTime) -> Result<CoreTokenResponse, GraphError> {
        let misconfigured = |error: url::ParseError| GraphError::Refused(error.to_string());
        let mut url = self.authority.clone();
        url.set_path(&format!("/{}/oauth2/v2.0/token", self.tenant));
        let issuer = IssuerUrl::from_url(self.authority.clone());
        let id = ClientId::new(self.access.client_id.to_string());
        let secret = ClientSecret::new(self.access.client_secret.expose_secret().to_owned());
        let mut scope = self.access.endpoint.clone();
        scope.set_path("/.default");
        let token_url = TokenUrl::new(url.to_string()).map_err(misconfigured)?;
        let http = self.http.clone();
        let send = move |request| send_for_token(http.clone(), request, now);
        CoreClient::new(id, issuer, JsonWebKeySet::default())
            .set_client_secret(secret)
            .set_auth_type(AuthType::RequestBody)
            .set_token_uri(token_url)
            .exchange_client_credentials()
            .add_scope(Scope::new(scope.to_string()))
            .request_async(&send)
            .await
            .map_err(token_error)
    }
}

async fn send_for_token(
    http: HttpClient,
    request: Request<Vec<u8>>,
    now: UnixTime,
) -> Result<Response<Vec<u8>>, GraphError> {
    let answer = http.send(request, MAX_TOKEN_REPLY_BYTES, is_served).await?;
    match busy("the token endpoint", &answer, now) {
        Some(error) => Err(error),
        None => Ok(answer),
    }
}

fn post(url: &Url, token: &SecretString) -> Result<Request<Vec<u8>>, GraphError> {
    let unusable = |_invalid| GraphError::Refused("the token for Graph is not text".to_owned());
    let mut bearer =
        HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(unusable)?;
    bearer.set_sensitive(true);
    Request::builder()
        .method(Method::POST)
        .uri(url.as_str())
        .header(header::AUTHORIZATION, bearer)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(br#"{"securityEnabledOnly":true}"#.to_vec())
        .map_err(|error| GraphError::Refused(error.to_string()))
}

/// Whether what is said to be a list of groups is one: otherwise nobody would notice.
fn makes_sense(answer: &Response<Vec<u8>>) -> bool {
    answer.status() != StatusCode::OK || read(answer.body()).is_ok()
}

/// Reads the list; an entry that is not an object id makes all of it worthless.
fn read(body: &[u8]) -> Result<Arc<[String]>, GraphError> {
    let refused = |why: &str| GraphError::Refused(format!("Graph's list of groups: {why}"));
    let groups: Groups =
        serde_json::from_slice(body).map_err(|error| refused(&safe(&error.to_string())))?;
    if groups.value.len() > MAX_GROUPS {
        return Err(refused("longer than Graph's own limit"));
    }
    if groups.value.iter().any(|group| group.parse::<Guid>().is_err()) {
        return Err(refused("an entry is not an object id"));
    }
    Ok(groups.value.into())
}

/// Whether `answer` says that nobody is served now.
fn busy(who: &str, answer: &Response<Vec<u8>>, now: UnixTime) -> Option<GraphError> {
    let status = answer.status();
    let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    is_busy.then(|| GraphError::Down {
        detail: unexpected(who, status),
        retry_after: retry_after(answer.headers(), now),
    })
}

fn unexpected(who: &str, status: StatusCode) -> String {
    format!("{who} answered {}", status.as_u16())
}

/// `Retry-After` in either of its forms (RFC 9110 §10.2.3).
fn retry_after(headers: &HeaderMap, now: UnixTime) -> Option<Seconds> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Seconds::new(i64::from(seconds)));
    }
    let moment = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(UnixTime::from_seconds(moment.as_second()).since(now))
}

impl From<HttpError> for GraphError {
    fn from(error: HttpError) -> Self {
        let detail = error.to_string();
        match error {
            HttpError::Timeout { .. } | HttpError::Transport { .. } => {
                Self::Down { detail, retry_after: None }
            }
            HttpError::Address { .. } | HttpError::Status { .. } | HttpError::TooLarge { .. } => {
                Self::Refused(detail)
            }
        }
    }
}

/// Without a token nothing works for anybody, so all of these are outages. Only the code and
/// Entra's own error number are told: an answer that was not understood may hold a token.
fn token_error<T>(error: RequestTokenError<GraphError, T>) -> GraphError
where
    T: openidconnect::ErrorResponse + std::fmt::Display + 'static,
{
    let detail = match error {
        RequestTokenError::Request(GraphError::Down { detail, retry_after }) => {
            return GraphError::Down { detail, retry_after };
        }
        RequestTokenError::Request(other) => other.to_string(),
        RequestTokenError::ServerResponse(answer) => {
            format!("no token for Graph: {}", safe(&answer.to_string()))
        }
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            "no token for Graph: the token endpoint's answer is not one of RFC 6749".to_owned()
        }
    };
    GraphError::Down { detail, retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let one = "7d6f1c0e-2f0d-4a59-9a54-5b3f0a4c0f51";
        let list = |count| format!(r#"{{"value":{:?}}}"#, vec![one; count]);
        assert_eq!(read(list(2).as_bytes()).unwrap().len(), 2);
        assert_eq!(read(list(0).as_bytes()).unwrap().len(), 0);
        assert!(list(MAX_GROUPS).len() < MAX_REPLY_BYTES);
        assert_eq!(read(list(MAX_GROUPS).as_bytes()).unwrap().len(), MAX_GROUPS);
        for bad in [
            list(MAX_GROUPS + 1).as_str(),
            r#"{"value":["admins"]}"#,
            r#"{"value":[null]}"#,
            r#"{"value":null}"#,
            "{}",
            "[]",
            "<html>",
        ] {
            assert!(matches!(read(bad.as_bytes()), Err(GraphError::Refused(_))), "{bad:.40}");
        }
    }

    #[test]
    fn the_wait_is_read_in_both_forms() {
        let now = UnixTime::from_seconds(784_111_777);
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_str(text).unwrap());
            retry_after(&headers, now).map(Seconds::count)
        };
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
