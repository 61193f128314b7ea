//! Exchanges (RFC 8693) of subject tokens that were exchanged before, and of new ones; for a JWT and
//! for an opaque token.

use serde_json::json;

use crate::bare::crypto;
use crate::bench::Bench;
use crate::load::closed::{Timed, Until, drive, timed};
use crate::load::expect::Expect;
use crate::load::population::{Population, exchanges};
use crate::report::table::{Spread, Table, json_of};
use crate::report::{Aim, Section, Target};
use crate::system::configuration::{Configuration, Form};
use crate::system::machine::giving_way;
use crate::system::tessera::Tessera;

/// How many tokens are exchanged for each form.
const TOKENS: usize = 8000;
/// How many bare signatures one run makes, and how many bare checks.
const SIGNATURES: usize = 40_000;
const CHECKS: usize = 10_000;

/// Runs of each kind.
#[derive(Default)]
struct Found {
    checks: Vec<f64>,
    signatures: Vec<f64>,
    jwt_cold: Vec<Timed>,
    jwt_warm: Vec<Timed>,
    opaque_cold: Vec<Timed>,
    opaque_warm: Vec<Timed>,
}

/// What is bare, and a new tessera, in turns.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let plan = &bench.plan;
    let count = plan.pick(TOKENS, 500);
    let tokens = bench.tokens(2 * count)?;
    let (for_jwt, for_opaque) = tokens.split_at(count);
    let jwt = Population::in_turn(exchanges(for_jwt, "jwt", Expect::Jwt));
    let opaque = Population::in_turn(exchanges(for_opaque, "opaque", Expect::Opaque));
    let checked = tokens.get(..plan.pick(CHECKS, 500)).unwrap_or(tokens);
    let mut found = Found::default();
    for _ in 0..plan.runs {
        found.signatures.push(crypto::signatures_per_second(plan.pick(SIGNATURES, 1000))?);
        found.checks.push(crypto::checks_per_second(&bench.entra, checked)?);
        let tessera = Tessera::start(plan, &configuration(bench.entra.authority()))?;
        tessera.settle()?;
        let exchange = |population, until| {
            let to = tessera.address.public;
            timed(&tessera, || {
                // What tessera records is read on this core, too, and must not wait.
                giving_way(|| drive(to, population, plan.connections, until))
            })
        };
        let again = Until::Elapsed(plan.duration());
        found.jwt_cold.push(exchange(&jwt, Until::Once)?);
        found.jwt_warm.push(exchange(&jwt, again)?);
        found.opaque_cold.push(exchange(&opaque, Until::Once)?);
        found.opaque_warm.push(exchange(&opaque, again)?);
    }
    found.section(bench, count)
}

impl Found {
    fn signature(&self) -> f64 {
        Spread::of(self.signatures.iter().copied()).median
    }

    fn warm(&self) -> f64 {
        Spread::of_timed(&self.jwt_warm).median / self.signature()
    }

    /// Beside one check and one signature.
    fn cold(&self) -> f64 {
        let check = Spread::of(self.checks.iter().copied()).median;
        Spread::of_timed(&self.jwt_cold).median * (1.0 / check + 1.0 / self.signature())
    }

    fn section(&self, bench: &Bench, count: usize) -> anyhow::Result<Section> {
        let plan = &bench.plan;
        let mut table = Table::of_rates("exchanges, closed loop");
        table.bare("bare RS256 check", &self.checks);
        table.bare("bare ES256 signature", &self.signatures);
        table.timed("for a JWT, subject token exchanged before", &self.jwt_warm)?;
        table.timed("for a JWT, new subject token", &self.jwt_cold)?;
        table.timed("for an opaque token, subject token exchanged before", &self.opaque_warm)?;
        table.timed("for an opaque token, new subject token", &self.opaque_cold)?;
        Ok(Section {
            name: "exchange",
            title: "Exchange",
            text: format!(
                "{} runs in turns with the bare work, each by a new tessera: {count} subject \
                 tokens for each form of the issued token, each exchanged once, then all of them \
                 again for {} s; {} connections. Every exchange signs, or draws, a new token, and \
                 waits until its record was written to standard output.\n\n{table}\n\
                 Warm ÷ bare ES256 signature: {:.2}. Cold ÷ bare RS256 check and ES256 signature, \
                 one after the other: {:.2}.",
                plan.runs,
                plan.seconds,
                plan.connections,
                self.warm(),
                self.cold(),
            ),
            data: json!({
                "tokens": count, "connections": plan.connections,
                "bare_checks_per_second": self.checks,
                "bare_signatures_per_second": self.signatures,
                "warm_jwt": json_of(&self.jwt_warm), "cold_jwt": json_of(&self.jwt_cold),
                "warm_opaque": json_of(&self.opaque_warm),
                "cold_opaque": json_of(&self.opaque_cold),
                "warm_ratio": self.warm(), "cold_ratio": self.cold(),
            }),
            targets: vec![Target {
                what: "warm exchange (ES256) ÷ bare ES256 signatures per second",
                measured: self.warm(),
                aim: Aim::AtLeast(0.65),
                unit: "",
            }],
            plots: Vec::new(),
        })
    }
}

/// With one resource for each form of token.
fn configuration(authority: &str) -> Configuration {
    Configuration::new(authority)
        .resource("https://jwt.internal", Form::Jwt)
        .resource("https://opaque.internal", Form::Opaque)
}
