//! Replicas that share a Redis: what an answer costs that another has prepared, beside one that is
//! found without it; and how soon a revocation holds on all of them.

use anyhow::{Context as _, ensure};
use tessera::dev::server::Running;

use crate::client::{Until, drive, exchanges, once, requests};
use crate::installation::{Installation, Replica};
use crate::machine::giving_way;
use crate::redis::{Redis, Timed};
use crate::replicas_report::{Answers, Report};
use crate::scenarios::{bare_checks, look_alike};
use crate::{Plan, machine, mint, propagation};

/// How many tokens are new to a replica at once.
const COLD: usize = 12_000;
/// How many more are asked about one after the other.
const ONE_BY_ONE: usize = 2000;
/// How many are exchanged for opaque ones.
const OPAQUE: usize = 1000;
/// How many are revoked.
const REVOKED: usize = 300;
/// All of them.
const ALL: usize = COLD + ONE_BY_ONE + OPAQUE + REVOKED;
/// How many tokens are asked about while others are revoked.
const POPULATION: usize = 1000;
/// How often everything is measured, each time by new replicas.
const RUNS: usize = 5;

/// Measures this part alone.
pub(crate) fn alone(plan: &Plan) -> anyhow::Result<()> {
    let facts = machine::facts();
    let entra = look_alike()?;
    eprintln!("signing {ALL} tokens");
    let tokens = mint::tokens(&entra, ALL)?;
    run(plan, &entra, &tokens, facts)
}

/// Measures everything about replicas and writes the report. The `facts` are those of the beginning:
/// of the machine before it was divided, and of the commit before reports were written.
pub(crate) fn run(
    plan: &Plan,
    entra: &Running,
    tokens: &[String],
    mut facts: Vec<(&'static str, String)>,
) -> anyhow::Result<()> {
    facts.push(("load before", machine::load()?));
    let tokens = tokens.get(..ALL).with_context(|| format!("{ALL} tokens are needed"))?;
    let (asked, rest) = tokens.split_at(COLD + ONE_BY_ONE);
    let (exchanged, revoked) = rest.split_at(OPAQUE);
    let checks = (0..RUNS).map(|_| bare_checks(entra, tokens)).collect::<Result<_, _>>()?;
    let gets = Redis::start()?.bare_gets(plan.connections, RUNS)?;
    machine::pin("1")?;
    let verifying = Installation::new(plan, entra, "costly")?;
    let first = verifying.replica()?;
    let opaque = opaque(&first, exchanged)?;
    let mut questions = Questions::new(plan.connections, asked, &opaque);
    let mut answers = Answers::default();
    for run in 1..=RUNS {
        by_itself(&mut questions, &verifying.replica()?, &mut answers)?;
        by_another(&mut questions, &Installation::new(plan, entra, "all")?, &mut answers)?;
        let last = |runs: &[Timed]| runs.last().map_or(0.0, |last| last.measured.per_second);
        let (verified, read) = (last(&answers.verified), last(&answers.read));
        eprintln!("run {run}: verified {verified:.0}/s, read {read:.0}/s");
    }
    eprintln!("revoking {REVOKED} tokens");
    let replicas = [first, verifying.replica()?, verifying.replica()?];
    let population = asked.get(..POPULATION).context("no population")?;
    let propagation = giving_way(|| propagation::measure(&replicas, population, revoked))?;
    let connections = plan.connections;
    let report = Report { facts, connections, checks, gets, answers, propagation };
    report.write(&plan.out.with_file_name("replicas.md"))
}

/// What a new replica answers without the others, but for opaque tokens.
fn by_itself(
    questions: &mut Questions,
    replica: &Replica,
    answers: &mut Answers,
) -> anyhow::Result<()> {
    answers.verified.push(questions.cold(replica)?);
    answers.one_verified.push(questions.one_by_one(replica)?);
    replica.answered_from("decided", COLD + ONE_BY_ONE)?;
    answers.one_in_memory.push(questions.one_by_one(replica)?);
    answers.one_opaque.push(questions.opaque(replica)?);
    Ok(())
}

/// What one replica prepares, and a new one answers with that.
fn by_another(
    questions: &mut Questions,
    installation: &Installation,
    answers: &mut Answers,
) -> anyhow::Result<()> {
    let preparing = installation.replica()?;
    answers.prepared.push(questions.cold(&preparing)?);
    questions.one_by_one(&preparing)?;
    preparing.answered_from("decided", COLD + ONE_BY_ONE)?;
    // Nobody waits for what is written for others.
    installation.redis.holds(most_of(COLD + ONE_BY_ONE))?;
    let reading = installation.replica()?;
    answers.read.push(questions.cold(&reading)?);
    answers.one_read.push(questions.one_by_one(&reading)?);
    // None of them was in its own memory.
    reading.answered_from("redis", COLD + ONE_BY_ONE)
}

/// But for one in a hundred, for which Redis may have been too slow: then replicas do without.
pub(crate) const fn most_of(count: usize) -> usize {
    count - count / 100
}

/// What every replica is asked.
struct Questions {
    connections: usize,
    cold: Vec<Vec<u8>>,
    one_by_one: Vec<Vec<u8>>,
    opaque: Vec<Vec<u8>>,
}

impl Questions {
    fn new(connections: usize, asked: &[String], opaque: &[String]) -> Self {
        let mut cold = requests(asked);
        let one_by_one = cold.split_off(COLD);
        Self { connections, cold, one_by_one, opaque: requests(opaque) }
    }

    fn cold(&mut self, replica: &Replica) -> anyhow::Result<Timed> {
        each_once(&mut self.cold, replica, self.connections)
    }

    fn one_by_one(&mut self, replica: &Replica) -> anyhow::Result<Timed> {
        each_once(&mut self.one_by_one, replica, 1)
    }

    fn opaque(&mut self, replica: &Replica) -> anyhow::Result<Timed> {
        each_once(&mut self.opaque, replica, 1)
    }
}

fn each_once(
    questions: &mut Vec<Vec<u8>>,
    replica: &Replica,
    connections: usize,
) -> anyhow::Result<Timed> {
    let ran = replica.cpu()?;
    let asked = std::mem::take(questions);
    // The generator never sleeps, and Redis shares its core.
    let (measured, asked) =
        giving_way(|| drive(replica.address.public, asked, connections, Until::Once))?;
    let ran = replica.cpu()?.saturating_sub(ran);
    let cpu_micros = ran.as_secs_f64() * 1e6 / asked.len() as f64;
    *questions = asked;
    Ok(Timed { measured, cpu_micros })
}

/// The opaque tokens that `replica` issues for these.
fn opaque(replica: &Replica, subjects: &[String]) -> anyhow::Result<Vec<String>> {
    let issue = |request: &Vec<u8>| {
        let answer: serde_json::Value =
            serde_json::from_slice(&once(replica.address.public, request)?)?;
        let token = answer.get("access_token").and_then(|token| token.as_str());
        let token = token.context("no token was issued")?;
        ensure!(!token.starts_with("eyJ"), "the token is not opaque");
        Ok(token.to_owned())
    };
    exchanges(subjects, "opaque").iter().map(issue).collect()
}
