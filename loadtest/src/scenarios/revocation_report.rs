//! The section about revocations.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::report::plot::Plot;
use crate::report::table::quantiles;
use crate::report::{Aim, Section, Target};
use crate::scenarios::revocation::Propagation;

/// How a row ends that counts from there.
const FROM_SENDING: &str = ", from its sending";

impl Propagation {
    pub(crate) fn section(&self) -> anyhow::Result<Section> {
        let p99 = self.everywhere.value_at_quantile(0.99);
        let mut text = String::from(
            "Tokens are revoked at one of three replicas, one every 65 ms, while four connections \
             keep each of them busy, and two more ask the other two about that token without a \
             pause. It must be active before, and on no replica ever again. All three replicas share one core: most of \
             what a revocation takes is waiting for that.\n\n",
        );
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
            plots: vec![self.plot()],
        })
    }

    fn plot(&self) -> Plot {
        let curves = self.delays().into_iter();
        Plot::Latency {
            name: "revocation",
            title: "From sending a revocation".to_owned(),
            curves: curves
                .filter(|(name, _)| name.ends_with(FROM_SENDING))
                .map(|(name, delays)| {
                    (name.trim_end_matches(FROM_SENDING).to_owned(), delays.clone())
                })
                .collect(),
        }
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
        let Self { answered, everywhere, others, watch, .. } = self;
        let mut rows = vec![
            (format!("its answer{FROM_SENDING}"), answered),
            (format!("all replicas keep to it{FROM_SENDING}"), everywhere),
        ];
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
