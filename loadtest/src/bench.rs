//! What scenarios share: one look-alike of Entra, tokens that are signed once, and what bare
//! cryptography does on this machine.

use std::cell::OnceCell;
use std::net::TcpListener;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tessera::adapters::clock::SystemClock;
use tessera::dev::server::Running;
use tessera::dev::tenant::{FakeEntra, KeySupply, Options};

use crate::bare;
use crate::plan::Plan;
use crate::report::{Outcome, Report};
use crate::scenarios::Chosen;
use crate::system::{machine, mint};

/// How many tokens are signed at once: the next of these that is enough. Slices that were given out
/// stay where they are, so more tokens are a further list.
const STEPS: [usize; 10] =
    [1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000];

/// Where a scenario runs. The server has core 0; this process, once a scenario has begun, core 1.
pub(crate) struct Bench {
    pub(crate) plan: Plan,
    /// Signs tokens as Entra would.
    pub(crate) entra: Running,
    /// The machine and the commit: name and value.
    pub(crate) facts: Vec<(&'static str, String)>,
    tokens: [OnceCell<Vec<String>>; STEPS.len()],
    checks: OnceCell<Vec<f64>>,
}

impl Bench {
    /// Looks at the machine before it is divided, and at the commit before reports are written.
    pub(crate) fn start(plan: Plan) -> anyhow::Result<Self> {
        let mut facts = machine::facts();
        facts.push(("load before", machine::load()?));
        facts.push(("connections", format!("{}, kept open, unless told", plan.connections)));
        let entra = look_alike()?;
        let one = mint::tokens(&entra, 0..1)?;
        let bytes = one.first().map_or(0, String::len);
        facts.push(("tokens", format!("RS256, {bytes} bytes, 8 groups, each different")));
        let checks = OnceCell::new();
        let tokens = std::array::from_fn(|_| OnceCell::new());
        Ok(Self { plan, entra, facts, tokens, checks })
    }

    /// Runs what was chosen, in order, and writes the report. A scenario that fails does not keep
    /// the others from being measured, but the run fails, and the report says so.
    pub(crate) fn run(&self, chosen: &[Chosen]) -> anyhow::Result<()> {
        let (ticks, stolen) = machine::stolen()?;
        let mut outcomes = Vec::new();
        for (name, scenario) in chosen {
            eprintln!("== {name}");
            machine::pin("1")?;
            let begun = std::time::Instant::now();
            let found = scenario(self);
            let took = begun.elapsed();
            match &found {
                Ok(_) => eprintln!("== {name}: {} s", took.as_secs()),
                Err(error) => eprintln!("== {name} FAILED: {error:#}"),
            }
            outcomes.push(Outcome { name, found, took });
        }
        let failed = outcomes.iter().filter(|outcome| outcome.found.is_err()).count();
        let mut facts = self.facts.clone();
        let (all, taken) = machine::stolen()?;
        let part = (taken - stolen) as f64 / (all - ticks).max(1) as f64;
        facts.push((
            "taken by other virtual machines",
            format!("{:.2} % of the time", part * 100.0),
        ));
        Report { plan: &self.plan, facts: &facts, outcomes }.write()?;
        if failed > 0 {
            bail!("{failed} of {} scenarios failed", chosen.len());
        }
        Ok(())
    }

    /// `count` different RS256 tokens of about 1.4 KB for `ORDERS`: always the same first ones.
    pub(crate) fn tokens(&self, count: usize) -> anyhow::Result<&[String]> {
        let enough = STEPS.iter().position(|step| *step >= count).context("too many tokens")?;
        let kept = self.tokens.get(enough).context("no such step")?;
        if kept.get().is_none() {
            let signed = self.tokens.iter().filter_map(OnceCell::get).max_by_key(|list| list.len());
            let signed = signed.map_or(&[][..], Vec::as_slice);
            let wanted = STEPS.get(enough).copied().unwrap_or(count);
            let list = match signed.get(..wanted) {
                Some(some) => some.to_vec(),
                None => self.further(signed, wanted)?,
            };
            kept.set(list).map_err(|_| anyhow::anyhow!("tokens were signed twice"))?;
        }
        kept.get().and_then(|list| list.get(..count)).context("too few tokens")
    }

    /// Signs on every core, before anything is measured.
    fn further(&self, signed: &[String], wanted: usize) -> anyhow::Result<Vec<String>> {
        eprintln!("signing {} tokens", wanted - signed.len());
        machine::pin("0-1")?;
        let mut list = signed.to_vec();
        list.extend(mint::tokens(&self.entra, signed.len()..wanted)?);
        machine::pin("1")?;
        Ok(list)
    }

    /// Bare RS256 checks per second on core 0, one number for each run.
    pub(crate) fn checks(&self) -> anyhow::Result<&[f64]> {
        if self.checks.get().is_none() {
            let sample = self.tokens(self.plan.pick(10_000, 1000))?;
            let measure = |_| bare::crypto::checks_per_second(&self.entra, sample);
            let runs = (0..self.plan.runs).map(measure).collect::<Result<_, _>>()?;
            self.checks.set(runs).map_err(|_| anyhow::anyhow!("measured twice"))?;
        }
        self.checks.get().map(Vec::as_slice).context("not measured")
    }
}

/// The look-alike, with keys of its own. One whose keys are to change is started beside that of the
/// bench.
pub(crate) fn look_alike() -> anyhow::Result<Running> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let options = Options { clock: Arc::new(SystemClock::new()), keys: KeySupply::Fresh };
    Ok(FakeEntra::start(listener, options)?)
}
