//! What is said about floods.

use anyhow::Context as _;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::traffic::Seen;
use super::{COOLDOWN, Found, SEED, SHARE_OF_PEAK};
use crate::report::plot::Plot;
use crate::report::table::{Spread, Table, quantiles};
use crate::report::{Aim, Section, Target};

pub(super) fn section(found: &Found, peak: f64, grown: u64) -> anyhow::Result<Section> {
    let (long, fetches) = found.long.first().context("no long flood")?;
    let unknown = beside(&found.unknown_keys, &found.alone);
    let guesses = beside(&found.guesses, &found.alone);
    let mut table = Table::new(&[
        "good traffic",
        "offered per second",
        "answered per second, median",
        "÷ alone, median (lowest to highest)",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "answers to the flood per second",
    ]);
    for (name, runs, ratio) in [
        ("alone", &found.alone, None),
        ("beside guessed secrets", &found.guesses, Some(&guesses)),
        ("beside unknown keys", &found.unknown_keys, Some(&unknown)),
    ] {
        row(&mut table, name, runs, ratio)?;
    }
    let cooldown = COOLDOWN.as_secs();
    let text = format!(
        "Good traffic is offered in an open loop at {share:.0} % of what the server can answer at \
         most ({peak:.0} per second), one in a hundred about a token that is new; latency counts from \
         when a request was due. Beside it, as many connections as good traffic has flood the server, \
         each as fast as it is answered: with tokens of which each names another key that nobody has, \
         or with guessed secrets, from an address each. So the core is busy all the time, and what \
         good traffic loses is what the flood takes from it. A flood is answered right, too: \
         `{{\"active\":false}}`, or 401 and soon 429.\n\n{table}\n\
         `key_sets.cooldown` is {cooldown} s here, its least. In {seconds:.0} s of a flood of unknown \
         keys without a pause, with {flood:.0} answers per second, the look-alike was asked for the \
         key set {counted} times; {allowed} would be one for each cooldown that began. Resident \
         memory grew by {grown:.1} MB from before all floods to after them, new answers about good \
         tokens included.\n",
        share = SHARE_OF_PEAK * 100.0,
        seconds = fetches.seconds,
        flood = long.flood,
        counted = fetches.counted,
        allowed = fetches.allowed,
        grown = grown as f64 / 1e6,
    );
    let targets = vec![
        Target {
            what: "good traffic under an unknown-`kid` flood ÷ without, at equal offered load",
            measured: unknown.median,
            aim: Aim::AtLeast(0.95),
            unit: "",
        },
        Target {
            what: "good traffic under a flood of guessed secrets ÷ without, at equal offered load",
            measured: guesses.median,
            aim: Aim::AtLeast(0.95),
            unit: "",
        },
        Target {
            what: "fetches of the key set under an unknown-`kid` flood ÷ cooldowns that began",
            measured: fetches.counted as f64 / fetches.allowed as f64,
            aim: Aim::AtMost(1.0),
            unit: "",
        },
    ];
    let curves = [
        ("alone", &found.alone),
        ("beside guessed secrets", &found.guesses),
        ("beside unknown keys", &found.unknown_keys),
    ];
    let curves = curves.map(|(name, runs)| Ok((name.to_owned(), together(runs)?)));
    let plot = Plot::Latency {
        name: "flood",
        title: "Good traffic at a quarter of peak, beside floods".to_owned(),
        curves: curves.into_iter().collect::<anyhow::Result<_>>()?,
    };
    let data = json!({
        "peak_per_second": peak,
        "seed": SEED,
        "alone": data(&found.alone),
        "guesses": data(&found.guesses),
        "unknown_keys": data(&found.unknown_keys),
        "long": {
            "good": data([long]), "seconds": fetches.seconds, "cooldown_seconds": cooldown,
            "fetches": fetches.counted, "allowed": fetches.allowed,
        },
        "resident_grown_bytes": grown,
    });
    Ok(Section {
        name: "flood",
        title: "Good traffic beside floods",
        text,
        data,
        targets,
        plots: vec![plot],
    })
}

/// Answered beside a flood, of what was answered in the same turn without one.
fn beside(runs: &[Seen], alone: &[Seen]) -> Spread {
    Spread::of(runs.iter().zip(alone).map(|(run, alone)| run.answered / alone.answered))
}

fn row(table: &mut Table, name: &str, runs: &[Seen], ratio: Option<&Spread>) -> anyhow::Result<()> {
    let median = |value: fn(&Seen) -> f64| Spread::of(runs.iter().map(value)).median;
    let latency = together(runs)?;
    let within = |part| format!("{:.2}", latency.value_at_quantile(part) as f64 / 1000.0);
    let ratio = ratio.map(|Spread { lowest, median, highest }| {
        format!("{median:.3} ({lowest:.3} to {highest:.3})")
    });
    table.row([
        name.to_owned(),
        format!("{:.0}", median(|run| run.offered)),
        format!("{:.0}", median(|run| run.answered)),
        ratio.unwrap_or_default(),
        within(0.5),
        within(0.99),
        within(0.999),
        format!("{:.0}", median(|run| run.flood)),
    ]);
    Ok(())
}

fn together<'s>(runs: impl IntoIterator<Item = &'s Seen>) -> anyhow::Result<Histogram<u64>> {
    let mut all = Histogram::new(3)?;
    for run in runs {
        all.add(&run.latency)?;
    }
    Ok(all)
}

fn data<'s>(runs: impl IntoIterator<Item = &'s Seen>) -> Value {
    let one = |run: &Seen| {
        json!({
            "offered_per_second": run.offered,
            "answered_per_second": run.answered,
            "flood_per_second": run.flood,
            "micros": quantiles(&run.latency),
        })
    };
    runs.into_iter().map(one).collect()
}
