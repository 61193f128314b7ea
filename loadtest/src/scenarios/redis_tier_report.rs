//! The section about replicas.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::load::closed::Timed;
use crate::report::Section;
use crate::report::table::{Spread, quantiles, together};
use crate::system::redis::BareGets;

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
            plots: Vec::new(),
        })
    }

    fn markdown(&self) -> anyhow::Result<String> {
        let mut text = format!(
            "{} runs, each by new replicas; {} connections.\n\n",
            self.gets.at_once.len(),
            self.connections,
        );
        self.costs(&mut text)?;
        Ok(text)
    }

    /// What decides about the default of `results`.
    fn costs(&self, text: &mut String) -> anyhow::Result<()> {
        text.push_str(
            "| per second | median | lowest | highest | core µs each | p50 µs | p99 µs |\n\
             |---|---|---|---|---|---|---|\n",
        );
        let Spread { lowest, median, highest } = Spread::of(self.checks.iter().copied());
        let each = 1e6 / median;
        writeln!(
            text,
            "| bare RS256 check | {median:.0} | {lowest:.0} | {highest:.0} | {each:.1} | | |"
        )?;
        for (name, runs) in self.rows() {
            row(text, &name, runs)?;
        }
        text.push('\n');
        Ok(())
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
        let timed = |(name, runs): (String, &[Timed])| {
            let rates: Vec<_> = runs.iter().map(|run| run.measured.per_second).collect();
            let cpu: Vec<_> = runs.iter().map(|run| run.cpu_micros).collect();
            let latency: Vec<_> = runs.iter().map(|run| quantiles(&run.measured.latency)).collect();
            (name, json!({ "per_second": rates, "core_micros": cpu, "micros": latency }))
        };
        json!({
            "connections": self.connections,
            "bare_checks_per_second": self.checks,
            "answers": self.rows().into_iter().map(timed).collect::<Map<_, _>>(),
        })
    }
}

fn row(text: &mut String, name: &str, runs: &[Timed]) -> anyhow::Result<()> {
    let measured = || runs.iter().map(|run| &run.measured);
    let Spread { lowest, median, highest } = Spread::of_runs(measured());
    let each = Spread::of(runs.iter().map(|run| run.cpu_micros)).median;
    let latency = together(measured())?;
    writeln!(
        text,
        "| {name} | {median:.0} | {lowest:.0} | {highest:.0} | {each:.1} | {} | {} |",
        latency.value_at_quantile(0.5),
        latency.value_at_quantile(0.99)
    )?;
    Ok(())
}
