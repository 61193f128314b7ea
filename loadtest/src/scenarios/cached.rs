//! Introspections that are answered from memory: how many, beside a bare handler, and how soon.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::bare::servers::{self, Bare};
use crate::bench::Bench;
use crate::load::closed::{Timed, Until, drive, timed};
use crate::load::connection::once;
use crate::load::expect::{Expect, digest};
use crate::load::learn::learn;
use crate::load::open::{Offer, Offered, offer};
use crate::load::population::{Population, Question};
use crate::load::random::zipf;
use crate::report::plot::Plot;
use crate::report::table::{Spread, Table, json_of, json_of_offers, together_offers};
use crate::report::{Aim, Section, Target};
use crate::scenarios::callers::{configuration, good, questions};
use crate::system::mint::CALLERS;
use crate::system::tessera::Tessera;

/// Of Zipf's law: how much more popular tokens are asked about.
const EXPONENT: f64 = 1.0;
/// How many questions are drawn before they come again.
const DRAWS: usize = 1 << 20;
const SEED: u64 = 7662;
/// Parts of the peak at which latency is measured.
const PARTS: [f64; 5] = [0.10, 0.25, 0.50, 0.75, 0.90];
const HALF: usize = 2;

/// Everything that was measured.
struct Found {
    tokens: usize,
    answer_bytes: usize,
    token_bytes: usize,
    idle: u64,
    resident: u64,
    bare: Vec<Timed>,
    cached: Vec<Timed>,
    /// For each of `PARTS`.
    offers: Vec<Vec<Offered>>,
    bare_at_half: Vec<Offered>,
}

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let plan = &bench.plan;
    let tokens = bench.tokens(plan.tokens)?;
    let tessera = Tessera::start(plan, &configuration(bench.entra.authority()))?;
    let idle = tessera.resident()?;
    let to = tessera.address.public;
    let mut questions = questions(tokens);
    let first = questions.first().context("no question")?;
    let answer = once(to, &first.bytes)?;
    eprintln!("looking at {} answers", questions.len());
    learn(to, &mut questions, good)?;
    let resident = tessera.resident()?;
    let bare = servers::http(&answer)?;
    let order = zipf(questions.len(), EXPONENT, DRAWS, SEED);
    let same = Expect::Same(digest(&answer));
    let alike = |question: &Question| Question { expect: same.clone(), ..question.clone() };
    let for_bare = Population::in_order(questions.iter().map(alike).collect(), order.clone());
    let population = Population::in_order(questions, order);
    let (bare_runs, cached) = in_turns(bench, (&bare, &for_bare), (&tessera, &population))?;
    let peak = Spread::of_timed(&cached).median;
    let mut found = Found {
        tokens: tokens.len(),
        answer_bytes: answer.len(),
        token_bytes: tokens.first().map_or(0, String::len),
        idle,
        resident,
        bare: bare_runs,
        cached,
        offers: Vec::new(),
        bare_at_half: Vec::new(),
    };
    bare.server.before_all_else();
    tessera.before_all_else();
    for (number, part) in PARTS.iter().enumerate() {
        let (runs, mut offers) = (if number == HALF { plan.runs } else { 1 }, Vec::new());
        for _ in 0..runs {
            let offered = Offer {
                rate: peak * part,
                lasting: plan.duration(),
                connections: plan.connections,
                seed: SEED,
            };
            if number == HALF {
                found.bare_at_half.push(offer(bare.server.address, &for_bare, offered)?);
            }
            offers.push(offer(to, &population, offered)?);
        }
        found.offers.push(offers);
    }
    found.section(bench)
}

/// tessera and the bare handler in turns, so that both meet the same moods of the machine.
fn in_turns(
    bench: &Bench,
    (bare, for_bare): (&Bare, &Population),
    (tessera, population): (&Tessera, &Population),
) -> anyhow::Result<(Vec<Timed>, Vec<Timed>)> {
    let plan = &bench.plan;
    let until = Until::Elapsed(plan.duration());
    let (mut before, mut cached) = (Vec::new(), Vec::new());
    for _ in 0..plan.runs {
        let to = bare.server.address;
        before.push(timed(&bare.server, || drive(to, for_bare, plan.connections, until))?);
        let to = tessera.address.public;
        cached.push(timed(tessera, || drive(to, population, plan.connections, until))?);
        let last = |runs: &[Timed]| runs.last().map_or(0.0, |last| last.measured.per_second);
        eprintln!("bare {:.0}/s, cached {:.0}/s", last(&before), last(&cached));
    }
    Ok((before, cached))
}

impl Found {
    fn ratio(&self) -> f64 {
        Spread::of_timed(&self.cached).median / Spread::of_timed(&self.bare).median
    }

    /// p99.9 at half of the peak, in milliseconds.
    fn tail(&self) -> f64 {
        let runs = self.offers.get(HALF).map_or(&[][..], Vec::as_slice);
        let tails = runs.iter().map(|run| run.latency.value_at_quantile(0.999) as f64 / 1000.0);
        Spread::of(tails).median
    }

    fn section(&self, bench: &Bench) -> anyhow::Result<Section> {
        let mut closed = Table::of_rates("closed loop");
        closed.timed("bare actix-web handler", &self.bare)?;
        closed.timed("tessera, cached", &self.cached)?;
        let mut open = Table::of_offers("open loop");
        let mut curves = Vec::new();
        for (part, runs) in PARTS.iter().zip(&self.offers) {
            let name = format!("tessera at {:.0} % of its peak", part * 100.0);
            open.offered(&name, runs);
            curves.push((name, together_offers(runs)?));
        }
        let name = "bare handler at the same rate as tessera at 50 %";
        open.offered(name, &self.bare_at_half);
        curves.push((name.to_owned(), together_offers(&self.bare_at_half)?));
        Ok(Section {
            name: "cached",
            title: "Cached introspection",
            text: self.text(bench, &closed, &open),
            data: self.json(bench),
            targets: self.targets(),
            plots: vec![Plot::Latency {
                name: "cached",
                title: "Cached introspection, open loop: latency from when a question was due"
                    .to_owned(),
                curves,
            }],
        })
    }

    fn text(&self, bench: &Bench, closed: &Table, open: &Table) -> String {
        let plan = &bench.plan;
        let mib = |bytes: u64| bytes as f64 / 1024.0 / 1024.0;
        format!(
            "{} tokens of {} bytes, asked about by {} callers, each with audiences of its own, as \
             often as Zipf's law with exponent {EXPONENT} says (seed {SEED}). An answer has {} \
             bytes. Each was looked at as a whole once; from then on every answer must be the same \
             to the byte. {} connections; {} runs of {} s, in turns.\n\n{closed}\n\
             cached ÷ bare: {:.2}. Resident memory: {:.0} MiB idle, {:.0} MiB with all tokens \
             cached.\n\n\
             Open loop: questions come at random as those of independent askers do, whether the \
             last one was answered or not, and latency counts from when each was due.\n\n{open}",
            self.tokens,
            self.token_bytes,
            CALLERS.len(),
            self.answer_bytes,
            plan.connections,
            plan.runs,
            plan.seconds,
            self.ratio(),
            mib(self.idle),
            mib(self.resident),
        )
    }

    fn targets(&self) -> Vec<Target> {
        vec![
            Target {
                what: "cached introspection ÷ bare actix-web handler, requests per second",
                measured: self.ratio(),
                aim: Aim::AtLeast(0.80),
                unit: "",
            },
            Target {
                what: "p99.9 at half of peak rate, cached",
                measured: self.tail(),
                aim: Aim::AtMost(1.0),
                unit: "ms",
            },
        ]
    }

    fn json(&self, bench: &Bench) -> Value {
        json!({
            "tokens": self.tokens, "token_bytes": self.token_bytes,
            "answer_bytes": self.answer_bytes, "connections": bench.plan.connections,
            "callers": CALLERS.len(), "zipf_exponent": EXPONENT, "seed": SEED,
            "bare": json_of(&self.bare), "cached": json_of(&self.cached), "ratio": self.ratio(),
            "open": self.offers.iter().map(|runs| json_of_offers(runs)).collect::<Vec<_>>(),
            "bare_open": json_of_offers(&self.bare_at_half),
            "p99.9_at_half_of_peak_ms": self.tail(),
            "idle_bytes": self.idle, "resident_bytes": self.resident,
        })
    }
}
