//! Clients that keep their connections for a while: an open loop over all replicas, whatever
//! happens to them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tessera::adapters::clock::SystemClock;
use tessera::ports::Clock;
use tokio::task::LocalSet;
use tokio::time::{Instant as Due, sleep_until, timeout};

use super::asked::{About, Asked};
use super::director::PHASES;
use super::judge::{Truth, Verdict, issued};
use super::kinds::Kind;
use super::life::{Ended, Moment};
use super::pool::{Issued, Pool};
use super::record::{Came, Record};
use super::stage::{At, Stage};
use crate::load::connection::{Answer, Connection};
use crate::load::random::Random;

const CLIENTS: usize = 90;
/// Of everything that is drawn.
const SEED: u64 = 11;
/// A client that waits longer gives up, and the request has failed. Longer than Entra is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// One in so many requests is the last on its connection.
const RECONNECT: usize = 150;
/// How many tokens there are at the beginning.
const AT_FIRST: usize = 200;

struct Load {
    stage: Arc<Stage>,
    clock: SystemClock,
    pool: RefCell<Pool>,
    record: RefCell<Record>,
}

/// One client, and its connection.
struct Client {
    number: usize,
    random: Random,
    open: Option<(At, Connection)>,
}

/// Asks until it is over.
pub(super) fn drive(stage: &Arc<Stage>, rate: f64) -> anyhow::Result<Record> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut pool = Pool::new(SEED);
    for _ in 0..AT_FIRST {
        pool.sign(stage)?;
    }
    LocalSet::new().block_on(&runtime, async {
        let (pool, record) = (RefCell::new(pool), RefCell::new(Record::new(PHASES.len())?));
        let load = Load { stage: Arc::clone(stage), clock: SystemClock::new(), pool, record };
        let load = Rc::new(load);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let load = Rc::clone(&load);
                tokio::task::spawn_local(
                    async move { load.work(number, rate / CLIENTS as f64).await },
                )
            })
            .collect();
        for client in clients {
            client.await??;
        }
        while Rc::strong_count(&load) > 1 {
            sleep_until(Due::now() + PATIENCE / 300).await;
        }
        let load = Rc::try_unwrap(load).map_err(|_| anyhow::anyhow!("still in use"))?;
        Ok(load.record.into_inner())
    })
}

impl Load {
    /// Asks as one of many independent askers (Poisson), so many times a second on average.
    async fn work(self: &Rc<Self>, number: usize, rate: f64) -> anyhow::Result<()> {
        let random = Random::seeded(SEED + 1000 + number as u64);
        let mut client = Client { number, random, open: None };
        let mut due = Instant::now();
        while !self.stage.is_over() {
            due += Duration::from_secs_f64(client.random.gap() / rate);
            sleep_until(Due::from_std(due)).await;
            let kind = Kind::drawn(&mut client.random);
            if kind == Kind::UnknownKey {
                // May wait for Entra, for which nobody else is to wait.
                let load = Rc::clone(self);
                tokio::task::spawn_local(async move {
                    let mut client = Client { number, random: Random::seeded(0), open: None };
                    load.once(kind, &mut client, due).await
                });
            } else {
                self.once(kind, &mut client, due).await?;
            }
        }
        Ok(())
    }

    /// One request, sent once, and what became of it.
    async fn once(&self, kind: Kind, client: &mut Client, due: Instant) -> anyhow::Result<()> {
        let stage = &*self.stage;
        let asked = Asked::next(kind, &mut self.pool.borrow_mut(), stage)?;
        let (phase, oldest) = (stage.phase(), stage.oldest());
        let (sent, sent_unix) = (Instant::now(), self.clock.now().seconds());
        self.ordered(&asked, sent);
        let mut at = stage.at(client.number);
        let came = match self.ask(client, &asked, &mut at).await {
            Ok(answer) => {
                let (heard, heard_unix) = (Instant::now(), self.clock.now().seconds());
                let moment = Moment { at, sent, heard, sent_unix, heard_unix };
                let truth = Truth { stage, moment, configurations: (oldest, stage.newest()) };
                let verdict = truth.judge(&asked, answer);
                self.learn(&asked, &verdict, answer, &moment);
                let operators = matches!(asked.about, About::RevokeSubject(_));
                let closes = answer.closes || operators;
                if closes || client.random.below(RECONNECT) == 0 {
                    client.open = None;
                }
                Came::Answer(verdict)
            }
            Err(error) => {
                client.open = None;
                if stage.broken[at.place].touches(sent, Instant::now()) {
                    Came::Broken
                } else {
                    let place = at.place;
                    Came::Answer(Verdict::Failed(format!("{kind:?} at {place}: {error:#}")))
                }
            }
        };
        let since = due.duration_since(stage.begun);
        self.record.borrow_mut().add((asked.kind, phase), (since, due.elapsed()), &came)
    }

    /// Over the connection that `client` has, or over a new one; says at which replica.
    async fn ask<'c>(
        &self,
        client: &'c mut Client,
        asked: &Asked,
        at: &mut At,
    ) -> anyhow::Result<Answer<'c>> {
        let Client { number, open, .. } = client;
        if matches!(asked.about, About::RevokeSubject(_)) {
            // The operator's own way, which is not a client's.
            *at = self.stage.replica(*number).unwrap_or(*at);
            *open = Some((*at, timeout(PATIENCE, Connection::open(at.admin)).await??));
        } else {
            let keeps = open.as_ref().is_some_and(|(at, connection)| {
                !connection.is_closed() && self.stage.is_ready(at.place)
            });
            if !keeps {
                let found = self.stage.replica(*number);
                *at = found.ok_or_else(|| anyhow::anyhow!("no replica is ready"))?;
                *open = Some((*at, timeout(PATIENCE, Connection::open(at.public)).await??));
                self.record.borrow_mut().connected += 1;
            }
        }
        let Some((here, connection)) = open else { anyhow::bail!("no connection") };
        *at = *here;
        timeout(PATIENCE, connection.answer(&asked.bytes)).await?
    }

    /// From now on a token may be dead.
    fn ordered(&self, asked: &Asked, ordered: Instant) {
        let ended = Ended { ordered, acknowledged: None };
        match &asked.about {
            About::RevokeIssued(one) => one.end(ended),
            About::RevokeSubject(one) => one.end(ended),
            _ => {}
        }
    }

    /// What an answer tells about tokens, for those that ask next.
    fn learn(&self, asked: &Asked, verdict: &Verdict, answer: Answer<'_>, moment: &Moment) {
        if *verdict != Verdict::Right {
            return;
        }
        let acknowledged = Some((moment.heard, moment.at));
        let ended = Ended { ordered: moment.sent, acknowledged };
        match &asked.about {
            About::RevokeIssued(one) => one.end(ended),
            About::RevokeSubject(one) => {
                one.end(ended);
                self.pool.borrow_mut().was_revoked(Rc::clone(one));
                if !answer.body.windows(17).any(|part| part == b"\"everywhere\":true") {
                    self.stage.revoked_here_only();
                }
            }
            About::Exchange { subject, opaque } => {
                if let Some(told) = issued(answer) {
                    // Issued while it was being answered: in between these two.
                    let expires = moment.sent_unix + told.expires_in;
                    let new = Issued::new(&told.token, *opaque, expires, Rc::clone(subject));
                    self.pool.borrow_mut().keep(new);
                }
            }
            _ => {}
        }
    }
}
