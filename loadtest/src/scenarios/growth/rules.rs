//! Mapping rules: what a decision costs when there are many.

use anyhow::Context as _;
use serde_json::json;

use super::{Part, Point, megabytes, ratio, spelled, throughput};
use crate::bench::Bench;
use crate::load::closed::{Until, drive, timed};
use crate::load::population::{Population, introspections};
use crate::report::plot::Axis;
use crate::report::table::Table;
use crate::report::{Aim, Target};
use crate::system::configuration::{Configuration, gold, rule};
use crate::system::tessera::Tessera;

/// How many tokens are new to each server.
const COLD: usize = 20_000;
const SIZES: [usize; 5] = [1, 10, 100, 1000, 10_000];

/// Cold introspections with few rules and many, in turns.
pub(super) fn run(bench: &Bench) -> anyhow::Result<Part> {
    let plan = &bench.plan;
    let tokens = bench.tokens(plan.pick(COLD, 1000))?;
    let population = Population::in_turn(introspections(tokens));
    let measure = |rules: usize| {
        let tessera = Tessera::start(plan, &configuration(bench.entra.authority(), rules))?;
        tessera.settle()?;
        let to = tessera.address.public;
        let run = timed(&tessera, || drive(to, &population, plan.connections, Until::Once))?;
        anyhow::Ok((run, tessera.resident()?))
    };
    let mut points = Vec::new();
    for size in SIZES {
        points.push(Point { size, runs: Vec::new(), resident: 0 });
    }
    for run in 1..=plan.runs {
        let last = SIZES.len() - 1;
        for (place, point) in points.iter_mut().enumerate() {
            // Those in between are for the picture: once is enough.
            if run == 1 || place == 0 || place == last {
                let (timed, resident) = measure(point.size)?;
                eprintln!("{} rules: {:.0}/s", point.size, timed.measured.per_second);
                point.runs.push(timed);
                point.resident = resident;
            }
        }
    }
    told(&points, tokens.len())
}

/// The one rule that matches comes last; all others name a group each that nobody is in.
fn configuration(authority: &str, rules: usize) -> Configuration {
    let other =
        |number| rule(&format!("{number:x}"), &format!("9f000000-0000-4000-8000-{number:012}"));
    Configuration::new(authority).rules((1..rules).map(other).chain([gold()]))
}

fn told(points: &[Point], tokens: usize) -> anyhow::Result<Part> {
    let mut table = Table::new(&["rules", "per second, median", "core µs each", "resident MB"]);
    for point in points {
        table.row([
            spelled(point.size),
            format!("{:.0}", point.per_second()),
            format!("{:.1}", point.core_micros()),
            megabytes(point.resident),
        ]);
    }
    let (few, many) = (points.first().context("no size")?, points.last().context("no size")?);
    let compared = ratio(&many.runs, &few.runs);
    let text = format!(
        "### Mapping rules\n\n\
         {tokens} tokens that are new to a server that was just started, for each number of rules. \
         Every rule but the last names one group that nobody is in; the last one matches.\n\n{table}\n\
         With {most} rules it decides {median:.3} times as many as with one, in turns \
         ({lowest:.3} to {highest:.3}).\n",
        tokens = spelled(tokens),
        most = spelled(many.size),
        median = compared.median,
        lowest = compared.lowest,
        highest = compared.highest,
    );
    let x = Axis { label: "mapping rules", log: true };
    Ok(Part {
        name: "mapping_rules",
        text,
        data: json!({
            "points": points.iter().map(Point::json).collect::<Vec<_>>(),
            "ratio": compared.median,
            "tokens": tokens,
        }),
        targets: vec![Target {
            what: "throughput with 10,000 mapping rules ÷ with 1, cold",
            measured: compared.median,
            aim: Aim::AtLeast(0.90),
            unit: "",
        }],
        plots: vec![throughput(
            "growth-rules",
            "Cold introspections by rules",
            x,
            points.iter().map(Point::rate),
        )],
    })
}
