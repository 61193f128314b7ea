//! Who acts, and how the chain of actors grows (RFC 8693 §4.1).

use super::client::Client;
use super::denial::{Denial, DenialReason};
use super::principal::PrincipalId;
use super::subject_token::SubjectToken;
use crate::protocol::delegation::{Act, MayAct};
use crate::protocol::time::UnixTime;

/// Most actors in one chain (POL).
pub const MAX_DEPTH: usize = 4;

/// Who acts now: always a registered client, proved by an actor token or by its authentication.
#[derive(Clone, Debug)]
pub struct Actor<'a> {
    /// The client.
    pub client: &'a Client,
    /// The principal that its Entra token named, if it was proved by one.
    pub principal: Option<PrincipalId>,
    /// When the actor token ends, if there was one.
    pub expires: Option<UnixTime>,
    /// Whether an actor token was presented.
    pub presented: bool,
}

impl Actor<'_> {
    /// Whether it is the subject itself (A163).
    pub fn is_subject(&self, subject: &SubjectToken) -> bool {
        let same_app = |app| self.client.credentials.entra_app == Some(app);
        self.principal == Some(subject.principal) || subject.own_app.is_some_and(same_app)
    }

    /// Whether it is the party that a token's `may_act` names: every member given must fit (A166).
    pub fn is_named(&self, only: &MayAct, issuer: &str) -> bool {
        let iss = only.iss.as_deref();
        let as_client = only.sub.as_deref().is_none_or(|sub| sub == self.client.id.as_str());
        let as_principal = self.principal.is_some_and(|principal| {
            iss.is_none() && only.sub.as_deref() == Some(&*principal.to_string())
        });
        (as_client && iss.is_none_or(|iss| iss == issuer)) || as_principal
    }

    /// Whether `party` of a chain is this actor.
    fn is(&self, party: &Act, issuer: &str) -> bool {
        let by_app = |principal: PrincipalId| {
            self.client.credentials.entra_app == Some(principal.object)
                || self.principal == Some(principal)
        };
        (party.iss == issuer && party.sub == self.client.id.as_str())
            || party.sub.parse().is_ok_and(by_app)
    }
}

/// The chain of the subject token with `actor` on top; nothing of it is ever lost (TEX-41, P5).
///
/// An agent that Entra itself names as acting for the person is on top already: as the actor it
/// takes that place, under the name it has here.
pub fn extended(subject: &SubjectToken, actor: &Actor<'_>, issuer: &str) -> Result<Act, Denial> {
    let same_agent = subject.acting_app.is_some()
        && subject.act.as_ref().is_some_and(|act| actor.is(act, issuer));
    let before = if same_agent { None } else { subject.act.clone() };
    if before.iter().flat_map(Act::parties).any(|party| actor.is(party, issuer)) {
        return Err(Denial::new(DenialReason::ChainLoop).found(&actor.client.id));
    }
    let act =
        Act { iss: issuer.to_owned(), sub: actor.client.id.to_string(), act: before.map(Box::new) };
    if act.depth() > MAX_DEPTH {
        return Err(Denial::new(DenialReason::ChainTooLong)
            .expected(format_args!("at most {MAX_DEPTH} actors"))
            .found(act.depth()));
    }
    Ok(act)
}
