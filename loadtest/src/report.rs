//! The report: for people as Markdown, for machines as JSON beside it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde_json::json;

use crate::Plan;
use crate::client::Measured;

const MIB: f64 = 1024.0 * 1024.0;

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) plan: Plan,
    pub(crate) token_bytes: usize,
    pub(crate) answer_bytes: usize,
    pub(crate) checks_per_second: f64,
    pub(crate) signatures_per_second: f64,
    pub(crate) exchange_cold: Measured,
    pub(crate) exchange_warm: Vec<Measured>,
    pub(crate) cold: Measured,
    pub(crate) cached: Vec<Measured>,
    pub(crate) baseline: Vec<Measured>,
    /// Bytes.
    pub(crate) idle: u64,
    /// Bytes.
    pub(crate) resident: u64,
}

impl Report {
    fn cached_ratio(&self) -> f64 {
        median(&self.cached) / median(&self.baseline)
    }

    fn cold_ratio(&self) -> f64 {
        self.cold.per_second / self.checks_per_second
    }

    /// Beside one signature.
    fn warm_ratio(&self) -> f64 {
        median(&self.exchange_warm) / self.signatures_per_second
    }

    /// Beside one check and one signature.
    fn cold_exchange_ratio(&self) -> f64 {
        let both = 1.0 / self.checks_per_second + 1.0 / self.signatures_per_second;
        self.exchange_cold.per_second * both
    }

    fn resident_mib(&self) -> f64 {
        self.resident as f64 / MIB
    }

    /// Writes both forms and prints the Markdown.
    pub(crate) fn write(&self, out: &Path) -> anyhow::Result<()> {
        let text = self.markdown()?;
        std::fs::write(out, &text).with_context(|| out.display().to_string())?;
        let machine = serde_json::to_string_pretty(&self.json())?;
        std::fs::write(out.with_extension("json"), machine + "\n")?;
        println!("{text}");
        Ok(())
    }

    fn markdown(&self) -> anyhow::Result<String> {
        let mut text = String::from("# Load test\n\n| measured on | |\n|---|---|\n");
        for (name, value) in &self.facts {
            writeln!(text, "| {name} | {value} |")?;
        }
        let Plan { connections, runs, seconds, tokens, .. } = &self.plan;
        writeln!(
            text,
            "| tokens | {tokens} of {} bytes, RS256, 8 groups |\n\
             | answer | {} bytes |\n\
             | connections | {connections}, kept open, closed loop |\n\
             | cached | {runs} runs of {seconds} s each, in turns with the bare handler |\n",
            self.token_bytes, self.answer_bytes
        )?;
        text.push_str("| what | measured | aim | met |\n|---|---|---|---|\n");
        let met = |met: bool| if met { "yes" } else { "no" };
        let (cached, cold, memory) = (self.cached_ratio(), self.cold_ratio(), self.resident_mib());
        writeln!(
            text,
            "| cached ÷ bare handler | {cached:.2} | ≥ 0.70 | {} |",
            met(cached >= 0.70)
        )?;
        writeln!(
            text,
            "| cold ÷ bare RS256 checks | {cold:.2} | ≥ 0.80 | {} |",
            met(cold >= 0.80)
        )?;
        let (warm, both) = (self.warm_ratio(), self.cold_exchange_ratio());
        writeln!(
            text,
            "| warm exchange ÷ bare ES256 signatures | {warm:.2} | ≥ 0.65 | {} |\n\
             | cold exchange ÷ bare RS256 check and ES256 signature | {both:.2} | ≥ 0.65 | {} |",
            met(warm >= 0.65),
            met(both >= 0.65)
        )?;
        writeln!(
            text,
            "| resident with {tokens} cached | {memory:.0} MiB | < 150 MB | {} |\n",
            met(self.resident < 150_000_000)
        )?;
        text.push_str(
            "| requests per second | median | lowest | highest | p50 µs | p99 µs | p99.9 µs |\n\
             |---|---|---|---|---|---|---|\n",
        );
        row(&mut text, "bare actix-web handler", &self.baseline)?;
        row(&mut text, "tessera, cached", &self.cached)?;
        row(&mut text, "tessera, cold", std::slice::from_ref(&self.cold))?;
        row(&mut text, "tessera, warm exchange", &self.exchange_warm)?;
        row(&mut text, "tessera, cold exchange", std::slice::from_ref(&self.exchange_cold))?;
        writeln!(
            text,
            "\nBare RS256 checks on one core: {:.0} per second; bare ES256 signatures: {:.0}.",
            self.checks_per_second, self.signatures_per_second
        )?;
        writeln!(text, "Resident memory when idle: {:.0} MiB.", self.idle as f64 / MIB)?;
        Ok(text)
    }

    fn json(&self) -> serde_json::Value {
        let rates = |runs: &[Measured]| runs.iter().map(|run| run.per_second).collect::<Vec<_>>();
        json!({
            "machine": self.facts.iter().map(|(name, value)| json!([name, value])).collect::<Vec<_>>(),
            "tokens": self.plan.tokens,
            "connections": self.plan.connections,
            "token_bytes": self.token_bytes,
            "answer_bytes": self.answer_bytes,
            "bare_checks_per_second": self.checks_per_second,
            "bare_signatures_per_second": self.signatures_per_second,
            "exchange_warm_per_second": rates(&self.exchange_warm),
            "exchange_cold_per_second": self.exchange_cold.per_second,
            "exchange_warm_ratio": self.warm_ratio(),
            "exchange_cold_ratio": self.cold_exchange_ratio(),
            "bare_per_second": rates(&self.baseline),
            "cached_per_second": rates(&self.cached),
            "cold_per_second": self.cold.per_second,
            "cached_ratio": self.cached_ratio(),
            "cold_ratio": self.cold_ratio(),
            "idle_bytes": self.idle,
            "resident_bytes": self.resident,
        })
    }
}

/// Of several runs of the same.
pub(crate) struct Spread {
    pub(crate) lowest: f64,
    pub(crate) median: f64,
    pub(crate) highest: f64,
}

impl Spread {
    pub(crate) fn of(rates: impl Iterator<Item = f64>) -> Self {
        let mut rates: Vec<_> = rates.collect();
        rates.sort_by(f64::total_cmp);
        let at = |index: usize| rates.get(index).copied().unwrap_or(f64::NAN);
        let last = rates.len().saturating_sub(1);
        Self { lowest: at(0), median: at(rates.len() / 2), highest: at(last) }
    }

    pub(crate) fn of_runs<'a>(runs: impl IntoIterator<Item = &'a Measured>) -> Self {
        Self::of(runs.into_iter().map(|run| run.per_second))
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

fn median(runs: &[Measured]) -> f64 {
    Spread::of_runs(runs).median
}

fn row(text: &mut String, name: &str, runs: &[Measured]) -> anyhow::Result<()> {
    let Spread { lowest, median, highest } = Spread::of_runs(runs);
    let latency = together(runs)?;
    let at = |quantile| latency.value_at_quantile(quantile);
    writeln!(
        text,
        "| {name} | {median:.0} | {lowest:.0} | {highest:.0} | {} | {} | {} |",
        at(0.5),
        at(0.99),
        at(0.999)
    )?;
    Ok(())
}
