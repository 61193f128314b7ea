//! Tokens that are cached: how fast they are found among many, and how much memory each takes.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tessera::dev::apps::ORDERS;

use super::{Part, Point, megabytes, ratio, spelled, throughput};
use crate::bench::Bench;
use crate::load::closed::{Timed, Until, drive, timed};
use crate::load::connection::{get, once};
use crate::load::expect::Expect;
use crate::load::population::{Population, Question, introspection};
use crate::load::random::{Random, zipf};
use crate::report::plot::{Axis, Plot};
use crate::report::table::{Spread, Table, json_of};
use crate::report::{Aim, Target};
use crate::system::configuration::Configuration;
use crate::system::mint::SECRET;
use crate::system::tessera::Tessera;

/// How many clients ask about every token. Each has an answer of its own, under its own view.
const CLIENTS: usize = 10;
/// What small is compared with.
const SMALL: usize = 1000;
const SEED: u64 = 9;
/// Of Zipf's law.
const EXPONENT: f64 = 1.0;
/// Questions that were not answered from memory.
const MISSES: &str = "tessera_cache_lookups_total{result=\"miss\"}";
/// Enough for a million answers.
const CACHE: &str = "2GiB";

/// One server grows; another has few tokens, and stays so.
pub(super) fn run(bench: &Bench) -> anyhow::Result<Part> {
    let plan = &bench.plan;
    let sizes =
        plan.pick([1, 10, SMALL, 10_000, 100_000, 1_000_000], [1, 10, SMALL, 2000, 4000, 8000]);
    let largest = sizes.iter().max().copied().unwrap_or(SMALL);
    let population = all(bench.tokens(largest / CLIENTS)?);
    let mut random = Random::seeded(SEED);
    let secrets = tempfile::tempdir()?;
    for client in 0..CLIENTS {
        std::fs::write(secrets.path().join(client.to_string()), secret(client))?;
    }
    let mut asking = Asking { bench, secrets, population, random: &mut random };
    let (growing, small) = (asking.start()?, asking.start()?);
    let idle = growing.resident()?;
    asking.fill(&small, 0..SMALL)?;
    let (mut points, mut filled) = (Vec::new(), 0);
    for size in sizes {
        asking.fill(&growing, filled..size)?;
        filled = size;
        let runs = vec![asking.measure(&growing, size, Chosen::Evenly)?];
        let point = Point { size, runs, resident: growing.resident()? };
        eprintln!("{size} cached: {:.0}/s, {} bytes", point.per_second(), point.resident);
        points.push(point);
    }
    let (mut evenly, mut by_law) = (Turns::default(), Turns::default());
    for _ in 1..=plan.runs {
        for (turns, chosen) in [(&mut evenly, Chosen::Evenly), (&mut by_law, Chosen::ByZipfsLaw)] {
            turns.few.push(asking.measure(&small, SMALL, chosen)?);
            turns.many.push(asking.measure(&growing, largest, chosen)?);
        }
    }
    told(&Found { points, evenly, by_law, idle, answer: asking.answer_bytes(&growing)? })
}

/// Which of the tokens are asked about.
#[derive(Clone, Copy)]
enum Chosen {
    /// Any, each as likely as the other: no cache of a processor has favourites to keep.
    Evenly,
    /// As callers do: few of them often, most of them seldom.
    ByZipfsLaw,
}

/// A server with few tokens and one with many, in turns.
#[derive(Default)]
struct Turns {
    few: Vec<Timed>,
    many: Vec<Timed>,
}

impl Turns {
    fn ratio(&self) -> Spread {
        ratio(&self.many, &self.few)
    }

    fn json(&self) -> Value {
        json!({
            "few": json_of(&self.few), "many": json_of(&self.many), "ratio": self.ratio().median,
        })
    }

    /// One line of the text.
    fn words(&self) -> String {
        let Spread { lowest, median, highest } = self.ratio();
        let micros = |runs: &[Timed]| Spread::of(runs.iter().map(|run| run.cpu_micros)).median;
        format!(
            "{median:.3} times as many ({lowest:.3} to {highest:.3}; {:.1} µs of the core for each \
             instead of {:.1})",
            micros(&self.many),
            micros(&self.few)
        )
    }
}

/// What was measured.
struct Found {
    points: Vec<Point>,
    evenly: Turns,
    by_law: Turns,
    idle: u64,
    /// Of one answer: all are as long.
    answer: usize,
}

/// No two clients may have the same.
fn secret(client: usize) -> String {
    format!("{SECRET}-{client}")
}

/// Every token, as every client asks about it.
fn all(tokens: &[String]) -> Population {
    let ask = |client: usize, token: &String| Question {
        bytes: introspection(&format!("client-{client}"), &secret(client), token),
        expect: Expect::Active,
    };
    let of = |client| tokens.iter().map(move |token| ask(client, token));
    Population::in_turn((0..CLIENTS).flat_map(of).collect())
}

/// Who asks, and about what.
struct Asking<'a> {
    bench: &'a Bench,
    /// Those of the clients, a file each.
    secrets: TempDir,
    population: Population,
    random: &'a mut Random,
}

impl Asking<'_> {
    fn start(&self) -> anyhow::Result<Tessera> {
        let text = configuration(self.bench.entra.authority(), self.secrets.path());
        Tessera::start(&self.bench.plan, &text)
    }

    /// Asks about tokens that the server has not seen, once; all of them are cached then.
    fn fill(&self, tessera: &Tessera, range: Range<usize>) -> anyhow::Result<()> {
        let (connections, end) = (self.bench.plan.connections, range.end);
        let order = range.map(u32::try_from).collect::<Result<_, _>>()?;
        let new = self.population.reordered(order);
        drive(tessera.address.public, &new, connections, Until::Once)?;
        let kept = metric(tessera, "tessera_cache_entries")?;
        ensure!(kept == end as f64, "{kept} answers are cached, not {end}");
        Ok(())
    }

    /// Asks about some of the first `count`, others in each run.
    fn measure(
        &mut self,
        tessera: &Tessera,
        count: usize,
        chosen: Chosen,
    ) -> anyhow::Result<Timed> {
        let plan = &self.bench.plan;
        let draws = plan.pick(500_000, 50_000);
        let order = match chosen {
            Chosen::Evenly => {
                let even = (0..draws).map(|_| u32::try_from(self.random.below(count)));
                even.collect::<Result<_, _>>()?
            }
            Chosen::ByZipfsLaw => zipf(count, EXPONENT, draws, self.random.next()),
        };
        let asked = self.population.reordered(order);
        let until = Until::Elapsed(Duration::from_secs(plan.pick(2, 1)));
        let before = metric(tessera, MISSES)?;
        let to = tessera.address.public;
        let measured = timed(tessera, || drive(to, &asked, plan.connections, until))?;
        let missed = metric(tessera, MISSES)? - before;
        ensure!(missed == 0.0, "{missed} answers were not cached any more");
        Ok(measured)
    }

    fn answer_bytes(&self, tessera: &Tessera) -> anyhow::Result<usize> {
        let question = self.population.at(0).context("no question")?;
        Ok(once(tessera.address.public, &question.bytes)?.len())
    }
}

/// The one number of this name among the metrics.
fn metric(tessera: &Tessera, name: &str) -> anyhow::Result<f64> {
    let (_, metrics) = get(tessera.address.admin, "/metrics")?;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {name}"))?.parse()?)
}

fn configuration(authority: &str, secrets: &Path) -> Configuration {
    let client = |number| -> (String, String, &[&str]) {
        let secret = format!("${{file:{}/{number}}}", secrets.display());
        (format!("client-{number}"), secret, &[ORDERS.client_id])
    };
    Configuration::new(authority)
        .with("cache", json!({ "bytes": CACHE }))
        .clients((0..CLIENTS).map(client))
}

fn told(found: &Found) -> anyhow::Result<Part> {
    let Found { points, evenly, by_law, idle, answer } = found;
    let small = points.iter().find(|point| point.size == SMALL).context("no small size")?;
    let large = points.last().context("no size")?;
    let more = (large.size - small.size) as f64;
    let each = large.resident.saturating_sub(small.resident) as f64 / more;
    let beyond = each - *answer as f64;
    let mut table = Table::new(&[
        "cached tokens",
        "per second",
        "core µs each",
        "p50 µs",
        "p99 µs",
        "resident MB",
    ]);
    for point in points {
        let latency = point.runs.first().map(|run| &run.measured.latency).context("no run")?;
        table.row([
            spelled(point.size),
            format!("{:.0}", point.per_second()),
            format!("{:.1}", point.core_micros()),
            latency.value_at_quantile(0.5).to_string(),
            latency.value_at_quantile(0.99).to_string(),
            megabytes(point.resident),
        ]);
    }
    let text = format!(
        "### Cached tokens\n\n\
         {CLIENTS} clients ask about the same tokens of Entra, each with an answer of its own: \
         {largest} cached answers are {tokens} tokens. In the table every request is about any of \
         them, each as likely as the other. `cache.bytes` is {CACHE}. No answer was evicted.\n\n{table}\n\
         In turns with a server that has {small} tokens, the one with {largest} answers {evenly} when \
         each token is as likely as the other, the worst case, and {by_law} when some are asked about \
         more often than others, by Zipf's law with exponent {EXPONENT:.1}. From {small} tokens to {largest}, each takes \
         {each:.0} bytes of resident memory, {answer} of which are its answer. An idle server takes \
         {idle} MB.\n",
        largest = spelled(large.size),
        tokens = spelled(large.size / CLIENTS),
        small = spelled(SMALL),
        evenly = evenly.words(),
        by_law = by_law.words(),
        idle = megabytes(*idle),
    );
    let targets = vec![
        Target {
            what: "throughput at 1,000,000 cached tokens ÷ at 1,000, each as likely as the other",
            measured: evenly.ratio().median,
            aim: Aim::AtLeast(0.85),
            unit: "",
        },
        Target {
            what: "throughput at 1,000,000 cached tokens ÷ at 1,000, by Zipf's law",
            measured: by_law.ratio().median,
            aim: Aim::AtLeast(0.85),
            unit: "",
        },
        Target {
            what: "memory per cached token beyond its own answer",
            measured: beyond,
            aim: Aim::AtMost(400.0),
            unit: "bytes",
        },
    ];
    let x = Axis { label: "cached tokens", log: true };
    let line = |value: fn(&Point, usize) -> f64| {
        points.iter().map(|point| (point.size as f64, value(point, *answer))).collect()
    };
    let memory = Plot::Lines {
        name: "growth-memory",
        title: "Resident memory by cached tokens".to_owned(),
        x,
        y: Axis { label: "MB", log: true },
        curves: vec![
            ("resident".to_owned(), line(|point, _| point.resident as f64 / 1e6)),
            (
                "the answers themselves".to_owned(),
                line(|point, answer| (point.size * answer) as f64 / 1e6),
            ),
        ],
    };
    let speed = throughput(
        "growth-cached",
        "Introspections by cached tokens",
        x,
        points.iter().map(Point::rate),
    );
    Ok(Part {
        name: "cached_tokens",
        text,
        data: json!({
            "points": points.iter().map(Point::json).collect::<Vec<_>>(),
            "evenly": evenly.json(),
            "by_zipfs_law": by_law.json(),
            "zipf_exponent": EXPONENT,
            "answer_bytes": answer,
            "bytes_each": each,
            "idle_bytes": idle,
            "clients": CLIENTS,
            "seed": SEED,
        }),
        targets,
        plots: vec![speed, memory],
    })
}
