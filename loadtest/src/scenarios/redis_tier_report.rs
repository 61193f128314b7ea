//! The section about replicas.

use serde_json::{Map, Value, json};

use crate::load::closed::Timed;
use crate::report::Section;
use crate::report::page::figure;
use crate::report::plot::Plot;
use crate::report::table::{Spread, Table, json_of, together};
use crate::system::redis::BareGets;

/// How a row ends that is of one client alone.
const ONE_BY_ONE: &str = ", one by one";

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) connections: usize,
    pub(crate) checks: Vec<f64>,
    pub(crate) gets: BareGets,
    pub(crate) answers: Answers,
}

/// How replicas answered, in several runs.
#[derive(Default)]
pub(crate) struct Answers {
    /// Over all connections, about new tokens: verified by the replica.
    pub(crate) verified: Vec<Timed>,
    /// The same, and written for the others.
    pub(crate) prepared: Vec<Timed>,
    /// The same, read where another has written it.
    pub(crate) read: Vec<Timed>,
    /// Over one connection.
    pub(crate) one_in_memory: Vec<Timed>,
    pub(crate) one_verified: Vec<Timed>,
    pub(crate) one_read: Vec<Timed>,
    pub(crate) one_opaque: Vec<Timed>,
}

impl Report {
    pub(crate) fn section(&self) -> anyhow::Result<Section> {
        Ok(Section {
            name: "redis_tier",
            title: "Replicas that share a Redis",
            text: self.markdown()?,
            data: self.json(),
            targets: Vec::new(),
            plots: vec![self.plot()?],
        })
    }

    fn markdown(&self) -> anyhow::Result<String> {
        let mut table = Table::of_rates("answers");
        table.bare("bare RS256 check", &self.checks);
        for (name, runs) in self.rows() {
            table.timed(&name, runs)?;
        }
        let answers = &self.answers;
        let over = |runs: &[Timed], beside: &[Timed]| {
            figure(Spread::of_timed(runs).median / Spread::of_timed(beside).median)
        };
        Ok(format!(
            "{} runs, each by new replicas; {} connections. With `costly` a replica verifies by itself; \
             with `all` one of three verifies and writes, and the two others, whose memories are \
             empty, read what it has written. Bare reads of Redis are by one client on the core of the replicas.\n\n\
             {table}\n\
             Read ÷ verified: {} at once, {} one by one. One by one, a read through a replica is {} \
             of a bare one, per second.\n",
            self.gets.at_once.len(),
            self.connections,
            over(&answers.read, &answers.verified),
            over(&answers.one_read, &answers.one_verified),
            over(&answers.one_read, std::slice::from_ref(&self.gets.sequential)),
        ))
    }

    /// Latencies of one client that asks one thing after the other.
    fn plot(&self) -> anyhow::Result<Plot> {
        let one_by_one = self.rows().into_iter().filter(|(name, _)| name.ends_with(ONE_BY_ONE));
        let curve = |(name, runs): (String, &[Timed])| {
            let name = name.trim_end_matches(ONE_BY_ONE).to_owned();
            anyhow::Ok((name, together(runs.iter().map(|run| &run.measured))?))
        };
        Ok(Plot::Latency {
            name: "redis-tier",
            title: "One question after the other, by where the answer is".to_owned(),
            curves: one_by_one.map(curve).collect::<Result<_, _>>()?,
        })
    }

    fn rows(&self) -> Vec<(String, &[Timed])> {
        let (many, answers) = (format!("{} at once", self.connections), &self.answers);
        let all: [(_, _, &[Timed]); _] = [
            ("bare Redis GET", "one by one", std::slice::from_ref(&self.gets.sequential)),
            ("bare Redis GET", &many, &self.gets.at_once),
            ("verified by the replica (`costly`)", &many, &answers.verified),
            ("verified, and written for others (`all`)", &many, &answers.prepared),
            ("read where another has written it (`all`)", &many, &answers.read),
            ("in the memory of the replica", "one by one", &answers.one_in_memory),
            ("verified by the replica (`costly`)", "one by one", &answers.one_verified),
            ("read where another has written it (`all`)", "one by one", &answers.one_read),
            ("opaque token of another replica", "one by one", &answers.one_opaque),
        ];
        all.into_iter().map(|(name, how, runs)| (format!("{name}, {how}"), runs)).collect()
    }

    fn json(&self) -> Value {
        let timed = |(name, runs): (String, &[Timed])| (name, json_of(runs));
        json!({
            "connections": self.connections,
            "bare_checks_per_second": self.checks,
            "answers": self.rows().into_iter().map(timed).collect::<Map<_, _>>(),
        })
    }
}
