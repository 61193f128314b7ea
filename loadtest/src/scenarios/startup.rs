//! How soon a new tessera answers, and what it takes while nobody asks.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;

use crate::bench::Bench;
use crate::load::connection::{Connection, get};
use crate::load::population::introspections;
use crate::report::table::{Spread, Table};
use crate::report::{Aim, Section, Target};
use crate::system::configuration::Configuration;
use crate::system::tessera::Tessera;

const STARTS: usize = 15;
const MIB: f64 = 1024.0 * 1024.0;
/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Found {
    /// From the start of the process, in milliseconds.
    alive: Vec<f64>,
    answered: Vec<f64>,
    /// Resident memory in MiB, when one token was asked about.
    resident: Vec<f64>,
}

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let tokens = bench.tokens(1)?;
    let mut found = Found::default();
    for _ in 0..bench.plan.pick(STARTS, 3) {
        one(bench, tokens, &mut found)?;
    }
    let mut table = Table::new(&["from the start of the process", "median", "least", "most"]);
    let rows = [
        ("`/livez` answers, ms", &found.alive),
        ("a token is answered for, ms", &found.answered),
        ("resident memory after that, MiB", &found.resident),
    ];
    for (name, numbers) in rows {
        let Spread { lowest, median, highest } = Spread::of(numbers.iter().copied());
        let [median, lowest, highest] = [median, lowest, highest].map(|n| format!("{n:.1}"));
        table.row([name, &median, &lowest, &highest]);
    }
    let median = |numbers: &[f64]| Spread::of(numbers.iter().copied()).median;
    Ok(Section {
        name: "startup",
        title: "Start",
        text: format!(
            "{} starts of a new process, alone on its core. It reads its configuration, makes its \
             signing keys and fetches the issuers' key sets from the look-alike before it can \
             answer for a token.\n\n{table}",
            found.alive.len()
        ),
        data: json!({
            "alive_ms": found.alive, "answered_ms": found.answered,
            "resident_mib": found.resident,
        }),
        targets: vec![
            Target {
                what: "start to first answer about a token, median",
                measured: median(&found.answered),
                aim: Aim::AtMost(100.0),
                unit: "ms",
            },
            Target {
                what: "resident memory idle, median",
                measured: median(&found.resident) * MIB / 1e6,
                aim: Aim::AtMost(25.0),
                unit: "MB",
            },
        ],
        plots: Vec::new(),
    })
}

fn one(bench: &Bench, tokens: &[String], found: &mut Found) -> anyhow::Result<()> {
    let begun = Instant::now();
    let since = || begun.elapsed().as_secs_f64() * 1000.0;
    let tessera = Tessera::start(&bench.plan, &Configuration::new(bench.entra.authority()))?;
    while !get(tessera.address.admin, "/livez").is_ok_and(|(alive, _)| alive) {
        ensure!(begun.elapsed() < PATIENCE, "it does not come alive");
    }
    found.alive.push(since());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut connection = Connection::open(tessera.address.public).await?;
        for question in introspections(tokens) {
            // 503 until the key set is there.
            while connection.answer(&question.bytes).await?.status == 503 {
                ensure!(begun.elapsed() < PATIENCE, "it does not become ready");
            }
            found.answered.push(since());
            connection.exchange(&question).await?;
        }
        anyhow::Ok(())
    })?;
    found.resident.push(tessera.resident()? as f64 / MIB);
    Ok(())
}
