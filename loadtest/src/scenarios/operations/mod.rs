//! What operators do, and what happens to them, under load: keys rotate, the configuration changes,
//! a replica restarts, Redis fails over. No answer may fail or be wrong.

mod clients;
mod director;
mod mix;
mod record;
mod site;
mod told;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tessera::dev::keys::SigningKey;
use tessera::dev::people::HOME_TENANT;

use crate::bench::Bench;
use crate::report::Section;
use crate::system::machine::giving_way;
use crate::system::mint::{name, typical};
use director::{Director, Stage};
use mix::Tokens;
use site::Site;

/// What is offered to both replicas together. Far below what the core can do: what is looked for
/// are failures, and what waits for an event shows in the latencies.
const PER_SECOND: f64 = 2000.0;
/// Of the moments at which requests are due.
const SEED: u64 = 8;
/// How many clients there are, each with a connection that it keeps.
const CLIENTS: usize = 32;
/// How many tokens are asked about again and again.
const KNOWN: usize = 1000;
/// How many tokens Entra signs with its new key.
const NEW_KEY: usize = 300;
/// Longer than all of it takes; the director ends the load.
const LONGEST: Duration = Duration::from_secs(240);

/// Drives two replicas while everything happens to them.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let plan = &bench.plan;
    let new = plan.pick(20_000, 4000);
    let tokens = bench.tokens(KNOWN + new)?;
    let (known, new) = tokens.split_at(KNOWN);
    let next_key = SigningKey::rsa().context("a key")?;
    let typical = typical(&bench.entra.issuer(HOME_TENANT));
    let sign = |number| typical.clone().claim("uti", name(number)).sign(&next_key);
    let of_new_key = (0..NEW_KEY).map(sign).collect::<Result<Vec<_>, _>>()?;
    let site = Site::start(plan, bench.entra.clone())?;
    let tokens = Tokens::prepare(&site, known, new, &of_new_key)?;
    let stage = Arc::new(Stage::new(&site)?);
    let pause = Duration::from_secs(plan.pick(4, 1));
    let mut director = Director { site, stage: Arc::clone(&stage), next_key, pause };
    // The director's waits are not the generator's: it gives way to everything else on its core.
    let (record, events) = std::thread::scope(|scope| {
        scope.spawn(|| stage.balance());
        let directing = scope.spawn(|| director.direct());
        let seen = giving_way(|| clients::drive(tokens, Arc::clone(&stage)));
        let events = directing.join().map_err(|_| anyhow::anyhow!("the director panicked"))?;
        anyhow::Ok((seen?, events?))
    })?;
    Ok(told::section(&record, &events))
}
