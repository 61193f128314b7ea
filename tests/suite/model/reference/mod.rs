//! What is right, said slowly: the rules of standards §6, §12, §3 and of docs/exchange.md, read anew
//! from those pages. Nothing here is remembered between two questions, and nothing of the product is
//! used.

mod claims;
mod entra;
mod exchange;
mod minted;

use serde_json::{Value, json};

use super::setup::{Client, Setup};
pub(super) use entra::{Use, read};
pub(super) use exchange::{Ask, Declared, ask};
pub(super) use minted::Minted;

use super::tokens::Signed;
use crate::support::ISSUER;

/// Everything that an answer depends on beside the question.
pub(super) struct Site<'s> {
    pub(super) setup: &'s Setup,
    pub(super) authority: &'s str,
    pub(super) now: i64,
    /// The names of the keys that Entra publishes.
    pub(super) trusted: &'s [String],
    pub(super) marks: &'s [Mark],
}

/// Why a token is not good, as far as anybody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum No {
    /// It was, once.
    Ended,
    /// It never was.
    Bad,
}

/// What was revoked, up to which moment of issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) what: Revoked,
    pub(super) up_to: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Revoked {
    Principal(String),
    Client(String),
    Token(String),
}

/// One token of an ancestry, and the clients that had a part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) id: String,
    pub(super) issued: i64,
    pub(super) by: Vec<String>,
}

/// Who acts, newest first: who named them, and their names.
pub(super) type Chain = Vec<(String, String)>;

/// Any token that can be asked about.
#[derive(Clone, Debug)]
pub(super) enum Held {
    Entra(Signed),
    Own { text: String, says: Box<Minted> },
}

impl Held {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Entra(signed) => &signed.text,
            Self::Own { text, .. } => text,
        }
    }
}

impl Site<'_> {
    /// What `client` is told about a token; nothing: that it is not active.
    pub(super) fn told(&self, client: &Client, token: &Held) -> Option<Value> {
        let (audiences, release) = client.introspect.as_ref()?;
        let addressed = |to: &[String]| to.iter().any(|one| audiences.contains(&one.as_str()));
        match token {
            Held::Entra(signed) => {
                let seen = read(signed, self, Use::Api).ok()?;
                if addressed(&seen.audience) { seen.told(self, release) } else { None }
            }
            Held::Own { says, .. } => {
                says.check(self).ok()?;
                addressed(std::slice::from_ref(&says.resource)).then(|| says.told())
            }
        }
    }

    /// Whether something that comes from `hops` and speaks for `principals` is revoked.
    fn is_revoked(&self, principals: &[String], hops: &[Hop]) -> bool {
        self.marks.iter().any(|Mark { what, up_to }| match what {
            // What counts is when they signed in.
            Revoked::Principal(name) => principals.contains(name) && hops[0].issued <= *up_to,
            Revoked::Client(name) => {
                hops.iter().any(|hop| hop.by.contains(name) && hop.issued <= *up_to)
            }
            Revoked::Token(id) => hops.iter().any(|hop| hop.id == *id),
        })
    }

    /// What ends with `token`, or, when `whole`, with the sign-in that it came from.
    pub(super) fn mark_of(&self, token: &Held, whole: bool) -> Result<Mark, No> {
        let hops = match token {
            Held::Entra(signed) => vec![read(signed, self, Use::Exchange)?.hop(self)],
            Held::Own { says, .. } => {
                says.check(self)?;
                says.lineage()
            }
        };
        let hop = if whole { hops.first() } else { hops.last() };
        Ok(Mark { what: Revoked::Token(hop.unwrap().id.clone()), up_to: i64::MAX })
    }
}

/// `act` as claims spell it: each party holds the one before it.
fn act(chain: &Chain) -> Option<Value> {
    chain.iter().rev().fold(None, |inner, (iss, sub)| {
        let mut party = json!({ "iss": iss, "sub": sub });
        if let Some(inner) = inner {
            party["act"] = inner;
        }
        Some(party)
    })
}

/// Adds to an object what there is.
fn with(mut object: Value, members: &[(&str, Option<Value>)]) -> Value {
    for (name, value) in members {
        if let Some(value) = value {
            object[*name] = value.clone();
        }
    }
    object
}

/// Everything in both lists, each entry once.
fn joined(one: &[String], more: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all = one.to_vec();
    for entry in more {
        if !all.contains(&entry) {
            all.push(entry);
        }
    }
    all
}

/// Whether `name` is `<oid>.<tid>`; then the object.
fn object_of(name: &str) -> Option<&str> {
    let (object, tenant) = name.split_once('.')?;
    (claims::is_guid(object) && claims::is_guid(tenant)).then_some(object)
}

/// Who acts, in one string, and the chain.
fn acting(chain: &Chain) -> [(&'static str, Option<Value>); 2] {
    [("act", act(chain)), ("act_sub", chain.first().map(|(_, sub)| json!(sub)))]
}

/// Whether a party of a chain is one of our clients.
fn is_client(iss: &str) -> bool {
    iss == ISSUER
}
