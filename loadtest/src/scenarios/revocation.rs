//! How soon a revocation at one replica holds on the others, while all of them are busy.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hdrhistogram::Histogram;
use tokio::task::{JoinHandle, LocalSet};

use crate::bench::Bench;
use crate::load::closed::stay_awake;
use crate::load::connection::{Answer, Connection};
use crate::load::expect::Expect;
use crate::load::population::{Population, Question, form, introspections};
use crate::report::Section;
use crate::system::installation::{Installation, Replica};
use crate::system::machine::giving_way;

/// How many are revoked.
const REVOKED: usize = 300;
/// How many tokens are asked about while others are revoked.
const POPULATION: usize = 1000;
/// How many connections keep each replica busy.
const BUSY: usize = 4;
/// From one revocation to the next.
const INTERVAL: Duration = Duration::from_millis(65);
/// A revocation that has not arrived by then has not arrived.
const PATIENCE: Duration = Duration::from_secs(5);

/// What was measured.
pub(crate) struct Propagation {
    /// Introspections meanwhile, of all replicas together.
    pub(crate) busy_per_second: f64,
    /// To the answer, in microseconds.
    pub(crate) answered: Histogram<u64>,
    /// How many answers said that the others may not know yet: Redis was too slow.
    pub(crate) unpromised: u64,
    /// From sending to whichever replica is the last to keep to it, in microseconds.
    pub(crate) everywhere: Histogram<u64>,
    /// To the second replica and the third.
    pub(crate) others: Vec<Delays>,
    /// What a watcher waits for an answer otherwise: it cannot see anything sooner.
    pub(crate) watch: Histogram<u64>,
}

/// Until a replica says that a token is not active, in microseconds.
pub(crate) struct Delays {
    pub(crate) from_sending: Histogram<u64>,
    /// 0: it said so before the answer had come.
    pub(crate) from_answer: Histogram<u64>,
}

/// Three replicas, one of which revokes.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let count = bench.plan.pick(REVOKED, 20);
    let tokens = bench.tokens(POPULATION + count)?;
    let (population, revoked) = tokens.split_at(POPULATION);
    let installation = Installation::new(&bench.plan, &bench.entra, "costly")?;
    let replicas = [installation.replica()?, installation.replica()?, installation.replica()?];
    let propagation = giving_way(|| measure(&replicas, population, revoked))?;
    propagation.section()
}

/// Revokes one token after the other at the first replica. Fails when one is active again anywhere.
fn measure(
    replicas: &[Replica; 3],
    population: &[String],
    revoked: &[String],
) -> anyhow::Result<Propagation> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let awake = stay_awake();
        let busy = Busy::start(replicas, introspections(population)).await?;
        let [first, second, third] = replicas;
        let mut operator = Connection::open(first.address.admin).await?;
        let mut here = Connection::open(first.address.public).await?;
        let mut watchers =
            [Watcher::at(second.address.public).await?, Watcher::at(third.address.public).await?];
        let questions = introspections(revoked);
        let (mut answered, mut everywhere, mut unpromised) =
            (Histogram::new(3)?, Histogram::new(3)?, 0);
        for (token, question) in revoked.iter().zip(&questions) {
            let revoked = one(&mut operator, &mut watchers, token, question).await?;
            answered.record(u64::try_from(revoked.answered.as_micros())?)?;
            everywhere.record(u64::try_from(revoked.everywhere.as_micros())?)?;
            unpromised += u64::from(!revoked.promised);
            let after = here.answer(&question.bytes).await?;
            ensure!(Expect::Inactive.is_met_by(after), "active where it was revoked: {after}");
        }
        let busy_per_second = busy.end()?;
        for replica in replicas {
            let mut connection = Connection::open(replica.address.public).await?;
            for question in &questions {
                let after = connection.answer(&question.bytes).await?;
                ensure!(Expect::Inactive.is_met_by(after), "active again in the end: {after}");
            }
        }
        awake.abort();
        let mut watch = Histogram::new(3)?;
        for watcher in &watchers {
            watch.add(&watcher.wait)?;
        }
        let others = watchers.into_iter().map(|watcher| watcher.delays).collect();
        Ok(Propagation { busy_per_second, answered, unpromised, everywhere, others, watch })
    })
}

/// One revocation, from its sending.
struct Revoked {
    /// To the answer.
    answered: Duration,
    /// Whether that promised that all replicas know.
    promised: bool,
    /// Until the last of all replicas kept to it. The first does before it answers.
    everywhere: Duration,
}

/// Revokes one token, and watches until the next is due.
async fn one(
    operator: &mut Connection,
    watchers: &mut [Watcher; 2],
    token: &str,
    question: &Question,
) -> anyhow::Result<Revoked> {
    let [second, third] = watchers;
    second.connection.exchange(question).await?;
    third.connection.exchange(question).await?;
    let order = revocation(token);
    let sent = Instant::now();
    let revoke = async {
        let answer = operator.ask(&order).await?;
        let answered = Instant::now();
        let told: serde_json::Value = serde_json::from_slice(answer)?;
        let everywhere = told.get("everywhere").and_then(serde_json::Value::as_bool);
        anyhow::Ok((answered, everywhere.context("no revocation")?))
    };
    let ((answered, promised), at_second, at_third) =
        tokio::try_join!(revoke, second.watch(question, sent), third.watch(question, sent))?;
    second.delays.record(sent, answered, at_second)?;
    third.delays.record(sent, answered, at_third)?;
    let last = answered.max(at_second).max(at_third);
    let since = |moment: Instant| moment.duration_since(sent);
    Ok(Revoked { answered: since(answered), promised, everywhere: since(last) })
}

fn revocation(token: &str) -> Vec<u8> {
    form("/revocations", &format!("token={token}"))
}

/// Asks one replica about one token, again and again.
struct Watcher {
    connection: Connection,
    delays: Delays,
    wait: Histogram<u64>,
}

impl Watcher {
    async fn at(address: SocketAddr) -> anyhow::Result<Self> {
        let connection = Connection::open(address).await?;
        let delays = Delays { from_sending: Histogram::new(3)?, from_answer: Histogram::new(3)? };
        Ok(Self { connection, delays, wait: Histogram::new(3)? })
    }

    /// When the token was first said not to be active. Watched on until the next is due: it is
    /// never active again.
    async fn watch(&mut self, question: &Question, sent: Instant) -> anyhow::Result<Instant> {
        let mut ended = None;
        while ended.is_none() || sent.elapsed() < INTERVAL {
            ensure!(sent.elapsed() < PATIENCE, "a revocation has not arrived");
            let asked = Instant::now();
            let answer: Answer<'_> = self.connection.answer(&question.bytes).await?;
            let inactive = Expect::Inactive.is_met_by(answer);
            let now = Instant::now();
            match ended {
                None if inactive => ended = Some(now),
                None if question.expect.is_met_by(answer) => {}
                Some(_) if inactive => {
                    self.wait.record(u64::try_from((now - asked).as_micros())?)?;
                }
                _ => bail!("a wrong answer: {answer}"),
            }
        }
        ended.context("no end")
    }
}

impl Delays {
    fn record(&mut self, sent: Instant, answered: Instant, ended: Instant) -> anyhow::Result<()> {
        let micros = |since: Instant| ended.saturating_duration_since(since).as_micros();
        self.from_sending.record(u64::try_from(micros(sent))?)?;
        Ok(self.from_answer.record(u64::try_from(micros(answered))?)?)
    }
}

/// Connections that keep all replicas busy with tokens that stay good.
struct Busy {
    begun: Instant,
    answers: Rc<Cell<u64>>,
    tasks: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Busy {
    async fn start(replicas: &[Replica; 3], questions: Vec<Question>) -> anyhow::Result<Self> {
        let (population, answers) = (Population::in_turn(questions), Rc::new(Cell::new(0)));
        let mut tasks = Vec::new();
        for replica in replicas {
            for _ in 0..BUSY {
                let connection = Connection::open(replica.address.public).await?;
                let work = ask_on(connection, population.clone(), Rc::clone(&answers));
                tasks.push(tokio::task::spawn_local(work));
            }
        }
        Ok(Self { begun: Instant::now(), answers, tasks })
    }

    /// Gives how many answers there were in a second; fails if one was wrong.
    fn end(self) -> anyhow::Result<f64> {
        for task in &self.tasks {
            ensure!(!task.is_finished(), "a wrong answer, or none, while others were revoked");
            task.abort();
        }
        Ok(self.answers.get() as f64 / self.begun.elapsed().as_secs_f64())
    }
}

/// Asks until aborted.
async fn ask_on(
    mut connection: Connection,
    population: Population,
    answers: Rc<Cell<u64>>,
) -> anyhow::Result<()> {
    for number in 0.. {
        connection.exchange(population.at(number).context("no question")?).await?;
        answers.set(answers.get() + 1);
    }
    Ok(())
}
