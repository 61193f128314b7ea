//! What can be measured, in the order in which it is.

mod cached;
mod callers;
mod cold;
mod exchange;
mod flood;
mod generator;
mod growth;
mod mixed;
mod operations;
mod plugin;
mod plugin_report;
mod redis_tier;
mod redis_tier_report;
mod revocation;
mod revocation_report;
mod startup;

use crate::bench::Bench;
use crate::report::Section;

/// Measures, and tells what was found.
pub(crate) type Scenario = fn(&Bench) -> anyhow::Result<Section>;

/// A scenario and its name on the command line.
pub(crate) type Chosen = (&'static str, Scenario);

/// In the order of the report.
const ALL: [Chosen; 12] = [
    ("generator", generator::run),
    ("cached", cached::run),
    ("cold", cold::run),
    ("mixed", mixed::run),
    ("exchange", exchange::run),
    ("redis_tier", redis_tier::run),
    ("revocation", revocation::run),
    ("flood", flood::run),
    ("operations", operations::run),
    ("growth", growth::run),
    ("plugin", plugin::run),
    ("startup", startup::run),
];

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// Those of these names; none: all.
pub(crate) fn chosen(names: &[String]) -> Vec<Chosen> {
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    ALL.into_iter().filter(|(name, _)| wanted(name)).collect()
}
