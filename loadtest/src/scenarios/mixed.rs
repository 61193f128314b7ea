//! Good tokens and bad ones of every usual kind, as they come.

use anyhow::{Context as _, ensure};
use serde_json::json;
use tessera::dev::apps::BILLING;
use tessera::dev::token::TokenBuilder;

use crate::bench::Bench;
use crate::load::closed::{Timed, Until, drive, timed};
use crate::load::connection::{get, once};
use crate::load::expect::Expect;
use crate::load::learn::learn;
use crate::load::open::{Offer, Offered, offer};
use crate::load::population::{Population, Question, form, introspection};
use crate::load::random::{Random, zipf};
use crate::report::Section;
use crate::report::plot::Plot;
use crate::report::table::{Spread, Table, json_of, json_of_offers, together_offers};
use crate::scenarios::callers::{configuration, good, questions};
use crate::system::mint;
use crate::system::tessera::Tessera;

/// Of all tokens; that many of a hundred questions are about such a one, too.
const VALID: usize = 88;
/// What is wrong with the others: of a hundred, and the reason that tessera counts.
const BAD: [(usize, Kind, &str); 5] = [
    (4, Kind::Expired, "expired"),
    (3, Kind::Revoked, "revoked"),
    (2, Kind::WrongAudience, "audience_not_for_caller"),
    (2, Kind::Tampered, "signature_invalid"),
    (1, Kind::UnknownKey, "key_unknown"),
];
/// Who asks about bad tokens: may not know those for `BILLING`.
const CALLER: &str = "orders";
/// For each of a hundred.
const TOKENS_OF_ONE_PERCENT: usize = 200;
const EXPONENT: f64 = 1.0;
const DRAWS: usize = 1 << 20;
const SEED: u64 = 88;
/// Of the peak, for latency.
const PART: f64 = 0.50;

#[derive(Clone, Copy)]
enum Kind {
    Expired,
    Revoked,
    WrongAudience,
    /// The signature is that of another token.
    Tampered,
    UnknownKey,
}

pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let plan = &bench.plan;
    let each = plan.pick(TOKENS_OF_ONE_PERCENT, 10);
    let tessera = Tessera::start(plan, &configuration(bench.entra.authority()))?;
    let to = tessera.address.public;
    let valid = bench.tokens(VALID * each)?;
    let mut asked = questions(valid);
    learn(to, &mut asked, good)?;
    let mut classes = vec![(VALID, asked.len())];
    for (percent, kind, reason) in BAD {
        let bad = spoiled(bench, kind, percent * each)?;
        if matches!(kind, Kind::Revoked) {
            revoke(&tessera, &bad)?;
        }
        let mut bad: Vec<_> = bad.iter().map(|token| inactive(token)).collect();
        learn(to, &mut bad, |_, _| Ok(()))?;
        ensure_refused(&tessera, reason, bad.len())?;
        classes.push((percent, bad.len()));
        asked.append(&mut bad);
    }
    let population = Population::in_order(asked, order(&classes)?);
    let until = Until::Elapsed(plan.duration());
    let mut closed: Vec<Timed> = Vec::new();
    for _ in 0..plan.runs {
        closed.push(timed(&tessera, || drive(to, &population, plan.connections, until))?);
    }
    let offered = Offer {
        rate: Spread::of_timed(&closed).median * PART,
        lasting: plan.duration(),
        connections: plan.connections,
        seed: SEED,
    };
    tessera.before_all_else();
    let open = (0..plan.runs).map(|_| offer(to, &population, offered));
    section(bench, &classes, &closed, &open.collect::<Result<Vec<_>, _>>()?)
}

/// Tokens of one kind, none of which is another's.
fn spoiled(bench: &Bench, kind: Kind, count: usize) -> anyhow::Result<Vec<String>> {
    // Beyond every number that is a good token's: what is revoked is revoked by its name.
    let first = 10_000_000 * (1 + kind as usize);
    let numbers = first..first + count;
    let change: &(dyn Fn(TokenBuilder, usize) -> TokenBuilder + Sync) = match kind {
        Kind::Expired => &|token, _| expired(token),
        Kind::WrongAudience => &|token, _| token.claim("aud", BILLING.client_id),
        Kind::UnknownKey => &|token, number| token.header("kid", format!("unknown-{number}")),
        Kind::Revoked | Kind::Tampered => &|token, _| token,
    };
    let tokens = mint::changed(&bench.entra, numbers, change)?;
    Ok(if matches!(kind, Kind::Tampered) { tampered(&tokens) } else { tokens })
}

/// Two hours older.
fn expired(token: TokenBuilder) -> TokenBuilder {
    ["iat", "nbf", "exp"].into_iter().fold(token, |token, name| {
        let then = token.claims().get(name).and_then(serde_json::Value::as_i64).unwrap_or_default();
        token.claim(name, then - 7200)
    })
}

/// Each with the signature of the next one.
fn tampered(tokens: &[String]) -> Vec<String> {
    let next = tokens.iter().cycle().skip(1);
    let halves = tokens
        .iter()
        .zip(next)
        .filter_map(|(token, next)| Some((token.rsplit_once('.')?.0, next.rsplit_once('.')?.1)));
    halves.map(|(content, signature)| format!("{content}.{signature}")).collect()
}

fn revoke(tessera: &Tessera, tokens: &[String]) -> anyhow::Result<()> {
    for token in tokens {
        once(tessera.address.admin, &form("/revocations", &format!("token={token}")))?;
    }
    Ok(())
}

fn inactive(token: &str) -> Question {
    let bytes = introspection(CALLER, &mint::secret_of(CALLER), token);
    Question { bytes, expect: Expect::Inactive }
}

/// Fails unless tessera has counted `count` tokens as refused for this reason: each is bad in the
/// one way that it is meant to be.
fn ensure_refused(tessera: &Tessera, reason: &str, count: usize) -> anyhow::Result<()> {
    let (_, metrics) = get(tessera.address.admin, "/metrics")?;
    let labels = format!("reason=\"{reason}\"}} ");
    let name = "tessera_token_refusals_total";
    let series: Vec<_> = metrics.lines().filter(|line| line.starts_with(name)).collect();
    let counts = series.iter().filter_map(|line| line.split_once(&labels)?.1.parse::<usize>().ok());
    let counted: usize = counts.sum();
    ensure!(counted == count, "{counted} of {count} tokens were refused as {reason}: {series:?}");
    Ok(())
}

/// Draws a class by its share, and a question in it by Zipf's law.
fn order(classes: &[(usize, usize)]) -> anyhow::Result<Vec<u32>> {
    let mut begin = 0;
    let mut drawn = Vec::new();
    for (number, (percent, count)) in classes.iter().enumerate() {
        let places = zipf(*count, EXPONENT, DRAWS, SEED + number as u64);
        drawn.push((*percent, begin, places.into_iter()));
        begin += u32::try_from(*count)?;
    }
    let mut random = Random::seeded(SEED);
    let mut draw = || {
        let mut at = random.below(100);
        for (percent, begin, places) in &mut drawn {
            if at < *percent {
                return Some(*begin + places.next()?);
            }
            at -= *percent;
        }
        None
    };
    (0..DRAWS).map(|_| draw().context("shares do not make a hundred")).collect()
}

fn section(
    bench: &Bench,
    classes: &[(usize, usize)],
    closed: &[Timed],
    open: &[Offered],
) -> anyhow::Result<Section> {
    let plan = &bench.plan;
    let mut rates = Table::of_rates("closed loop");
    rates.timed("tessera", closed)?;
    let mut offers = Table::of_offers("open loop");
    offers.offered("tessera at 50 % of its peak", open);
    let tokens: usize = classes.iter().map(|(_, count)| count).sum();
    let bad: Vec<_> =
        BAD.iter().map(|(percent, _, reason)| format!("{percent} % `{reason}`")).collect();
    Ok(Section {
        name: "mixed",
        title: "Good tokens and bad ones",
        text: format!(
            "{tokens} tokens; {VALID} % of the questions are about good ones, the others about \
             tokens that are refused as: {}. Within each kind Zipf's law chooses (exponent \
             {EXPONENT}, seed {SEED}). tessera itself has counted each bad token under its reason. \
             {} connections; {} runs of {} s.\n\n{rates}\n{offers}",
            bad.join(", "),
            plan.connections,
            plan.runs,
            plan.seconds,
        ),
        data: json!({
            "tokens": tokens, "closed": json_of(closed), "open": json_of_offers(open),
            "zipf_exponent": EXPONENT, "seed": SEED, "connections": plan.connections,
        }),
        targets: Vec::new(),
        plots: vec![Plot::Latency {
            name: "mixed",
            title: "Good and bad tokens at half of the peak: latency from when a question was due"
                .to_owned(),
            curves: vec![("tessera".to_owned(), together_offers(open)?)],
        }],
    })
}
