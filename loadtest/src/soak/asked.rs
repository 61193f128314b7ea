//! What one request is about, and the bytes of it.

use std::rc::Rc;

use anyhow::Context as _;

use super::kinds::Kind;
use super::pool::{Issued, Pool, Subject};
use super::stage::Stage;
use crate::load::expect::Expect;
use crate::load::population::{exchanges, form, introspection};
use crate::system::mint::SECRET;

/// The one who only ever guesses.
pub(super) const GUESSER: &str = "guesser";
/// What it guesses.
pub(super) const GUESS: &str = "soak-guess-0f3a7b5e9d1c2846";

/// What an answer is held against.
pub(super) enum About {
    Subject(Rc<Subject>),
    Issued(Rc<Issued>),
    Exchange {
        subject: Rc<Subject>,
        opaque: bool,
    },
    RevokeIssued(Rc<Issued>),
    RevokeSubject(Rc<Subject>),
    /// A token that is never active.
    Never,
    /// The same, but Entra may have to be asked for its key.
    UnknownKey,
    Guess,
    Malformed,
}

/// A request.
pub(super) struct Asked {
    pub(super) kind: Kind,
    pub(super) about: About,
    pub(super) bytes: Vec<u8>,
}

fn ask(token: &str) -> Vec<u8> {
    introspection("tyk", SECRET, token)
}

impl Asked {
    /// The next request of a kind; of another if there is nothing yet to ask about.
    pub(super) fn next(kind: Kind, pool: &mut Pool, stage: &Stage) -> anyhow::Result<Self> {
        let found = match kind {
            Kind::Dead => pool.dead().map(|one| Self::introspect(kind, one)),
            Kind::Issued | Kind::Opaque => {
                let issued = pool.issued(kind == Kind::Opaque);
                issued.map(|one| {
                    let bytes = ask(&one.token);
                    Self { kind, bytes, about: About::Issued(one) }
                })
            }
            Kind::ToJwtOfDead => pool.revoked().map(|one| Self::exchange(kind, one)),
            Kind::RevokeIssued => {
                let opaque = pool.random().below(2) == 0;
                let issued = pool.issued(opaque).filter(|one| !one.is_ended());
                issued.map(|one| {
                    let credentials = format!("client_id=tyk&client_secret={SECRET}");
                    let bytes = form("/revoke", &format!("{credentials}&token={}", one.token));
                    Self { kind, bytes, about: About::RevokeIssued(one) }
                })
            }
            Kind::RevokeSubject => {
                let subject = Some(pool.subject(stage)?).filter(|one| !one.is_ended());
                subject.map(|one| {
                    let bytes = form("/revocations", &format!("token={}", one.token));
                    Self { kind, bytes, about: About::RevokeSubject(one) }
                })
            }
            _ => None,
        };
        match found {
            Some(found) => Ok(found),
            None => Self::of_entra(kind, pool, stage),
        }
    }

    /// What needs nothing that was issued or revoked before.
    fn of_entra(kind: Kind, pool: &mut Pool, stage: &Stage) -> anyhow::Result<Self> {
        let never = |token: String| Self { kind, bytes: ask(&token), about: About::Never };
        Ok(match kind {
            Kind::New => Self::introspect(kind, pool.sign(stage)?),
            Kind::ToJwt | Kind::ToOpaque => Self::exchange(kind, pool.subject(stage)?),
            Kind::Tampered => never(pool.tampered(stage)?),
            Kind::WrongAudience => never(pool.sign_for_another(stage)?),
            Kind::UnknownKey => {
                let bytes = ask(&pool.sign_with_unknown_key(stage)?);
                Self { kind, bytes, about: About::UnknownKey }
            }
            Kind::Guess => {
                let token = &pool.subject(stage)?.token;
                Self { kind, bytes: introspection(GUESSER, GUESS, token), about: About::Guess }
            }
            Kind::Malformed => {
                let body = format!("client_id=tyk&client_secret={SECRET}&tokens=none");
                Self { kind, bytes: form("/introspect", &body), about: About::Malformed }
            }
            _ => Self::introspect(Kind::Known, pool.subject(stage)?),
        })
    }

    fn introspect(kind: Kind, subject: Rc<Subject>) -> Self {
        Self { kind, bytes: ask(&subject.token), about: About::Subject(subject) }
    }

    fn exchange(kind: Kind, subject: Rc<Subject>) -> Self {
        let opaque = kind == Kind::ToOpaque;
        let resource = if opaque { "opaque" } else { "orders" };
        let of = std::slice::from_ref(&subject.token);
        let bytes = exchanges(of, resource, Expect::Jwt).pop().map(|one| one.bytes);
        let bytes = bytes.context("no request").unwrap_or_default();
        Self { kind, bytes, about: About::Exchange { subject, opaque } }
    }

    /// Whether only Redis knows what it is about, or has to keep it.
    pub(super) fn needs_redis(&self) -> bool {
        match &self.about {
            About::Issued(one) | About::RevokeIssued(one) => one.opaque,
            About::Exchange { opaque, .. } => *opaque,
            _ => self.kind.needs_redis(),
        }
    }
}
