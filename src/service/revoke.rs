//! Revocation: by the client that got a token (RFC 7009), and by an operator.

use std::sync::Arc;

use super::snapshot::{Caller, Snapshot};
use super::tokens::{Own, Token, Tokens};
use super::verify::{Audiences, Refusal};
use crate::domain::audit::record::{Event, Origin, Record};
use crate::domain::principal::PrincipalId;
use crate::domain::rejection::{Reason, Rejection};
use crate::domain::revocation::Mark;
use crate::ports::{AuditTrail, Clock, Dependency, Reach, Unavailable};
use crate::protocol::ids::{ClientId, Fingerprint};
use crate::protocol::time::UnixTime;

/// The revocation service.
#[derive(Debug)]
pub struct Revoker {
    tokens: Arc<Tokens>,
    own: Own,
    clock: Arc<dyn Clock>,
    audit: Arc<dyn AuditTrail>,
}

/// Why a client's token is not revoked.
#[derive(Debug, thiserror::Error)]
pub enum NotRevoked {
    /// It was issued to another client (REV-03).
    #[error("the token was issued to another client")]
    OfAnother,
    /// It was not issued here (REV-05).
    #[error("only tokens that were issued here can be revoked by a client")]
    NotOurs,
    /// It may still be good (REV-07).
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

/// What an operator revokes.
#[derive(Clone, Debug)]
pub enum Target<'a> {
    /// Everything from sign-ins of a principal.
    Principal(PrincipalId),
    /// Everything that a client got or took part in.
    Client(&'a ClientId),
    /// A token, and everything that was exchanged from it.
    Token(&'a str),
    /// The whole tree that a token stands in, from the sign-in on.
    Tree(&'a str),
}

/// What an operator is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is revoked, up to this moment of issue; remembered until the other.
    Revoked(Mark, Reach),
    /// The token has ended already, and all that came from it.
    EndedAlready,
}

/// Why an operator's order is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The token is none that could be good.
    #[error("{0}")]
    Rejected(#[from] Rejection),
    /// It cannot be done now.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected(rejection) => Self::Rejected(rejection),
            Refusal::Unavailable(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

impl Revoker {
    /// A revoker of these parts.
    pub fn new(
        tokens: Arc<Tokens>,
        own: Own,
        (clock, audit): (Arc<dyn Clock>, Arc<dyn AuditTrail>),
    ) -> Self {
        Self { tokens, own, clock, audit }
    }

    /// How many revocations hold and would not outlive a restart, though they should.
    pub fn unwritten(&self) -> usize {
        self.own.revocations.unwritten()
    }

    /// Whether it can be told that nothing is left to do about a token that is refused for `reason`:
    /// one that is revoked must stay so.
    fn lasts(&self, reason: Reason) -> Result<(), Unavailable> {
        if reason != Reason::Revoked || self.unwritten() == 0 {
            return Ok(());
        }
        let detail = "what was revoked cannot be written down yet".to_owned();
        Err(Unavailable { dependency: Dependency::Store, detail })
    }

    /// Revokes `text` for the client it was issued to. A token that is not good is no error: there
    /// is nothing left to do (REV-04). The record comes first, so that nothing is revoked without
    /// one, whoever hangs up; what cannot be recorded is revoked all the same.
    pub async fn by_client(
        &self,
        snapshot: &Snapshot,
        caller: &Caller,
        text: &str,
        origin: Origin<'_>,
    ) -> Result<(), NotRevoked> {
        let record = |event| {
            let record = Record::new(event).from(origin);
            let record = record.about(Fingerprint::of(text.as_bytes()));
            record.client(caller.client.id.as_str())
        };
        let vetted = match self.tokens.verify(snapshot, text, Audiences::Exchangeable).await {
            Ok(vetted) => vetted,
            Err(Refusal::Rejected(rejection)) => return Ok(self.lasts(rejection.reason)?),
            Err(Refusal::Unavailable(unavailable)) => return Err(unavailable.into()),
        };
        let refused = |reason| record(Event::RevocationRefused).refused(reason);
        let Token::Issued { token, .. } = &vetted.token else {
            self.audit.accept(refused("not_issued_here")).await?;
            return Err(NotRevoked::NotOurs);
        };
        if token.client != caller.client.id {
            self.audit.accept(refused("issued_to_another_client")).await?;
            return Err(NotRevoked::OfAnother);
        }
        let own = vetted.lineage.hops.last();
        let mut revoked = record(Event::Revoked).detail("token");
        revoked.token = own.map(|own| own.id.to_string());
        revoked.principal = Some(token.principal.to_string());
        revoked.resource = vec![token.resource.clone()];
        let recorded = self.audit.accept(revoked).await;
        if let Some(own) = own {
            self.own.revocations.revoke(Mark::token(own.id, token.expires)).await?;
        }
        tracing::info!(client = %caller.client.id, jti = token.id, "token revoked");
        Ok(recorded?)
    }

    /// Revokes what an operator names, up to `up_to`; recorded as [`Self::by_client`] does.
    pub async fn by_operator(
        &self,
        snapshot: &Snapshot,
        target: Target<'_>,
        up_to: UnixTime,
        origin: Origin<'_>,
    ) -> Result<Outcome, Failed> {
        let record = |event| target.named_in(Record::new(event).from(origin));
        let mark = match target {
            Target::Principal(principal) => Mark::principal(principal, up_to),
            Target::Client(client) => Mark::client(client, up_to),
            Target::Token(text) | Target::Tree(text) => {
                let whole = matches!(target, Target::Tree(_));
                match self.of_token(snapshot, text, whole).await {
                    Ok(Some(mark)) => mark,
                    Ok(None) => {
                        self.lasts(Reason::Revoked)?;
                        return Ok(Outcome::EndedAlready);
                    }
                    Err(Failed::Rejected(rejection)) => {
                        let refused = record(Event::RevocationRefused);
                        self.audit.accept(refused.inactive(rejection.reason)).await?;
                        return Err(rejection.into());
                    }
                    Err(unavailable) => return Err(unavailable),
                }
            }
        };
        let mut revoked = record(Event::Revoked);
        revoked.issued_up_to = (mark.up_to != UnixTime::MAX).then(|| mark.up_to.seconds());
        let recorded = self.audit.accept(revoked).await;
        let reach = self.own.revocations.revoke(mark).await?;
        tracing::warn!(kind = target.kind(), up_to = %mark.up_to, "revoked by an operator");
        recorded?;
        Ok(Outcome::Revoked(mark, reach))
    }

    /// The mark that ends a good token, or its whole tree.
    async fn of_token(
        &self,
        snapshot: &Snapshot,
        text: &str,
        whole: bool,
    ) -> Result<Option<Mark>, Failed> {
        let vetted = match self.tokens.verify(snapshot, text, Audiences::Exchangeable).await {
            Ok(vetted) => vetted,
            Err(Refusal::Rejected(rejection))
                if !whole && matches!(rejection.reason, Reason::Expired | Reason::Revoked) =>
            {
                return Ok(None);
            }
            Err(refusal) => return Err(refusal.into()),
        };
        let expires = match &vetted.token {
            Token::Entra(token) => token.expires,
            Token::Issued { token, .. } => token.expires,
        };
        let hops = &vetted.lineage.hops;
        let hop = if whole { hops.first() } else { hops.last() };
        // The sign-in may live longer than this token, and others came from it.
        let expires =
            if whole { self.clock.now().plus(crate::domain::validate::HORIZON) } else { expires };
        Ok(hop.map(|hop| Mark::token(hop.id, expires)))
    }
}

impl Target<'_> {
    /// The record, with what is named.
    fn named_in(&self, record: Record) -> Record {
        let mut record = record.detail(self.kind());
        match self {
            Self::Principal(principal) => record.revoked_principal = Some(principal.to_string()),
            Self::Client(client) => record.revoked_client = Some(client.to_string()),
            Self::Token(text) | Self::Tree(text) => {
                record = record.about(Fingerprint::of(text.as_bytes()));
            }
        }
        record
    }

    /// What is named, in a word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Principal(_) => "principal",
            Self::Client(_) => "client",
            Self::Token(_) => "token",
            Self::Tree(_) => "tree",
        }
    }
}
