//! One token, step by step: what passed, what misfired, and what the gateway would get.

use serde::Serialize;
use strum::VariantArray as _;

use super::introspect::known_groups;
use super::snapshot::{Caller, Snapshot};
use super::tokens::{Token, Tokens};
use super::verify::{Audiences, Refusal};
use crate::domain::admission::{Visitor, admit};
use crate::domain::api::Api;
use crate::domain::identity::{Context, facts, permitted};
use crate::domain::mapping::Miss;
use crate::domain::rejection::{Rejection, Step};
use crate::ports::{Clock, GroupDirectory, Unavailable};

/// The whole story of one token.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Whether the client is told `active`.
    pub active: bool,
    /// The client that is imagined to ask.
    pub client: String,
    /// What misfired, if something did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Misfire>,
    /// Every step of the decision.
    pub steps: Vec<StepTaken>,
    /// Every mapping rule; empty when the token was refused.
    pub rules: Vec<RuleTried>,
    /// Every API that the client is the gateway of; empty when the token was refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub apis: Vec<ApiTried>,
    /// What the client is told.
    pub answer: serde_json::Value,
}

/// One step.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StepTaken {
    /// Its name.
    pub step: &'static str,
    /// What holds when it passes.
    pub meaning: &'static str,
    /// `passed`, `failed` or `not_reached`.
    pub outcome: &'static str,
}

/// What misfired.
#[derive(Debug, Serialize)]
pub struct Misfire {
    /// The stable reason code.
    pub reason: &'static str,
    /// The step.
    pub step: &'static str,
    /// The claim or header member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<&'static str>,
    /// What would have been accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// What to do about it.
    pub remedy: &'static str,
}

/// How one mapping rule fared.
#[derive(Debug, Serialize)]
pub struct RuleTried {
    /// Its name.
    pub name: String,
    /// Whether it matched.
    pub matched: bool,
    /// The conditions that did not hold, with what would have matched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<Miss>,
}

/// How the token would fare at one API.
#[derive(Debug, Serialize)]
pub struct ApiTried {
    /// Its name.
    pub api: String,
    /// Whether a request may go on to it.
    pub admitted: bool,
    /// What bars the way: `audience`, `scope` or `policy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub barred_by: Option<&'static str>,
    /// What would have been good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was found, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The resource for which the token would be swapped; a rehearsed exchange tells how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swapped_for: Option<String>,
}

/// Explains `token` as `caller` would see it. Unavailable when the keys cannot be had.
pub async fn explain(
    tokens: &Tokens,
    directory: &dyn GroupDirectory,
    clock: &dyn Clock,
    (snapshot, caller): (&Snapshot, &Caller),
    token: &str,
) -> Result<Explanation, Unavailable> {
    let vetted = match tokens.verify(snapshot, token, Audiences::ProtectedApis).await {
        Ok(vetted) => vetted,
        Err(Refusal::Unavailable(unavailable)) => return Err(unavailable),
        Err(Refusal::Rejected(rejection)) => return Ok(refused(caller, &rejection)),
    };
    let audience = vetted.token.audience();
    let permission = match permitted(audience, caller.client.introspect.as_ref()) {
        Ok(permission) => permission,
        Err(rejection) => return Ok(refused(caller, &rejection)),
    };
    let valid = match &vetted.token {
        Token::Entra(valid) => valid,
        Token::Issued { token, .. } => {
            let principal = token.principal.to_string();
            let answer = token.answer(&snapshot.issuer, &principal, audience);
            return Ok(active((snapshot, caller), serde_json::json!(answer), Vec::new()));
        }
    };
    let known = known_groups(directory, valid, clock.now()).await;
    let context = Context::new(valid, permission, known.groups(valid), &snapshot.mapping);
    let answer = context.answer().map(|answer| serde_json::json!(answer));
    let facts = facts(valid, known.groups(valid));
    let tried = snapshot.mapping.rules().iter().map(|rule| {
        let missed = rule.when.misses(&facts);
        RuleTried { name: rule.name.clone(), matched: missed.is_empty(), missed }
    });
    Ok(match answer {
        Err(rejection) => refused(caller, &rejection),
        Ok(answer) => active((snapshot, caller), answer, tried.collect()),
    })
}

fn active(
    (snapshot, caller): (&Snapshot, &Caller),
    answer: serde_json::Value,
    rules: Vec<RuleTried>,
) -> Explanation {
    let visitor = serde_json::from_value(answer.clone()).ok();
    let apis = snapshot.apis_of(&caller.client.id);
    let apis = visitor.map(|visitor| apis.into_iter().map(|api| tried(&visitor, api)).collect());
    Explanation {
        active: true,
        client: caller.client.id.to_string(),
        steps: steps(None),
        refused: None,
        rules,
        apis: apis.unwrap_or_default(),
        answer,
    }
}

/// Whether `visitor` may go on to `api`.
fn tried(visitor: &Visitor, api: &Api) -> ApiTried {
    let barred = admit(visitor, api).err();
    ApiTried {
        api: api.name.clone(),
        admitted: barred.is_none(),
        barred_by: barred.as_ref().map(|barred| barred.bar.as_str()),
        swapped_for: api.exchange.as_ref().map(|swap| swap.resource.clone()),
        expected: barred.as_ref().map(|barred| barred.expected.clone()),
        found: barred.map(|barred| barred.found),
    }
}

fn refused(caller: &Caller, rejection: &Rejection) -> Explanation {
    Explanation {
        active: false,
        client: caller.client.id.to_string(),
        steps: steps(Some(rejection.step())),
        refused: Some(Misfire {
            reason: rejection.reason.as_str(),
            step: rejection.step().as_str(),
            claim: rejection.claim,
            expected: rejection.expected.clone(),
            found: rejection.found.clone(),
            remedy: rejection.reason.remedy(),
        }),
        rules: Vec::new(),
        apis: Vec::new(),
        answer: serde_json::json!({ "active": false }),
    }
}

fn steps(failed: Option<Step>) -> Vec<StepTaken> {
    let outcome = |step: Step| match failed {
        Some(failed) if step == failed => "failed",
        Some(failed) if step > failed => "not_reached",
        Some(_) | None => "passed",
    };
    let taken = |step: &Step| StepTaken {
        step: step.as_str(),
        meaning: step.meaning(),
        outcome: outcome(*step),
    };
    Step::VARIANTS.iter().map(taken).collect()
}
