//! Groups in a token: Entra writes up to 200 of them.

use serde_json::json;

use super::{Part, Point, spelled, throughput};
use crate::bench::Bench;
use crate::load::closed::{Until, drive, timed};
use crate::load::connection::once;
use crate::load::population::{Population, introspections};
use crate::report::plot::Axis;
use crate::report::table::Table;
use crate::system::machine;
use crate::system::mint;
use crate::system::tessera::Tessera;

/// How many tokens of each size are signed.
const TOKENS: usize = 1500;
const SIZES: [usize; 5] = [1, 10, 50, 100, 200];
/// How often all of them are new to a server.
const RUNS: usize = 3;

/// What was found for tokens of one size.
struct Found {
    point: Point,
    token_bytes: usize,
    answer_bytes: usize,
}

/// Cold introspections of tokens with few groups and many.
pub(super) fn run(bench: &Bench) -> anyhow::Result<Part> {
    let plan = &bench.plan;
    let count = plan.pick(TOKENS, 100);
    let mut found = Vec::new();
    for size in SIZES {
        machine::pin("0-1")?;
        let tokens = mint::changed(&bench.entra, 0..count, &|token, _| {
            token.claim("groups", mint::groups(size))
        })?;
        machine::pin("1")?;
        let population = Population::in_turn(introspections(&tokens));
        let (mut runs, mut resident, mut answer_bytes) = (Vec::new(), 0, 0);
        for _ in 0..RUNS {
            let tessera = Tessera::for_orders(bench)?;
            tessera.settle()?;
            let to = tessera.address.public;
            runs.push(timed(&tessera, || drive(to, &population, plan.connections, Until::Once))?);
            resident = tessera.resident()?;
            if let Some(question) = population.at(0) {
                answer_bytes = once(to, &question.bytes)?.len();
            }
        }
        let point = Point { size, runs, resident };
        eprintln!("{size} groups: {:.0}/s", point.per_second());
        let token_bytes = tokens.first().map_or(0, String::len);
        found.push(Found { point, token_bytes, answer_bytes });
    }
    Ok(told(&found, count))
}

fn told(found: &[Found], count: usize) -> Part {
    let mut table = Table::new(&[
        "groups",
        "bytes of the token",
        "bytes of the answer",
        "per second, median",
        "core µs each",
    ]);
    for Found { point, token_bytes, answer_bytes } in found {
        table.row([
            point.size.to_string(),
            token_bytes.to_string(),
            answer_bytes.to_string(),
            format!("{:.0}", point.per_second()),
            format!("{:.1}", point.core_micros()),
        ]);
    }
    let text = format!(
        "### Groups in a token\n\n\
         {} tokens with each number of groups, {RUNS} times new to a server that was just started. \
         Entra leaves groups out of a token that would have more than 200.\n\n{table}",
        spelled(count)
    );
    let data: Vec<_> = found
        .iter()
        .map(|Found { point, token_bytes, answer_bytes }| {
            json!({
                "point": point.json(), "token_bytes": token_bytes, "answer_bytes": answer_bytes,
            })
        })
        .collect();
    let line = found.iter().map(|one| one.point.rate());
    let x = Axis { label: "groups in the token", log: false };
    Part {
        name: "groups",
        text,
        data: data.into(),
        targets: Vec::new(),
        plots: vec![throughput("growth-groups", "Cold introspections by groups", x, line)],
    }
}
