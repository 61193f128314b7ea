//! Introspections about tokens that were never seen before.

use anyhow::Context as _;
use serde_json::json;

use crate::bench::Bench;
use crate::load::closed::{Timed, Until, drive, timed};
use crate::load::population::{Population, introspections};
use crate::report::table::{Spread, Table, json_of};
use crate::report::{Aim, Section, Target};
use crate::system::tessera::Tessera;

/// How many tokens are new to each tessera.
const COLD: usize = 15_000;

/// Bare checks and a new tessera in turns.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let plan = &bench.plan;
    let tokens = bench.tokens(plan.pick(COLD, 1000))?;
    let population = Population::in_turn(introspections(tokens));
    let checked = tokens.get(..tokens.len().min(10_000)).context("too few tokens")?;
    let (mut checks, mut cold) = (Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        checks.push(crate::bare::crypto::checks_per_second(&bench.entra, checked)?);
        cold.push(new_tessera(bench, &population)?);
    }
    let ratio = Spread::of_timed(&cold).median / Spread::of(checks.iter().copied()).median;
    let mut table = Table::of_rates("every token new");
    table.bare("bare RS256 check", &checks);
    table.timed("tessera", &cold)?;
    Ok(Section {
        name: "cold",
        title: "Cold introspection",
        text: format!(
            "{} runs in turns, each by a tessera that was just started: {} tokens, each asked about \
             once, over {} connections in a closed loop.\n\n{table}",
            plan.runs,
            tokens.len(),
            plan.connections
        ),
        data: json!({
            "bare_checks_per_second": checks, "cold": json_of(&cold), "ratio": ratio,
            "tokens": tokens.len(), "connections": plan.connections,
        }),
        targets: vec![Target {
            what: "cold introspection ÷ bare RS256 checks of one core",
            measured: ratio,
            aim: Aim::AtLeast(0.80),
            unit: "",
        }],
        plots: Vec::new(),
    })
}

fn new_tessera(bench: &Bench, population: &Population) -> anyhow::Result<Timed> {
    let tessera = Tessera::for_orders(bench)?;
    tessera.settle()?;
    let to = tessera.address.public;
    timed(&tessera, || drive(to, population, bench.plan.connections, Until::Once))
}
