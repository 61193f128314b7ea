//! Tables, and what stands in them.

use std::fmt;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::load::closed::{Measured, Timed};

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
            "p50 µs",
            "p99 µs",
            "p99.9 µs",
        ])
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
        self.row([name, &m, &l, &h, &each, "", "", ""]);
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

/// Several runs, for machines.
pub(crate) fn json_of(runs: &[Timed]) -> Value {
    let each = |value: fn(&Timed) -> f64| runs.iter().map(value).collect::<Vec<_>>();
    json!({
        "per_second": each(|run| run.measured.per_second),
        "core_micros": each(|run| run.cpu_micros),
        "micros": runs.iter().map(|run| quantiles(&run.measured.latency)).collect::<Vec<_>>(),
    })
}

/// Latencies, for machines.
pub(crate) fn quantiles(latency: &Histogram<u64>) -> Value {
    let at = |quantile| latency.value_at_quantile(quantile);
    json!({
        "count": latency.len(), "p50": at(0.5), "p90": at(0.9), "p99": at(0.99),
        "p99.9": at(0.999), "p99.99": at(0.9999), "highest": latency.max(),
    })
}
