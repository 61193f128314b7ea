//! What becomes of speed and memory when something grows: cached tokens, mapping rules, groups in a
//! token, connections.

mod cached;
mod connections;
mod groups;
mod rules;

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::load::closed::Timed;
use crate::report::plot::{Axis, Plot};
use crate::report::table::{Spread, json_of};
use crate::report::{Section, Target};

/// What was measured at one size.
struct Point {
    size: usize,
    runs: Vec<Timed>,
    /// Bytes.
    resident: u64,
}

/// What was found about one thing that grows.
struct Part {
    name: &'static str,
    text: String,
    data: Value,
    targets: Vec<Target>,
    plots: Vec<Plot>,
}

/// Everything that grows, one after the other.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<Section> {
    let parts =
        [cached::run(bench)?, rules::run(bench)?, groups::run(bench)?, connections::run(bench)?];
    let (mut text, mut data) = (String::new(), serde_json::Map::new());
    let (mut targets, mut plots) = (Vec::new(), Vec::new());
    for part in parts {
        text += &part.text;
        text.push('\n');
        data.insert(part.name.to_owned(), part.data);
        targets.extend(part.targets);
        plots.extend(part.plots);
    }
    Ok(Section { name: "growth", title: "Growth", text, data: data.into(), targets, plots })
}

impl Point {
    fn per_second(&self) -> f64 {
        Spread::of_timed(&self.runs).median
    }

    /// By size.
    fn rate(&self) -> (f64, f64) {
        (self.size as f64, self.per_second())
    }

    fn core_micros(&self) -> f64 {
        Spread::of(self.runs.iter().map(|run| run.cpu_micros)).median
    }

    fn json(&self) -> Value {
        json!({
            "size": self.size, "resident_bytes": self.resident, "runs": json_of(&self.runs),
        })
    }
}

/// A line through the medians of all sizes.
fn throughput(
    name: &'static str,
    title: &str,
    x: Axis,
    line: impl Iterator<Item = (f64, f64)>,
) -> Plot {
    Plot::Lines {
        name,
        title: title.to_owned(),
        x,
        y: Axis { label: "requests per second", log: false },
        curves: vec![("median".to_owned(), line.collect())],
    }
}

/// The ratios of runs that took turns, the later ones to the earlier ones.
fn ratio(later: &[Timed], earlier: &[Timed]) -> Spread {
    let rate = |run: &Timed| run.measured.per_second;
    Spread::of(later.iter().zip(earlier).map(|(one, other)| rate(one) / rate(other)))
}

/// A number with its thousands apart.
fn spelled(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}
