//! Connections that are all busy.

use std::time::Duration;

use serde_json::json;

use super::{Part, Point, megabytes, throughput};
use crate::bench::Bench;
use crate::load::closed::{Until, drive, timed};
use crate::load::population::{Population, introspections};
use crate::report::plot::Axis;
use crate::report::table::{Table, together};
use crate::system::tessera::Tessera;

const SIZES: [usize; 7] = [1, 4, 16, 64, 128, 256, 512];
/// How many tokens are asked about.
const KNOWN: usize = 1000;

/// Introspections of cached tokens over few connections and many, in a closed loop.
pub(super) fn run(bench: &Bench) -> anyhow::Result<Part> {
    let plan = &bench.plan;
    let population = Population::in_turn(introspections(bench.tokens(KNOWN)?));
    let tessera = Tessera::for_orders(bench)?;
    let to = tessera.address.public;
    drive(to, &population, plan.connections, Until::Once)?;
    let until = Until::Elapsed(Duration::from_secs(plan.pick(3, 1)));
    let mut points = Vec::new();
    for size in SIZES {
        let run = timed(&tessera, || drive(to, &population, size, until))?;
        eprintln!("{size} connections: {:.0}/s", run.measured.per_second);
        points.push(Point { size, runs: vec![run], resident: tessera.resident()? });
    }
    let mut table = Table::new(&[
        "connections",
        "per second",
        "core µs each",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "resident MB",
    ]);
    for point in &points {
        let latency = together(point.runs.iter().map(|run| &run.measured))?;
        let at = |part| latency.value_at_quantile(part).to_string();
        table.row([
            point.size.to_string(),
            format!("{:.0}", point.per_second()),
            format!("{:.1}", point.core_micros()),
            at(0.5),
            at(0.99),
            at(0.999),
            megabytes(point.resident),
        ]);
    }
    let x = Axis { label: "connections", log: true };
    Ok(Part {
        name: "connections",
        text: format!(
            "### Connections\n\n\
             {KNOWN} cached tokens in a closed loop: each connection asks again as soon as it is \
             answered, so that with many of them latency is mostly waiting for the others.\n\n{table}"
        ),
        data: json!({ "points": points.iter().map(Point::json).collect::<Vec<_>>() }),
        targets: Vec::new(),
        plots: vec![throughput(
            "growth-connections",
            "Introspections by connections",
            x,
            points.iter().map(Point::rate),
        )],
    })
}
