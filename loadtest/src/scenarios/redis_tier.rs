//! Replicas that share a Redis: what an answer costs that another has prepared, beside one that is
//! found without it.

use anyhow::{Context as _, ensure};

use crate::bench::Bench;
use crate::load::closed::{Timed, Until, drive};
use crate::load::connection::once;
use crate::load::expect::Expect;
use crate::load::population::{Population, Question, exchanges, introspections};
use crate::report::Section;
use crate::scenarios::redis_tier_report::{Answers, Report};
use crate::system::installation::{Installation, Replica, most_of};
use crate::system::machine::giving_way;
use crate::system::redis::Redis;

/// How many tokens are asked about.
#[derive(Clone, Copy)]
struct Sizes {
    /// New to a replica at once.
    cold: usize,
    /// More that are asked about one after the other.
    one_by_one: usize,
    /// Exchanged for opaque ones.
    opaque: usize,
}

const WHOLE: Sizes = Sizes { cold: 12_000, one_by_one: 2000, opaque: 1000 };
const QUICK: Sizes = Sizes { cold: 1200, one_by_one: 200, opaque: 100 };

/// Measures everything about replicas but how soon a revocation holds.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let plan = &bench.plan;
    let sizes = plan.pick(WHOLE, QUICK);
    let tokens = bench.tokens(sizes.cold + sizes.one_by_one + sizes.opaque)?;
    let (asked, exchanged) = tokens.split_at(sizes.cold + sizes.one_by_one);
    let gets = Redis::start()?.bare_gets(plan.connections, plan.runs)?;
    let verifying = Installation::new(plan, &bench.entra, "costly")?;
    let opaque = opaque(&verifying.replica()?, exchanged)?;
    let questions = Questions::new(plan.connections, asked, &opaque, sizes.cold);
    let mut answers = Answers::default();
    for run in 1..=plan.runs {
        by_itself(&questions, &verifying.replica()?, &mut answers)?;
        by_another(&questions, &Installation::new(plan, &bench.entra, "all")?, &mut answers)?;
        let last = |runs: &[Timed]| runs.last().map_or(0.0, |last| last.measured.per_second);
        let (verified, read) = (last(&answers.verified), last(&answers.read));
        eprintln!("run {run}: verified {verified:.0}/s, read {read:.0}/s");
    }
    let checks = bench.checks()?.to_vec();
    Report { connections: plan.connections, checks, gets, answers }.section()
}

/// What a new replica answers without the others, but for opaque tokens.
fn by_itself(
    questions: &Questions,
    replica: &Replica,
    answers: &mut Answers,
) -> anyhow::Result<()> {
    answers.verified.push(questions.cold(replica)?);
    answers.one_verified.push(questions.one_by_one(replica)?);
    replica.answered_from("decided", questions.count())?;
    answers.one_in_memory.push(questions.one_by_one(replica)?);
    answers.one_opaque.push(questions.opaque(replica)?);
    Ok(())
}

/// What one of three replicas prepares, and the two others answer with that, one after the other.
fn by_another(
    questions: &Questions,
    installation: &Installation,
    answers: &mut Answers,
) -> anyhow::Result<()> {
    let preparing = installation.replica()?;
    answers.prepared.push(questions.cold(&preparing)?);
    questions.one_by_one(&preparing)?;
    preparing.answered_from("decided", questions.count())?;
    // Nobody waits for what is written for others.
    installation.redis.holds(most_of(questions.count()))?;
    for reading in [installation.replica()?, installation.replica()?] {
        answers.read.push(questions.cold(&reading)?);
        answers.one_read.push(questions.one_by_one(&reading)?);
        // None of them was in its own memory.
        reading.answered_from("redis", questions.count())?;
    }
    Ok(())
}

/// What every replica is asked.
struct Questions {
    connections: usize,
    cold: Population,
    one_by_one: Population,
    opaque: Population,
}

impl Questions {
    fn new(connections: usize, asked: &[String], opaque: &[String], cold: usize) -> Self {
        let mut first = introspections(asked);
        let one_by_one = Population::in_turn(first.split_off(cold));
        let (cold, opaque) = (Population::in_turn(first), introspections(opaque));
        Self { connections, cold, one_by_one, opaque: Population::in_turn(opaque) }
    }

    /// How many tokens a replica is asked about that it can verify.
    fn count(&self) -> usize {
        self.cold.len() + self.one_by_one.len()
    }

    fn cold(&self, replica: &Replica) -> anyhow::Result<Timed> {
        each_once(&self.cold, replica, self.connections)
    }

    fn one_by_one(&self, replica: &Replica) -> anyhow::Result<Timed> {
        each_once(&self.one_by_one, replica, 1)
    }

    fn opaque(&self, replica: &Replica) -> anyhow::Result<Timed> {
        each_once(&self.opaque, replica, 1)
    }
}

fn each_once(
    questions: &Population,
    replica: &Replica,
    connections: usize,
) -> anyhow::Result<Timed> {
    let ran = replica.cpu()?;
    // A population is of one thread; the generator never sleeps, and Redis shares its core.
    let measured =
        giving_way(|| drive(replica.address.public, questions, connections, Until::Once))?;
    let ran = replica.cpu()?.saturating_sub(ran);
    let cpu_micros = ran.as_secs_f64() * 1e6 / questions.len() as f64;
    Ok(Timed { measured, cpu_micros })
}

/// The opaque tokens that `replica` issues for these.
fn opaque(replica: &Replica, subjects: &[String]) -> anyhow::Result<Vec<String>> {
    let issue = |question: &Question| {
        let answer: serde_json::Value =
            serde_json::from_slice(&once(replica.address.public, &question.bytes)?)?;
        let token = answer.get("access_token").and_then(|token| token.as_str());
        let token = token.context("no token was issued")?;
        ensure!(!token.starts_with("eyJ"), "the token is not opaque");
        Ok(token.to_owned())
    };
    exchanges(subjects, "opaque", Expect::Opaque).iter().map(issue).collect()
}
