//! Tyk's plugin: what a decision from memory costs, beside reading a message and writing it again.

use std::ffi::OsStr;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tessera::dev::apps::ORDERS;

use crate::bench::Bench;
use crate::load::calls::{Called, Load, drive};
use crate::load::closed::Until;
use crate::load::connection::get;
use crate::load::tyk::{Answer, Asking, objects};
use crate::plan::Plan;
use crate::report::Section;
use crate::scenarios::plugin_report::{Report, Shape, Shaped, Timed};
use crate::system::configuration::{Configuration, Form};
use crate::system::server::Server;
use crate::system::tessera::Tessera;

/// How many different tokens are asked about.
const POPULATION: usize = 1000;
/// How long is the JSON in a body, in bytes.
const BODY_BYTES: usize = 4096;
/// How calls come. A gateway has one connection, whatever it has to ask at once.
const SHAPES: [Shape; 4] = [
    Shape { name: "GET", body_bytes: 0, connections: 1, at_once: 32 },
    Shape { name: "GET", body_bytes: 0, connections: 4, at_once: 32 },
    Shape { name: "GET", body_bytes: 0, connections: 1, at_once: 1 },
    Shape { name: "POST of 4 KB", body_bytes: BODY_BYTES, connections: 1, at_once: 32 },
];
/// Measures everything about the plugin.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let (plan, tokens) = (&bench.plan, bench.tokens(POPULATION)?);
    let tessera = Tessera::start(plan, &configuration(bench.entra.authority()))?;
    let servers = Servers { tessera, bare: bare()?, plan };
    let shapes: Vec<_> =
        SHAPES.iter().map(|shape| servers.shaped(*shape, tokens)).collect::<Result<_, _>>()?;
    let exchanged = servers.exchanged(tokens)?;
    let token_bytes = tokens.first().map_or(0, String::len);
    let (runs, seconds) = (plan.runs, plan.seconds);
    Report { token_bytes, runs, seconds, shapes, exchanged }.section()
}

struct Servers<'p> {
    tessera: Tessera,
    bare: Server,
    plan: &'p Plan,
}

impl Servers<'_> {
    /// All calls again and again.
    const fn again(&self) -> Until {
        Until::Elapsed(self.plan.duration())
    }

    /// tessera and the bare plugin in turns, so that both meet the same moods of the machine.
    fn shaped(&self, shape: Shape, tokens: &[String]) -> anyhow::Result<Shaped> {
        let messages = objects(tokens, Asking { body_bytes: shape.body_bytes, exchange: false });
        self.decided(&messages, shape, Until::Once)?;
        let (mut bare, mut decided) = (Vec::new(), Vec::new());
        for run in 1..=self.plan.runs {
            bare.push(self.echoed(&messages, shape)?);
            decided.push(self.decided(&messages, shape, self.again())?);
            let last = |runs: &[Timed]| runs.last().map_or(0.0, |last| last.measured.per_second);
            eprintln!("{shape} {run}: bare {:.0}/s, tessera {:.0}/s", last(&bare), last(&decided));
        }
        let message_bytes = messages.first().map_or(0, Vec::len);
        Ok(Shaped { shape, message_bytes, bare, decided })
    }

    fn echoed(&self, messages: &[Vec<u8>], shape: Shape) -> anyhow::Result<Timed> {
        let expected = Answer { request: true, ..Answer::default() };
        let call =
            |load| drive(self.bare.address, messages, load, |answer| check(answer, &expected));
        timed(&self.bare, || call(load(shape, self.again())))
    }

    /// Decisions that let pass, from memory but for the first about a token.
    fn decided(&self, messages: &[Vec<u8>], shape: Shape, until: Until) -> anyhow::Result<Timed> {
        let expected = Answer { request: true, policies: 1, ..Answer::default() };
        self.admitted(messages, load(shape, until), &expected)
    }

    /// Decisions that swap the token as well.
    fn exchanged(&self, tokens: &[String]) -> anyhow::Result<Timed> {
        let [shape, ..] = SHAPES;
        let messages = objects(tokens, Asking { body_bytes: 0, exchange: true });
        let expected = Answer { request: true, policies: 1, swapped: true, refused: false };
        self.admitted(&messages, load(shape, Until::Once), &expected)?;
        self.admitted(&messages, load(shape, self.again()), &expected)
    }

    fn admitted(
        &self,
        messages: &[Vec<u8>],
        load: Load,
        expected: &Answer,
    ) -> anyhow::Result<Timed> {
        let before = self.count()?;
        let to = self.tessera.address.tyk.context("no address for Tyk")?;
        let timed =
            timed(&self.tessera, || drive(to, messages, load, |answer| check(answer, expected)))?;
        let counted = self.count()? - before;
        let calls = timed.measured.latency.len();
        ensure!(counted == calls, "tessera let {counted} of {calls} pass");
        Ok(timed)
    }

    /// How many requests tessera says that it has let pass.
    fn count(&self) -> anyhow::Result<u64> {
        let (_, metrics) = get(self.tessera.address.admin, "/metrics")?;
        let name =
            "tessera_gateway_requests_total{api=\"orders\",gateway=\"tyk\",outcome=\"admitted\"} ";
        let found = metrics.lines().find_map(|line| line.strip_prefix(name));
        Ok(found.unwrap_or("0").parse()?)
    }
}

const fn load(shape: Shape, until: Until) -> Load {
    Load { connections: shape.connections, at_once: shape.at_once, until }
}

fn check(answer: &[u8], expected: &Answer) -> anyhow::Result<()> {
    let read = Answer::read(answer)?;
    ensure!(read == *expected, "a wrong answer: {read:?}, {}", String::from_utf8_lossy(answer));
    Ok(())
}

fn timed<A>(
    server: &Server<A>,
    work: impl FnOnce() -> anyhow::Result<Called>,
) -> anyhow::Result<Timed> {
    let ran = server.cpu()?;
    let Called { measured, waited } = work()?;
    let ran = server.cpu()?.saturating_sub(ran);
    let cpu_micros = ran.as_secs_f64() * 1e6 / measured.latency.len() as f64;
    Ok(Timed { measured, cpu_micros, waited })
}

fn bare() -> anyhow::Result<Server> {
    let own = std::env::current_exe()?;
    let arguments: [&OsStr; 1] = ["bare-plugin".as_ref()];
    Server::start(own.as_os_str(), &arguments, |line| line.trim().parse().ok())
}

/// With an API that Tyk asks about.
fn configuration(authority: &str) -> Configuration {
    let any = "127.0.0.1:0";
    let orders = json!({
        "client": "tyk",
        "audiences": [ORDERS.client_id],
        "scopes": ["orders.read"],
    });
    Configuration::new(authority)
        .resource("https://orders.internal", Form::Jwt)
        .with("listen", json!({ "public": any, "admin": any, "tyk": any }))
        .with("apis", json!({ "orders": orders }))
}
