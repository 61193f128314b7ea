//! What the generator can do, and how steady it is: no claim beyond that can be made.

use serde_json::json;

use crate::bare::servers;
use crate::bench::Bench;
use crate::load::closed::{Timed, Until, drive, timed};
use crate::load::expect::{Expect, digest};
use crate::load::open::{Offer, Offered, offer};
use crate::load::population::{Population, introspections};
use crate::report::Section;
use crate::report::plot::Plot;
use crate::report::table::{Table, json_of, json_of_offers, together_offers};

/// As long as an answer of tessera.
const ANSWER_BYTES: usize = 1094;
/// Questions per second.
const RATES: [f64; 3] = [10_000.0, 40_000.0, 80_000.0];
const SEED: u64 = 70;

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let plan = &bench.plan;
    let answer = vec![b'x'; ANSWER_BYTES];
    let null = servers::null(&answer)?;
    let mut questions = introspections(bench.tokens(1000)?);
    for question in &mut questions {
        question.expect = Expect::Same(digest(&answer));
    }
    let population = Population::in_turn(questions);
    let to = null.server.address;
    let until = Until::Elapsed(plan.duration());
    let mut closed: Vec<Timed> = Vec::new();
    for _ in 0..plan.runs {
        closed.push(timed(&null.server, || drive(to, &population, plan.connections, until))?);
    }
    let mut steady: Vec<(String, Vec<Offered>)> = Vec::new();
    null.server.before_all_else();
    for rate in RATES {
        let offered =
            Offer { rate, lasting: plan.duration(), connections: plan.connections, seed: SEED };
        let runs = (0..plan.runs.min(3)).map(|_| offer(to, &population, offered));
        steady.push((format!("{rate} per second"), runs.collect::<Result<_, _>>()?));
    }
    let mut ceiling = Table::of_rates("closed loop");
    ceiling.timed("null server", &closed)?;
    let mut jitter = Table::of_offers("open loop");
    let (mut curves, mut data) = (Vec::new(), Vec::new());
    for (name, runs) in &steady {
        jitter.offered(name, runs);
        curves.push((name.clone(), together_offers(runs)?));
        data.push(json_of_offers(runs));
    }
    Ok(Section {
        name: "generator",
        title: "The generator itself",
        text: format!(
            "Driven against a server that answers {ANSWER_BYTES} bytes without looking at what it \
             was asked, on core 0 as tessera is. Nothing below can be faster than this, and no \
             latency can be steadier.\n\n{ceiling}\n{jitter}"
        ),
        data: json!({ "closed": json_of(&closed), "open": data, "answer_bytes": ANSWER_BYTES }),
        targets: Vec::new(),
        plots: vec![Plot::Latency {
            name: "generator",
            title: "Null server, open loop: latency from when a question was due".to_owned(),
            curves,
        }],
    })
}
