//! Who calls: reads the credentials of a request and has them checked.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use super::problem::Problem;
use super::public::Public;
use super::request_id;
use crate::domain::audit::record::Door;
use crate::protocol::client_auth::{Method, Presented, PresentedError, presented};
use crate::protocol::ids::ClientId;
use crate::protocol::params::Form;
use crate::service::authenticate::Denied;
use crate::service::snapshot::{Caller, Snapshot};
use crate::telemetry::metrics::Authentication;
use crate::telemetry::traces;

/// The credentials of a request, not yet checked.
pub(super) fn credentials<'r>(
    request: &'r HttpRequest,
    form: &'r Form<'_>,
) -> Result<Presented<'r>, PresentedError> {
    presented(&authorization(request.headers())?, form)
}

/// The problem with credentials that are not one that can be checked; `missing` is that of none.
pub(super) async fn unpresented(
    (request, public): (&HttpRequest, &Public),
    error: PresentedError,
    missing: Problem,
) -> Problem {
    let method = match error {
        PresentedError::None => return missing,
        PresentedError::MoreThanOne => {
            let why = "there is more than one way to authenticate, or two client ids";
            return Problem::Malformed(why);
        }
        PresentedError::Assertion => Method::PrivateKeyJwt,
        PresentedError::Malformed => Method::Basic,
    };
    turned_away((request, public), method, &error.to_string()).await
}

/// The problem with a caller whose credentials are refused before any of them is checked.
pub(super) async fn turned_away(
    (request, public): (&HttpRequest, &Public),
    method: Method,
    why: &str,
) -> Problem {
    let origin = request_id::origin(request, Door::Public);
    let denied = public.authenticator.turn_away((method, why), source(request), origin).await;
    request_id::span(request).in_scope(|| denial(public, (method, None), &denied))
}

/// The client that the credentials prove, at a door.
pub(super) async fn authenticated(
    request: &HttpRequest,
    public: &Public,
    snapshot: &Snapshot,
    (presented, door): (&Presented<'_>, Door),
) -> Result<Arc<Caller>, Problem> {
    let (source, origin) = (source(request), request_id::origin(request, door));
    let caller = public.authenticator.authenticate(snapshot, presented, source, origin).await;
    if let Ok(caller) = &caller {
        traces::came_from(caller.client.id.as_str());
    }
    caller.map_err(|denied| {
        let client = snapshot.client_claimed(presented).map(ClientId::as_str);
        let tried = (presented.method(), client);
        request_id::span(request).in_scope(|| denial(public, tried, &denied))
    })
}

/// The address that a request came from.
fn source(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip())
}

/// Every `Authorization` header; one that is not text cannot be a credential.
fn authorization(headers: &HeaderMap) -> Result<Vec<&str>, PresentedError> {
    let values = headers.get_all(AUTHORIZATION);
    values.map(|value| value.to_str().map_err(|_binary| PresentedError::Malformed)).collect()
}

/// Counts a caller that is not let in, and says why; the name is that of a client there is.
fn denial(public: &Public, (method, client): (Method, Option<&str>), denied: &Denied) -> Problem {
    let (result, problem) = match denied {
        Denied::Invalid { method: Method::Bearer, .. } => {
            (Authentication::Invalid, Problem::BearerInvalid)
        }
        Denied::Invalid { .. } => (Authentication::Invalid, Problem::ClientInvalid),
        Denied::Throttled(seconds) => (Authentication::Throttled, Problem::Throttled(*seconds)),
        Denied::Unavailable(_) => (Authentication::Unavailable, Problem::Unavailable),
    };
    public.metrics.not_authenticated(method, result);
    let why = denied.to_string();
    // Who goes on after being throttled is counted, but cannot fill the log.
    if result == Authentication::Throttled {
        tracing::debug!(method = method.as_str(), client, why, "caller refused");
    } else {
        tracing::warn!(method = method.as_str(), client, why, "caller refused");
    }
    problem
}
