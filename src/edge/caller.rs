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

/// The credentials of a request, not yet checked; `missing` is the problem when there are none.
pub(super) fn credentials<'r>(
    request: &'r HttpRequest,
    form: &'r Form<'_>,
    missing: Problem,
) -> Result<Presented<'r>, Problem> {
    let authorization = authorization(request.headers())?;
    presented(&authorization, form).map_err(|error| match error {
        PresentedError::Assertion | PresentedError::Malformed => Problem::ClientInvalid,
        PresentedError::MoreThanOne => {
            Problem::Malformed("there is more than one way to authenticate, or two client ids")
        }
        PresentedError::None => missing,
    })
}

/// The client that the credentials prove, at a door.
pub(super) async fn authenticated(
    request: &HttpRequest,
    public: &Public,
    snapshot: &Snapshot,
    (presented, door): (&Presented<'_>, Door),
) -> Result<Arc<Caller>, Problem> {
    let source = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let origin = request_id::origin(request, door);
    let caller = public.authenticator.authenticate(snapshot, presented, source, origin).await;
    if let Ok(caller) = &caller {
        traces::came_from(caller.client.id.as_str());
    }
    caller.map_err(|denied| {
        request_id::span(request).in_scope(|| denial((public, snapshot), presented, &denied))
    })
}

/// Every `Authorization` header; one that is not text cannot be a credential.
fn authorization(headers: &HeaderMap) -> Result<Vec<&str>, Problem> {
    let values = headers.get_all(AUTHORIZATION);
    values.map(|value| value.to_str().map_err(|_binary| Problem::ClientInvalid)).collect()
}

fn denial(
    (public, snapshot): (&Public, &Snapshot),
    presented: &Presented<'_>,
    denied: &Denied,
) -> Problem {
    let (result, problem) = match denied {
        Denied::Invalid { method: Method::Bearer, .. } => {
            (Authentication::Invalid, Problem::BearerInvalid)
        }
        Denied::Invalid { .. } => (Authentication::Invalid, Problem::ClientInvalid),
        Denied::Throttled(seconds) => (Authentication::Throttled, Problem::Throttled(*seconds)),
        Denied::Unavailable(_) => (Authentication::Unavailable, Problem::Unavailable),
    };
    let method = presented.method();
    public.metrics.not_authenticated(method, result);
    let client = snapshot.client_claimed(presented).map(ClientId::as_str);
    let why = denied.to_string();
    // Who goes on after being throttled is counted, but cannot fill the log.
    if result == Authentication::Throttled {
        tracing::debug!(method = method.as_str(), client, why, "caller refused");
    } else {
        tracing::warn!(method = method.as_str(), client, why, "caller refused");
    }
    problem
}
