//! What is measured, in order.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use tessera::adapters::clock::SystemClock;
use tessera::dev::configuration::for_orders;
use tessera::dev::server::Running;
use tessera::dev::tenant::{FakeEntra, KeySupply, Options};

use crate::client::{Measured, Until, drive, exchanges, once, requests};
use crate::report::Report;
use crate::server::Server;
use crate::{Plan, machine, mint, plugin, replicas};

/// How many different tokens the cached scenario asks for.
const POPULATION: usize = 1000;
/// How many tokens are exchanged for the first time.
const EXCHANGES: usize = 9000;
/// How many signatures the bare check verifies.
const CHECKS: usize = 20_000;

/// The Entra look-alike, which signs tokens as Entra would.
pub(crate) fn look_alike() -> anyhow::Result<Running> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let options = Options { clock: Arc::new(SystemClock::new()), keys: KeySupply::Fresh };
    Ok(FakeEntra::start(listener, options)?)
}

/// Measures everything and writes the reports.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let facts = machine::facts();
    let entra = look_alike()?;
    eprintln!("signing {} tokens", plan.tokens);
    let tokens = mint::tokens(&entra, plan.tokens)?;
    let checks_per_second = bare_checks(&entra, &tokens)?;
    let signatures_per_second = bare_signatures()?;
    eprintln!("bare RS256 checks: {checks_per_second:.0}/s");
    eprintln!("bare ES256 signatures: {signatures_per_second:.0}/s");
    machine::pin("1")?;
    let folder = tempfile::tempdir()?;
    let tessera = start_tessera(plan, &entra, folder.path())?;
    let idle = tessera.resident()?;
    let all = requests(&tokens);
    let first = all.first().context("no token")?.clone();
    let answer = once(tessera.address, &first)?;
    let prepared = folder.path().join("answer.json");
    std::fs::write(&prepared, &answer)?;
    let bare = start_bare(&prepared)?;
    eprintln!("cold: {} new tokens", all.len());
    let (cold, all) = drive(tessera.address, all, plan.connections, Until::Once)?;
    let resident = tessera.resident()?;
    let population: Vec<_> = all.into_iter().rev().take(POPULATION).collect();
    let (cached, baseline) = in_turns(plan, &tessera, &bare, population)?;
    let (exchange_cold, exchange_warm) = exchanged(plan, &tessera, &tokens)?;
    let report = Report {
        facts: facts.clone(),
        plan: plan.clone(),
        token_bytes: tokens.first().map_or(0, String::len),
        answer_bytes: answer.len(),
        checks_per_second,
        signatures_per_second,
        exchange_cold,
        exchange_warm,
        cold,
        cached,
        baseline,
        idle,
        resident,
    };
    report.write(&plan.out)?;
    drop((tessera, bare));
    plugin::run(plan, &entra, &tokens, facts.clone())?;
    replicas::run(plan, &entra, &tokens, facts)
}

/// tessera and the bare handler in turns, so that both meet the same moods of the machine.
fn in_turns(
    plan: &Plan,
    tessera: &Server,
    bare: &Server,
    mut population: Vec<Vec<u8>>,
) -> anyhow::Result<(Vec<Measured>, Vec<Measured>)> {
    let (mut cached, mut baseline) = (Vec::new(), Vec::new());
    let until = Until::Elapsed(plan.duration());
    for run in 1..=plan.runs {
        for (server, results) in [(bare, &mut baseline), (tessera, &mut cached)] {
            let (measured, back) = drive(server.address, population, plan.connections, until)?;
            population = back;
            results.push(measured);
        }
        let last = |results: &[Measured]| results.last().map_or(0.0, |last| last.per_second);
        eprintln!("run {run}: bare {:.0}/s, cached {:.0}/s", last(&baseline), last(&cached));
    }
    Ok((cached, baseline))
}

/// Exchanges of tokens that were never exchanged before, then of those that were.
fn exchanged(
    plan: &Plan,
    tessera: &Server,
    tokens: &[String],
) -> anyhow::Result<(Measured, Vec<Measured>)> {
    let sample: Vec<_> = tokens.iter().take(EXCHANGES).cloned().collect();
    let all = exchanges(&sample, "orders");
    let (cold, all) = drive(tessera.address, all, plan.connections, Until::Once)?;
    let mut population: Vec<_> = all.into_iter().rev().take(POPULATION).collect();
    let mut warm = Vec::new();
    for run in 1..=plan.runs {
        let until = Until::Elapsed(plan.duration());
        let (measured, back) = drive(tessera.address, population, plan.connections, until)?;
        population = back;
        eprintln!("run {run}: exchange {:.0}/s", measured.per_second);
        warm.push(measured);
    }
    Ok((cold, warm))
}

/// ES256 signatures of something as long as a minted token, on core 0, with the library that
/// tessera uses.
fn bare_signatures() -> anyhow::Result<f64> {
    machine::pin("0")?;
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let message = [b'x'; 1200];
    let begun = Instant::now();
    for _ in 0..CHECKS {
        std::hint::black_box(key.sign(&random, &message)?);
    }
    Ok(CHECKS as f64 / begun.elapsed().as_secs_f64())
}

/// RS256 checks of different tokens on core 0, with the library that tessera uses.
pub(crate) fn bare_checks(entra: &Running, tokens: &[String]) -> anyhow::Result<f64> {
    machine::pin("0")?;
    let jwk = serde_json::from_value(entra.signing_key().jwk())?;
    let key = DecodingKey::from_jwk(&jwk)?;
    let sample: Vec<_> = tokens.iter().take(CHECKS).collect();
    let begun = Instant::now();
    for token in &sample {
        let (message, signature) = token.rsplit_once('.').context("a token")?;
        let good = crypto::verify(signature, message.as_bytes(), &key, Algorithm::RS256)?;
        ensure!(good, "a bad signature");
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(sample.len() as f64 / seconds)
}

fn start_tessera(plan: &Plan, entra: &Running, folder: &std::path::Path) -> anyhow::Result<Server> {
    let file = folder.join("tessera.yaml");
    std::fs::write(&file, for_orders(entra.authority()))?;
    let find = |line: &str| -> Option<SocketAddr> {
        let started: serde_json::Value = serde_json::from_str(line).ok()?;
        started.get("public")?.as_str()?.parse().ok()
    };
    let arguments: [&OsStr; 3] = ["serve".as_ref(), "--config".as_ref(), file.as_ref()];
    Server::start(plan.tessera.as_os_str(), &arguments, find)
}

fn start_bare(answer: &std::path::Path) -> anyhow::Result<Server> {
    let own = std::env::current_exe()?;
    let arguments: [&OsStr; 2] = ["bare".as_ref(), answer.as_ref()];
    Server::start(own.as_os_str(), &arguments, |line| line.trim().parse().ok())
}
