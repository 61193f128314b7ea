//! What the operator is told about exchanges and about requests at a gateway.

use std::time::Duration;

use super::traced;
use crate::domain::admission::Barred;
use crate::domain::api::Swap;
use crate::domain::client::Client;
use crate::domain::denial::Denial;
use crate::service::exchange::Issued;
use crate::service::gate::{Admitted, Entrance, Refused};
use crate::service::introspect::Verdict;
use crate::service::snapshot::{Caller, Snapshot};
use crate::telemetry::gateway_metrics::Gateway;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces;

/// One line for each token issued: who asked, for whom, on whose behalf, for what, by which rule.
pub(super) fn issued(snapshot: &Snapshot, issued: &Issued) {
    let token = &issued.token;
    let ancestor = token.ancestors.last().map(|hop| hop.id.to_string());
    tracing::info!(
        client = %token.client,
        principal = %token.principal,
        principal_type = token.kind.as_str(),
        actor = token.act.as_ref().map(|act| act.sub.as_str()),
        resource = token.resource,
        scope = token.scopes.join(" "),
        rule = issued.rule,
        expires = %token.expires,
        hop = token.hops(),
        token = %token.token_id(&snapshot.issuer),
        exchanged_from = ancestor,
        "token issued"
    );
}

/// Why nothing was issued to `client`.
pub(super) fn not_issued(client: &Client, denial: &Denial) {
    tracing::info!(
        client = client.id.as_str(),
        reason = denial.reason.as_str(),
        check = denial.reason.check().as_str(),
        detail = client.credentials.hidden_in(&denial.to_string()),
        "exchange refused"
    );
}

/// Counts what `caller` is told about a token.
pub(super) fn answered(metrics: &Metrics, snapshot: &Snapshot, caller: &Caller, verdict: &Verdict) {
    let found = || metrics.tally(&caller.client.id, &snapshot.tenants);
    let Verdict { issuer, source, refused, .. } = verdict;
    caller.tally.get_or_init(found).told(*issuer, *source, *refused);
}

/// What became of a request to an API at `gateway`, which asked for a `swap` of its own if it did.
pub(super) fn decided(
    metrics: &Metrics,
    (gateway, entrance, swap): (Gateway, &Entrance, Option<&Swap>),
    decided: &Result<Admitted, Refused>,
    snapshot: &Snapshot,
    took: Duration,
) {
    let (api, caller) = (&*entrance.api, &*entrance.caller);
    let answered = |verdict| answered(metrics, snapshot, caller, verdict);
    let outcome = match decided {
        Ok(_) => "admitted",
        Err(refused) => refused.as_str(),
    };
    metrics.gateways.decided(gateway, (&api.name, outcome), took);
    traces::decided(|| traced::admitted(decided));
    match decided {
        Ok(Admitted { verdict, swapped, .. }) => {
            answered(verdict);
            if let Some(new) = swapped.as_ref().and_then(|swapped| swapped.issued.as_ref()) {
                metrics.exchanged(&new.token.client, Some(&new.token.resource), None);
                issued(snapshot, new);
            }
        }
        // Why a token is not good was told when that was decided.
        Err(Refused::Inactive(verdict, _)) => answered(verdict),
        Err(Refused::NotSwapped(verdict, denial)) => {
            answered(verdict);
            let wanted = swap.or(api.exchange.as_ref()).map(|swap| swap.resource.as_str());
            let resource = wanted.and_then(|name| snapshot.resource(name));
            let resource = resource.map(|resource| resource.id.as_str());
            metrics.exchanged(&caller.client.id, resource, Some(denial.reason));
            not_issued(&caller.client, denial);
        }
        Err(Refused::Unread(error)) => {
            tracing::debug!(api = api.name, gateway = gateway.as_str(), %error, "request refused");
        }
        Err(Refused::Barred(verdict, Barred { expected, found, .. })) => {
            answered(verdict);
            tracing::info!(
                api = api.name,
                gateway = gateway.as_str(),
                reason = outcome,
                expected,
                found,
                "request refused"
            );
        }
        Err(Refused::Unavailable(outage)) => {
            let dependency: &str = outage.dependency.into();
            tracing::warn!(
                api = api.name,
                gateway = gateway.as_str(),
                dependency,
                detail = %outage.detail,
                "the token cannot be checked"
            );
        }
    }
}
