//! One exchange, check by check: what would be issued, or what refuses it and what would satisfy it.

use std::sync::Arc;

use serde::Serialize;
use strum::VariantArray as _;

use super::exchange::{Exchanger, Refused};
use super::explain::StepTaken;
use super::snapshot::{Caller, Snapshot};
use crate::domain::denial::{Check, Denial, RuleMissed};
use crate::ports::Unavailable;
use crate::protocol::exchange::Request;

/// The whole story of one exchange.
#[derive(Debug, Serialize)]
pub struct Rehearsal {
    /// Whether a token would be issued.
    pub issued: bool,
    /// The client that is imagined to ask.
    pub client: String,
    /// The rule that decides, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What refuses it, if something does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    /// Every check.
    pub checks: Vec<StepTaken>,
    /// What the token would say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<serde_json::Value>,
}

/// What refuses an exchange.
#[derive(Debug, Serialize)]
pub struct Refusal {
    /// The stable reason code.
    pub reason: &'static str,
    /// The check that fails.
    pub check: &'static str,
    /// What the caller would be told.
    pub error: &'static str,
    /// What would have been accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Why the subject token itself is not good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The rules that were tried, with what each misses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleMissed>,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Plays `request` through as `caller` would send it; issues nothing.
pub async fn rehearse(
    exchanger: &Exchanger,
    snapshot: &Snapshot,
    caller: &Arc<Caller>,
    request: &Request<'_>,
) -> Result<Rehearsal, Unavailable> {
    let client = caller.client.id.to_string();
    match exchanger.rehearse(snapshot, caller, request).await {
        Err(Refused::Unavailable(outage)) => Err(outage),
        Err(Refused::Denied(denial)) => Ok(Rehearsal {
            issued: false,
            client,
            rule: None,
            checks: checks(Some(denial.reason.check())),
            refused: Some(refusal(*denial)),
            token: None,
        }),
        Ok((rule, token)) => Ok(Rehearsal {
            issued: true,
            client,
            rule: Some(rule),
            checks: checks(None),
            refused: None,
            token: token
                .to_claims(&snapshot.issuer)
                .ok()
                .and_then(|claims| serde_json::from_slice(&claims).ok()),
        }),
    }
}

fn refusal(denial: Denial) -> Refusal {
    let Denial { reason, expected, found, cause, rules } = denial;
    Refusal {
        reason: reason.as_str(),
        check: reason.check().as_str(),
        error: reason.code().into(),
        expected,
        found,
        cause: cause.map(|cause| cause.to_string()),
        rules,
        remedy: reason.remedy(),
    }
}

fn checks(failed: Option<Check>) -> Vec<StepTaken> {
    let outcome = |check: Check| match failed {
        Some(failed) if check == failed => "failed",
        Some(failed) if check > failed => "not_reached",
        Some(_) | None => "passed",
    };
    let taken = |check: &Check| StepTaken {
        step: check.as_str(),
        meaning: check.meaning(),
        outcome: outcome(*check),
    };
    Check::VARIANTS.iter().map(taken).collect()
}
