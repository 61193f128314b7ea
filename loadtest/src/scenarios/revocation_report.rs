//! The section about revocations.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::report::table::quantiles;
use crate::report::{Aim, Section, Target};
use crate::scenarios::revocation::Propagation;

impl Propagation {
    pub(crate) fn section(&self) -> anyhow::Result<Section> {
        let p99 = self.everywhere()?.value_at_quantile(0.99);
        let mut text = String::new();
        self.latencies(&mut text)?;
        Ok(Section {
            name: "revocation",
            title: "Revocation on every replica",
            text,
            data: self.json(),
            targets: vec![Target {
                what: "revocation visible on every replica, p99",
                measured: p99 as f64 / 1000.0,
                aim: Aim::AtMost(50.0),
                unit: "ms",
            }],
            plots: Vec::new(),
        })
    }

    /// Of both other replicas together, in microseconds.
    fn everywhere(&self) -> anyhow::Result<Histogram<u64>> {
        let mut all = Histogram::new(3)?;
        for delays in &self.others {
            all.add(&delays.from_sending)?;
        }
        Ok(all)
    }

    fn latencies(&self, text: &mut String) -> anyhow::Result<()> {
        writeln!(
            text,
            "| {} revocations, each until | p50 ms | p99 ms | highest ms |\n|---|---|---|---|",
            self.answered.len()
        )?;
        for (name, latency) in self.delays() {
            let [p50, p99] = [0.5, 0.99].map(|at| millis(latency.value_at_quantile(at)));
            writeln!(text, "| {name} | {p50} | {p99} | {} |", millis(latency.max()))?;
        }
        writeln!(
            text,
            "\nMeanwhile the three replicas, all on one core, answered {:.0} introspections per \
             second. {} of the answers said that not all replicas know yet.",
            self.busy_per_second, self.unpromised
        )?;
        Ok(())
    }

    fn delays(&self) -> Vec<(String, &Histogram<u64>)> {
        let Self { answered, others, watch, .. } = self;
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
        let delays = self.delays().into_iter();
        json!({
            "micros": delays.map(|(name, delay)| (name, quantiles(delay))).collect::<Map<_, _>>(),
            "not_promised": self.unpromised,
            "busy_per_second": self.busy_per_second,
        })
    }
}

fn millis(micros: u64) -> String {
    format!("{:.1}", micros as f64 / 1000.0)
}
