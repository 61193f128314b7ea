//! Good traffic beside a flood of bad: of tokens that name keys nobody knows, and of guessed secrets.

mod hostile;
mod told;
mod traffic;

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::json;
use tessera::dev::people::HOME_TENANT;
use tessera::dev::tenant::FakeEntra;

use crate::bench::Bench;
use crate::load::closed::{self, Until};
use crate::load::population::{Population, introspections};
use crate::plan::Plan;
use crate::report::Section;
use crate::system::configuration::Configuration;
use crate::system::machine::giving_way;
use crate::system::tessera::Tessera;
use hostile::Hostile;
use traffic::{Beside, Good, Seen};

/// How many tokens good traffic asks about that were seen before.
const KNOWN: usize = 1000;
/// One of so many good requests is about a token that was never seen before.
const ONE_NEW_IN: usize = 100;
/// `key_sets.cooldown`: the shortest that can be set, so that several fall into the run.
const COOLDOWN: Duration = Duration::from_secs(10);
/// What good traffic is offered, of what the server can do at most.
const SHARE_OF_PEAK: f64 = 0.25;
/// Without a flood, good traffic is answered as it comes, or else what it sees beside one says nothing.
const KEEPS_UP: f64 = 0.97;
/// Of the moments at which good requests are due.
const SEED: u64 = 7;

/// What good traffic saw, with and without a flood.
#[derive(Default)]
struct Found {
    alone: Vec<Seen>,
    unknown_keys: Vec<Seen>,
    guesses: Vec<Seen>,
    /// The long flood, and what was fetched during it.
    long: Vec<(Seen, Fetches)>,
}

/// How often the key set was fetched.
struct Fetches {
    counted: u64,
    allowed: u64,
    seconds: f64,
}

/// Measures good traffic at the same offered load alone and beside each flood, in turns.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let plan = &bench.plan;
    let turn = Duration::from_secs(plan.pick(4, 1));
    let long = plan.pick(2 * COOLDOWN + Duration::from_secs(3), Duration::from_secs(3));
    // As many new ones as the fastest server could be asked about.
    let new = plan.pick(49_000, 9000);
    let tokens = bench.tokens(KNOWN + new)?;
    let (known, new) = tokens.split_at(KNOWN);
    let entra: &FakeEntra = &bench.entra;
    giving_way(|| {
        let server = start(plan, entra)?;
        server.before_all_else();
        let peak = peak(&server, known, plan)?;
        let rate = peak * SHARE_OF_PEAK;
        eprintln!("peak {peak:.0}/s; good traffic is offered at {rate:.0}/s");
        let mut good = Good::new(known, new, ONE_NEW_IN, plan.connections);
        let hostile = Hostile::new(known, plan.connections)?;
        let idle = server.resident()?;
        let mut found = Found::default();
        for run in 1..=plan.runs {
            let alone = good.beside(&server, rate, turn, Beside::Nothing)?;
            let guesses = good.beside(&server, rate, turn, Beside::Guesses(&hostile))?;
            let unknown = good.beside(&server, rate, turn, Beside::UnknownKeys(&hostile))?;
            eprintln!("run {run}: alone {alone}, guesses {guesses}, unknown keys {unknown}");
            let keeps_up = alone.answered >= alone.offered * KEEPS_UP;
            ensure!(keeps_up || plan.quick, "the machine is too busy to tell: alone {alone}");
            found.alone.push(alone);
            found.guesses.push(guesses);
            found.unknown_keys.push(unknown);
        }
        let before = fetches(entra);
        let begun = Instant::now();
        let seen = good.beside(&server, rate, long, Beside::UnknownKeys(&hostile))?;
        let seconds = begun.elapsed().as_secs_f64();
        let allowed = 1 + (begun.elapsed().as_secs() / COOLDOWN.as_secs());
        let counted = fetches(entra) - before;
        ensure!(counted > 0 || plan.quick, "the flood caused no fetch at all: it was none");
        found.long.push((seen, Fetches { counted, allowed, seconds }));
        let grown = server.resident()?.saturating_sub(idle);
        told::section(&found, peak, grown)
    })
}

fn start(plan: &Plan, entra: &FakeEntra) -> anyhow::Result<Tessera> {
    let cooldown = COOLDOWN.as_secs();
    let text = Configuration::new(entra.authority())
        .with("key_sets", json!({ "cooldown": format!("{cooldown}s") }));
    Tessera::start(plan, &text)
}

/// How often the key set of the tenant's v2.0 issuer was fetched, which is the one that every token
/// here names.
fn fetches(entra: &FakeEntra) -> u64 {
    entra.requests_to(&format!("/{HOME_TENANT}/discovery/v2.0/keys"))
}

/// What the server can do at most: tokens that were seen before, in a closed loop.
fn peak(server: &Tessera, known: &[String], plan: &Plan) -> anyhow::Result<f64> {
    let population = Population::in_turn(introspections(known));
    let address = server.address.public;
    closed::drive(address, &population, plan.connections, Until::Once)?;
    let until = Until::Elapsed(Duration::from_secs(plan.pick(3, 1)));
    Ok(closed::drive(address, &population, plan.connections, until)?.per_second)
}
