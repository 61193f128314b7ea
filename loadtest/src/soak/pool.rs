//! Tokens that are asked about, and what became of them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;

use anyhow::Context as _;
use tessera::dev::apps::BILLING;
use tessera::dev::people::HOME_TENANT;

use super::life::{Ended, Expected, Life, Moment};
use super::stage::Stage;
use crate::load::random::Random;
use crate::system::mint::typical;

/// Tokens of Entra that are asked about most.
const POOL: usize = 600;
/// Older ones, which are asked about now and then.
const RETIRED: usize = 3000;
/// Revoked ones, and what was issued here, of each kind.
const KEPT: usize = 400;
/// How long Entra's tokens live, in seconds: some expire while they are asked about, and none
/// outlives the key that signed it, which is published until the rotation after the next.
const LIVES: std::ops::Range<usize> = 40..480;

/// A token of Entra.
pub(super) struct Subject {
    /// Its `uti`, which an answer shows as `jti`.
    pub(super) name: String,
    pub(super) token: String,
    expires: i64,
    ended: Cell<Option<Ended>>,
}

/// A token that was issued here.
pub(super) struct Issued {
    pub(super) token: String,
    pub(super) opaque: bool,
    pub(super) expires: i64,
    ended: Cell<Option<Ended>>,
    /// What it was exchanged for.
    pub(super) subject: Rc<Subject>,
}

impl Subject {
    pub(super) fn life(&self) -> Life {
        Life { expires: self.expires, ended: self.ended.get() }
    }

    pub(super) fn end(&self, ended: Ended) {
        self.ended.set(Some(ended));
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended.get().is_some()
    }
}

impl Issued {
    pub(super) fn new(token: &str, opaque: bool, expires: i64, subject: Rc<Subject>) -> Rc<Self> {
        let (token, ended) = (token.to_owned(), Cell::new(None));
        Rc::new(Self { token, opaque, expires, ended, subject })
    }

    /// It is good only while what it came from is.
    pub(super) fn expected(&self, moment: &Moment, stage: &Stage) -> Expected {
        let own = Life { expires: self.expires, ended: self.ended.get() };
        // That its subject expires ends nothing: it never lives longer by itself.
        let subject = Life { expires: i64::MAX, ..self.subject.life() };
        let away = &stage.redis_away;
        own.expected(moment, away).and(subject.expected(moment, away))
    }

    pub(super) fn end(&self, ended: Ended) {
        self.ended.set(Some(ended));
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended.get().is_some() || self.subject.is_ended()
    }
}

/// All of them.
pub(super) struct Pool {
    random: Random,
    signed: u64,
    subjects: VecDeque<Rc<Subject>>,
    retired: VecDeque<Rc<Subject>>,
    revoked: VecDeque<Rc<Subject>>,
    jwts: VecDeque<Rc<Issued>>,
    opaque: VecDeque<Rc<Issued>>,
}

/// Adds one, and gives back what had to leave for it.
fn push<T>(to: &mut VecDeque<Rc<T>>, one: Rc<T>, most: usize) -> Option<Rc<T>> {
    to.push_back(one);
    if to.len() > most { to.pop_front() } else { None }
}

impl Pool {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            random: Random::seeded(seed),
            signed: 0,
            subjects: VecDeque::new(),
            retired: VecDeque::new(),
            revoked: VecDeque::new(),
            jwts: VecDeque::new(),
            opaque: VecDeque::new(),
        }
    }

    pub(super) fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    fn name(&mut self) -> String {
        self.signed += 1;
        format!("soak-{:013}", self.signed)
    }

    /// A new token of Entra, which is asked about from now on.
    pub(super) fn sign(&mut self, stage: &Stage) -> anyhow::Result<Rc<Subject>> {
        let issuer = stage.entra.issuer(HOME_TENANT);
        let lives = LIVES.start + self.random.below(LIVES.end - LIVES.start);
        let expires = issuer.now.seconds() + i64::try_from(lives)?;
        let name = self.name();
        let token = typical(&issuer).claim("uti", name.clone()).claim("exp", expires);
        let token = token.sign(&stage.signing_key())?;
        let subject = Rc::new(Subject { name, token, expires, ended: Cell::new(None) });
        if let Some(old) = push(&mut self.subjects, Rc::clone(&subject), POOL) {
            push(&mut self.retired, old, RETIRED);
        }
        Ok(subject)
    }

    /// A token that is for another API, and one of a key that nobody knows.
    pub(super) fn sign_for_another(&mut self, stage: &Stage) -> anyhow::Result<String> {
        let token = typical(&stage.entra.issuer(HOME_TENANT)).claim("uti", self.name());
        Ok(token.claim("aud", BILLING.client_id).sign(&stage.signing_key())?)
    }

    pub(super) fn sign_with_unknown_key(&mut self, stage: &Stage) -> anyhow::Result<String> {
        let (name, random) = (self.name(), self.random.next());
        let token = typical(&stage.entra.issuer(HOME_TENANT)).claim("uti", name);
        Ok(token.header("kid", format!("unknown-{random:016x}")).sign(&stage.signing_key())?)
    }

    /// One of them with the signature of another.
    pub(super) fn tampered(&mut self, stage: &Stage) -> anyhow::Result<String> {
        let (one, other) = (self.sign(stage)?, self.subject(stage)?);
        let (content, _) = one.token.rsplit_once('.').context("no signature")?;
        let (_, signature) = other.token.rsplit_once('.').context("no signature")?;
        let signature = if one.name == other.name { "AAAA" } else { signature };
        Ok(format!("{content}.{signature}"))
    }

    pub(super) fn subject(&mut self, stage: &Stage) -> anyhow::Result<Rc<Subject>> {
        match drawn(&mut self.random, &self.subjects) {
            Some(one) => Ok(one),
            None => self.sign(stage),
        }
    }

    /// One that was revoked, or is old.
    pub(super) fn dead(&mut self) -> Option<Rc<Subject>> {
        let of = if self.random.below(2) == 0 { &self.revoked } else { &self.retired };
        drawn(&mut self.random, of)
    }

    pub(super) fn revoked(&mut self) -> Option<Rc<Subject>> {
        drawn(&mut self.random, &self.revoked)
    }

    pub(super) fn issued(&mut self, opaque: bool) -> Option<Rc<Issued>> {
        drawn(&mut self.random, if opaque { &self.opaque } else { &self.jwts })
    }

    /// Asked about from now on.
    pub(super) fn keep(&mut self, issued: Rc<Issued>) {
        let of = if issued.opaque { &mut self.opaque } else { &mut self.jwts };
        push(of, issued, KEPT);
    }

    pub(super) fn was_revoked(&mut self, subject: Rc<Subject>) {
        push(&mut self.revoked, subject, KEPT);
    }
}

fn drawn<T>(random: &mut Random, of: &VecDeque<Rc<T>>) -> Option<Rc<T>> {
    of.get(random.below(of.len())).map(Rc::clone)
}
