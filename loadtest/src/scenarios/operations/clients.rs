//! Clients that keep their connections: an open loop over both replicas, whatever happens to them.

use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{LocalSet, yield_now};
use tokio::time::timeout;

use super::director::Stage;
use super::mix::{Kind, Tokens, Truth, Verdict, drawn};
use super::record::Record;
use super::{CLIENTS, LONGEST, PER_SECOND, SEED};
use crate::load::connection::{Answer, Connection};
use crate::load::population::introspection;
use crate::load::schedule::{Due, Schedule};
use crate::system::mint::SECRET;

/// How many of the tokens that were issued last are asked about.
const LAST: usize = 64;
/// A client that waits longer gives up, and the request has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// What all clients share.
struct Load {
    stage: Arc<Stage>,
    tokens: Tokens,
    schedule: Schedule,
    /// When the director said that it is over.
    ended: OnceCell<Instant>,
    /// Requests about what was issued last.
    jwts: RefCell<VecDeque<Rc<[u8]>>>,
    opaque: RefCell<VecDeque<Rc<[u8]>>>,
    record: RefCell<Record>,
}

/// One client: the replica it prefers, and its connection to one of them.
struct Client {
    number: usize,
    open: Option<(u16, Connection)>,
}

/// Asks until the director says that it is over.
pub(super) fn drive(tokens: Tokens, stage: Arc<Stage>) -> anyhow::Result<Record> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let load = Rc::new(Load {
            stage,
            tokens,
            schedule: Schedule::from_now(PER_SECOND, LONGEST, SEED),
            ended: OnceCell::new(),
            jwts: RefCell::default(),
            opaque: RefCell::default(),
            record: RefCell::new(Record::new()?),
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let load = Rc::clone(&load);
                tokio::task::spawn_local(async move { load.work(number).await })
            })
            .collect();
        for client in clients {
            client.await??;
        }
        let load = Rc::try_unwrap(load).map_err(|_| anyhow::anyhow!("still in use"))?;
        Ok(load.record.into_inner())
    })
}

impl Load {
    async fn work(&self, number: usize) -> anyhow::Result<()> {
        let mut client = Client { number, open: None };
        loop {
            let (number, due) = match self.schedule.take(Instant::now()) {
                Due::Now(number, due) => (u64::from(number), due),
                Due::Later if !self.stage.is_over() => {
                    // The generator never sleeps: see `closed::stay_awake`.
                    yield_now().await;
                    continue;
                }
                Due::Later | Due::Over => return Ok(()),
            };
            // What was due before is asked, however late it is; nothing else is.
            if self.stage.is_over() && due > *self.ended.get_or_init(Instant::now) {
                return Ok(());
            }
            let kind = self.kind(number);
            let (kind, request) = self.request(kind, number)?;
            // What may be true from now on; more may be when the answer has come.
            let before = self.stage.truth();
            let phase = self.stage.phase();
            let verdict = match self.ask(&mut client, &request).await {
                Ok(answer) => {
                    let verdict = kind.judge(answer, before.or(self.stage.truth()));
                    self.learn(kind, answer, &verdict);
                    if answer.closes {
                        // Nothing more is sent on it (RFC 9112 §9.6).
                        client.open = None;
                        self.record.borrow_mut().told_to_close += 1;
                    }
                    verdict
                }
                Err(error) => {
                    client.open = None;
                    Verdict::Failed(format!("{kind:?}: {error:#}"))
                }
            };
            let since = due.duration_since(self.schedule.begun());
            self.record.borrow_mut().add((phase, kind.class()), (since, due.elapsed()), verdict)?;
        }
    }

    /// What is asked next; about tokens of Entra's new key as soon as it signs.
    fn kind(&self, number: u64) -> Kind {
        match Kind::of(number) {
            Kind::NewKey if !self.stage.new_key_signs() => Kind::Known,
            kind => kind,
        }
    }

    /// What was never issued cannot be asked about: it is asked for.
    fn request(&self, kind: Kind, number: u64) -> anyhow::Result<(Kind, Rc<[u8]>)> {
        let (issued, instead) = match kind {
            Kind::Issued => (&self.jwts, Kind::ToJwt),
            Kind::Opaque => (&self.opaque, Kind::ToOpaque),
            _ => (&self.jwts, kind),
        };
        let kind = match self.tokens.request(kind, number)? {
            Some(request) => return Ok((kind, request.into())),
            None => kind,
        };
        let issued = issued.borrow();
        match issued.get(drawn(!number, issued.len())) {
            Some(request) => Ok((kind, Rc::clone(request))),
            None => {
                let request = self.tokens.request(instead, number)?;
                Ok((instead, request.unwrap_or_default().into()))
            }
        }
    }

    /// Over the connection that `client` has, or over a new one.
    async fn ask<'c>(&self, client: &'c mut Client, request: &[u8]) -> anyhow::Result<Answer<'c>> {
        let wanted = self.stage.replica(client.number);
        let keeps = client.open.as_ref().is_some_and(|(port, connection)| {
            // One that was closed while it was idle is not used, and one at the other replica is
            // left as soon as its own is back.
            !connection.is_closed() && self.stage.goes_on(client.number, *port)
        });
        if !keeps {
            let port = wanted.ok_or_else(|| anyhow::anyhow!("no replica is ready"))?;
            let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            client.open = Some((port, timeout(PATIENCE, Connection::open(to)).await??));
            self.record.borrow_mut().connected += 1;
        }
        let Client { open, .. } = client;
        let Some((_, connection)) = open else { anyhow::bail!("no connection") };
        let answer = timeout(PATIENCE, connection.answer(request)).await??;
        Ok(answer)
    }

    /// Tokens that were issued are asked about from now on, by every client, at both replicas.
    fn learn(&self, kind: Kind, answer: Answer<'_>, verdict: &Verdict) {
        let issued = match kind {
            Kind::ToJwt => &self.jwts,
            Kind::ToOpaque => &self.opaque,
            _ => return,
        };
        let token = (*verdict == Verdict::Right).then(|| access_token(answer.body)).flatten();
        if let Some(token) = token {
            let mut issued = issued.borrow_mut();
            issued.push_back(introspection("tyk", SECRET, token).into());
            if issued.len() > LAST {
                issued.pop_front();
            }
        }
    }
}

/// The token that an exchange gave.
fn access_token(body: &[u8]) -> Option<&str> {
    let body = std::str::from_utf8(body).ok()?;
    body.strip_prefix(r#"{"access_token":""#)?.split('"').next()
}

impl Truth {
    /// What may be true at one of two moments, or in between.
    fn or(self, later: Self) -> Self {
        let ((oldest, _), (_, newest)) = (self.configurations, later.configurations);
        Self {
            configurations: (oldest, newest),
            redis_is_away: self.redis_is_away || later.redis_is_away,
        }
    }
}
