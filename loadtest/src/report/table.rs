//! Tables, and what stands in them.

use std::fmt;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::load::closed::{Measured, Timed};
use crate::load::open::Offered;

/// A Markdown table.
pub(crate) struct Table {
    lines: Vec<String>,
}

impl Table {
    pub(crate) fn new(names: &[&str]) -> Self {
        let rule = format!("|{}", "---|".repeat(names.len()));
        Self { lines: vec![line(names), rule] }
    }

    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: impl AsRef<[S]>) {
        self.lines.push(line(cells.as_ref()));
    }

    /// A table whose rows are [`Table::timed`].
    pub(crate) fn of_rates(what: &str) -> Self {
        Self::new(&[
            what,
            "per second, median",
            "lowest",
            "highest",
            "core µs each",
            "core busy",
            "p50 µs",
            "p99 µs",
            "p99.9 µs",
        ])
    }

    /// A table whose rows are [`Table::offered`].
    pub(crate) fn of_offers(what: &str) -> Self {
        Self::new(&[
            what,
            "offered per second",
            "answered per second",
            "p50 µs",
            "p90 µs",
            "p99 µs",
            "p99.9 µs",
            "highest µs",
            "sent late",
        ])
    }

    /// Several runs of the same offer, each quantile with its median and, if there are several, its
    /// lowest and highest. Latency counts from when a question was due.
    pub(crate) fn offered(&mut self, name: &str, runs: &[Offered]) {
        let spread = |value: &dyn Fn(&Offered) -> f64| Spread::of(runs.iter().map(value));
        let median = |value: &dyn Fn(&Offered) -> f64| format!("{:.0}", spread(value).median);
        let quantile = |at: f64| {
            let Spread { lowest, median, highest } =
                spread(&|run| run.latency.value_at_quantile(at) as f64);
            if runs.len() > 1 {
                format!("{median:.0} ({lowest:.0} to {highest:.0})")
            } else {
                format!("{median:.0}")
            }
        };
        let late = spread(&|run| run.late as f64 / run.latency.len() as f64).median;
        self.row([
            name.to_owned(),
            median(&|run| run.offer.rate),
            median(&|run| run.per_second),
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            quantile(0.999),
            quantile(1.0),
            format!("{:.2} %", late * 100.0),
        ]);
    }

    /// Several runs of the same.
    pub(crate) fn timed(&mut self, name: &str, runs: &[Timed]) -> anyhow::Result<()> {
        let Spread { lowest, median, highest } =
            Spread::of_runs(runs.iter().map(|run| &run.measured));
        let each = Spread::of(runs.iter().map(|run| run.cpu_micros)).median;
        let latency = together(runs.iter().map(|run| &run.measured))?;
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|at| latency.value_at_quantile(at));
        self.row([
            name.to_owned(),
            format!("{median:.0}"),
            format!("{lowest:.0}"),
            format!("{highest:.0}"),
            format!("{each:.1}"),
            format!("{:.0} %", each * median / 1e4),
            p50.to_string(),
            p99.to_string(),
            p999.to_string(),
        ]);
        Ok(())
    }

    /// Bare work without a socket: only how often.
    pub(crate) fn bare(&mut self, name: &str, rates: &[f64]) {
        let Spread { lowest, median, highest } = Spread::of(rates.iter().copied());
        let [m, l, h] = [median, lowest, highest].map(|rate| format!("{rate:.0}"));
        let each = format!("{:.1}", 1e6 / median);
        self.row([name, &m, &l, &h, &each, "100 %", "", "", ""]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn line<S: AsRef<str>>(cells: &[S]) -> String {
    cells.iter().fold("|".to_owned(), |line, cell| line + " " + cell.as_ref() + " |")
}

/// Of several runs of the same.
pub(crate) struct Spread {
    pub(crate) lowest: f64,
    pub(crate) median: f64,
    pub(crate) highest: f64,
}

impl Spread {
    pub(crate) fn of(rates: impl IntoIterator<Item = f64>) -> Self {
        let mut rates: Vec<_> = rates.into_iter().collect();
        rates.sort_by(f64::total_cmp);
        let at = |index: usize| rates.get(index).copied().unwrap_or(f64::NAN);
        let last = rates.len().saturating_sub(1);
        Self { lowest: at(0), median: at(rates.len() / 2), highest: at(last) }
    }

    pub(crate) fn of_runs<'a>(runs: impl IntoIterator<Item = &'a Measured>) -> Self {
        Self::of(runs.into_iter().map(|run| run.per_second))
    }

    pub(crate) fn of_timed(runs: &[Timed]) -> Self {
        Self::of_runs(runs.iter().map(|run| &run.measured))
    }
}

/// The latencies of several runs as one.
pub(crate) fn together<'a>(
    runs: impl IntoIterator<Item = &'a Measured>,
) -> anyhow::Result<Histogram<u64>> {
    let mut all = Histogram::new(3)?;
    for run in runs {
        all.add(&run.latency)?;
    }
    Ok(all)
}

/// The latencies of several offers as one.
pub(crate) fn together_offers(runs: &[Offered]) -> anyhow::Result<Histogram<u64>> {
    let mut all = Histogram::new(3)?;
    for run in runs {
        all.add(&run.latency)?;
    }
    Ok(all)
}

/// Several runs, for machines.
pub(crate) fn json_of(runs: &[Timed]) -> Value {
    let each = |value: fn(&Timed) -> f64| runs.iter().map(value).collect::<Vec<_>>();
    json!({
        "per_second": each(|run| run.measured.per_second),
        "core_micros": each(|run| run.cpu_micros),
        "micros": runs.iter().map(|run| quantiles(&run.measured.latency)).collect::<Vec<_>>(),
    })
}

/// Several runs of the same offer, for machines.
pub(crate) fn json_of_offers(runs: &[Offered]) -> Value {
    let told = |run: &Offered| {
        json!({
            "offered_per_second": run.offer.rate,
            "answered_per_second": run.per_second,
            "seconds": run.offer.lasting.as_secs_f64(),
            "connections": run.offer.connections,
            "seed": run.offer.seed,
            "micros": quantiles(&run.latency),
            "micros_from_sending": quantiles(&run.service),
            "sent_late": run.late,
        })
    };
    runs.iter().map(told).collect()
}

/// Latencies, for machines.
pub(crate) fn quantiles(latency: &Histogram<u64>) -> Value {
    let at = |quantile| latency.value_at_quantile(quantile);
    json!({
        "count": latency.len(), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99),
        "p99.9": at(0.999), "p99.99": at(0.9999), "highest": latency.max(),
    })
}
