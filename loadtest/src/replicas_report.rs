//! The report about replicas: for people as Markdown, for machines as JSON beside it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::propagation::Propagation;
use crate::redis::{BareGets, Timed};
use crate::report::{Spread, together};

/// Microseconds within which a revocation holds on every replica, but for one in a hundred.
const AIM_MICROS: u64 = 50_000;

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) connections: usize,
    pub(crate) checks: Vec<f64>,
    pub(crate) gets: BareGets,
    pub(crate) answers: Answers,
    pub(crate) propagation: Propagation,
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
    /// Writes both forms and prints the Markdown.
    pub(crate) fn write(&self, out: &Path) -> anyhow::Result<()> {
        let text = self.markdown()?;
        std::fs::write(out, &text).with_context(|| out.display().to_string())?;
        let machine = serde_json::to_string_pretty(&self.json())?;
        std::fs::write(out.with_extension("json"), machine + "\n")?;
        println!("{text}");
        Ok(())
    }

    /// Of both other replicas together, in microseconds.
    fn everywhere(&self) -> anyhow::Result<Histogram<u64>> {
        let mut all = Histogram::new(3)?;
        for delays in &self.propagation.others {
            all.add(&delays.from_sending)?;
        }
        Ok(all)
    }

    fn markdown(&self) -> anyhow::Result<String> {
        let mut text = String::from("# Load test of replicas\n\n| measured on | |\n|---|---|\n");
        for (name, value) in &self.facts {
            writeln!(text, "| {name} | {value} |")?;
        }
        let p99 = self.everywhere()?.value_at_quantile(0.99);
        writeln!(
            text,
            "| runs | {}, each by new replicas; {} connections |\n\n\
             | what | measured | aim | met |\n|---|---|---|---|\n\
             | from sending a revocation until another replica keeps to it, p99 | {} ms | < {} ms \
             | {} |\n",
            self.gets.at_once.len(),
            self.connections,
            millis(p99),
            AIM_MICROS / 1000,
            if p99 < AIM_MICROS { "yes" } else { "no" }
        )?;
        self.costs(&mut text)?;
        self.latencies(&mut text)?;
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

    fn latencies(&self, text: &mut String) -> anyhow::Result<()> {
        writeln!(
            text,
            "| {} revocations, each until | p50 ms | p99 ms | highest ms |\n|---|---|---|---|",
            self.propagation.answered.len()
        )?;
        for (name, latency) in self.delays() {
            let [p50, p99] = [0.5, 0.99].map(|at| millis(latency.value_at_quantile(at)));
            writeln!(text, "| {name} | {p50} | {p99} | {} |", millis(latency.max()))?;
        }
        writeln!(
            text,
            "\nMeanwhile the three replicas, all on one core, answered {:.0} introspections per \
             second. {} of the answers said that not all replicas know yet.",
            self.propagation.busy_per_second, self.propagation.unpromised
        )?;
        Ok(())
    }

    fn delays(&self) -> Vec<(String, &Histogram<u64>)> {
        let Propagation { answered, others, watch, .. } = &self.propagation;
        let mut rows = vec![("its answer, from its sending".to_owned(), answered)];
        for (number, delays) in (2..).zip(others) {
            let from = |what: &str| format!("replica {number} keeps to it, from its {what}");
            rows.push((from("sending"), &delays.from_sending));
            rows.push((from("answer"), &delays.from_answer));
        }
        rows.push(("any answer to who watches, in between".to_owned(), watch));
        rows
    }

    fn json(&self) -> Value {
        let timed = |(name, runs): (String, &[Timed])| {
            let rates: Vec<_> = runs.iter().map(|run| run.measured.per_second).collect();
            let cpu: Vec<_> = runs.iter().map(|run| run.cpu_micros).collect();
            let latency: Vec<_> = runs.iter().map(|run| quantiles(&run.measured.latency)).collect();
            (name, json!({ "per_second": rates, "core_micros": cpu, "micros": latency }))
        };
        let delays = self.delays().into_iter();
        json!({
            "machine": self.facts.iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>(),
            "connections": self.connections,
            "bare_checks_per_second": self.checks,
            "answers": self.rows().into_iter().map(timed).collect::<Map<_, _>>(),
            "revocation_micros":
                delays.map(|(name, delay)| (name, quantiles(delay))).collect::<Map<_, _>>(),
            "revocations_not_promised": self.propagation.unpromised,
            "busy_per_second": self.propagation.busy_per_second,
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

fn quantiles(latency: &Histogram<u64>) -> Value {
    let at = |quantile| latency.value_at_quantile(quantile);
    json!({ "count": latency.len(), "p50": at(0.5), "p99": at(0.99), "highest": latency.max() })
}

fn millis(micros: u64) -> String {
    format!("{:.1}", micros as f64 / 1000.0)
}
