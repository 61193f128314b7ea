//! What the operator is told about exchanges and about requests at a gateway.

use std::time::Duration;

use super::traced;
use crate::domain::admission::Barred;
use crate::domain::api::Api;
use crate::domain::denial::Denial;
use crate::domain::rejection::Reason;
use crate::service::exchange::Issued;
use crate::service::gate::{Admitted, Refused};
use crate::service::introspect::Verdict;
use crate::service::snapshot::Snapshot;
use crate::telemetry::gateway_metrics::Gateway;
use crate::telemetry::metrics::{Answered, Metrics};
use crate::telemetry::traces;

/// One line for each token issued: who asked, for whom, on whose behalf, for what, by which rule.
pub(super) fn issued(snapshot: &Snapshot, issued: &Issued) {
    let token = &issued.token;
    let lineage = token.lineage(&snapshot.issuer);
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
        token = lineage.hops.last().map(|hop| hop.id.to_string()),
        exchanged_from = ancestor,
        "token issued"
    );
}

/// Why nothing was issued to `client`.
pub(super) fn not_issued(client: &str, denial: &Denial) {
    tracing::info!(
        client,
        reason = denial.reason.as_str(),
        check = denial.reason.check().as_str(),
        detail = %denial,
        "exchange refused"
    );
}

/// How a decision about a token is counted.
pub(super) const fn answered(verdict: &Verdict) -> Answered {
    match verdict.refused {
        Some(reason) => refused(verdict, reason),
        None if verdict.cached => Answered::ActiveCached,
        None => Answered::ActiveDecided,
    }
}

const fn refused(verdict: &Verdict, reason: Reason) -> Answered {
    Answered::Inactive { reason, cached: verdict.cached }
}

/// What became of a request to `api` at `gateway`.
pub(super) fn decided(
    metrics: &Metrics,
    (gateway, api): (Gateway, &Api),
    decided: &Result<Admitted, Refused>,
    snapshot: &Snapshot,
    took: Duration,
) {
    let outcome = match decided {
        Ok(_) => "admitted",
        Err(refused) => refused.as_str(),
    };
    metrics.gateways.decided(gateway, (&api.name, outcome), took);
    traces::decided(|| traced::admitted(decided));
    match decided {
        Ok(Admitted { verdict, swapped, .. }) => {
            metrics.answered(answered(verdict));
            if let Some(new) = swapped.as_ref().and_then(|swapped| swapped.issued.as_ref()) {
                metrics.exchanged(None);
                issued(snapshot, new);
            }
        }
        // Why a token is not good was told when that was decided.
        Err(Refused::Inactive(verdict, reason)) => metrics.answered(refused(verdict, *reason)),
        Err(Refused::NotSwapped(verdict, denial)) => {
            metrics.answered(answered(verdict));
            metrics.exchanged(Some(denial.reason));
            not_issued(api.client.as_str(), denial);
        }
        Err(Refused::Unread(error)) => {
            tracing::debug!(api = api.name, gateway = gateway.as_str(), %error, "request refused");
        }
        Err(Refused::Barred(verdict, Barred { expected, found, .. })) => {
            metrics.answered(answered(verdict));
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
